//! HTTP as bytes on a connection, so that tests can also say what no library would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longest wait for an answer; far more than it takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Everything that comes back for these bytes until the server ends the connection.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    // A server that had enough before the end has said so.
    let _ = stream.write_all(bytes);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}

/// The answer to a request, in which `{host}` stands for the server's address.
pub(crate) fn ask(address: SocketAddr, request: &str) -> Answer {
    let request = request.replace("{host}", &address.to_string());
    let all = exchange(address, request.as_bytes());
    let end = all.windows(4).position(|end| end == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer to {request}: {}", String::from_utf8_lossy(&all)));
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head,
        body: all[end + 4..].to_vec(),
    }
}

/// Asks for a path as a program on this machine does.
pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    ask(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: {{host}}\r\nConnection: close\r\n\r\n"),
    )
}

/// Sends an order as the kiosk's own page does, with these headers more.
pub(crate) fn post(address: SocketAddr, path: &str, body: &str, more: &str) -> Answer {
    let length = body.len();
    ask(
        address,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: {{host}}\r\nOrigin: http://{{host}}\r\nConnection: close\r\n{more}\
             Content-Length: {length}\r\n\r\n{body}"
        ),
    )
}

/// A stream of server-sent events.
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    /// Begins to follow; `Err` is the status of a refusal.
    pub(crate) fn follow(address: SocketAddr) -> Result<Self, u16> {
        let mut stream = connect(address);
        write!(stream, "GET /api/events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        match head.split(' ').nth(1).unwrap() {
            "200" => Ok(Self(reader)),
            status => Err(status.parse().unwrap()),
        }
    }

    /// The next event: its name and its data. `None` at the end.
    pub(crate) fn next(&mut self) -> Option<(String, serde_json::Value)> {
        let (mut name, mut line) = (None, String::new());
        let begun = Instant::now();
        loop {
            // Signs of life come all the time.
            assert!(begun.elapsed() < PATIENCE, "no event within {PATIENCE:?}");
            line.clear();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(event) = line.strip_prefix("event: ") {
                name = Some(event.trim().to_owned());
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((name?, serde_json::from_str(data).unwrap()));
            }
        }
    }

    /// The next event of this name.
    pub(crate) fn until(&mut self, name: &str) -> serde_json::Value {
        loop {
            let (found, data) = self.next().unwrap();
            if found == name {
                return data;
            }
        }
    }
}
