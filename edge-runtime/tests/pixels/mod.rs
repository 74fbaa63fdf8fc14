//! No pixel leaves a run, with everything switched on that tells anybody anything.

mod search;
mod traced;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use inference::picture::Picture;
use tempfile::TempDir;
use tungstenite::client;

use crate::outlets::receiver;
use crate::outlets::serial::Board;
use crate::support::broker::{Broker, Memory};
use crate::support::http::{Events, connect, get};
use crate::support::listener::Listener;
use crate::support::{program, until};
use search::Frames;
use traced::Traced;

/// A directory of frames that show somebody, and their pictures.
fn frames(dir: &Path) -> Vec<Picture> {
    let file = fs::read(Path::new(vision::face::PACKAGE).join("test.png")).unwrap();
    let photograph = Picture::decode(&file).unwrap();
    let rows = photograph.gray().unwrap();
    fs::create_dir(dir.join("frames")).unwrap();
    let (side, top) = (200, 190);
    let frame = |left: usize| {
        let pixels: Vec<u8> = (top..top + side)
            .flat_map(|y| rows.row(y)[left..left + side].to_vec())
            .collect();
        let pgm = [b"P5 200 200 255\n", pixels.as_slice()].concat();
        fs::write(dir.join(format!("frames/{left}.pgm")), pgm).unwrap();
        Picture::from_gray(pixels, side, side).unwrap()
    };
    [400, 402].map(frame).into()
}

fn configure(dir: &Path, more: &str) {
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default");
    let text = format!(
        "schema = 1\nbundle = '{}'\nstate = \"state\"\n[source]\nuri = \"frames\"\nloop = true\nrealtime = true\n\
         [face]\nmin_face_px = 40\npolicy = \"all\"\n[counts]\ndir = \"counts\"\n[page]\nlisten = \"127.0.0.1:0\"\n{more}",
        bundle.display()
    );
    fs::write(dir.join("config.toml"), text).unwrap();
}

fn command(dir: &Path, name: &str, more: &[&str]) -> Command {
    let mut command = program::command(&[name, "--config"]);
    command.arg(dir.join("config.toml")).args(more);
    command
}

/// A web server that takes every event, and how many it has taken.
fn web_server() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, taken) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&taken);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if let Some(()) = take(stream) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    (address, taken)
}

fn take(mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    stream
        .write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        .ok()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What is read of a stream in a while.
fn some(address: SocketAddr) -> Vec<(String, serde_json::Value)> {
    let mut events = Events::follow(address).unwrap();
    (0..20).map(|_| events.next().unwrap()).collect()
}

#[test]
fn with_everything_switched_on_no_byte_of_a_frame_is_written_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let pictures = frames(dir.path());
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let Some(mut board) = Board::plugged_in() else { return };
    let ear = Listener::start(broker.port, "ear", rumqttc::Transport::Tcp);
    let (osc, udp, (server, posted)) = (receiver(), receiver(), web_server());
    fs::write(dir.path().join("secret"), "a secret of twenty-four bytes or more").unwrap();
    let metrics = free_port();
    let sinks = format!(
        "[metrics]\nlisten = \"127.0.0.1:{metrics}\"\n[sink]\nstdout = \"faces\"\n\
         [sink.osc]\ntarget = \"{}\"\n[sink.udp]\ntarget = \"{}\"\n[sink.serial]\ndevice = \"{}\"\n\
         [sink.webhook]\nurl = \"http://{server}/\"\nsecret_file = \"secret\"\ndir = \"webhook\"\n\
         [sink.mqtt]\nhost = \"127.0.0.1\"\nport = {}\ndevice = \"hall\"\nstats_s = 1\noutbox = {{ dir = \"outbox\" }}\n\
         [sink.gpio]\nbackend = \"log\"\nlamp = {{ pin = 22 }}\nlines = [{{ pin = 5, state = \"face\" }}]\n\
         [[when]]\nname = \"welcome\"\nstate = \"face\"\ncooldown_s = 0.5\npage_s = 1\nwebhook = true\nosc = \"/welcome\"\n\
         pulse = {{ pin = 24, ms = 500 }}\n",
        osc.local_addr().unwrap(),
        udp.local_addr().unwrap(),
        board.device.display(),
        broker.port
    );
    configure(dir.path(), &sinks);
    let Some(run) = Traced::start(&command(dir.path(), "run", &[])) else {
        return;
    };
    let place = run.until_said("pages: http://");
    let address: SocketAddr = place.trim_end_matches('/').parse().unwrap();
    // Everybody has been told something, and somebody was counted.
    until("the web server is told", || posted.load(Ordering::Relaxed) > 0);
    until("the broker is told", || {
        ear.count("/state") > 0 && ear.count("/stats") > 0
    });
    assert!(!board.line().is_empty());
    for socket in [&osc, &udp] {
        assert!(socket.recv(&mut vec![0; 65_536]).unwrap() > 0);
    }
    let scrape = SocketAddr::from(([127, 0, 0, 1], metrics));
    until("somebody is counted", || {
        let text = get(scrape, "/metrics").text();
        let mut visitors = text
            .lines()
            .filter_map(|line| line.strip_prefix("edge_visitors_total "));
        visitors.any(|count| count != "0")
    });
    assert!(
        some(address)
            .iter()
            .any(|(name, data)| name == "faces" && data["faces"][0]["id"].is_number())
    );
    let mut socket = client(format!("ws://{address}/api/socket"), connect(address))
        .unwrap()
        .0;
    assert!((0..5).all(|_| socket.read().is_ok()));
    for path in [
        "/",
        "/operator",
        "/api/snapshot",
        "/api/counts",
        "/words.json",
        "/assets/visitor.js",
    ] {
        assert_eq!(get(address, path).status, 200, "{path}");
    }
    let written = run.end();
    let all: Vec<u8> = written.values().flatten().copied().collect();
    let frames = Frames::of(&pictures);
    // What is searched is what they were told.
    for part in [
        "event: faces",
        "\"event\":\"faces\"",
        "/pose/position",
        "webhook-signature",
        "emotion/hall/state",
        "edge_visitors_total",
        "gpio 22 high",
        "\"schema\":1",
        "\"input\"",
        "visitor.css",
    ] {
        let found = all.windows(part.len()).any(|window| window == part.as_bytes());
        assert!(found, "{part} is not among {} bytes", all.len());
    }
    for (number, bytes) in &written {
        assert_eq!(frames.find(bytes), None, "file {number}");
    }
    none_in_files(dir.path(), &frames);
}

/// The files beside the frames hold none of them.
fn none_in_files(dir: &Path, frames: &Frames) {
    let mut open = vec![dir.to_path_buf()];
    let mut files = 0;
    while let Some(path) = open.pop() {
        if path.ends_with("frames") {
            continue;
        }
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files += 1;
            assert_eq!(frames.find(&fs::read(&path).unwrap()), None, "{}", path.display());
        }
    }
    assert!(files > 4, "{files}");
}

#[test]
fn the_same_search_finds_the_pictures_of_aim() {
    let dir: TempDir = tempfile::tempdir().unwrap();
    let pictures = frames(dir.path());
    configure(dir.path(), "");
    let Some(aim) = Traced::start(&command(dir.path(), "aim", &["--listen", "127.0.0.1:0"])) else {
        return;
    };
    let place = aim.until_said("aim: http://");
    let address: SocketAddr = place.trim_end_matches('/').parse().unwrap();
    until("there is a picture", || get(address, "/api/picture").status == 200);
    let written = aim.end();
    let frames = Frames::of(&pictures);
    let found: Vec<&str> = written.values().filter_map(|bytes| frames.find(bytes)).collect();
    assert_eq!(found, ["a picture file"]);
}
