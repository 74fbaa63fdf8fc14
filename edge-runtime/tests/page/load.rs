//! A crowd of viewers before a program of its own, whose memory is watched.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Stdio;
use std::thread;

use super::start;
use crate::daemon::world::World;
use crate::support::http::{Events, connect, get};
use crate::update::kiosk::stop;

/// Frames until the memory is taken that a run takes, and those over which it must stay.
const WARM: u64 = 600;
const WATCHED: u64 = 3000;

/// Most that it may grow meanwhile, in KiB.
const GROWTH_KIB: u64 = 3072;

/// Milliseconds of the source from one frame to the next.
const FRAME_MS: u64 = 100;

/// Memory in use by a process, in KiB.
fn resident_kib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Takes everything that comes until the end.
fn drain(address: SocketAddr) {
    let mut stream = connect(address);
    write!(stream, "GET /api/events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(1..) = stream.read(&mut buffer) {}
    });
}

#[test]
fn under_a_crowd_no_frame_is_left_out_and_memory_stays() {
    // As fast as frames can be judged: an hour passes in minutes.
    let world = World::new("[page]\nlisten = \"127.0.0.1:0\"\n");
    let (child, address) = start(&world.kiosk, Stdio::null());
    let id = child.id();
    for _ in 0..21 {
        drain(address);
    }
    let mut deaf: Vec<_> = (0..10).map(|_| connect(address)).collect();
    for stream in &mut deaf {
        write!(stream, "GET /api/events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    }
    let mut slow: Vec<_> = (0..90).map(|_| connect(address)).collect();
    let mut watcher = Events::follow(address).unwrap();
    // Numbers of frames begin anew with each round of the pictures; their times do not.
    let mut until_frame = |number: u64| {
        let mut bytes = b"GET / HTTP/1.1\r\nX: ".iter().chain(&[b'x'; 4000]);
        while watcher.until("faces")["time_ms"].as_u64().unwrap() / FRAME_MS < number {
            let byte = [*bytes.next().unwrap_or(&b'x')];
            slow.retain_mut(|stream| stream.write_all(&byte).is_ok());
        }
    };
    until_frame(WARM);
    let early = resident_kib(id);
    until_frame(WARM + WATCHED);
    let late = resident_kib(id);
    let rates = get(address, "/api/snapshot").json()["rates"].clone();
    drop(deaf);
    let output = stop(child);
    assert!(output.stdout.is_empty());
    let told = fs::read_to_string(world.kiosk.path("log")).unwrap();
    assert!(late <= early + GROWTH_KIB, "{early} KiB early, {late} KiB late");
    assert_eq!((&rates["skipped"], &rates["bad"]), (&0.into(), &0.into()), "{rates}");
    assert!(told.contains("dropped 0, bad 0, sink errors 0"), "{told}");
}
