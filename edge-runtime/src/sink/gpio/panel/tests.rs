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
        ..Request::default()
    }
}

fn held(verdict: Verdict, at_ms: u64) -> Request {
    Request {
        verdict: Some((verdict, ms(at_ms))),
        beat: ms(at_ms),
        ..Request::default()
    }
}

#[test]
fn a_trigger_pulses_its_line_whatever_is_held_true_and_not_without_a_sign_of_life() {
    let wires = Wires::default();
    let line = Line {
        pin: 24,
        shows: Shows::Trigger,
        polarity: Polarity::ActiveHigh,
    };
    let mut panel = Panel::new(Box::new(wires.clone()), vec![line], Signal::Hold);
    let pulse = Pulse {
        pin: 24,
        begun: ms(100),
        length: ms(300),
    };
    for now in [100, 399, 400, 500] {
        let wish = Request {
            pulses: vec![pulse],
            ..held(Verdict::NoFace, now)
        };
        panel.show(&wish, ms(now)).unwrap();
    }
    assert_eq!(wires.take(), [(24, Level::High), (24, Level::Low)]);
    let wish = Request {
        pulses: vec![Pulse {
            length: ms(60_000),
            ..pulse
        }],
        ..held(Verdict::NoFace, 500)
    };
    panel.show(&wish, ms(1501)).unwrap();
    assert!(wires.take().is_empty());
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
