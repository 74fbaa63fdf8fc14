//! Lines of text over a serial port, for an Arduino: the verdict and its probability, such as `Happy 87`.
//!
//! The port is a terminal in raw mode, written to without ever waiting. The crates for serial ports would bring libudev,
//! which finds ports by name, and that is not needed here: the configuration names the device.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::termios::{
    ControlModes, OptionalActions, QueueSelector, ioctl_tiocexcl, isatty, tcflush, tcgetattr, tcsetattr,
};
use shared_model::emotion::ClassSet;
use shared_model::message::State;

use super::outlet::{Fired, Outlet, Recipient, Sends};

/// How often the verdict is told again: a board begins anew when its port is opened, and later than this program.
const AGAIN: Duration = Duration::from_secs(1);

/// Time between two attempts to open a port that is away.
const REOPEN: Duration = Duration::from_secs(1);

/// Longest time in which a port takes no byte before it counts as broken.
const STUCK: Duration = Duration::from_secs(5);

/// Most lines of triggers that wait.
const WAITING: usize = 16;

/// Which port, and how fast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialConfig {
    /// The device, such as `/dev/ttyACM0`.
    pub device: PathBuf,
    /// Speed of the line in bits a second.
    pub baud: u32,
}

/// Starts to write lines; a port that is away is opened when it comes.
///
/// # Errors
/// Where the system starts no thread.
pub fn start(config: &SerialConfig, classes: &ClassSet) -> io::Result<Outlet> {
    let serial = Serial {
        config: config.clone(),
        port: None,
        attempted: None,
        verdict: None,
        waiting: Vec::new(),
    };
    Outlet::start("serial", Sends::States, classes, |_| Ok(serial))
}

/// Whether a port can be opened and set; nothing is written.
///
/// # Errors
/// Why not.
pub fn check(config: &SerialConfig) -> io::Result<()> {
    Port::open(config, Sharing::Shared).map(drop)
}

/// Whether others may open the port as well.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    Shared,
}

/// An open port, and the rest of the line that it has not taken yet.
struct Port {
    fd: OwnedFd,
    rest: Vec<u8>,
    /// When it last took something, or had nothing to take.
    moved: Instant,
}

impl Port {
    fn open(config: &SerialConfig, sharing: Sharing) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = open(&config.device, flags, Mode::empty())?;
        if !isatty(&fd) {
            return Err(io::Error::other("it is no serial port"));
        }
        let mut settings = tcgetattr(&fd)?;
        settings.make_raw();
        // Without a modem's lines; the device stays open whatever they say.
        settings.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
        settings.set_speed(config.baud)?;
        tcsetattr(&fd, OptionalActions::Now, &settings)?;
        if sharing == Sharing::Alone {
            ioctl_tiocexcl(&fd)?;
        }
        Ok(Self {
            fd,
            rest: Vec::new(),
            moved: Instant::now(),
        })
    }

    /// Writes what is left of the line, as far as the port takes it.
    fn flush(&mut self) -> io::Result<()> {
        while !self.rest.is_empty() {
            match rustix::io::write(&self.fd, &self.rest) {
                Ok(0) | Err(rustix::io::Errno::AGAIN) if self.moved.elapsed() >= STUCK => {
                    return Err(io::Error::other("it takes nothing any more; is the board read out?"));
                }
                Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Ok(written) => {
                    self.rest.drain(..written);
                    self.moved = Instant::now();
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.moved = Instant::now();
        Ok(())
    }
}

impl Drop for Port {
    /// What nobody reads must not keep the port from closing.
    fn drop(&mut self) {
        if !self.rest.is_empty() {
            // It is closed all the same.
            let _ = tcflush(&self.fd, QueueSelector::OFlush);
        }
    }
}

struct Serial {
    config: SerialConfig,
    port: Option<Port>,
    /// When the port was last tried.
    attempted: Option<Instant>,
    /// The line of the verdict that holds, and when it was told last.
    verdict: Option<(String, Option<Instant>)>,
    /// Lines of triggers.
    waiting: Vec<String>,
}

impl Serial {
    /// The next line, where one is due.
    fn next(&mut self) -> Option<String> {
        if !self.waiting.is_empty() {
            return Some(self.waiting.remove(0));
        }
        let (line, told) = self.verdict.as_mut()?;
        let due = told.is_none_or(|told| told.elapsed() >= AGAIN);
        due.then(|| {
            *told = Some(Instant::now());
            line.clone()
        })
    }

    /// Writes the lines that are due; says whether any went out.
    fn write(&mut self) -> io::Result<bool> {
        if self.port.is_none() {
            if self.attempted.is_some_and(|attempted| attempted.elapsed() < REOPEN) {
                return Ok(false);
            }
            self.attempted = Some(Instant::now());
            self.port = Some(Port::open(&self.config, Sharing::Alone)?);
            tracing::info!(about = "serial", "serial: {} is open", self.config.device.display());
        }
        let mut gone = false;
        loop {
            let Some(port) = &mut self.port else { return Ok(gone) };
            let begun = !port.rest.is_empty();
            port.flush()?;
            if !port.rest.is_empty() {
                return Ok(gone);
            }
            gone |= begun;
            let Some(line) = self.next() else { return Ok(gone) };
            if let Some(port) = &mut self.port {
                port.rest = line.into_bytes();
            }
        }
    }
}

impl Recipient for Serial {
    fn state(&mut self, state: &State) -> io::Result<()> {
        let percent = (100.0 * state.confidence).round();
        self.verdict = Some((format!("{} {percent}\n", state.emotion.as_str()), None));
        Ok(())
    }

    fn fired(&mut self, fired: &Fired) -> io::Result<()> {
        if self.waiting.len() == WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push(format!("!{}\n", fired.name));
        Ok(())
    }

    fn tick(&mut self) -> io::Result<bool> {
        self.write().map_err(|error| {
            self.port = None;
            io::Error::new(error.kind(), format!("{}: {error}", self.config.device.display()))
        })
    }

    fn keeps(&self) -> bool {
        true
    }
}
