use std::fs;

use super::*;
use crate::source::camera::Camera;
use crate::source::{Frame, FrameSource, Next};
use testing::rounds;
use vision::clock::{Clock, SystemClock};

const WANTED: Wanted = Wanted {
    width: 64,
    height: 48,
    fps: 30,
    pixels: None,
};
const FRAME: usize = 64 * 48 * 3 / 2;

/// A script in place of `rpicam-vid`.
struct Fake(tempfile::TempDir);

impl Fake {
    fn new(body: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fake");
        testing::write_script(&path, &format!("cd \"$(dirname \"$0\")\"\necho $$ >> pids\n{body}"));
        Self(dir)
    }

    fn driver(&self) -> Rpicam {
        Rpicam::new(&self.0.path().join("fake"), WANTED)
    }

    /// Processes of the script that are still there.
    fn alive(&self) -> usize {
        let pids = fs::read_to_string(self.0.path().join("pids")).unwrap();
        pids.lines().filter(|pid| Path::new("/proc").join(pid).exists()).count()
    }
}

/// Asks until a frame or an error comes.
fn outcome(driver: &mut Rpicam, bytes: &mut Vec<u8>) -> Result<(), CameraError> {
    loop {
        if driver.wait(Duration::from_millis(200), bytes)? {
            return Ok(());
        }
    }
}

#[test]
fn frames_come_whole_and_the_child_is_reaped() {
    let fake = Fake::new("while head -c 4608 /dev/zero | tr '\\0' 'a'; do :; done");
    let mut driver = fake.driver();
    assert_eq!(driver.open().unwrap(), driver.format());
    let mut bytes = Vec::new();
    for _ in 0..5 {
        outcome(&mut driver, &mut bytes).unwrap();
        assert_eq!(bytes, [b'a'; FRAME]);
    }
    driver.close();
    assert_eq!(fake.alive(), 0);
}

#[test]
fn a_child_that_dies_is_told_with_its_last_words_and_started_again() {
    let fake = Fake::new("head -c 4608 /dev/zero\necho no cameras available >&2\nexit 3");
    let mut driver = fake.driver();
    let mut bytes = Vec::new();
    for _ in 0..3 {
        driver.open().unwrap();
        outcome(&mut driver, &mut bytes).unwrap();
        let error = outcome(&mut driver, &mut bytes).unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        driver.close();
    }
    assert_eq!(fake.alive(), 0);
}

#[test]
fn a_child_that_floods_its_complaints_goes_on() {
    let fake = Fake::new("yes 'a warning' | head -c 3000000 >&2\nhead -c 4608 /dev/zero\nexec sleep 1000");
    let mut driver = fake.driver();
    driver.open().unwrap();
    outcome(&mut driver, &mut Vec::new()).unwrap();
    assert_eq!(driver.running.complaint(), "a warning");
    driver.close();
    assert_eq!(fake.alive(), 0);
}

/// Every look at it is 300 ms later.
struct Hurried(std::cell::Cell<u32>);

impl Clock for Hurried {
    fn now(&self) -> Duration {
        self.0.set(self.0.get() + 1);
        self.0.get() * Duration::from_millis(300)
    }

    fn sleep(&self, _: Duration) {}
}

/// What a child that writes nothing is reported with.
fn hang(fake: &Fake) -> String {
    let mut camera = Camera::new(fake.driver(), Box::new(Hurried(std::cell::Cell::new(0))));
    let mut frame = Frame::default();
    loop {
        match camera.read(&mut frame) {
            Ok(Next::Nothing) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => return error.to_string(),
        }
    }
}

#[test]
fn a_child_that_hangs_is_killed_with_its_own_children() {
    let fake = Fake::new("sleep 1000 & echo $! >> pids\nwait");
    let error = hang(&fake);
    assert!(error.contains("no frame for"), "{error}");
    // The shell is reaped by us, its child by whoever adopts orphans.
    assert!(fake.alive() <= 1);
}

/// What the child is reported with after its last frame.
fn fault(fake: &Fake) -> String {
    let mut driver = fake.driver();
    driver.open().unwrap();
    let mut bytes = Vec::new();
    let error = loop {
        if let Err(error) = outcome(&mut driver, &mut bytes) {
            break error.to_string();
        }
    };
    driver.close();
    error
}

#[test]
fn children_that_fail_again_and_again_are_told_and_reaped() {
    let dies = Fake::new("head -c 4608 /dev/zero\nexit 3");
    let floods = Fake::new("yes 'a warning' | head -c 300000 >&2\nhead -c 4608 /dev/zero\nexit 4");
    let hangs = Fake::new("exec sleep 1000");
    for round in 0..rounds(6) {
        let (fake, error, expected) = match round % 3 {
            0 => (&dies, fault(&dies), "exit status: 3"),
            1 => (&floods, fault(&floods), "exit status: 4"),
            _ => (&hangs, hang(&hangs), "no frame for"),
        };
        assert!(error.contains(expected), "round {round}: {error}");
        assert_eq!(fake.alive(), 0, "round {round}");
    }
}

#[test]
fn the_last_words_of_a_child_are_told_however_late_they_come() {
    for script in [
        "echo 'the camera is busy' >&2; exit 255",
        "exec 1>&-; sleep 0.1; echo 'the camera is busy' >&2; exit 255",
        "printf 'the camera is busy' >&2; exit 255",
        "sleep 1000 >/dev/null & echo 'the camera is busy' >&2; exit 255",
    ] {
        let fake = Fake::new(script);
        for _ in 0..5 {
            let error = fault(&fake);
            assert!(error.ends_with("the camera is busy"), "{script}: {error}");
            assert!(error.starts_with("fake ended (exit status: 255)"), "{error}");
        }
    }
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    let mut camera = Camera::new(
        Rpicam::new(Path::new("/nonexistent/rpicam-vid"), WANTED),
        Box::new(SystemClock::start()),
    );
    let error = camera.read(&mut Frame::default()).unwrap_err().to_string();
    assert!(error.contains("start the program"), "{error}");
}
