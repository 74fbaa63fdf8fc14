//! Attacks on a kiosk that runs, by what it reads when it is asked to reload.

use std::fs;
use std::os::unix::fs::symlink;

use durable::outbox::{Limits, Outbox};
use edge_runtime::daemon::Ending;

use super::world::World;
use crate::support::until;

/// Puts something in the place of the configuration.
type Place = Box<dyn Fn()>;

#[test]
fn whatever_takes_the_place_of_the_configuration_a_kiosk_that_runs_goes_on() {
    let world = World::new("[sink]\nstdout = \"faces\"\n");
    let path = world.kiosk.path("config.toml");
    let good = fs::read_to_string(&path).unwrap();
    let place = |work: fn(&std::path::Path, &str)| -> Place {
        let (path, good) = (path.clone(), good.clone());
        Box::new(move || work(&path, &good))
    };
    let cases: [(&str, Place); 9] = [
        ("nothing", place(|_, _| ())),
        ("nothing in it", place(|path, _| fs::write(path, "").unwrap())),
        (
            "half of it",
            place(|path, good| fs::write(path, &good[..good.len() / 2]).unwrap()),
        ),
        ("a directory", place(|path, _| fs::create_dir(path).unwrap())),
        ("a pipe", place(|path, _| testing::pipe(path))),
        ("a link in a circle", place(|path, _| symlink(path, path).unwrap())),
        (
            "a device without an end",
            place(|path, _| symlink("/dev/zero", path).unwrap()),
        ),
        ("no text", place(|path, _| fs::write(path, [0xff, 0xfe, 0, 1]).unwrap())),
        (
            "a text without an end",
            place(|path, good| fs::write(path, good.to_owned() + &"#".repeat(64 << 20)).unwrap()),
        ),
    ];
    let ended = world.run(|world| {
        world.until_seen("out", 1);
        for (what, place) in &cases {
            let _ = fs::remove_file(&path);
            let _ = fs::remove_dir(&path);
            place();
            let refused = world.told("warning").len();
            world.reload();
            until(what, || world.told("warning").len() > refused);
            let told = world.told("out").len();
            until("it goes on", || world.told("out").len() > told + 3);
        }
    });
    assert_eq!(ended.unwrap(), Ending::Stopped);
    assert!(world.told("manager RELOADING").is_empty());
}

#[test]
fn two_hundred_reloads_as_fast_as_they_are_asked_for_leave_a_kiosk_that_runs() {
    let kept = |dir: &str| {
        format!(
            "[sink]\nstdout = \"faces\"\n[sink.mqtt]\nhost = \"127.0.0.1\"\nport = 9\ndevice = \"a\"\noutbox = {{ dir = \"{dir}\" }}\n"
        )
    };
    let world = World::new(&kept("one"));
    let ended = world.run(|world| {
        world.until_seen("out", 1);
        for round in 0..200 {
            match round % 4 {
                0 => world.kiosk.configure(&kept("other")),
                1 => world.kiosk.configure("[sink]\nstdout = \"faces\"\n"),
                2 => fs::write(world.kiosk.path("config.toml"), "schema = ").unwrap(),
                _ => world.kiosk.configure(&kept("one")),
            }
            world.reload();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        world.kiosk.configure("[sink]\nstdout = \"faces\"\n");
        world.reload();
        let told = world.told("out").len();
        until("it goes on", || world.told("out").len() > told + 100);
    });
    assert_eq!(ended.unwrap(), Ending::Stopped);
}

#[test]
fn no_two_sinks_keep_events_in_one_directory() {
    let hook = |dir: &str| {
        format!("[sink.webhook]\nurl = \"http://127.0.0.1:9/\"\nsecret_file = \"secret\"\ndir = \"{dir}\"\n")
    };
    let mqtt = |dir: &str| {
        format!("[sink.mqtt]\nhost = \"127.0.0.1\"\nport = 9\ndevice = \"a\"\noutbox = {{ dir = \"{dir}\" }}\n")
    };
    let world = World::new(&(mqtt("kept") + &hook("./link/../kept")));
    fs::write(world.kiosk.path("secret"), "9f3c1a7e5b2d8046a1c3e5f7092b4d6e\n").unwrap();
    fs::create_dir(world.kiosk.path("link")).unwrap();
    let error = world.run(|_| ()).unwrap_err().to_string();
    assert!(error.contains("another sink of this program has it"), "{error}");
    // Nor do they exchange theirs while both hold them.
    world.kiosk.configure(&(mqtt("kept") + &hook("hooks")));
    let ended = world.run(|world| {
        world.until_seen("out", 1);
        let told = world.told("out").len();
        world.kiosk.configure(&(mqtt("hooks") + &hook("kept")));
        world.reload();
        until("the old one goes on", || world.told("out").len() > told);
    });
    assert_eq!(ended.unwrap(), Ending::Stopped);
    let limits = Limits {
        events: 1000,
        bytes: 1 << 20,
    };
    for (dir, sign) in [("kept", b'{'), ("hooks", b'\n')] {
        let outbox = Outbox::open(&world.kiosk.path(dir), limits).unwrap();
        let (_, event) = outbox.from(0).unwrap();
        assert_eq!(event.contains(&b'\n'), sign == b'\n', "{dir}");
    }
}
