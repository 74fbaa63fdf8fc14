//! Which lines are active: pure, from what is requested and the time.

use std::time::Duration;

use shared_model::emotion::Label;
use shared_model::message::Verdict;

use super::{Gpio, GpioError, Level, Output, Polarity};

/// Age of the last sign of life above which nothing is shown as true.
const STALE: Duration = Duration::from_secs(1);

/// What a line stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shows {
    /// A class, by its label in the letter case of the bundle.
    Emotion(Label),
    /// Somebody is there, whatever is seen of them.
    Face,
    /// No face is in the frame.
    NoFace,
    /// Somebody is there, and no emotion is certain.
    Uncertain,
}

impl Shows {
    /// Whether it holds while this is held true.
    fn holds(&self, verdict: &Verdict) -> bool {
        match (self, verdict) {
            (Self::Emotion(own), Verdict::Emotion(label)) => own == label,
            (Self::Face, verdict) => matches!(verdict, Verdict::Emotion(_) | Verdict::Uncertain),
            (Self::NoFace, verdict) => *verdict == Verdict::NoFace,
            (Self::Uncertain, verdict) => *verdict == Verdict::Uncertain,
            (Self::Emotion(_), _) => false,
        }
    }
}

/// A line, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Number of the line on its chip.
    pub pin: u32,
    /// What the line stands for.
    pub shows: Shows,
    /// Whether the high or the low level is the active one.
    pub polarity: Polarity,
}

/// How long a line is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// As long as what it stands for is held true.
    Hold,
    /// This long, once, when what it stands for begins.
    Pulse(Duration),
}

/// What the lines should show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// What is held true, and since when; nothing while nothing is known.
    pub verdict: Option<(Verdict, Duration)>,
    /// The last heartbeat of the loop, on the clock of the thread.
    pub beat: Duration,
}

/// The lines, and which of them are active.
pub struct Panel {
    gpio: Box<dyn Gpio>,
    lines: Vec<Driven>,
    signal: Signal,
}

struct Driven {
    line: Line,
    /// Whether it is active, as far as is known.
    active: bool,
    /// Since when what it stands for has been held true.
    begun: Option<Duration>,
}

impl Panel {
    /// A panel on lines that have their safe levels.
    pub fn new(gpio: Box<dyn Gpio>, lines: Vec<Line>, signal: Signal) -> Self {
        let driven = |line| Driven {
            line,
            active: false,
            begun: None,
        };
        Self {
            gpio,
            lines: lines.into_iter().map(driven).collect(),
            signal,
        }
    }

    /// Shows what is requested, at the time `now`.
    ///
    /// # Errors
    ///
    /// When a line cannot be set. A line that could not be made safe is tried again with the next call.
    pub fn show(&mut self, request: &Request, now: Duration) -> Result<(), GpioError> {
        for driven in &mut self.lines {
            driven.follow(request);
        }
        let (signal, fresh) = (self.signal, now <= request.beat + STALE);
        let wanted = |driven: &Driven| fresh && driven.is_wanted(signal, now);
        // What is over goes first: two emotions are never active at once. It stays noted until that has worked.
        let mut safe = Ok(());
        for driven in self.lines.iter_mut().filter(|driven| driven.active && !wanted(driven)) {
            let done = self.gpio.set(driven.line.pin, driven.line.polarity.safe());
            driven.active = done.is_err();
            safe = safe.and(done);
        }
        safe?;
        for driven in self.lines.iter_mut().filter(|driven| !driven.active && wanted(driven)) {
            // Noted first: a line of which nobody knows the level has to be made safe later.
            driven.active = true;
            self.gpio.set(driven.line.pin, driven.line.polarity.active())?;
        }
        Ok(())
    }

    /// The level of an input beside the lines.
    pub(super) fn read(&mut self, pin: u32) -> Result<Level, GpioError> {
        self.gpio.read(pin)
    }

    /// Drives every line to its safe level, the others too if one fails.
    ///
    /// # Errors
    ///
    /// The first line that could not be set.
    pub fn all_safe(&mut self) -> Result<(), GpioError> {
        let mut result = Ok(());
        for driven in &mut self.lines {
            driven.active = false;
            result = result.and(self.gpio.set(driven.line.pin, driven.line.polarity.safe()));
        }
        result
    }
}

impl Driven {
    fn follow(&mut self, request: &Request) {
        let held = request
            .verdict
            .as_ref()
            .filter(|(verdict, _)| self.line.shows.holds(verdict));
        // What goes on has begun when it began: somebody who is there stays there when the emotion changes.
        self.begun = held.map(|(_, since)| self.begun.unwrap_or(*since));
    }

    fn is_wanted(&self, signal: Signal, now: Duration) -> bool {
        match (self.begun, signal) {
            (None, _) => false,
            (Some(_), Signal::Hold) => true,
            (Some(begun), Signal::Pulse(length)) => now < begun + length,
        }
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
            shows: Shows::Emotion(Label::try_from(emotion).unwrap()),
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

    fn request(emotion: &str, at_ms: u64) -> Request {
        Request {
            verdict: (!emotion.is_empty()).then(|| (Verdict::Emotion(Label::try_from(emotion).unwrap()), ms(at_ms))),
            beat: ms(at_ms),
        }
    }

    fn held(verdict: Verdict, at_ms: u64) -> Request {
        Request {
            verdict: Some((verdict, ms(at_ms))),
            beat: ms(at_ms),
        }
    }

    #[test]
    fn lines_of_faces_go_on_while_the_emotion_changes() {
        let wires = Wires::default();
        let line = |pin, shows| Line {
            pin,
            shows,
            polarity: Polarity::ActiveHigh,
        };
        let mut lines = vec![line(1, Shows::Face), line(2, Shows::NoFace), line(3, Shows::Uncertain)];
        lines.push(self::line(17, "Happy", Polarity::ActiveHigh));
        let mut panel = Panel::new(Box::new(wires.clone()), lines, Signal::Hold);
        let happy = Verdict::Emotion(Label::try_from("Happy").unwrap());
        for (verdict, expected) in [
            (Verdict::NoFace, vec![(2, Level::High)]),
            (
                Verdict::Uncertain,
                vec![(2, Level::Low), (1, Level::High), (3, Level::High)],
            ),
            (happy, vec![(3, Level::Low), (17, Level::High)]),
            (Verdict::Unknown, vec![(1, Level::Low), (17, Level::Low)]),
        ] {
            panel.show(&held(verdict, 0), ms(0)).unwrap();
            assert_eq!(wires.take(), expected);
        }
    }

    #[test]
    fn a_pulse_for_a_face_comes_once_while_somebody_stays() {
        let wires = Wires::default();
        let face = Line {
            pin: 1,
            shows: Shows::Face,
            polarity: Polarity::ActiveHigh,
        };
        let mut panel = Panel::new(Box::new(wires.clone()), vec![face], Signal::Pulse(ms(50)));
        for (verdict, at) in [
            (Verdict::Uncertain, 0),
            (Verdict::Uncertain, 100),
            (Verdict::Uncertain, 200),
        ] {
            for now in [at, at + 40, at + 60] {
                let request = Request {
                    beat: ms(now),
                    ..held(verdict.clone(), at)
                };
                panel.show(&request, ms(now)).unwrap();
            }
        }
        assert_eq!(wires.take(), [(1, Level::High), (1, Level::Low)]);
    }

    fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    #[test]
    fn drives_the_line_of_the_emotion_and_the_old_one_off_first() {
        let (mut panel, wires) = panel(Signal::Hold);
        panel.show(&request("Happy", 0), ms(0)).unwrap();
        panel.show(&request("Happy", 0), ms(20)).unwrap();
        panel.show(&request("Sad", 30), ms(30)).unwrap();
        assert_eq!(wires.take(), [(17, Level::High), (17, Level::Low), (27, Level::Low)]);
        panel.show(&request("", 40), ms(40)).unwrap();
        assert_eq!(wires.take(), [(27, Level::High)]);
        // An emotion without a line.
        panel.show(&request("Angry", 50), ms(50)).unwrap();
        assert_eq!(wires.take(), []);
    }

    #[test]
    fn a_pulse_ends_by_itself_and_comes_once() {
        let (mut panel, wires) = panel(Signal::Pulse(ms(200)));
        let mut happy = request("Happy", 100);
        for now in (100..1000).step_by(20) {
            happy.beat = ms(now);
            panel.show(&happy, ms(now)).unwrap();
        }
        assert_eq!(wires.take(), [(17, Level::High), (17, Level::Low)]);
    }

    #[test]
    fn without_a_sign_of_life_nothing_is_shown() {
        let (mut panel, wires) = panel(Signal::Hold);
        panel.show(&request("Sad", 0), ms(1000)).unwrap();
        assert_eq!(wires.take(), [(27, Level::Low)]);
        panel.show(&request("Sad", 0), ms(1001)).unwrap();
        assert_eq!(wires.take(), [(27, Level::High)]);
    }

    #[test]
    fn a_line_that_fails_is_driven_again_and_the_others_are_not_left_behind() {
        let (mut panel, wires) = panel(Signal::Hold);
        panel.show(&request("Happy", 0), ms(0)).unwrap();
        *wires.broken.lock().unwrap() = Some(17);
        assert!(panel.show(&request("Sad", 0), ms(0)).is_err());
        *wires.broken.lock().unwrap() = None;
        wires.take();
        panel.show(&request("Sad", 0), ms(0)).unwrap();
        assert_eq!(wires.take(), [(17, Level::Low), (27, Level::Low)]);
        *wires.broken.lock().unwrap() = Some(17);
        assert!(panel.all_safe().is_err());
        assert_eq!(wires.take(), [(17, Level::Low), (27, Level::High)]);
    }

    #[test]
    fn a_line_that_may_be_active_is_made_safe() {
        let (mut panel, wires) = panel(Signal::Hold);
        *wires.broken.lock().unwrap() = Some(17);
        assert!(panel.show(&request("Happy", 0), ms(0)).is_err());
        *wires.broken.lock().unwrap() = None;
        wires.take();
        panel.show(&request("", 0), ms(0)).unwrap();
        assert_eq!(wires.take(), [(17, Level::Low)]);
    }
}
