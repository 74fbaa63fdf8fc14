//! A kiosk that looks for its former names where earlier configurations kept its events.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use edge_runtime::daemon::Ending;
use rumqttc::Transport;

use super::world::World;
use crate::support::broker::{Broker, Memory};
use crate::support::listener::Listener;
use crate::support::until;
use crate::update::kiosk::Kiosk;

/// Configures a kiosk with a directory of state.
fn configure(kiosk: &Kiosk, port: u16, device: &str, outbox: &str) {
    kiosk.configure(&format!(
        "[sink.mqtt]\nhost = \"127.0.0.1\"\nport = {port}\ndevice = \"{device}\"\noutbox = {{ dir = \"{outbox}\" }}\n"
    ));
    let text = fs::read_to_string(kiosk.path("config.toml")).unwrap();
    let text = text.replace("schema = 1\n", "schema = 1\nstate = \"kept\"\n");
    fs::write(kiosk.path("config.toml"), text).unwrap();
    fs::create_dir_all(kiosk.path("kept")).unwrap();
}

fn names(kiosk: &Kiosk, outbox: &str) -> Option<String> {
    fs::read_to_string(kiosk.path(outbox).join("names")).ok()
}

#[test]
fn a_kiosk_that_is_killed_before_its_former_name_is_removed_removes_it_at_the_next_start() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let kiosk = Kiosk::new();
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    // The newest message, and none where it was removed.
    let kept = |device: &str| {
        let told = listener.on(&format!("device/{device}/config")).pop();
        told.is_some_and(|told| !told.text.is_empty())
    };
    for (device, outbox) in [("first", "old"), ("second", "new")] {
        configure(&kiosk, broker.port, device, outbox);
        let mut child = kiosk.start();
        until("it is announced", || kept(device) && names(&kiosk, outbox).is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        let list = fs::read_to_string(kiosk.path("kept/outboxes")).unwrap();
        assert!(list.contains(&format!("{}\n", kiosk.path(outbox).display())), "{list}");
    }
    assert!(kept("first"), "it was killed too late");
    assert_eq!(names(&kiosk, "old").unwrap(), "first homeassistant\n");
    assert_eq!(
        names(&kiosk, "new").unwrap(),
        "first homeassistant\nsecond homeassistant\n"
    );
    let mut child = kiosk.start();
    until("nothing is left", || !kept("first") && names(&kiosk, "old").is_none());
    assert!(kept("second"));
    assert_eq!(names(&kiosk, "new").unwrap(), "second homeassistant\n");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn whatever_lies_where_names_are_looked_for_a_kiosk_runs_and_removes_its_own_alone() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let world = World::new("");
    configure(&world.kiosk, broker.port, "own", "outbox");
    let path = |name: &str| world.kiosk.path(name);
    let dir = |name: &str, put: &dyn Fn(PathBuf)| {
        fs::create_dir(path(name)).unwrap();
        put(path(name).join("names"));
        path(name)
    };
    let victims = path("victims");
    fs::write(&victims, "victim homeassistant\n").unwrap();
    let dirs = [
        dir("pipe", &|names| testing::pipe(&names)),
        dir("endless", &|names| symlink("/dev/zero", names).unwrap()),
        dir("link", &|names| symlink(&victims, names).unwrap()),
        dir("folder", &|names| fs::create_dir(names).unwrap()),
        dir("hole", &|names| {
            fs::File::create(names).unwrap().set_len(1 << 40).unwrap();
        }),
        dir("wild", &|names| {
            fs::write(names, "# homeassistant\n+ homeassistant\nvictim +\n").unwrap();
        }),
        dir("good", &|names| fs::write(names, "old homeassistant\n").unwrap()),
        path("nothing"),
        PathBuf::from("/proc/self"),
    ];
    let list = dirs.iter().map(|dir| format!("{}\n", dir.display()));
    fs::write(path("kept/outboxes"), list.collect::<String>()).unwrap();
    let other = Listener::start(broker.port, "other", Transport::Tcp);
    for device in ["victim", "old"] {
        other.publish(&format!("emotion/{device}/state"), true, b"kept");
    }
    until("they are kept", || other.on("old/state").len() == 1);
    let ended = world.run(|world| {
        world.until_seen("out", 1);
        until("its own is removed", || !path("good/names").exists());
    });
    assert_eq!(ended.unwrap(), Ending::Stopped);
    assert_eq!((other.on("victim/state").len(), other.on("old/state").len()), (1, 2));
    assert!(fs::read_to_string(&victims).unwrap().starts_with("victim"));
    for name in ["pipe", "endless", "link", "folder", "hole", "wild"] {
        assert!(path(name).join("names").symlink_metadata().is_ok(), "{name}");
    }
}
