//! JSON in datagrams: the messages of the pages' WebSocket, for programs that would rather not connect.

use std::io;
use std::net::SocketAddr;

use serde::Serialize;
use shared_model::emotion::ClassSet;
use shared_model::message::State;

use super::datagram::Datagrams;
use super::gathered::FrameFaces;
use super::outlet::{Fired, Outlet, Recipient, Sends};

/// Where datagrams with JSON go, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpConfig {
    /// Address and port of the receiver.
    pub target: SocketAddr,
}

/// Starts to send every new state and the faces of judged frames.
///
/// # Errors
/// Where the system gives no socket or no thread.
pub fn start(config: UdpConfig, classes: &ClassSet) -> io::Result<Outlet> {
    Outlet::start("udp", Sends::Faces, classes, |_| Datagrams::to(config.target).map(Udp))
}

struct Udp(Datagrams);

/// `{"event": "state", "data": {…}}`
#[derive(Serialize)]
struct Message<'a, T> {
    event: &'a str,
    data: &'a T,
}

impl Udp {
    fn send(&self, event: &str, data: &impl Serialize) -> io::Result<()> {
        self.0.send(&serde_json::to_vec(&Message { event, data })?)
    }
}

impl Recipient for Udp {
    fn state(&mut self, state: &State) -> io::Result<()> {
        self.send("state", state)
    }

    fn faces(&mut self, faces: &FrameFaces) -> io::Result<()> {
        self.send("faces", faces)
    }

    fn fired(&mut self, fired: &Fired) -> io::Result<()> {
        self.send("trigger", &fired.data())
    }
}
