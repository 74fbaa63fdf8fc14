//! How soon receivers that take everything at once are told.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use edge_runtime::sink::{SignalSink, osc, udp};
use shared_model::emotion::ClassSet;
use vision::stats::Stats;

use super::broker::Broker;
use super::frame::tell;
use super::manner::failed;
use super::receivers::serial;
use super::servers::{Posts, follow, mqtt, pages, request, webhook};
use crate::cli::failure::{Failure, code};
use crate::cli::sample;

/// Messages of each kind whose way is timed.
const MESSAGES: usize = 300;

/// Longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(5);

/// The time from one message to the next, as frames come: the thread of the sink waits for news again.
const BETWEEN: Duration = Duration::from_millis(2);

/// A way to a receiver.
pub(super) struct Way {
    pub(super) sink: &'static str,
    pub(super) message: &'static str,
    pub(super) times: Vec<Duration>,
    pub(super) is_datagram: bool,
}

pub(super) fn all(classes: &ClassSet) -> Result<Vec<Way>, Failure> {
    let mut ways = Vec::new();
    for sink in ["osc", "udp"] {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        receiver.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        let target = receiver.local_addr().map_err(failed)?;
        let mut outlet = if sink == "osc" {
            osc::start(osc::OscConfig { target }, classes).map_err(failed)?
        } else {
            udp::start(udp::UdpConfig { target }, classes).map_err(failed)?
        };
        let mut buffer = vec![0; 65_536];
        let mut received = || receiver.recv(&mut buffer).map(drop).map_err(failed);
        for message in ["verdicts", "frames"] {
            ways.push(Way {
                sink,
                message,
                times: times(&mut outlet, classes, message, &mut received)?,
                is_datagram: true,
            });
        }
        outlet.close()?;
    }
    let verdicts = |sink, times| Way {
        sink,
        message: "verdicts",
        times,
        is_datagram: false,
    };
    ways.push(verdicts("serial", over_serial(classes)?));
    ways.push(verdicts("webhook", over_webhook(classes)?));
    ways.push(verdicts("websocket", over_websocket(classes)?));
    ways.push(verdicts("mqtt", over_mqtt(classes)?));
    Ok(ways)
}

/// Tells messages one after the other, and waits for each.
fn times(
    sink: &mut dyn SignalSink,
    classes: &ClassSet,
    message: &str,
    mut received: impl FnMut() -> Result<(), Failure>,
) -> Result<Vec<Duration>, Failure> {
    let stats = Stats::default();
    let mut times = Vec::with_capacity(MESSAGES);
    for number in 1..=MESSAGES as u64 {
        let sent = Instant::now();
        if message == "verdicts" {
            sink.show(&sample::state(number, 0))?;
            sink.beat()?;
        } else {
            tell(sink, classes, &stats, number)?;
        }
        sink.flush();
        received()?;
        times.push(sent.elapsed());
        thread::sleep(BETWEEN);
    }
    Ok(times)
}

fn over_serial(classes: &ClassSet) -> Result<Vec<Duration>, Failure> {
    let (mut sink, [mut board, _own]) = serial(classes).map_err(failed)?;
    let line = || -> Result<(), Failure> {
        let mut byte = [0];
        loop {
            board.read_exact(&mut byte).map_err(failed)?;
            if byte == *b"\n" {
                return Ok(());
            }
        }
    };
    let times = times(sink.as_mut(), classes, "verdicts", line)?;
    sink.close()?;
    Ok(times)
}

/// Plain HTTP: what a handshake takes depends on the server's keys and the network.
fn over_webhook(classes: &ClassSet) -> Result<Vec<Duration>, Failure> {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    let address = server.local_addr().map_err(failed)?;
    let (mut sink, held) = webhook(address, classes).map_err(failed)?;
    let mut posts = Posts::new(server);
    let times = times(sink.as_mut(), classes, "verdicts", || {
        request(&mut posts).map_err(failed)
    })?;
    sink.close()?;
    drop(held);
    Ok(times)
}

fn over_websocket(classes: &ClassSet) -> Result<Vec<Duration>, Failure> {
    let (mut sink, server) = pages(classes).map_err(failed)?;
    let mut viewer = follow(server.address()).map_err(failed)?;
    viewer.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let mut buffer = vec![0; 65_536];
    let heard = || -> Result<(), Failure> {
        loop {
            let length = viewer.read(&mut buffer).map_err(failed)?;
            if length == 0 {
                let message = anyhow::Error::msg("the pages ended the connection");
                return Err(Failure::new(code::INTERNAL, message));
            }
            // What else comes, a beat for one, is no verdict.
            if String::from_utf8_lossy(&buffer[..length]).contains(r#""event":"state""#) {
                return Ok(());
            }
        }
    };
    let times = times(sink.as_mut(), classes, "verdicts", heard)?;
    sink.close()?;
    drop(server);
    Ok(times)
}

/// To a broker, as an event: what broker and subscribers take is theirs.
fn over_mqtt(classes: &ClassSet) -> Result<Vec<Duration>, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (mut sink, held) = mqtt(address, classes).map_err(failed)?;
    let mut broker = Broker::accept(&listener, PATIENCE).map_err(failed)?;
    broker.until("/availability").map_err(failed)?;
    let times = times(sink.as_mut(), classes, "verdicts", || {
        broker.until("/event").map_err(failed)
    })?;
    // Hears the farewell, up to the end of the connection.
    thread::spawn(move || while broker.until("").is_ok() {});
    sink.close()?;
    drop(held);
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_each_receiver_is_timed() {
        let ways = all(&ClassSet::product()).unwrap();
        let sinks: Vec<_> = ways.iter().map(|way| (way.sink, way.message)).collect();
        let expected = [
            ("osc", "verdicts"),
            ("osc", "frames"),
            ("udp", "verdicts"),
            ("udp", "frames"),
            ("serial", "verdicts"),
            ("webhook", "verdicts"),
            ("websocket", "verdicts"),
            ("mqtt", "verdicts"),
        ];
        assert_eq!(sinks, expected);
        assert!(ways.iter().all(|way| way.times.len() == MESSAGES));
    }
}
