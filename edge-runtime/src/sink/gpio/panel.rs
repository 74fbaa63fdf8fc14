//! Which lines are active: pure, from what is wished for and the time.

use std::time::Duration;

use shared_model::emotion::Label;

use super::{Gpio, GpioError, Output, Polarity};

/// Age of the last sign of life above which nothing is shown as true.
const STALE: Duration = Duration::from_secs(1);

/// The line of one emotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Number of the line on its chip.
    pub pin: u32,
    /// Label of the class that it stands for, in the letter case of the bundle.
    pub emotion: Label,
    /// Which level is active.
    pub polarity: Polarity,
}

/// How long a line is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// As long as its emotion is held true.
    Hold,
    /// This long, once, when its emotion begins.
    Pulse(Duration),
}

/// What should be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// The emotion that is held true, and since when.
    pub emotion: Option<(Label, Duration)>,
    /// The last sign of life of those who wish.
    pub beat: Duration,
}

/// The lines, and which of them are active.
pub struct Panel {
    gpio: Box<dyn Gpio>,
    lines: Vec<Line>,
    signal: Signal,
    /// The line that is active, as far as is known.
    active: Option<usize>,
}

impl Panel {
    /// A panel on lines that have their safe levels.
    pub fn new(gpio: Box<dyn Gpio>, lines: Vec<Line>, signal: Signal) -> Self {
        Self {
            gpio,
            lines,
            signal,
            active: None,
        }
    }

    /// Shows what is wished for at a time.
    pub fn show(&mut self, wish: &Wish, now: Duration) -> Result<(), GpioError> {
        let wanted = self.wanted(wish, now);
        if wanted == self.active {
            return Ok(());
        }
        // The old line goes first: two are never active at once. It stays noted until that has worked.
        if let Some(line) = self.active.and_then(|at| self.lines.get(at)) {
            self.gpio.set(line.pin, line.polarity.safe())?;
        }
        self.active = None;
        if let Some(line) = wanted.and_then(|at| self.lines.get(at)) {
            // Noted first: a line of which nobody knows the level has to be made safe later.
            self.active = wanted;
            self.gpio.set(line.pin, line.polarity.active())?;
        }
        Ok(())
    }

    fn wanted(&self, wish: &Wish, now: Duration) -> Option<usize> {
        let (label, since) = wish.emotion.as_ref()?;
        let over = match self.signal {
            Signal::Hold => false,
            Signal::Pulse(length) => now >= *since + length,
        };
        if over || now > wish.beat + STALE {
            return None;
        }
        self.lines.iter().position(|line| line.emotion == *label)
    }

    /// Drives every line to its safe level, the others too if one fails.
    pub fn all_safe(&mut self) -> Result<(), GpioError> {
        self.active = None;
        let mut result = Ok(());
        for Output { pin, safe } in outputs(&self.lines) {
            result = result.and(self.gpio.set(pin, safe));
        }
        result
    }
}

/// Every line that a panel of these uses.
pub fn outputs(lines: &[Line]) -> Vec<Output> {
    let output = |line: &Line| Output {
        pin: line.pin,
        safe: line.polarity.safe(),
    };
    lines.iter().map(output).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::Level;
    use super::*;

    /// Writes down what it is asked for; fails where told.
    #[derive(Clone, Default)]
    struct Wires {
        log: Arc<Mutex<Vec<(u32, Level)>>>,
        broken: Arc<Mutex<Option<u32>>>,
    }

    impl Gpio for Wires {
        fn set(&mut self, pin: u32, level: Level) -> Result<(), GpioError> {
            self.log.lock().unwrap().push((pin, level));
            if *self.broken.lock().unwrap() == Some(pin) {
                return Err(GpioError::Set {
                    pin,
                    reason: "gone".into(),
                });
            }
            Ok(())
        }
    }

    impl Wires {
        fn take(&self) -> Vec<(u32, Level)> {
            std::mem::take(&mut self.log.lock().unwrap())
        }
    }

    fn line(pin: u32, emotion: &str, polarity: Polarity) -> Line {
        Line {
            pin,
            emotion: Label::try_from(emotion).unwrap(),
            polarity,
        }
    }

    fn panel(signal: Signal) -> (Panel, Wires) {
        let wires = Wires::default();
        let lines = vec![
            line(17, "Happy", Polarity::ActiveHigh),
            line(27, "Sad", Polarity::ActiveLow),
        ];
        (Panel::new(Box::new(wires.clone()), lines, signal), wires)
    }

    fn wish(emotion: &str, at_ms: u64) -> Wish {
        Wish {
            emotion: (!emotion.is_empty()).then(|| (Label::try_from(emotion).unwrap(), ms(at_ms))),
            beat: ms(at_ms),
        }
    }

    fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    #[test]
    fn drives_the_line_of_the_emotion_and_the_old_one_off_first() {
        let (mut panel, wires) = panel(Signal::Hold);
        panel.show(&wish("Happy", 0), ms(0)).unwrap();
        panel.show(&wish("Happy", 0), ms(20)).unwrap();
        panel.show(&wish("Sad", 30), ms(30)).unwrap();
        assert_eq!(wires.take(), [(17, Level::High), (17, Level::Low), (27, Level::Low)]);
        panel.show(&wish("", 40), ms(40)).unwrap();
        assert_eq!(wires.take(), [(27, Level::High)]);
        // An emotion without a line.
        panel.show(&wish("Angry", 50), ms(50)).unwrap();
        assert_eq!(wires.take(), []);
    }

    #[test]
    fn a_pulse_ends_by_itself_and_comes_once() {
        let (mut panel, wires) = panel(Signal::Pulse(ms(200)));
        let mut happy = wish("Happy", 100);
        for now in (100..1000).step_by(20) {
            happy.beat = ms(now);
            panel.show(&happy, ms(now)).unwrap();
        }
        assert_eq!(wires.take(), [(17, Level::High), (17, Level::Low)]);
    }

    #[test]
    fn without_a_sign_of_life_nothing_is_shown() {
        let (mut panel, wires) = panel(Signal::Hold);
        panel.show(&wish("Sad", 0), ms(1000)).unwrap();
        assert_eq!(wires.take(), [(27, Level::Low)]);
        panel.show(&wish("Sad", 0), ms(1001)).unwrap();
        assert_eq!(wires.take(), [(27, Level::High)]);
    }

    #[test]
    fn a_line_that_fails_is_driven_again_and_the_others_are_not_left_behind() {
        let (mut panel, wires) = panel(Signal::Hold);
        panel.show(&wish("Happy", 0), ms(0)).unwrap();
        *wires.broken.lock().unwrap() = Some(17);
        assert!(panel.show(&wish("Sad", 0), ms(0)).is_err());
        *wires.broken.lock().unwrap() = None;
        wires.take();
        panel.show(&wish("Sad", 0), ms(0)).unwrap();
        assert_eq!(wires.take(), [(17, Level::Low), (27, Level::Low)]);
        *wires.broken.lock().unwrap() = Some(17);
        assert!(panel.all_safe().is_err());
        assert_eq!(wires.take(), [(17, Level::Low), (27, Level::High)]);
    }

    #[test]
    fn a_line_that_may_be_active_is_made_safe() {
        let (mut panel, wires) = panel(Signal::Hold);
        *wires.broken.lock().unwrap() = Some(17);
        assert!(panel.show(&wish("Happy", 0), ms(0)).is_err());
        *wires.broken.lock().unwrap() = None;
        wires.take();
        panel.show(&wish("", 0), ms(0)).unwrap();
        assert_eq!(wires.take(), [(17, Level::Low)]);
    }
}
