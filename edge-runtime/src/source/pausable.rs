//! A source whose frames are thrown away while a switch is on.

use std::sync::Arc;

use super::{Frame, FrameSource, Next, SourceError};
use crate::switches::{Switch, Switches};

/// Gives the frames of a live source unless [`Switch::Pause`] is on. The source is read all the time, so
/// that no old frame waits in it when the pause ends. A recording waits by itself: nobody takes its next frame.
pub struct Pausable<S> {
    source: S,
    switches: Arc<Switches>,
}

impl<S: FrameSource> Pausable<S> {
    /// Gives the frames of `source`.
    pub fn new(source: S, switches: Arc<Switches>) -> Self {
        Self { source, switches }
    }
}

impl<S: FrameSource> FrameSource for Pausable<S> {
    fn read(&mut self, frame: &mut Frame) -> Result<Next, SourceError> {
        match self.source.read(frame)? {
            Next::Frame if self.switches.is_on(Switch::Pause) => Ok(Next::Nothing),
            next => Ok(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Endless;

    impl FrameSource for Endless {
        fn read(&mut self, frame: &mut Frame) -> Result<Next, SourceError> {
            frame.number += 1;
            Ok(Next::Frame)
        }
    }

    #[test]
    fn frames_of_a_pause_are_thrown_away() {
        let switches = Arc::new(Switches::default());
        let mut source = Pausable::new(Endless, Arc::clone(&switches));
        let mut frame = Frame::default();
        assert_eq!(source.read(&mut frame).unwrap(), Next::Frame);
        switches.apply(Switch::Pause, b"ON");
        for _ in 0..3 {
            assert_eq!(source.read(&mut frame).unwrap(), Next::Nothing);
        }
        switches.apply(Switch::Pause, b"OFF");
        assert_eq!(source.read(&mut frame).unwrap(), Next::Frame);
        assert_eq!(frame.number, 5);
    }
}
