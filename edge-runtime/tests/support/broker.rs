//! A mosquitto of one's own, which can be killed, stopped and started again.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::until;

/// What a broker is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// Forgets everything at its end.
    None,
    /// Writes down what it knows when it ends.
    Kept,
}

pub(crate) struct Broker {
    pub(crate) port: u16,
    dir: TempDir,
    child: Option<Child>,
}

impl Broker {
    /// `None`, loudly, where there is no mosquitto.
    pub(crate) fn start(memory: Memory) -> Option<Self> {
        let broker = Self::prepare(memory, "allow_anonymous true\n")?;
        Some(broker.started())
    }

    /// A broker that is configured, and not started.
    pub(crate) fn prepare(memory: Memory, more: &str) -> Option<Self> {
        if program().is_none() {
            testing::skip("there is no mosquitto: `apt-get install mosquitto`");
            return None;
        }
        let broker = Self {
            port: free_port(),
            dir: tempfile::tempdir().unwrap(),
            child: None,
        };
        broker.configure(memory, more);
        Some(broker)
    }

    pub(crate) fn configure(&self, memory: Memory, more: &str) {
        let dir = self.dir.path().display();
        let kept = if memory == Memory::Kept { "true" } else { "false" };
        let text = format!(
            "listener {} 127.0.0.1\n{more}\npersistence {kept}\npersistence_location {dir}/\nuser root\n\
             max_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true\nlog_dest file {dir}/log\n",
            self.port
        );
        fs::write(self.dir.path().join("conf"), text).unwrap();
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn started(mut self) -> Self {
        self.begin();
        self
    }

    /// Starts it, and waits until it takes connections.
    pub(crate) fn begin(&mut self) {
        let child = Command::new(program().unwrap())
            .arg("-c")
            .arg(self.dir.path().join("conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let port = self.port;
        until("the broker starts", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().unwrap().id();
        kill_process(Pid::from_raw(id as i32).unwrap(), signal).unwrap();
    }

    /// Ends it by a signal, and waits until it is gone.
    pub(crate) fn end(&mut self, signal: Signal) {
        self.signal(signal);
        let status = self.child.take().unwrap().wait().unwrap();
        assert!(status.code().is_some() || status.signal().is_some());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn program() -> Option<&'static str> {
    // Debian keeps it where only root's PATH looks.
    ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"]
        .into_iter()
        .find(|path| Path::new(path).exists())
}

/// A port that nobody listens on now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
