//! Viewers on this machine: some read, some never do, and some connections hardly begin.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::own_time;

/// Longest wait for a connection, and until a thread sees that it is to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// From one byte of a connection that hardly writes to the next.
const BYTE_EVERY: Duration = Duration::from_secs(1);

/// The server lets go of viewers that never read; new ones come after this time.
const DEAF_FOR: Duration = Duration::from_secs(12);

/// What connections send that hardly write, over and over.
const DRIBBLED: &[u8] = b"GET / HTTP/1.1\r\nX-";

/// How many there are of each kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Take every message.
    pub(super) readers: usize,
    /// Ask for the stream, and never read what comes after its first bytes.
    pub(super) deaf: usize,
    /// Send a byte a second.
    pub(super) dribblers: usize,
}

/// What one reader has taken.
#[derive(Debug, Default)]
struct Reading {
    /// Messages.
    messages: AtomicU64,
    /// The processor's time of its thread, in nanoseconds.
    time_ns: AtomicU64,
}

/// Goes away when it is dropped.
pub(super) struct Crowd {
    stop: Arc<AtomicBool>,
    readings: Vec<Arc<Reading>>,
    streams: Vec<TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Connects all of them; every reader has had its first bytes.
    pub(super) fn gather(address: SocketAddr, size: Size) -> io::Result<Self> {
        let mut crowd = Self {
            stop: Arc::default(),
            readings: Vec::new(),
            streams: Vec::new(),
            threads: Vec::new(),
        };
        for _ in 0..size.readers {
            crowd.add_reader(address)?;
        }
        if size.deaf + size.dribblers > 0 {
            let quiet = Quiet::connect(address, size)?;
            let stop = Arc::clone(&crowd.stop);
            let thread = diagnostics::spawn("quiet viewers", move || quiet.stay(&stop))?;
            crowd.threads.push(thread);
        }
        let begun = Instant::now();
        while crowd.readings.iter().any(|it| it.messages.load(Ordering::Relaxed) == 0) {
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "a viewer got nothing"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(crowd)
    }

    fn add_reader(&mut self, address: SocketAddr) -> io::Result<()> {
        let (mut stream, first) = admitted(address)?;
        let reading = Arc::new(Reading::default());
        reading.messages.store(messages(&first), Ordering::Relaxed);
        self.streams.push(stream.try_clone()?);
        self.readings.push(Arc::clone(&reading));
        let thread = diagnostics::spawn("viewer", move || {
            let mut buffer = vec![0; 64 * 1024];
            // Ends with the connection.
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                let taken = buffer.get(..count).unwrap_or_default();
                reading.messages.fetch_add(messages(taken), Ordering::Relaxed);
                reading.time_ns.store(own_time().as_nanos() as u64, Ordering::Relaxed);
            }
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Messages that all readers have taken.
    pub(super) fn messages(&self) -> u64 {
        self.sum(|reading| &reading.messages)
    }

    /// The processor's time of all readers.
    pub(super) fn time(&self) -> Duration {
        Duration::from_nanos(self.sum(|reading| &reading.time_ns))
    }

    fn sum(&self, of: fn(&Reading) -> &AtomicU64) -> u64 {
        self.readings
            .iter()
            .map(|reading| of(reading).load(Ordering::Relaxed))
            .sum()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for stream in &self.streams {
            // It may have ended already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            // What it had to tell is told.
            let _ = thread.join();
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Asks for the stream of messages.
fn follow(address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = connect(address)?;
    write!(stream, "GET /api/events HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    Ok(stream)
}

/// Asks for the stream until there is a place: those of viewers who are gone are free a while later. Gives the connection and
/// its first bytes.
fn admitted(address: SocketAddr) -> io::Result<(TcpStream, Vec<u8>)> {
    let begun = Instant::now();
    loop {
        let mut stream = follow(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut first = vec![0; 4096];
        let count = stream.read(&mut first)?;
        first.truncate(count);
        if first.starts_with(b"HTTP/1.1 200") {
            stream.set_read_timeout(None)?;
            return Ok((stream, first));
        }
        if begun.elapsed() > DEAF_FOR + PATIENCE {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the server has no place for a viewer",
            ));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Messages that begin in these bytes of a stream.
fn messages(bytes: &[u8]) -> u64 {
    bytes.windows(7).filter(|part| part == b"event: ").count() as u64
}

/// Those who do not read.
struct Quiet {
    address: SocketAddr,
    deaf: Vec<TcpStream>,
    /// When the deaf ones came.
    since: Instant,
    /// Each with the place of its next byte.
    dribblers: Vec<(TcpStream, usize)>,
}

impl Quiet {
    fn connect(address: SocketAddr, size: Size) -> io::Result<Self> {
        Ok(Self {
            address,
            deaf: (0..size.deaf)
                .map(|_| Ok(admitted(address)?.0))
                .collect::<io::Result<_>>()?,
            since: Instant::now(),
            dribblers: (0..size.dribblers)
                .map(|_| Ok((connect(address)?, 0)))
                .collect::<io::Result<_>>()?,
        })
    }

    fn stay(mut self, stop: &AtomicBool) {
        let mut next = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            if Instant::now() >= next {
                next += BYTE_EVERY;
                self.dribble();
                self.renew();
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// A byte on each; those that the server has ended begin anew.
    fn dribble(&mut self) {
        for (stream, at) in &mut self.dribblers {
            let byte = DRIBBLED.get(*at).copied().unwrap_or(b'x');
            *at += 1;
            if stream.write_all(&[byte]).is_err()
                && let Ok(again) = connect(self.address)
            {
                (*stream, *at) = (again, 0);
            }
        }
    }

    fn renew(&mut self) {
        if self.since.elapsed() >= DEAF_FOR {
            self.since = Instant::now();
            for stream in &mut self.deaf {
                if let Ok(again) = follow(self.address) {
                    *stream = again;
                }
            }
        }
    }
}
