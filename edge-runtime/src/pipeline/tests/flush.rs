//! When sinks may wake the threads that wait for what they were told.

use super::*;
use crate::sink::FrameFacts;

/// Writes down what is called.
#[derive(Clone, Default)]
struct Calls(Rc<RefCell<Vec<&'static str>>>);

impl Calls {
    fn note(&self, call: &'static str) {
        self.0.borrow_mut().push(call);
    }
}

impl SignalSink for Calls {
    fn name(&self) -> &'static str {
        "calls"
    }

    fn show(&mut self, _: &State) -> Result<(), SinkError> {
        self.note("show");
        Ok(())
    }

    fn frame(&mut self, _: &FaceLine<'_>) -> Result<(), SinkError> {
        self.note("frame");
        Ok(())
    }

    fn measured(&mut self, _: &FrameFacts<'_>) -> Result<(), SinkError> {
        self.note("measured");
        Ok(())
    }

    fn flush(&mut self) {
        self.note("flush");
    }

    fn close(&mut self) -> Result<(), SinkError> {
        self.note("close");
        Ok(())
    }
}

#[test]
fn sinks_wake_others_once_for_all_of_a_frame_and_once_for_a_state_that_comes_without_one() {
    let calls = Calls::default();
    let frames = source(&[Some(9), None, Some(9), Some(9)]);
    let sinks: Vec<Box<dyn SignalSink>> = vec![Box::new(calls.clone())];
    run(frames, Timing::Recorded, sinks, &AtomicBool::new(false))
        .end
        .unwrap();
    let calls = calls.0.take();
    let told: Vec<&[&str]> = calls.split(|call| *call == "flush").collect();
    assert_eq!(
        (told[0], told[told.len() - 1]),
        (&["show"][..], &["close"][..]),
        "{told:?}"
    );
    let whole: [&[&str]; 2] = [&["frame", "show", "measured"], &["frame", "measured"]];
    let (frames, others): (Vec<_>, Vec<_>) = told.iter().partition(|calls| calls.contains(&"frame"));
    assert!(
        frames.len() == 3 && frames.iter().all(|calls| whole.contains(calls)),
        "{told:?}"
    );
    assert!(others.iter().all(|calls| calls.len() <= 1), "{told:?}");
}
