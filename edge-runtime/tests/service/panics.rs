//! Lines when the program panics.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use edge_runtime::sink::gpio::{Gpio, GpioError, Level, Line, Panel, Polarity, Shows, Signal};
use edge_runtime::sink::{GpioSink, SignalSink};
use shared_model::Text;
use shared_model::emotion::Label;
use shared_model::message::{State, Verdict};

use super::SAFE;
use crate::support::{rounds, until};

/// When the line got which level.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<(Level, Instant)>>>);

impl Gpio for Wire {
    fn set(&mut self, _: u32, level: Level) -> Result<(), GpioError> {
        self.0.lock().unwrap().push((level, Instant::now()));
        Ok(())
    }
}

impl Wire {
    fn last(&self) -> Option<(Level, Instant)> {
        self.0.lock().unwrap().last().copied()
    }
}

fn happy() -> State {
    State {
        boot: Text::new(),
        sequence: 0,
        time_ms: 0,
        emotion: Verdict::Emotion(Label::try_from("Happy").unwrap()),
        confidence: 1.0,
        face: true,
        reason: None,
    }
}

#[test]
fn lines_are_safe_soon_after_a_panic_of_any_thread() {
    let mut waits = Vec::new();
    for _ in 0..rounds(10) {
        let wire = Wire::default();
        let line = Line {
            pin: 1,
            shows: Shows::Emotion(Label::try_from("Happy").unwrap()),
            polarity: Polarity::ActiveHigh,
        };
        let panel = Panel::new(Box::new(wire.clone()), vec![line], Signal::Hold);
        let mut sink = GpioSink::start(panel, Arc::new(AtomicBool::new(false)), Arc::default(), None).unwrap();
        sink.mind_panics();
        sink.show(&happy()).unwrap();
        until("the line is active", || {
            wire.last().is_some_and(|(level, _)| level == Level::High)
        });
        let died = thread::spawn(|| {
            let start = Instant::now();
            std::panic::panic_any(start);
        });
        let start = *died.join().unwrap_err().downcast::<Instant>().unwrap();
        // Safe before the thread has ended, and not because the sign of life is old.
        let (level, at) = wire.last().unwrap();
        assert_eq!(level, Level::Low);
        waits.push(at - start);
    }
    waits.sort_unstable();
    let (usual, slowest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    eprintln!(
        "{} panics: lines safe after {usual:?}, at the latest {slowest:?}",
        waits.len()
    );
    assert!(usual <= SAFE, "{waits:?}");
}
