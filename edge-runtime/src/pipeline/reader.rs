//! The thread on which a source is read.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::PipelineError;
use super::progress::Progress;
use super::slot::{Closed, Keep, Slot, Taken};
use crate::source::{Frame, FrameSource, Next};
use vision::clock::Clock;

/// How long a source may take to notice that nobody reads it any more: a device gets the time to be left
/// in order, a blocked read of a pipe does not hold the program up.
const LEAVE: Duration = Duration::from_millis(600);

/// Reads a source on a thread of its own.
pub(super) struct Reader {
    slot: Arc<Slot>,
    thread: JoinHandle<()>,
}

impl Reader {
    pub(super) fn start(
        source: Box<dyn FrameSource>,
        keep: Keep,
        progress: Arc<Progress>,
    ) -> Result<Self, PipelineError> {
        let slot = Arc::new(Slot::new(keep));
        let shared = Arc::clone(&slot);
        let read = move || {
            let ending = Ending(shared);
            // Left by the reader or by the source itself: both are the end.
            let _: Result<(), Closed> = read(source, &ending.0, &progress);
        };
        let thread = thread::Builder::new().name("source".to_owned()).spawn(read);
        Ok(Self {
            slot,
            thread: thread.map_err(PipelineError::Start)?,
        })
    }

    pub(super) fn take(&self, frame: &mut Frame, wait: Duration) -> Taken {
        self.slot.take(frame, wait)
    }

    /// Frames that a newer one replaced before they could be taken.
    pub(super) fn dropped(&self) -> u64 {
        self.slot.dropped()
    }

    /// Waits for the thread of a source that has ended.
    pub(super) fn join(self) -> Result<(), PipelineError> {
        self.thread.join().map_err(|_| PipelineError::Source)
    }

    /// Tells the source that nobody reads it any more, and gives it a moment to leave its device.
    pub(super) fn leave(self, clock: &dyn Clock) {
        self.slot.close();
        let until = clock.now() + LEAVE;
        while !self.thread.is_finished() && clock.now() < until {
            clock.sleep(Duration::from_millis(5));
        }
    }
}

/// Ends the slot however the thread ends, by a panic too.
struct Ending(Arc<Slot>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn read(mut source: Box<dyn FrameSource>, slot: &Slot, progress: &Progress) -> Result<(), Closed> {
    let mut frame = Frame::default();
    loop {
        match source.read(&mut frame) {
            Ok(Next::Frame) => {
                progress.capture();
                slot.put(&mut frame)?;
            }
            Ok(Next::Nothing) if slot.is_closed() => return Ok(()),
            Ok(Next::Nothing) => {}
            Ok(Next::End) => return Ok(()),
            Err(error) => slot.fail(error)?,
        }
    }
}
