//! Sends datagrams, and never waits for anybody.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// How long a refusal may take to come back.
const REFUSAL: Duration = Duration::from_millis(300);

/// A socket, and where its datagrams go.
#[derive(Debug)]
pub struct Datagrams {
    socket: UdpSocket,
    target: SocketAddr,
}

impl Datagrams {
    /// A socket on any free port.
    ///
    /// # Errors
    /// Where the system gives none.
    pub fn to(target: SocketAddr) -> io::Result<Self> {
        let socket = bind(target)?;
        socket.set_nonblocking(true)?;
        // Needed where the target is the broadcast address of a network; of no effect elsewhere.
        if target.is_ipv4() {
            socket.set_broadcast(true)?;
        }
        Ok(Self { socket, target })
    }

    /// Sends one datagram. That nobody listens is no error: somebody may come later.
    ///
    /// # Errors
    /// A network that is not there, or a send buffer that is full.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        match self.socket.send_to(bytes, self.target) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("send to {}: {error}", self.target),
            )),
        }
    }
}

/// Whether a way leads to a target; nothing is sent.
///
/// # Errors
/// Why none does.
pub fn route(target: SocketAddr) -> io::Result<()> {
    let socket = bind(target)?;
    if target.is_ipv4() {
        socket.set_broadcast(true)?;
    }
    socket.connect(target)
}

/// Whether somebody listens there, as far as a machine tells: it sends this datagram.
///
/// # Errors
/// A refusal, or why it cannot be sent.
pub fn probe(target: SocketAddr, bytes: &[u8]) -> io::Result<()> {
    let socket = bind(target)?;
    if target.is_ipv4() {
        socket.set_broadcast(true)?;
    }
    socket.connect(target)?;
    socket.send(bytes)?;
    socket.set_read_timeout(Some(REFUSAL))?;
    match socket.recv(&mut [0; 16]) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Err(error),
        // Silence is what a receiver gives.
        _ => Ok(()),
    }
}

fn bind(target: SocketAddr) -> io::Result<UdpSocket> {
    if target.is_ipv4() {
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
    } else {
        UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))
    }
}
