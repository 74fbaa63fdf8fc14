//! `edge-runtime bench --outputs`: how soon receivers on this machine are told, and what those that behave badly cost a frame.
//!
//! A frame is what both networks take on a pattern. Rows of frames that are told and rows that are not take turns, so that
//! whatever else goes on on this machine meets both; the sink and its receiver are there all the while.

mod broker;
mod change;
mod frame;
mod latency;
mod manner;
mod receivers;
mod servers;

use inference::bundle::Bundle;

use super::failure::{Failure, code};
use super::times::{milliseconds, percentile};
use super::write_line;
use change::Finding;
use frame::{Costs, Frame};
use manner::failed;

/// Largest change of a frame's p99 that a receiver may make, in percent.
const LIMIT: f64 = 5.0;

/// Longest that OSC and datagrams may take to the receiver at p95, in milliseconds.
const SOON_MS: f64 = 5.0;

/// Tells how soon receivers are told, then what each that behaves badly does to a frame.
///
/// # Errors
/// A receiver that costs a frame too much, or is told too late, beside what keeps the measurement from being made.
pub(super) fn main(bundle: &Bundle) -> Result<(), Failure> {
    let classes = bundle.manifest().classes.clone();
    let mut missed = Vec::new();
    tracing::info!("this takes 3 to 50 minutes: the quieter the machine, the sooner it ends");
    write_line("from the verdict, or the judged frame, to the receiver, in milliseconds")?;
    write_line("sink       message   messages     p50     p95")?;
    for way in latency::all(&classes)? {
        let [p50, p95] = [0.50, 0.95].map(|share| milliseconds(percentile(&way.times, share)));
        let (sink, message, count) = (way.sink, way.message, way.times.len());
        write_line(&format!("{sink:<10} {message:<9} {count:>8} {p50:>7.3} {p95:>7.3}"))?;
        if way.is_datagram && p95 > SOON_MS {
            missed.push(format!("{sink} {message}: p95 {p95:.3} ms, more than {SOON_MS} ms"));
        }
    }
    write_line("")?;
    write_line(
        "p99 of a frame that is told to a receiver that behaves badly, and of one that is not, in milliseconds",
    )?;
    write_line(
        "change: the median over blocks of 100 frames each, and between which values it is with 95 %; blocks are taken until",
    )?;
    write_line("that tells it from the limit, 480 at most; telling: on the frame's thread, and a part of its time")?;
    write_line("sink       receiver   frames  without    with  change    from      to  telling p50     p99")?;
    let mut frame = Frame::new(bundle)?;
    for case in receivers::all() {
        let (mut sink, held) = (case.start)(&classes).map_err(failed)?;
        let (costs, finding) = frame.costs(sink.as_mut(), LIMIT)?;
        sink.close()?;
        drop((sink, held));
        write_line(&row(case.sink, case.receiver, &costs))?;
        missed.extend(complaint(case.sink, case.receiver, &costs, finding));
    }
    if missed.is_empty() {
        return write_line(&format!(
            "each receiver changes the p99 of a frame by less than {LIMIT} %"
        ));
    }
    let message = format!("{}; is this machine busy with something else?", missed.join("; "));
    Err(Failure::new(code::TEMPORARY, anyhow::Error::msg(message)))
}

/// What is wrong with a receiver that does not change the p99 by less than the limit for sure.
fn complaint(sink: &str, receiver: &str, costs: &Costs, finding: Finding) -> Option<String> {
    let [from, to] = costs.change.between();
    let found = match finding {
        Finding::Less => return None,
        Finding::More => format!("{LIMIT} % or more"),
        Finding::Open => format!("which does not tell it from {LIMIT} %"),
    };
    Some(format!(
        "{sink}, {receiver}: between {from:+.1} and {to:+.1} %, {found}"
    ))
}

fn row(sink: &str, receiver: &str, costs: &Costs) -> String {
    let [without, with] = [&costs.without, &costs.with].map(|times| milliseconds(percentile(times, 0.99)));
    let [usual, longest] = [0.50, 0.99].map(|share| milliseconds(percentile(&costs.telling, share)));
    let (frames, change, [from, to]) = (costs.with.len(), costs.change.middle(), costs.change.between());
    format!(
        "{sink:<10} {receiver:<10} {frames:>6} {without:>8.3} {with:>7.3} {change:>+6.1}% {from:>+6.1}% {to:>+6.1}% {usual:>12.4} {longest:>7.4}"
    )
}
