//! The sink in front of the lines.

use std::panic;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::thread::{self, ThreadId};

use shared_model::message::State;

use super::super::{SignalSink, SinkError};
use super::driver::{CommandSlot, LineDriver, Overrides};
use super::{GpioError, Input, Panel};
use crate::switches::Switches;

/// Shows verdicts on GPIO lines.
pub struct GpioSink {
    driver: LineDriver,
}

impl GpioSink {
    /// Takes a panel on lines that have their safe levels; they go safe at once when `stop` becomes true.
    ///
    /// `pause` is an input of the same lines that pauses while it is active.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub fn start(
        panel: Panel,
        stop: Arc<AtomicBool>,
        switches: Arc<Switches>,
        pause: Option<Input>,
    ) -> Result<Self, GpioError> {
        let overrides = Overrides { stop, switches, pause };
        let driver = LineDriver::start(panel, overrides).map_err(|error| GpioError::Open {
            subject: "thread".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self { driver })
    }

    /// Where requests go, for those who watch the thread.
    pub fn commands(&self) -> Arc<CommandSlot> {
        Arc::clone(self.driver.commands())
    }

    /// The lines go safe when any thread panics, before anything else is done about it.
    pub fn mind_panics(&self) {
        safe_when_panicking(Arc::downgrade(self.driver.commands()), self.driver.id());
    }
}

/// Calls for safe lines from the panic hook, in front of the hook that is there. The thread `driver` is left
/// to itself: it makes its lines safe when it unwinds.
pub fn safe_when_panicking(commands: Weak<CommandSlot>, driver: Option<ThreadId>) {
    let next = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if driver != Some(thread::current().id())
            && let Some(commands) = commands.upgrade()
        {
            commands.safe_now();
        }
        next(info);
    }));
}

impl SignalSink for GpioSink {
    fn name(&self) -> &'static str {
        "gpio"
    }

    fn show(&mut self, state: &State) -> Result<(), SinkError> {
        self.driver.commands().show(state.emotion.clone());
        Ok(())
    }

    fn beat(&mut self) -> Result<(), SinkError> {
        Ok(self.driver.commands().beat()?)
    }

    fn close(&mut self) -> Result<(), SinkError> {
        Ok(self.driver.end()?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU8;
    use std::time::{Duration, Instant};

    use shared_model::Text;
    use shared_model::emotion::Label;

    use shared_model::message::Verdict;

    use super::super::{Gpio, Level, Line, Polarity, Shows, Signal};
    use super::*;

    /// Levels and when they were set.
    type Log = Arc<Mutex<Vec<(Level, Instant)>>>;

    const SWITCH: Input = Input {
        pin: 2,
        polarity: Polarity::ActiveLow,
    };

    struct Wire {
        log: Log,
        panics: Arc<AtomicBool>,
        /// The switch: 0 is off, 1 is on, everything else cannot be read.
        switch: Arc<AtomicU8>,
    }

    impl Gpio for Wire {
        fn set(&mut self, _: u32, level: Level) -> Result<(), GpioError> {
            self.log.lock().unwrap().push((level, Instant::now()));
            let panics = self.panics.load(std::sync::atomic::Ordering::Relaxed);
            assert!(!(level == Level::High && panics), "the test's own");
            Ok(())
        }

        fn read(&mut self, pin: u32) -> Result<Level, GpioError> {
            match self.switch.load(std::sync::atomic::Ordering::Relaxed) {
                0 => Ok(Level::High),
                1 => Ok(Level::Low),
                _ => Err(GpioError::Read {
                    pin,
                    reason: "gone".to_owned(),
                }),
            }
        }
    }

    struct Setup {
        sink: GpioSink,
        log: Log,
        stop: Arc<AtomicBool>,
        switches: Arc<Switches>,
        panics: Arc<AtomicBool>,
        switch: Arc<AtomicU8>,
    }

    fn setup() -> Setup {
        let (log, stop, switches, panics): (Log, Arc<AtomicBool>, Arc<Switches>, Arc<AtomicBool>) = <_>::default();
        let switch = Arc::<AtomicU8>::default();
        let wire = Wire {
            log: Arc::clone(&log),
            panics: Arc::clone(&panics),
            switch: Arc::clone(&switch),
        };
        let line = Line {
            pin: 1,
            shows: Shows::Emotion(Label::try_from("Happy").unwrap()),
            polarity: Polarity::ActiveHigh,
        };
        let panel = Panel::new(Box::new(wire), vec![line], Signal::Hold);
        let sink = GpioSink::start(panel, Arc::clone(&stop), Arc::clone(&switches), Some(SWITCH)).unwrap();
        Setup {
            sink,
            log,
            stop,
            switches,
            panics,
            switch,
        }
    }

    impl Setup {
        fn show_happy(&mut self) {
            let state = State {
                boot: Text::new(),
                sequence: 0,
                time_ms: 0,
                emotion: Verdict::Emotion(Label::try_from("Happy").unwrap()),
                confidence: 1.0,
                face: true,
                reason: None,
            };
            self.sink.show(&state).unwrap();
        }

        /// Waits for a level, and gives the time at which it was set.
        fn until(&self, level: Level) -> Instant {
            let start = Instant::now();
            loop {
                if let Some((last, at)) = self.log.lock().unwrap().last()
                    && *last == level
                {
                    return *at;
                }
                assert!(start.elapsed() < Duration::from_secs(20), "never {level:?}");
                thread::yield_now();
            }
        }
    }

    #[test]
    fn the_line_goes_safe_when_the_program_is_asked_to_stop() {
        let mut setup = setup();
        setup.show_happy();
        setup.until(Level::High);
        setup.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        // With signs of life: not because they are missing.
        let start = Instant::now();
        while setup.log.lock().unwrap().last().unwrap().0 == Level::High {
            assert!(start.elapsed() < Duration::from_secs(20), "never safe");
            setup.sink.beat().unwrap();
            thread::yield_now();
        }
        assert!(setup.sink.close().is_ok());
    }

    #[test]
    fn a_mute_takes_the_line_and_gives_it_back() {
        let mut setup = setup();
        setup.show_happy();
        setup.until(Level::High);
        setup.switches.apply(crate::switches::Switch::Mute, b"ON");
        setup.until(Level::Low);
        setup.switches.apply(crate::switches::Switch::Mute, b"OFF");
        setup.sink.beat().unwrap();
        setup.until(Level::High);
    }

    #[test]
    fn a_switch_on_a_line_pauses_also_when_it_cannot_be_read_any_more() {
        let setup = setup();
        let until = |on: bool| {
            let start = Instant::now();
            while setup.switches.is_on(crate::switches::Switch::Pause) != on {
                assert!(start.elapsed() < Duration::from_secs(20), "never {on}");
                thread::yield_now();
            }
        };
        for (switch, on) in [(1, true), (0, false), (2, true)] {
            setup.switch.store(switch, std::sync::atomic::Ordering::Relaxed);
            until(on);
        }
    }

    #[test]
    fn the_line_goes_safe_when_nobody_gives_a_sign_of_life() {
        let mut setup = setup();
        setup.show_happy();
        let on = setup.until(Level::High);
        let off = setup.until(Level::Low);
        assert!(off - on >= Duration::from_millis(900), "{:?}", off - on);
    }

    #[test]
    fn the_line_is_safe_when_a_panic_is_told() {
        let mut setup = setup();
        setup.show_happy();
        setup.until(Level::High);
        // What the hook of a panic calls.
        setup.sink.commands().safe_now();
        assert_eq!(setup.log.lock().unwrap().last().unwrap().0, Level::Low);
    }

    #[test]
    fn the_line_is_safe_when_its_own_thread_panics() {
        let mut setup = setup();
        setup.panics.store(true, std::sync::atomic::Ordering::Relaxed);
        setup.show_happy();
        setup.until(Level::Low);
        assert!(setup.sink.close().is_ok());
    }

    #[test]
    fn closing_and_dropping_leave_the_line_safe() {
        for close in [true, false] {
            let mut setup = setup();
            setup.show_happy();
            setup.until(Level::High);
            if close {
                setup.sink.close().unwrap();
            }
            let log = Arc::clone(&setup.log);
            drop(setup);
            assert_eq!(log.lock().unwrap().last().unwrap().0, Level::Low);
        }
    }
}
