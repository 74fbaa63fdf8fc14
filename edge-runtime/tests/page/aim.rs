//! Aiming: the only pages with a picture, for a while, and never beside a run.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{self, Command, Stdio};

use inference::picture::Picture;
use rustix::process::{Pid, Signal, kill_process};

use super::{kiosk, reconfigure, visit};
use crate::daemon::world::World;
use crate::support::chromium::Chromium;
use crate::support::http::{Events, ask, connect, get};
use crate::support::until;

fn aim(world: &World, more: &[&str]) -> Command {
    let mut program = world.kiosk.program("aim");
    program.args(["--listen", "127.0.0.1:0"]).args(more);
    program.stdout(Stdio::null()).stderr(Stdio::piped());
    program
}

/// Ends the program when the test does.
struct Child(process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that shows the camera's pictures.
pub(super) struct Aiming {
    child: Child,
    pub(super) address: SocketAddr,
    /// What it has said up to the address, and where it says more.
    said: String,
    more: BufReader<process::ChildStderr>,
}

/// Starts it, and waits for its address.
pub(super) fn start(world: &World) -> Aiming {
    let mut child = aim(world, &[]).spawn().unwrap();
    let mut more = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("aim: http://") {
        assert_ne!(more.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let place = said.split("aim: http://").nth(1).unwrap().trim().trim_end_matches('/');
    Aiming {
        child: Child(child),
        address: place.parse().unwrap(),
        said,
        more,
    }
}

#[test]
fn the_lamp_is_lit_before_the_first_picture_and_goes_out_at_the_end() {
    let world = kiosk("[sink.gpio]\nbackend = \"log\"\nlamp = { pin = 22 }\n");
    let mut aiming = start(&world);
    let levels = |said: &str| -> Vec<String> {
        let lines = said.lines().filter_map(|line| line.strip_prefix("gpio 22 "));
        lines.map(str::to_owned).collect()
    };
    // Lines begin at their safe level.
    assert_eq!(levels(&aiming.said), ["low", "high"], "{}", aiming.said);
    until("the first picture", || {
        get(aiming.address, "/api/picture").status == 200
    });
    kill_process(Pid::from_raw(aiming.child.0.id() as i32).unwrap(), Signal::TERM).unwrap();
    let mut rest = String::new();
    aiming.more.read_to_string(&mut rest).unwrap();
    assert_eq!(levels(&rest), ["low"], "{rest}");
    assert_eq!(aiming.child.0.wait().unwrap().code(), Some(128 + 15));
}

#[test]
fn whoever_aims_sees_the_picture_and_what_is_found_in_it() {
    let world = kiosk("");
    let aiming = start(&world);
    let address = aiming.address;
    assert!(get(address, "/").text().contains("/assets/aim.js"));
    let mut events = Events::follow(address).unwrap();
    let snapshot = events.until("snapshot");
    let left = snapshot["left_s"].as_u64().unwrap();
    assert!((500..=600).contains(&left), "{left}");
    assert_eq!(events.until("faces")["width"], 96);
    let picture = get(address, "/api/picture");
    assert_eq!(
        (picture.status, picture.header("content-type")),
        (200, Some("image/jpeg"))
    );
    assert!(picture.header("edge-frame").is_some());
    let seen = Picture::decode(&picture.body).unwrap();
    assert_eq!((seen.width(), seen.height()), (96, 96));
    // It obeys nobody, and shows itself to nobody else.
    let host = "Host: {host}\r\nOrigin: http://{host}\r\nConnection: close\r\n";
    assert_eq!(
        ask(
            address,
            &format!("POST /api/pause HTTP/1.1\r\n{host}Content-Length: 0\r\n\r\n")
        )
        .status,
        404
    );
    let elsewhere = "Host: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(
        ask(address, &format!("GET /api/picture HTTP/1.1\r\n{elsewhere}")).status,
        403
    );
}

/// How far the corners of a box of the frame's size are from the corners of the picture, in pixels of the screen.
const OFF: &str = "(() => {
    const canvas = document.getElementById('frame'), r = canvas.getBoundingClientRect();
    const drawing = document.getElementById('drawing'), m = drawing.getScreenCTM(), v = drawing.viewBox.baseVal;
    const scale = Math.min(r.width / canvas.width, r.height / canvas.height);
    const left = r.x + (r.width - canvas.width * scale) / 2, top = r.y + (r.height - canvas.height * scale) / 2;
    // Mirrored: the right edge of the frame is on the left.
    const at = new DOMPoint(v.width, 0).matrixTransform(m);
    return Math.hypot(at.x - left, at.y - top) + Math.abs(canvas.width - v.width);
})()";

#[test]
fn what_is_found_is_drawn_where_it_is_in_the_picture() {
    let world = kiosk("");
    let aiming = start(&world);
    let address = aiming.address;
    for [width, height] in [[1280, 720], [390, 844]] {
        let Some(mut window) = Chromium::open(width, height) else {
            return;
        };
        window.go(&format!("http://{address}/"));
        window.until("document.querySelectorAll('#drawing .bounds[d]').length > 0");
        window.until("document.querySelectorAll('#meters dt').length === 3");
        let off = window.value(OFF).as_f64().unwrap();
        assert!(off <= 1.0, "{off} pixels at {width}x{height}");
        assert!(window.complaints.is_empty(), "{:?}", window.complaints);
    }
}

#[test]
fn aiming_is_refused_while_the_service_has_the_camera() {
    let world = kiosk("");
    visit(&world, |_| {
        let output = aim(&world, &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(75));
        assert!(String::from_utf8_lossy(&output.stderr).contains("stop it first"));
    });
}

#[test]
fn pictures_go_to_this_machine_alone() {
    let world = kiosk("");
    let mut program = world.kiosk.program("aim");
    let output = program.args(["--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("ssh -L"));
    let output = aim(&world, &["--minutes", "11"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn the_pages_of_a_run_have_no_picture() {
    let world = kiosk("");
    visit(&world, |address| {
        assert_eq!(get(address, "/api/picture").status, 404);
        // Nothing that they send holds a row of a frame, nor what a JPEG begins with.
        let frame = fs::read(world.kiosk.path("frames/0.pgm")).unwrap();
        let row = &frame[frame.len() - 96..];
        let mut bodies: Vec<Vec<u8>> = ["/", "/operator", "/api/snapshot", "/words.json"]
            .map(|path| get(address, path).body)
            .into();
        // Of the stream, some seconds.
        let mut stream = connect(address);
        write!(stream, "GET /api/events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut streamed = vec![0; 32 * 1024];
        stream.read_exact(&mut streamed).unwrap();
        bodies.push(streamed);
        for body in bodies {
            assert!(!body.windows(row.len()).any(|part| part == row));
            assert!(!body.windows(3).any(|part| part == [0xff, 0xd8, 0xff]));
        }
    });
}

#[test]
fn a_source_that_ends_ends_the_aiming() {
    let world = kiosk("");
    reconfigure(&world, "loop = true\nrealtime = true\n", "");
    let mut child = Child(aim(&world, &[]).spawn().unwrap());
    let mut said = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.0.wait().unwrap().success(), "{said}");
}
