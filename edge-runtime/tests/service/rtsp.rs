//! A camera that speaks RTSP, played by GStreamer's server, with what befalls real ones.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use super::network::{FRAMES, Running, Watcher, each_line, free_port};
use crate::support::program::command;
use crate::support::told::Told;
use crate::support::until;

/// Who may watch; the password has signs that mean something in an address.
const USER: &str = "ann";
const PASSWORD: &str = "p@ss w'rd";

/// The server of `rtsp_server.py`, which obeys.
struct Camera {
    port: u16,
    orders: ChildStdin,
    told: Told,
    _server: Running,
}

impl Camera {
    /// `None`, said loudly, where there is no GStreamer with its server, or no ffmpeg.
    fn start(port: u16, login: &[&str]) -> Option<Self> {
        if let Err(error) = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).status() {
            testing::skip(&format!("a stream of the network: ffmpeg: {error}"));
            return None;
        }
        // Debian's packages are for Debian's Python, whichever comes first on the path.
        let own = "/usr/bin/python3";
        let python = if Path::new(own).exists() { own } else { "python3" };
        let server = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/service/rtsp_server.py"))
            .arg(port.to_string())
            .args(login)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut server = match server {
            Ok(server) => Running(server),
            Err(error) => {
                testing::skip(&format!("RTSP: {python}: {error}"));
                return None;
            }
        };
        let told = Told::default();
        let (heard, complaints) = (told.clone(), told.clone());
        each_line(server.0.stdout.take().unwrap(), move |line| heard.note(line));
        each_line(server.0.stderr.take().unwrap(), move |line| complaints.note(line));
        let orders = server.0.stdin.take().unwrap();
        let (mut ended, is_told) = (false, |word: &str| told.lines().iter().any(|line| line == word));
        until("the camera listens", || {
            ended = server.0.try_wait().unwrap().is_some();
            ended || is_told("listening")
        });
        if ended {
            testing::skip(&format!(
                "RTSP: `apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good`: {:?}",
                told.lines()
            ));
            return None;
        }
        Some(Self {
            port,
            orders,
            told,
            _server: server,
        })
    }

    fn watch(&self, login: Option<&str>) -> Watcher {
        Watcher::start(&format!("rtsp://127.0.0.6:{}/live", self.port), login)
    }

    fn count(&self, word: &str) -> usize {
        self.told.lines().iter().filter(|line| *line == word).count()
    }

    /// Gives an order, and waits until it is followed.
    fn order(&mut self, order: &str) {
        let before = self.count("done");
        writeln!(self.orders, "{order}").unwrap();
        until(order, || self.count("done") > before);
    }
}

/// What the doctor tells of the camera.
fn doctor(camera: &Camera, login: Option<&str>) -> String {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    let text = format!(
        "schema = 1\n[source]\nuri = \"rtsp://127.0.0.6:{}/live\"\n",
        camera.port
    );
    let credentials = login.map_or("", |login| {
        fs::write(dir.path().join("login"), login).unwrap();
        "credentials_file = \"login\"\n"
    });
    fs::write(&config, text + credentials).unwrap();
    let told = command(&["doctor", "--config"]).arg(&config).output().unwrap().stdout;
    let told = String::from_utf8(told).unwrap();
    let of_camera: Vec<&str> = told
        .lines()
        .filter(|line| line.contains(r#""check":"camera""#))
        .collect();
    of_camera.concat()
}

#[test]
fn the_doctor_asks_a_camera_that_speaks_rtsp_for_a_frame() {
    let Some(camera) = Camera::start(free_port(), &[USER, PASSWORD]) else {
        return;
    };
    let good = doctor(&camera, Some(&format!("{USER}\n{PASSWORD}\n")));
    assert!(
        good.contains(r#""ok":true"#) && good.contains("the first frame came after"),
        "{good}"
    );
    let refused = doctor(&camera, Some(&format!("{USER}\nwrong\n")));
    assert!(
        refused.contains(r#""ok":false"#) && refused.contains("401 Unauthorized"),
        "{refused}"
    );
    for told in [&good, &refused] {
        assert!(
            !told.contains("wrong") && !told.contains("w'rd") && !told.contains("w%27rd"),
            "{told}"
        );
    }
}

/// Nothing that is told has the password in it, as it is or as it stands in an address.
fn keeps_the_secret(watcher: &Watcher) {
    let told = watcher.said().join("\n");
    for secret in [PASSWORD, "w'rd", "w%27rd", "wrong"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[test]
fn a_camera_that_speaks_rtsp_is_read_over_a_stall_an_end_and_a_restart() {
    let Some(mut camera) = Camera::start(free_port(), &[USER, PASSWORD]) else {
        return;
    };
    let watcher = camera.watch(Some(&format!("{USER}\n{PASSWORD}\n")));
    watcher.until_seen(FRAMES);
    camera.order("stall");
    watcher.until_said("no frame for 2000 ms; it is opened again");
    until("it is asked again", || camera.count("watched") == 2);
    watcher.until_seen(4 * FRAMES);
    camera.order("end");
    until("it is asked again", || camera.count("watched") == 3);
    watcher.until_seen(4 * FRAMES);
    let port = camera.port;
    drop(camera);
    let _camera = Camera::start(port, &[USER, PASSWORD]).unwrap();
    watcher.until_seen(4 * FRAMES);
    keeps_the_secret(&watcher);
}

#[test]
fn a_camera_that_refuses_the_login_is_told_by_the_cause_and_the_password_by_nobody() {
    let Some(camera) = Camera::start(free_port(), &[USER, PASSWORD]) else {
        return;
    };
    for login in [Some(format!("{USER}\nwrong\n")), None] {
        let watcher = camera.watch(login.as_deref());
        watcher.until_said("401 Unauthorized");
        assert_eq!((watcher.frames(), camera.count("watched")), (0, 0));
        keeps_the_secret(&watcher);
    }
}

#[test]
fn a_camera_that_begins_slowly_is_waited_for() {
    let Some(mut camera) = Camera::start(free_port(), &[]) else {
        return;
    };
    camera.order("slow");
    let watcher = camera.watch(None);
    watcher.until_seen(4 * FRAMES);
    let said = watcher.said();
    assert_eq!(camera.count("watched"), 1, "{said:?}");
    assert!(!said.iter().any(|line| line.contains("opened again")), "{said:?}");
}
