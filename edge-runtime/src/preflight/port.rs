//! Ports that are to be listened on: whether they are free.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::Finding;

/// How long whoever listens there may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who is to listen, and how a kiosk that runs is known.
pub(super) struct Server {
    check: &'static str,
    key: &'static str,
    /// What is asked for.
    path: &'static str,
    /// What the answer of a kiosk has in it.
    mark: &'static str,
}

/// Figures for Prometheus.
pub(super) const METRICS: Server = Server {
    check: "metrics",
    key: "metrics.listen",
    path: "/metrics",
    mark: "\nedge_build_info",
};

/// The pages: every answer forbids browsers the same things, also one that refuses.
pub(super) const PAGE: Server = Server {
    check: "page port",
    key: "page.listen",
    path: "/words.json",
    mark: "permissions-policy: camera=(), microphone=(), geolocation=()",
};

pub(super) fn check(server: &Server, address: SocketAddr) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::good(server.check, format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_our_own(server, address) => {
            Finding::good(server.check, format!("{address} is held by a running edge-runtime"))
        }
        Err(error) => Finding::bad(server.check, format!("{address}: {error}"), cure(server, error.kind())),
    }
}

/// Whether a kiosk that runs answers at a port that is its own.
pub(super) fn answers(server: &Server, address: SocketAddr) -> Finding {
    if is_our_own(server, address) {
        return Finding::good(server.check, format!("{address} answers"));
    }
    let found = format!("{address}: no answer");
    Finding::bad(
        server.check,
        found,
        "restart the service: the port is opened at the start alone",
    )
}

fn cure(server: &Server, error: io::ErrorKind) -> String {
    let key = server.key;
    match error {
        io::ErrorKind::AddrNotAvailable => {
            format!("set an address of this machine as `{key}`; `ip address` shows them, 0.0.0.0 stands for all")
        }
        io::ErrorKind::PermissionDenied => format!("set a port from 1024 on as `{key}`"),
        _ => format!("set another port as `{key}`; `ss -ltnp` shows who holds this one"),
    }
}

/// Whether a kiosk that runs answers there.
fn is_our_own(server: &Server, address: SocketAddr) -> bool {
    let ask = || -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let path = server.path;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.take(64 * 1024).read_to_end(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| String::from_utf8_lossy(&answer).contains(server.mark))
}
