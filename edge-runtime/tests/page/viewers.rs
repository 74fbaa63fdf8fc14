//! What viewers get, and that the loop does not feel them.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;

use tungstenite::{Message, client};

use super::{kiosk, visit};
use crate::support::http::{Answer, Events, ask, connect, get, post};
use crate::support::until;

#[test]
fn a_viewer_gets_everything_first_and_then_what_changes() {
    let world = kiosk("");
    visit(&world, |address| {
        let mut events = Events::follow(address).unwrap();
        let (name, snapshot) = events.next().unwrap();
        assert_eq!(name, "snapshot");
        assert_eq!(snapshot["classes"].as_array().unwrap().len(), 6);
        assert_eq!(snapshot["page"]["language"], "en");
        assert_eq!(snapshot["camera"]["smallest_face_px"], 80.0);
        assert_eq!(snapshot["bundle"]["version"], 1);
        let faces = events.until("faces");
        assert_eq!((&faces["width"], &faces["height"]), (&96.into(), &96.into()));
        let face = &faces["faces"][0];
        assert_eq!(face["keypoints"].as_array().unwrap().len(), 15);
        assert_eq!(face["scores"].as_object().unwrap().len(), 6);
        assert_eq!(face["counts"], true);
        // Only a verdict that has begun ends with the pause.
        until("a verdict has begun", || {
            get(address, "/api/snapshot").json()["state"]["emotion"] != "unknown"
        });
        // A pause is told, and what holds then.
        assert_eq!(post(address, "/api/pause", "ON", "").status, 204);
        // Either may come first.
        let (mut paused, mut state) = (None, None);
        while paused.is_none() || state.is_none() {
            let (name, data) = events.next().unwrap();
            if name == "snapshot" && data["switches"]["pause"] == true {
                paused = Some(data);
            } else if name == "state" && data["emotion"] == "unknown" && data["sequence"] != 0 {
                state = Some(data);
            }
        }
        // In the very fields of the line on standard output.
        let line = world.told("out").into_iter().next_back().unwrap();
        let line: serde_json::Value = serde_json::from_str(line.strip_prefix("out ").unwrap()).unwrap();
        assert_eq!(state.unwrap(), line);
    });
}

#[test]
fn the_snapshot_tells_what_works_and_what_does_not() {
    let world = kiosk("");
    visit(&world, |address| {
        until("rates and parts are known", || {
            let snapshot = get(address, "/api/snapshot").json();
            let parts = snapshot["parts"].as_array().unwrap();
            let rates = &snapshot["rates"];
            parts.len() >= 5
                && rates["judged"].as_f64().unwrap() > 0.0
                && !snapshot["checks"].as_array().unwrap().is_empty()
        });
        let snapshot = get(address, "/api/snapshot").json();
        let names: Vec<&str> = snapshot["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["capture", "inference", "output", "page", "bundles"]);
        assert!(
            snapshot["parts"]
                .as_array()
                .unwrap()
                .iter()
                .all(|part| part["ok"] == true)
        );
        let stages: Vec<&str> = snapshot["latency_ms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|stage| stage["stage"].as_str().unwrap())
            .collect();
        assert_eq!(stages, ["capture", "find", "crop", "networks", "decide", "total"]);
        assert_eq!(snapshot["state"], snapshot_without_time(&snapshot["recent"][0]));
        assert!(snapshot["broker"].is_null() && snapshot["counts"].is_null() && snapshot["update"].is_null());
        let checks = snapshot["checks"].as_array().unwrap().iter();
        let checked: Vec<&str> = checks.map(|check| check["check"].as_str().unwrap()).collect();
        for name in ["clock", "throttling", "update", "keys", "page"] {
            assert!(checked.contains(&name), "{checked:?}");
        }
        // A frame that cannot be read is a warning with its cure.
        fs::write(world.kiosk.path("frames/4.pgm"), "P5 96 96 255\nshort").unwrap();
        until("the warning", || {
            !get(address, "/api/snapshot").json()["warnings"]
                .as_array()
                .unwrap()
                .is_empty()
        });
        let warning = get(address, "/api/snapshot").json()["warnings"][0].clone();
        assert!(
            warning["text"].as_str().unwrap().contains("4.pgm") && warning["cure"].is_string(),
            "{warning}"
        );
    });
}

fn snapshot_without_time(told: &serde_json::Value) -> serde_json::Value {
    let mut state = told.clone();
    assert!(state.as_object_mut().unwrap().remove("at_ms").is_some());
    state
}

#[test]
fn a_reload_with_the_same_pages_keeps_viewers_and_tells_them_of_the_new_run() {
    let world = kiosk("");
    visit(&world, |address| {
        let mut events = Events::follow(address).unwrap();
        let first = events.until("snapshot")["boot"].clone();
        world.reload();
        loop {
            let snapshot = events.until("snapshot");
            if snapshot["boot"] != first {
                break;
            }
        }
    });
}

/// The socket's next message: its name and its data.
fn hear(socket: &mut tungstenite::WebSocket<std::net::TcpStream>) -> (String, serde_json::Value) {
    loop {
        if let Message::Text(text) = socket.read().unwrap() {
            let message: serde_json::Value = serde_json::from_str(&text).unwrap();
            return (message["event"].as_str().unwrap().to_owned(), message["data"].clone());
        }
    }
}

#[test]
fn programs_get_the_same_messages_over_a_websocket_and_say_nothing() {
    let world = kiosk("");
    visit(&world, |address| {
        let open = || {
            client(format!("ws://{address}/api/socket"), connect(address))
                .unwrap()
                .0
        };
        let mut socket = open();
        let (name, snapshot) = hear(&mut socket);
        assert_eq!(name, "snapshot");
        assert_eq!(
            snapshot["classes"],
            Events::follow(address).unwrap().until("snapshot")["classes"]
        );
        // What it says is not read, and a long message ends it.
        socket.send(Message::text("ON")).unwrap();
        while hear(&mut socket).0 != "faces" {}
        assert_eq!(get(address, "/api/snapshot").json()["switches"]["pause"], false);
        let mut loud = open();
        loud.send(Message::text("x".repeat(10_000))).unwrap();
        while loud.read().is_ok() {}
    });
}

#[test]
fn thirty_two_viewers_are_served_the_next_one_waits_and_a_place_that_is_left_is_free() {
    let world = kiosk("");
    visit(&world, |address| {
        let mut viewers: Vec<Events> = (0..32).map(|_| Events::follow(address).unwrap()).collect();
        assert_eq!(Events::follow(address).err(), Some(503));
        for viewer in &mut viewers {
            assert_eq!(viewer.next().unwrap().0, "snapshot");
            viewer.until("faces");
        }
        viewers.pop();
        until("the place is free", || Events::follow(address).is_ok());
    });
}

#[test]
fn viewers_that_never_read_and_connections_that_hardly_write_hold_nobody_up() {
    let world = kiosk("");
    visit(&world, |address| {
        let mut viewers: Vec<Events> = (0..22).map(|_| Events::follow(address).unwrap()).collect();
        let mut deaf: Vec<_> = (0..10).map(|_| connect(address)).collect();
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        for (number, stream) in deaf.iter_mut().enumerate() {
            let (path, more) = if number % 2 == 0 {
                ("events", "")
            } else {
                ("socket", upgrade)
            };
            write!(stream, "GET /api/{path} HTTP/1.1\r\nHost: {address}\r\n{more}\r\n").unwrap();
        }
        let mut slow: Vec<_> = (0..90).map(|_| connect(address)).collect();
        let frames = |viewer: &mut Events| viewer.until("faces")["frame"].as_u64().unwrap();
        for byte in b"GET / HTTP/1.1\r\n" {
            for stream in &mut slow {
                let _ = stream.write_all(&[*byte]);
            }
            // Each of those who read goes on getting frames, and not one twice.
            for viewer in &mut viewers {
                let (before, after) = (viewer.until("faces"), viewer.until("faces"));
                assert_ne!(before["time_ms"], after["time_ms"]);
            }
        }
        assert!(frames(&mut viewers[0]) < 4);
    });
}

#[test]
fn media_of_the_operator_are_given_whole_and_in_parts() {
    let world = kiosk("media = \"media\"\nlanguage = \"words.json\"\nvocabulary = \"expression\"\n");
    let film: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
    fs::create_dir(world.kiosk.path("media")).unwrap();
    fs::write(world.kiosk.path("media/Happy.webm"), &film).unwrap();
    fs::write(world.kiosk.path("media/happy.txt"), "Have a nice day!\n").unwrap();
    fs::write(world.kiosk.path("words.json"), "{\"language\": \"nl\"}").unwrap();
    visit(&world, |address| {
        let page = &get(address, "/api/snapshot").json()["page"];
        assert_eq!(
            (&page["language"], &page["vocabulary"]),
            (&"nl".into(), &"expression".into())
        );
        let shown = serde_json::json!({"film": "/media/Happy.webm", "text": "Have a nice day!"});
        assert_eq!(page["media"]["happy"], shown);
        let whole = get(address, "/media/Happy.webm");
        assert_eq!((whole.status, whole.header("content-type")), (200, Some("video/webm")));
        assert!(whole.body == film);
        let part = |range: &str| -> Answer {
            let headers = format!("Host: {{host}}\r\nRange: {range}\r\nConnection: close\r\n");
            ask(address, &format!("GET /media/Happy.webm HTTP/1.1\r\n{headers}\r\n"))
        };
        let some = part("bytes=70000-139999");
        assert_eq!(
            (some.status, some.header("content-range")),
            (206, Some("bytes 70000-139999/200000"))
        );
        assert!(some.body == film[70_000..140_000]);
        assert_eq!(part("bytes=200000-").status, 416);
    });
}

#[test]
fn pages_that_cannot_be_served_keep_the_kiosk_from_starting_and_say_why() {
    for (more, expected) in [
        ("token_file = \"none\"\n", "read token"),
        ("media = \"none\"\n", "read media"),
        ("language = \"none.json\"\n", "read words"),
        ("tls = { cert_file = \"none\", key_file = \"none\" }\n", "PEM"),
    ] {
        let error = kiosk(more).run(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{more}: {error}");
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = taken.local_addr().unwrap();
    let world = crate::daemon::world::World::new(&format!("[page]\nlisten = \"{address}\"\n"));
    let error = world.run(|_| ()).unwrap_err().to_string();
    assert!(error.contains(&format!("serve pages on {address}")), "{error}");
}
