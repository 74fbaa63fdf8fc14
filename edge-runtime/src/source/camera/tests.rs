//! Faults of a device, injected below the seam; time is the test's own.

use std::sync::Mutex;

use shared_model::emotion::{ClassSet, Scores};
use shared_model::message::Verdict;

use super::*;
use crate::decide::{DecideConfig, Decider, Observation};
use testing::rounds;

#[derive(Clone, Default)]
struct Hands(Arc<Mutex<Duration>>);

impl Hands {
    fn forward(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Hands {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) {
        self.forward(duration);
    }
}

/// Numbers without a pattern that the test minds (Knuth's multiplier).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Fault {
    #[default]
    None,
    /// Unplugged: open and wait say ENODEV.
    NoDevice,
    /// The driver refuses: EINVAL at the start of the stream.
    Invalid,
    /// No frame comes at all.
    Stall,
    /// Frames lack some of their bytes.
    Short,
    /// Frames have far too many.
    Long,
    /// The driver gives another layout than asked for.
    Fourcc,
    /// Frames have rows that overlap.
    Stride,
    /// The driver marks its frames.
    Marked,
    /// The library panics; the driver has caught it.
    Panic,
}

const FAULTS: [Fault; 9] = [
    Fault::NoDevice,
    Fault::Invalid,
    Fault::Stall,
    Fault::Short,
    Fault::Long,
    Fault::Fourcc,
    Fault::Stride,
    Fault::Marked,
    Fault::Panic,
];

#[derive(Default)]
struct Device {
    fault: Fault,
    open: bool,
    opened: u32,
    closed: u32,
}

#[derive(Clone, Default)]
struct Scripted {
    clock: Hands,
    device: Arc<Mutex<Device>>,
}

fn system(code: i32) -> CameraError {
    CameraError::io("capture")(io::Error::from_raw_os_error(code))
}

impl Driver for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn open(&mut self) -> Result<Format, CameraError> {
        self.clock.forward(Duration::from_millis(30));
        let mut device = self.device.lock().unwrap();
        assert!(!device.open, "opened twice");
        device.opened += 1;
        let good = Format {
            fourcc: *b"GREY",
            width: 8,
            height: 8,
            stride: 8,
        };
        let format = match device.fault {
            Fault::NoDevice => return Err(system(19)),
            Fault::Invalid => return Err(system(22)),
            Fault::Panic => return Err(CameraError::Panic { step: "open" }),
            Fault::Fourcc => Format {
                fourcc: *b"H264",
                ..good
            },
            Fault::Stride => Format { stride: 3, ..good },
            _ => good,
        };
        device.open = true;
        Ok(format)
    }

    fn wait(&mut self, limit: Duration, bytes: &mut Vec<u8>) -> Result<bool, CameraError> {
        let device = self.device.lock().unwrap();
        assert!(device.open, "waited for a closed device");
        assert!(limit <= Duration::from_millis(250), "a wait of {limit:?}");
        let frame = Duration::from_millis(33);
        let (length, fault) = match device.fault {
            Fault::None | Fault::Fourcc | Fault::Stride => (64, None),
            Fault::Short => (40, None),
            Fault::Long => (1 << 20, None),
            Fault::Stall => {
                self.clock.forward(limit);
                return Ok(false);
            }
            Fault::NoDevice => (0, Some(system(19))),
            Fault::Invalid => (0, Some(system(22))),
            Fault::Marked => (0, Some(CameraError::Marked)),
            Fault::Panic => (0, Some(CameraError::Panic { step: "wait" })),
        };
        self.clock.forward(frame);
        bytes.clear();
        bytes.resize(length, 9);
        fault.map_or(Ok(true), Err)
    }

    fn close(&mut self) {
        let mut device = self.device.lock().unwrap();
        device.open = false;
        device.closed += 1;
    }
}

/// Camera and verdict, as a run has them.
struct Bench {
    script: Scripted,
    camera: Camera<Scripted>,
    decider: Decider,
    frame: Frame,
    errors: u32,
}

impl Bench {
    fn new() -> Self {
        let script = Scripted::default();
        let classes = ClassSet::new(&["A", "B"]).unwrap();
        Self {
            camera: Camera::new(script.clone(), Box::new(script.clock.clone())),
            script,
            decider: Decider::new(DecideConfig::default(), classes, 0.0).unwrap(),
            frame: Frame::default(),
            errors: 0,
        }
    }

    fn now(&self) -> Duration {
        self.script.clock.now()
    }

    fn set(&self, fault: Fault) {
        self.script.device.lock().unwrap().fault = fault;
    }

    /// One answer of the source; gives whether it was a frame.
    fn step(&mut self) -> bool {
        let before = self.now();
        let next = self.camera.read(&mut self.frame);
        let took = self.now().saturating_sub(before);
        assert!(took <= Duration::from_millis(300), "an answer after {took:?}");
        let now_ms = self.now().as_millis() as u64;
        match next {
            Ok(Next::Frame) => {
                let scores = Scores::from_logits(&[5.0, 0.0], 1.0).unwrap();
                self.decider.observe(self.frame.time_ms, &Observation::Face(scores));
                return true;
            }
            Ok(Next::Nothing) => {}
            Ok(Next::End) => panic!("a camera has no end"),
            Err(error) => {
                assert!(error.to_string().contains("scripted"), "{error}");
                self.errors += 1;
            }
        }
        self.decider.tick(now_ms);
        false
    }

    /// Steps until this much time has passed.
    fn pass(&mut self, time: Duration) {
        let end = self.now() + time;
        while self.now() < end {
            self.step();
        }
    }

    /// How long until the next frame.
    fn wait_for_frame(&mut self) -> Duration {
        let start = self.now();
        while !self.step() {
            assert!(
                self.now().saturating_sub(start) < Duration::from_mins(1),
                "no frame for a minute"
            );
        }
        self.now().saturating_sub(start)
    }
}

#[test]
fn every_fault_is_unknown_within_2_s_and_over_within_5_s() {
    let runs = rounds(1000) as usize;
    let mut numbers = Numbers(7);
    let mut bench = Bench::new();
    let (mut slowest, mut last_number) = (Duration::ZERO, None);
    for run in 0..runs {
        bench.set(Fault::None);
        slowest = slowest.max(bench.wait_for_frame());
        bench.pass(Duration::from_millis(numbers.below(2000) + 1000));
        assert_eq!(bench.decider.verdict().as_str(), "A", "run {run}");
        assert!(last_number.is_none_or(|last| bench.frame.number > last));
        last_number = Some(bench.frame.number);
        let fault = FAULTS[numbers.below(FAULTS.len() as u64) as usize];
        if matches!(fault, Fault::Fourcc | Fault::Stride) {
            // These show when a device that was gone comes back as another.
            bench.set(Fault::NoDevice);
            bench.step();
        }
        bench.set(fault);
        let errors = bench.errors;
        bench.pass(Duration::from_secs(2));
        assert_eq!(bench.decider.verdict(), Verdict::Unknown, "{fault:?} after 2 s");
        assert!(bench.errors > errors, "{fault:?} was not told");
        bench.pass(Duration::from_millis(numbers.below(20_000)));
    }
    assert!(slowest <= Duration::from_secs(5), "open again after {slowest:?}");
    let device = bench.script.device.lock().unwrap();
    assert!(device.opened as usize >= runs && device.closed >= device.opened - 1);
}

#[test]
fn a_camera_that_is_not_there_is_tried_again_with_pauses() {
    let mut bench = Bench::new();
    bench.set(Fault::NoDevice);
    bench.pass(Duration::from_mins(1));
    let attempts = bench.script.device.lock().unwrap().opened;
    assert!((25..=40).contains(&attempts), "{attempts} attempts in a minute");
    bench.set(Fault::None);
    assert!(bench.wait_for_frame() <= Duration::from_secs(3));
}

#[test]
fn one_bad_frame_is_left_out_and_ten_open_the_device_anew() {
    let mut bench = Bench::new();
    bench.wait_for_frame();
    bench.set(Fault::Short);
    for _ in 0..9 {
        assert!(!bench.step());
    }
    bench.set(Fault::None);
    assert!(bench.step());
    assert_eq!((bench.errors, bench.script.device.lock().unwrap().opened), (9, 1));
    bench.set(Fault::Short);
    for _ in 0..10 {
        bench.step();
    }
    assert!(!bench.script.device.lock().unwrap().open);
}

#[test]
fn the_device_is_left_when_the_source_goes() {
    let mut bench = Bench::new();
    bench.wait_for_frame();
    let device = Arc::clone(&bench.script.device);
    drop(bench);
    assert!(!device.lock().unwrap().open);
}
