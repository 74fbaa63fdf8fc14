//! A port that is to be listened on: whether it is free.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::Finding;

/// How long whoever listens there may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn check(address: SocketAddr) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::good("metrics", format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_our_own(address) => {
            Finding::good("metrics", format!("{address} is held by a running edge-runtime"))
        }
        Err(error) => Finding::bad(
            "metrics",
            format!("{address}: {error}"),
            "set another port as `metrics.listen`; `ss -ltnp` shows who holds this one",
        ),
    }
}

/// Whether a kiosk that runs answers there.
fn is_our_own(address: SocketAddr) -> bool {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(64 * 1024).read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.contains("\nedge_build_info"))
}
