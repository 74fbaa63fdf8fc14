//! Events that wait, while configurations change.

use std::cell::Cell;
use std::fs;

use durable::outbox::{Limits, Outbox};
use edge_runtime::daemon::Ending;

use rumqttc::Transport;

use super::wired;
use super::world::{BROKEN, World, boot};
use crate::support::broker::{Broker, Memory};
use crate::support::listener::Listener;
use crate::support::until;

const LIMITS: Limits = Limits {
    events: 1000,
    bytes: 1 << 20,
};

/// Nobody takes what is kept for the broker and the web server in these directories.
fn kept(outbox: &str, hook: &str) -> String {
    format!(
        "[sink.mqtt]\nhost = \"127.0.0.1\"\nport = 9\ndevice = \"a\"\noutbox = {{ dir = \"{outbox}\" }}\n[sink.webhook]\n\
         url = \"http://127.0.0.1:9/\"\nsecret_file = \"secret\"\ndir = \"{hook}\"\n"
    )
}

fn kiosk() -> World {
    let world = World::new("");
    fs::write(world.kiosk.path("secret"), "9f3c1a7e5b2d8046a1c3e5f7092b4d6e\n").unwrap();
    world.kiosk.configure(&kept("outbox", "hook"));
    world
}

/// Lets the configuration name a directory of state.
fn keep_state(world: &World) {
    let file = world.kiosk.path("config.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("schema = 1\n", "schema = 1\nstate = \"kept\"\n")).unwrap();
}

/// The starts whose verdicts wait in a directory, each once, in their order.
fn starts(world: &World, dir: &str) -> Vec<String> {
    let outbox = Outbox::open(&world.kiosk.path(dir), LIMITS).unwrap();
    let (mut at, mut starts, mut all) = (0, Vec::new(), Vec::new());
    while let Some((id, event)) = outbox.from(at) {
        let text = String::from_utf8_lossy(event);
        // Of the webhook a line stands before it, and the verdict is part of the event.
        let json: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let boot = json.get("data").unwrap_or(&json)["boot"].as_str().unwrap().to_owned();
        if starts.last() != Some(&boot) {
            starts.push(boot);
        }
        all.push(text.into_owned());
        at = id + 1;
    }
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "an event waits twice");
    starts
}

/// The starts that told verdicts, in their order.
fn told(world: &World) -> Vec<String> {
    let states = world.told("out").into_iter().filter(|line| line.contains("\"boot\""));
    let mut boots: Vec<String> = states.map(|state| boot(&state)).collect();
    boots.dedup();
    boots
}

/// Asks for another configuration, and waits until another start tells verdicts.
fn reload(world: &World, more: &str) {
    let before = told(world).len();
    world.kiosk.configure(more);
    world.reload();
    until("another start", || told(world).len() > before);
}

#[test]
fn events_that_wait_follow_their_outbox_to_another_directory() {
    let world = kiosk();
    let ended = world.run(|world| {
        until("a verdict", || !told(world).is_empty());
        reload(world, &kept("new outbox", "new hook"));
        // One that fails has moved them as well.
        let before = told(world).len();
        world
            .kiosk
            .configure(&format!("{}{}", kept("third outbox", "third hook"), wired(BROKEN, 22)));
        world.reload();
        until("the old one goes on", || told(world).len() > before);
    });
    assert_eq!(ended.unwrap(), Ending::Stopped);
    for dirs in [
        ["outbox", "new outbox", "third outbox"],
        ["hook", "new hook", "third hook"],
    ] {
        assert_eq!(dirs.map(|dir| starts(&world, dir)), [vec![], told(&world), vec![]]);
    }
}

#[test]
fn events_outlast_a_time_without_their_sink() {
    let world = kiosk();
    let ended = world.run(|world| {
        until("a verdict", || !told(world).is_empty());
        reload(world, "");
        reload(world, &kept("new outbox", "new hook"));
    });
    assert_eq!(ended.unwrap(), Ending::Stopped);
    let told = told(&world);
    for dir in ["new outbox", "new hook"] {
        assert_eq!(starts(&world, dir), [told[0].clone(), told[2].clone()]);
    }
}

#[test]
fn a_directory_of_events_that_another_program_holds_is_refused_and_it_is_told_who() {
    let world = kiosk();
    let theirs = ["their outbox", "their hook"].map(|dir| Outbox::open(&world.kiosk.path(dir), LIMITS).unwrap());
    let ended = world.run(|world| {
        until("a verdict", || !told(world).is_empty());
        for (outbox, hook, held) in [
            ("their outbox", "hook", "their outbox"),
            ("outbox", "their hook", "their hook"),
        ] {
            let before = told(world).len();
            world.kiosk.configure(&kept(outbox, hook));
            world.reload();
            until("the old one goes on", || told(world).len() > before);
            let warnings = world.told("warning").join("\n");
            assert!(
                warnings.contains(&format!("{held}: another sink of this program has it")),
                "{warnings}"
            );
        }
        // Nor does anybody else get into its own.
        let error = Outbox::open(&world.kiosk.path("hook"), LIMITS).err().unwrap();
        assert!(error.to_string().contains("has it"), "{error}");
    });
    assert_eq!(ended.unwrap(), Ending::Stopped);
    drop(theirs);
    assert_eq!(starts(&world, "outbox"), told(&world));
}

#[test]
fn what_waits_where_a_restart_does_not_look_is_told_until_it_is_taken_along() {
    let world = kiosk();
    fs::create_dir(world.kiosk.path("kept")).unwrap();
    let configure = |outbox: &str, hook: &str| {
        world.kiosk.configure(&kept(outbox, hook));
        keep_state(&world);
    };
    let left = |lines: &str, dir: &str| {
        let place = world.kiosk.path(dir).display().to_string();
        let told = |line: &&str| line.contains("events that nobody sends") && line.contains(&format!("{place}:"));
        lines.lines().filter(told).count()
    };
    let start = |control: &dyn Fn()| {
        world.forget();
        let ended = world.run(|world| {
            until("a verdict", || !told(world).is_empty());
            control();
        });
        assert_eq!(ended.unwrap(), Ending::Stopped);
        let warnings = world.told("warning").join("\n");
        let doctor = world.kiosk.program("doctor").output().unwrap();
        let doctor = String::from_utf8(doctor.stdout).unwrap();
        ["outbox", "hook"].map(|dir| (left(&warnings, dir), left(&doctor, dir)))
    };
    configure("outbox", "hook");
    assert_eq!(start(&|| ()), [(0, 0); 2]);
    configure("new outbox", "new hook");
    for _ in 0..2 {
        assert_eq!(start(&|| ()), [(1, 1); 2]);
    }
    // The cure that is told with it.
    configure("outbox", "hook");
    let moved = start(&|| {
        let before = told(&world).len();
        configure("third outbox", "third hook");
        world.reload();
        until("another start", || told(&world).len() > before);
    });
    assert_eq!(moved, [(0, 0); 2]);
    assert_eq!(start(&|| ()), [(0, 0); 2]);
}

#[test]
fn a_name_that_was_noted_in_another_directory_leaves_nothing_at_the_broker_after_a_restart() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let world = World::new("");
    fs::create_dir(world.kiosk.path("kept")).unwrap();
    let start = |device: &str, outbox: &str, done: &dyn Fn()| {
        world.kiosk.configure(&format!(
            "[sink.mqtt]\nhost = \"127.0.0.1\"\nport = {}\ndevice = \"{device}\"\noutbox = {{ dir = \"{outbox}\" }}\n",
            broker.port
        ));
        keep_state(&world);
        let ended = world.run(|world| {
            until("a verdict", || !told(world).is_empty());
            done();
        });
        assert_eq!(ended.unwrap(), Ending::Stopped);
        world.forget();
    };
    let looks = Cell::new(0);
    let kept = |device: &str| {
        looks.set(looks.get() + 1);
        let late = Listener::start(broker.port, &format!("late-{}", looks.get()), Transport::Tcp);
        // What comes to the listener after all that is kept.
        late.publish("emotion/mark", false, b"1");
        until("the mark arrives", || late.on("emotion/mark").len() == 1);
        let leaves = [format!("emotion/{device}/state"), format!("device/{device}/config")];
        leaves.map(|leaf| late.on(&leaf).len())
    };
    let until_kept = |device: &'static str| until("the broker keeps the name", || kept(device) == [1, 1]);
    start("first", "old", &|| until_kept("first"));
    assert_eq!(kept("first"), [1, 1]);
    start("second", "new", &|| {
        until_kept("second");
        until("the first name is forgotten", || {
            !world.kiosk.path("old/names").exists()
        });
        assert_eq!(kept("first"), [0, 0]);
    });
    // Somebody else who takes the name now keeps what is theirs.
    let other = Listener::start(broker.port, "other", Transport::Tcp);
    other.publish("emotion/first/state", true, b"1");
    start("second", "new", &|| until_kept("second"));
    start("second", "third", &|| until_kept("second"));
    assert_eq!(kept("first"), [1, 0]);
}
