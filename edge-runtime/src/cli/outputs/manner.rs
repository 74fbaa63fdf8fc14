//! How receivers behave, and what those of all kinds have in common.

use std::any::Any;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use edge_runtime::sink::SignalSink;

use crate::cli::failure::{Failure, io_code};

/// How a receiver behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Nobody is there.
    Dead,
    /// Takes a little now and then.
    Slow,
    /// Takes nothing.
    Full,
    /// Sends nonsense without end.
    Hostile,
}

/// A sink, and what keeps its receiver.
pub(super) type Started<T> = (Box<dyn SignalSink>, T);

/// Pause of those who are slow.
pub(super) const SLOW: Duration = Duration::from_millis(50);

/// Pause of those who are hostile: they shall not take the processor from the frames, which they cannot do from elsewhere.
pub(super) const HOSTILE: Duration = Duration::from_millis(1);

/// Says that the threads of receivers may end.
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Runs this again and again, with a pause, until it says that it has ended or is to stop.
    pub(super) fn repeat(&self, pause: Duration, mut work: impl FnMut() -> bool + Send + 'static) {
        let stop = Arc::clone(&self.0);
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) && work() {
                thread::sleep(pause);
            }
        });
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A listener that refuses, one that takes nothing, or one whose connections are dealt with by `deal`, one after the other.
pub(super) fn listen(
    manner: Manner,
    mut deal: impl FnMut(&mut TcpStream) + Send + 'static,
) -> io::Result<(SocketAddr, Box<dyn Any>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    if manner == Manner::Dead {
        return Ok((address, Box::new(())));
    }
    if manner == Manner::Full {
        // It takes connections into its queue, and no word.
        return Ok((address, Box::new(listener)));
    }
    listener.set_nonblocking(true)?;
    let stop = Stop::new();
    stop.repeat(Duration::from_millis(5), move || {
        if let Ok((mut stream, _)) = listener.accept() {
            let ready = stream
                .set_nonblocking(false)
                .and_then(|()| stream.set_write_timeout(Some(SLOW)));
            if ready.and_then(|()| stream.set_read_timeout(Some(SLOW))).is_ok() {
                deal(&mut stream);
            }
        }
        true
    });
    Ok((address, Box::new(stop)))
}

pub(super) fn failed(error: io::Error) -> Failure {
    Failure::new(io_code(&error), error)
}
