//! Who is told by an outlet, and of what.

use std::io;
use std::sync::Arc;

use serde::Serialize;
use shared_model::message::{State, Verdict};

use crate::sink::gathered::FrameFaces;

/// Who is told, on the thread of the outlet. None of these may wait for longer than a second: the watchdog looks on.
pub trait Recipient: Send + 'static {
    /// Takes a new state.
    ///
    /// # Errors
    /// What keeps it from being told; it is not given again.
    fn state(&mut self, state: &State) -> io::Result<()>;

    /// Takes the newest judged frame; left out where faces are not sent.
    ///
    /// # Errors
    /// What keeps it from being told.
    fn faces(&mut self, _faces: &FrameFaces) -> io::Result<()> {
        Ok(())
    }

    /// Takes a trigger that fired.
    ///
    /// # Errors
    /// What keeps it from being told.
    fn fired(&mut self, _fired: &Fired) -> io::Result<()> {
        Ok(())
    }

    /// Comes at least ten times a second; says whether anything that was kept has gone out since the last time.
    ///
    /// # Errors
    /// What went wrong since the last time.
    fn tick(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// Whether what it takes is only kept at first, and goes out with a [tick](Self::tick).
    fn keeps(&self) -> bool {
        false
    }

    /// What it keeps; nothing without a place to keep it.
    fn backlog(&self) -> Backlog {
        Backlog::default()
    }

    /// Comes once, at the end.
    fn close(self)
    where
        Self: Sized,
    {
    }
}

/// Events that are kept until somebody takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Number of those that wait.
    pub waiting: u64,
    /// Number of those that made room for newer ones.
    pub discarded: u64,
}

/// A trigger of `[[when]]` that fired.
#[derive(Debug, Clone, PartialEq)]
pub struct Fired {
    /// Name of the trigger in the configuration.
    pub name: Arc<str>,
    /// Where it goes, for those who know addresses.
    pub address: Arc<str>,
    /// The verdict that held when it fired.
    pub verdict: Verdict,
    /// Smoothed probability of the emotion, 0 to 1.
    pub confidence: f32,
    /// Milliseconds since the source began.
    pub time_ms: u64,
}

/// The fields of a trigger in messages.
#[derive(Debug, Serialize)]
pub struct FiredData<'a> {
    name: &'a str,
    emotion: &'a str,
    confidence: f32,
    time_ms: u64,
}

impl Fired {
    /// What is told of it in JSON.
    pub fn data(&self) -> FiredData<'_> {
        FiredData {
            name: &self.name,
            emotion: self.verdict.as_str(),
            confidence: self.confidence,
            time_ms: self.time_ms,
        }
    }
}
