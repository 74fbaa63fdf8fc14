//! A new configuration that fails, while what the old one was made of is gone.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use edge_runtime::counts::CountsLock;
use edge_runtime::daemon::Ending;

use super::wired;
use super::world::{BROKEN, World, boot};
use crate::support::until;
use crate::update::kiosk::{copy_bundle, factory};

/// Everything that reads files at its start, and holds something that nobody else can have.
const WHOLE: &str = "[sink.mqtt]\nhost = \"127.0.0.1\"\nport = 9\ndevice = \"a\"\ncredentials_file = \"login\"\n\
                     outbox = { dir = \"outbox\" }\n[sink.webhook]\nurl = \"http://127.0.0.1:9/\"\nsecret_file = \"secret\"\n\
                     dir = \"hook\"\n[counts]\ndir = \"counts\"\n[page]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"token\"\n";

/// Where updates go, which also choose the bundle.
const UPDATE: &str = "[update]\nstate = \"state\"\nkeys = \"keys\"\ndevice = \"kiosk-1\"\n";

/// A configuration with a bundle of its own.
fn configure(world: &World, bundle: &str, more: &str) {
    let text = format!(
        "schema = 1\nbundle = \"{bundle}\"\n[source]\nuri = \"frames\"\nloop = true\n[face]\nmode = \"whole\"\n[sink]\n\
         stdout = \"faces\"\n{more}"
    );
    fs::write(world.kiosk.path("config.toml"), text).unwrap();
}

/// A kiosk with the bundle `old`, and the files that [`WHOLE`] names.
fn kiosk(more: &str) -> World {
    let world = World::new("");
    copy_bundle(&factory(), &world.kiosk.path("old"));
    for name in ["login", "secret", "token"] {
        let text = "user\n9f3c1a7e5b2d8046a1c3e5f7092b4d6e\n";
        let text = if name == "login" { text } else { &text[5..] };
        fs::write(world.kiosk.path(name), text).unwrap();
    }
    configure(&world, "old", more);
    world
}

/// The newest start that tells states.
fn newest(world: &World) -> String {
    let mut states = world.told("out").into_iter().filter(|line| line.contains("\"boot\""));
    boot(&states.next_back().unwrap())
}

/// Takes a directory away from its name, while somebody may still write to it.
fn take_away(world: &World, name: &str) {
    fs::rename(world.kiosk.path(name), world.kiosk.path(&format!("{name} of before"))).unwrap();
}

/// Waits until a start after `first` tells states.
fn until_started_anew(world: &World, first: &str) {
    until("it goes on", || newest(world) != first);
}

/// What the pages at an address answer.
fn answer(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Where the pages are that were served last.
fn pages(world: &World) -> SocketAddr {
    let told = world.told("info pages: http://").pop().unwrap();
    told.strip_prefix("info pages: http://")
        .unwrap()
        .trim_end_matches('/')
        .parse()
        .unwrap()
}

#[test]
fn a_new_configuration_that_fails_ends_nothing_though_the_files_of_the_old_one_are_gone() {
    for update in ["", UPDATE] {
        let world = kiosk(&format!("{WHOLE}{update}"));
        let ended = world.run(|world| {
            world.until_seen("out", 1);
            let (first, address) = (newest(world), pages(world));
            for name in ["old", "counts"] {
                take_away(world, name);
            }
            for name in ["login", "secret", "token"] {
                fs::remove_file(world.kiosk.path(name)).unwrap();
            }
            let page = "[page]\nlisten = \"127.0.0.1:0\"\nlanguage = \"de\"\n";
            configure(world, "factory", &format!("{}{page}{update}", wired(BROKEN, 22)));
            world.reload();
            until("it is refused", || {
                world.told("warning").iter().any(|line| line.ends_with("as it was"))
            });
            let warnings = world.told("warning").join("\n");
            assert!(warnings.contains("the line is broken"), "{warnings}");
            until_started_anew(world, &first);
            assert!(answer(address).starts_with("HTTP/1.1 "), "{}", answer(address));
            // And it takes up another one after that.
            let second = newest(world);
            configure(world, "factory", page);
            world.reload();
            until_started_anew(world, &second);
            assert_eq!(pages(world), address);
            assert!(answer(address).contains("200"), "{}", answer(address));
        });
        assert_eq!(ended.unwrap(), Ending::Stopped);
    }
}

#[test]
fn counts_that_another_program_holds_are_told_and_the_old_bundle_runs_though_it_is_gone() {
    let world = kiosk("");
    let theirs = CountsLock::take(&world.kiosk.path("theirs")).unwrap();
    let ended = world.run(|world| {
        world.until_seen("out", 1);
        fs::remove_dir_all(world.kiosk.path("old")).unwrap();
        configure(world, "factory", "[counts]\ndir = \"theirs\"\n");
        world.reload();
        world.until_seen("warning", 1);
        let outputs = world.told("out").len();
        until("the old one goes on", || world.told("out").len() > outputs);
    });
    drop(theirs);
    assert_eq!(ended.unwrap(), Ending::Stopped);
    let warning = &world.told("warning")[0];
    assert!(
        warning.contains("another edge-runtime counts there") && warning.ends_with("as it was"),
        "{warning}"
    );
    assert!(world.told("manager RELOADING").is_empty());
}

#[test]
fn counts_of_the_same_directory_are_handed_over() {
    let world = kiosk("[counts]\ndir = \"counts\"\n");
    let ended = world.run(|world| {
        world.until_seen("out", 1);
        let first = newest(world);
        configure(world, "factory", "[counts]\ndir = \"counts\"\nkeep_days = 30\n");
        world.reload();
        until("another start", || {
            let taken = CountsLock::take(&world.kiosk.path("counts"));
            assert!(taken.is_err(), "nobody else gets in between");
            newest(world) != first
        });
        let second = newest(world);
        configure(world, "factory", "");
        world.reload();
        until_started_anew(world, &second);
        assert!(!CountsLock::is_taken(&world.kiosk.path("counts")));
    });
    assert_eq!(ended.unwrap(), Ending::Stopped);
}

#[test]
fn what_the_old_one_cannot_take_again_is_tried_until_it_can_or_somebody_asks_for_something_else() {
    let mqtt = "[sink.mqtt]\nhost = \"127.0.0.1\"\nport = 9\ndevice = \"a\"\noutbox = { dir = \"outbox\" }\n";
    for what in ["mended", "another configuration", "end"] {
        let world = kiosk(mqtt);
        let ended = world.run(|world| {
            world.until_seen("out", 1);
            let first = newest(world);
            // The directory goes, and something else takes its name.
            take_away(world, "outbox");
            fs::write(world.kiosk.path("outbox"), "a file").unwrap();
            configure(world, "old", &wired(BROKEN, 22));
            world.reload();
            until("it tries again", || {
                (world.told("warning open outbox").iter()).any(|line| line.ends_with("tries again every second"))
            });
            match what {
                "mended" => fs::remove_file(world.kiosk.path("outbox")).unwrap(),
                "another configuration" => {
                    configure(world, "factory", "");
                    world.reload();
                }
                _ => return,
            }
            until_started_anew(world, &first);
        });
        assert_eq!(ended.unwrap(), Ending::Stopped, "{what}");
    }
}
