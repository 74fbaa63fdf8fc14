//! A source that outlasts its readers.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Frame, FrameSource, Next, SourceError};

/// One source for several readers, one after the other: a camera stays open while all behind it is set up
/// anew.
#[derive(Clone)]
pub struct SharedSource(Arc<Mutex<Box<dyn FrameSource>>>);

impl SharedSource {
    /// Shares a source among readers that follow each other.
    pub fn new(source: Box<dyn FrameSource>) -> Self {
        Self(Arc::new(Mutex::new(source)))
    }
}

impl FrameSource for SharedSource {
    fn read(&mut self, frame: &mut Frame) -> Result<Next, SourceError> {
        // A source whose reader panicked says itself what is wrong with it.
        let mut source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        source.read(frame)
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
    fn the_next_reader_goes_on_where_the_last_one_stopped() {
        let shared = SharedSource::new(Box::new(Endless));
        let mut frame = Frame::default();
        for expected in 1..4 {
            shared.clone().read(&mut frame).unwrap();
            assert_eq!(frame.number, expected);
        }
    }
}
