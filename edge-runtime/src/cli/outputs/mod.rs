//! `edge-runtime bench --outputs`: how soon receivers on this machine are told, and what those that behave badly cost a frame.
//!
//! A frame is what both networks take on a pattern. Frames with a receiver and frames without take turns, so that whatever
//! else goes on on this machine meets both.

mod frame;
mod latency;
mod manner;
mod receivers;
mod servers;

use inference::bundle::Bundle;

use super::failure::{Failure, code};
use super::write_line;
use frame::{Costs, Frame, milliseconds, percentile};
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
    write_line("p99 of a frame with a receiver that behaves badly, and without, in milliseconds")?;
    write_line(
        "change: the median over blocks of 100 pairs, and between which values it is with 95 %; telling: on the frame's thread",
    )?;
    write_line("sink       receiver   frames  without    with  change    from      to  telling p50     p99")?;
    let mut frame = Frame::new(bundle)?;
    for case in receivers::all() {
        let (mut sink, held) = (case.start)(&classes).map_err(failed)?;
        let costs = frame.costs(sink.as_mut())?;
        sink.close()?;
        drop((sink, held));
        write_line(&row(case.sink, case.receiver, &costs))?;
        if costs.change >= LIMIT {
            missed.push(format!(
                "{}, {}: {:+.1} %, {LIMIT} % or more",
                case.sink, case.receiver, costs.change
            ));
        }
    }
    if missed.is_empty() {
        return write_line(&format!(
            "each receiver changes the p99 of a frame by less than {LIMIT} %"
        ));
    }
    let message = format!("{}; is this machine busy with something else?", missed.join("; "));
    Err(Failure::new(code::TEMPORARY, anyhow::Error::msg(message)))
}

fn row(sink: &str, receiver: &str, costs: &Costs) -> String {
    let [without, with] = [&costs.without, &costs.with].map(|times| milliseconds(percentile(times, 0.99)));
    let [usual, longest] = [0.50, 0.99].map(|share| milliseconds(percentile(&costs.telling, share)));
    let (frames, change, [from, to]) = (costs.with.len(), costs.change, costs.between);
    format!(
        "{sink:<10} {receiver:<10} {frames:>6} {without:>8.3} {with:>7.3} {change:>+6.1}% {from:>+6.1}% {to:>+6.1}% {usual:>12.4} {longest:>7.4}"
    )
}
