//! Receivers that behave badly: nobody is there (dead), takes a little now and then (slow), takes nothing (full), or sends
//! nonsense without end (hostile).

use std::any::Any;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;

use edge_runtime::sink::serial::SerialConfig;
use edge_runtime::sink::{SignalSink, osc, udp};
use nix::pty::{OpenptyResult, openpty};
use nix::unistd::ttyname;
use shared_model::emotion::ClassSet;

use super::manner::{HOSTILE, Manner, SLOW, Started, Stop};
use super::servers;

/// A sink and a receiver.
pub(super) struct Case {
    pub(super) sink: &'static str,
    pub(super) receiver: &'static str,
    pub(super) start: Begin,
}

/// Starts both, once.
type Begin = Box<dyn FnOnce(&ClassSet) -> io::Result<Started<Box<dyn Any>>>>;

/// How they behave; the names of the columns.
const RECEIVERS: [(&str, Manner); 4] = [
    ("dead", Manner::Dead),
    ("slow", Manner::Slow),
    ("full", Manner::Full),
    ("hostile", Manner::Hostile),
];

type Start = fn(Manner, &ClassSet) -> io::Result<Started<Box<dyn Any>>>;

pub(super) fn all() -> Vec<Case> {
    let sinks: [(&str, Start); 6] = [
        ("osc", |manner, classes| {
            datagrams(manner, |target| osc::start(osc::OscConfig { target }, classes))
        }),
        ("udp", |manner, classes| {
            datagrams(manner, |target| udp::start(udp::UdpConfig { target }, classes))
        }),
        ("serial", board),
        ("webhook", servers::bad_webhook),
        ("websocket", servers::bad_viewers),
        ("mqtt", servers::bad_broker),
    ];
    let cases = sinks.into_iter().flat_map(|(sink, start)| {
        RECEIVERS.map(|(receiver, manner)| Case {
            sink,
            receiver,
            start: Box::new(move |classes| start(manner, classes)),
        })
    });
    cases.collect()
}

fn datagrams<S: SignalSink + 'static>(
    manner: Manner,
    start: impl FnOnce(SocketAddr) -> io::Result<S>,
) -> io::Result<Started<Box<dyn Any>>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(SLOW))?;
    let target = socket.local_addr()?;
    let stop = Stop::new();
    let held: Box<dyn Any> = match manner {
        // A socket that is gone refuses.
        Manner::Dead => Box::new(()),
        // One that nobody reads is full soon.
        Manner::Full => Box::new(socket),
        Manner::Slow => {
            stop.repeat(SLOW, move || {
                // Nothing may have come.
                let _ = socket.recv(&mut [0; 8]);
                true
            });
            Box::new(stop)
        }
        Manner::Hostile => {
            let (mut taken, rubbish) = (vec![0; 65_536], vec![0xff; 60_000]);
            stop.repeat(HOSTILE, move || {
                if let Ok((_, from)) = socket.recv_from(&mut taken) {
                    // Whatever becomes of it.
                    let _ = socket.send_to(&rubbish, from);
                }
                true
            });
            Box::new(stop)
        }
    };
    Ok((Box::new(start(target)?), held))
}

/// A serial port, and the board at its other end.
fn port() -> io::Result<(File, PathBuf, File)> {
    let OpenptyResult { master, slave } = openpty(None, None)?;
    let name = ttyname(&slave)?;
    Ok((File::from(master), name, File::from(slave)))
}

/// A sink that writes to a board, whose end is read.
pub(super) fn serial(classes: &ClassSet) -> io::Result<Started<[File; 2]>> {
    let (board, device, own) = port()?;
    Ok((start_serial(device, classes)?, [board, own]))
}

fn start_serial(device: PathBuf, classes: &ClassSet) -> io::Result<Box<dyn SignalSink>> {
    let config = SerialConfig { device, baud: 115_200 };
    Ok(Box::new(edge_runtime::sink::serial::start(&config, classes)?))
}

fn board(manner: Manner, classes: &ClassSet) -> io::Result<Started<Box<dyn Any>>> {
    if manner == Manner::Dead {
        let nowhere = PathBuf::from("/dev/edge-runtime-bench-nowhere");
        return Ok((start_serial(nowhere, classes)?, Box::new(())));
    }
    // This end stays open: a terminal that nobody has open counts as unplugged.
    let (mut board, device, own) = port()?;
    let stop = Stop::new();
    let sink = start_serial(device, classes)?;
    match manner {
        Manner::Slow => {
            let mut board = board.try_clone()?;
            stop.repeat(SLOW, move || board.read(&mut [0; 1]).is_ok());
        }
        Manner::Hostile => stop.repeat(HOSTILE, move || board.write(&[0xff; 64]).is_ok()),
        Manner::Dead | Manner::Full => return Ok((sink, Box::new((board, own, stop)))),
    }
    Ok((sink, Box::new((own, stop))))
}
