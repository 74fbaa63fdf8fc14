//! Several clients at a time on one thread, each with its own deadline.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Most bytes of a request that are read.
pub(super) const MAX_REQUEST: usize = 4096;

/// Longest time that a client may take to ask.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Longest wait for news of any client.
const POLL: Duration = Duration::from_millis(200);

/// Most clients at a time; the one that has waited longest makes room.
const MAX_CLIENTS: usize = 64;

/// All clients that are connected now.
pub(super) struct Clients {
    listener: TcpListener,
    /// In the order in which they came.
    all: Vec<Client>,
}

/// Somebody who has not asked to the end.
pub(super) struct Client<S = TcpStream> {
    stream: S,
    request: Vec<u8>,
    until: Instant,
}

impl Clients {
    /// Nobody yet; the listener must not block.
    pub(super) fn of(listener: TcpListener) -> Self {
        Self {
            listener,
            all: Vec::new(),
        }
    }

    /// Waits for news, no longer than a moment, and answers whoever has asked.
    pub(super) fn serve(&mut self, now: Instant, mut answer: impl FnMut(&[u8]) -> Vec<u8>) {
        self.wait();
        while let Ok((stream, _)) = self.listener.accept() {
            // One that cannot be read without waiting is dropped.
            if stream.set_nonblocking(true).is_ok() {
                self.all.push(Client::of(stream, now));
            }
        }
        let surplus = self.all.len().saturating_sub(MAX_CLIENTS);
        self.all.drain(..surplus);
        self.all
            .retain_mut(|client| client.listen(&mut answer) && now < client.until);
    }

    fn wait(&self) {
        let limit = Timespec {
            tv_sec: 0,
            tv_nsec: POLL.subsec_nanos().into(),
        };
        let mut fds = vec![PollFd::new(&self.listener, PollFlags::IN)];
        fds.extend(self.all.iter().map(|client| PollFd::new(&client.stream, PollFlags::IN)));
        if poll(&mut fds, Some(&limit)).is_err() {
            // Interrupted, or out of means: a moment later all may be well.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl<S: Read + Write> Client<S> {
    /// Somebody who comes now.
    pub(super) fn of(stream: S, now: Instant) -> Self {
        Self {
            stream,
            request: Vec::new(),
            until: now + PATIENCE,
        }
    }

    /// Reads what has come; false once the client is done with.
    pub(super) fn listen(&mut self, answer: &mut impl FnMut(&[u8]) -> Vec<u8>) -> bool {
        let mut buffer = [0; 512];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(count) => {
                    self.request.extend_from_slice(&buffer[..count]);
                    let whole = self.request.windows(4).any(|end| end == b"\r\n\r\n");
                    if whole || count == 0 || self.request.len() >= MAX_REQUEST {
                        // The answer fits into what the system keeps of an empty connection.
                        let _ = self.stream.write(&answer(&self.request));
                        return false;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    #[cfg(test)]
    pub(super) fn into_stream(self) -> S {
        self.stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASK: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    /// Serves at this moment, which never passes, until a client has its answer.
    fn answered(clients: &mut Clients, now: Instant, client: &mut TcpStream) -> String {
        client.write_all(ASK).unwrap();
        client.set_nonblocking(true).unwrap();
        let mut answer = Vec::new();
        loop {
            clients.serve(now, |request| [b"heard ", request].concat());
            match client.read_to_end(&mut answer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return String::from_utf8(answer).unwrap(),
            }
        }
    }

    #[test]
    fn clients_that_say_nothing_keep_nobody_out_and_are_let_go_when_their_time_is_over() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (mut clients, now) = (Clients::of(listener), Instant::now());
        let mut slow = Vec::new();
        for number in 0..50 {
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(&ASK[..number % 9]).unwrap();
            slow.push(client);
        }
        let answer = answered(&mut clients, now, &mut TcpStream::connect(address).unwrap());
        assert_eq!(answer.as_bytes(), [b"heard ", ASK].concat());
        assert_eq!(clients.all.len(), 50);
        clients.serve(now + PATIENCE, |_| Vec::new());
        assert!(clients.all.is_empty());
    }

    #[test]
    fn whoever_has_waited_longest_makes_room() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (mut clients, now) = (Clients::of(listener), Instant::now());
        let slow: Vec<TcpStream> = (0..2 * MAX_CLIENTS)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let answer = answered(&mut clients, now, &mut TcpStream::connect(address).unwrap());
        assert!(answer.starts_with("heard"), "{answer}");
        assert!(clients.all.len() <= MAX_CLIENTS && slow.len() > MAX_CLIENTS);
    }
}
