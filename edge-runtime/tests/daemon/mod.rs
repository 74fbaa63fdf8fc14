//! The daemon without a process of its own: a function that is handed clock, output, flags and service manager.

mod attacks;
mod former;
mod outboxes;
mod reload;
pub(crate) mod world;

use std::fs;

use edge_runtime::daemon::Ending;
use edge_runtime::source::Fault;

use crate::support::until;
use world::{BROKEN, World};

/// A line for every judged frame.
const FACES: &str = "[sink]\nstdout = \"faces\"\n";

/// A line and a lamp, as section of a configuration.
fn wired(line: u32, lamp: u32) -> String {
    format!(
        "[sink.gpio]\nbackend = \"log\"\nlamp = {{ pin = {lamp} }}\nlines = [{{ pin = {line}, emotion = \"Happy\" }}]\n"
    )
}

#[test]
fn the_lamp_is_lit_before_the_first_frame_and_goes_out_after_every_line_is_safe() {
    let world = World::new(&wired(5, 22));
    let ended = world.run(|world| world.until_seen("out", 1));
    assert_eq!(ended.unwrap(), Ending::Stopped);
    let events = world.events();
    assert_eq!(events[..2], ["gpio 22 low", "gpio 22 high"]);
    let at = |wanted: &str| events.iter().rposition(|event| event.starts_with(wanted)).unwrap();
    assert!(
        at("gpio 5 low") < at("gpio 22 low") && at("out") < at("gpio 22 low"),
        "{events:?}"
    );
    assert_eq!(world.told("gpio").last().unwrap(), "gpio 22 low");
}

#[test]
fn a_reload_takes_up_the_new_configuration_and_the_lamp_stays_lit() {
    let world = World::new(&wired(5, 22));
    let ended = world.run(|world| {
        world.until_seen("manager READY=1", 1);
        world.until_seen("out", 1);
        world.kiosk.configure(&wired(6, 22));
        world.reload();
        world.until_seen("manager READY=1", 2);
        let first = world::boot(&world.told("out")[0]);
        until("the new start tells states", || {
            world.told("out").iter().any(|state| world::boot(state) != first)
        });
    });
    assert_eq!(ended.unwrap(), Ending::Stopped);
    assert!(!world.told("gpio 6").is_empty());
    assert_eq!(world.told("gpio 22"), ["gpio 22 low", "gpio 22 high", "gpio 22 low"]);
    let life = world.told("manager");
    let life: Vec<&String> = life.iter().filter(|news| !news.contains("WATCHDOG")).collect();
    let expected = ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"].map(|news| format!("manager {news}"));
    assert_eq!(life, expected.iter().collect::<Vec<_>>());
}

#[test]
fn a_reload_with_another_lamp_lets_the_old_one_go_first() {
    let world = World::new(&wired(5, 22));
    let ended = world.run(|world| {
        world.until_seen("out", 1);
        world.kiosk.configure(&wired(5, 23));
        world.reload();
        world.until_seen("gpio 23 high", 1);
    });
    assert_eq!(ended.unwrap(), Ending::Stopped);
    let lamps: Vec<String> = world.told("gpio 2");
    let expected = ["22 low", "22 high", "22 low", "23 low", "23 high", "23 low"];
    assert_eq!(lamps, expected.map(|lamp| format!("gpio {lamp}")));
}

#[test]
fn a_configuration_that_cannot_be_read_is_told_and_the_old_one_goes_on() {
    let world = World::new(FACES);
    let ended = world.run(|world| {
        world.until_seen("out", 1);
        let outputs = world.told("out").len();
        fs::write(world.kiosk.path("config.toml"), "schema = 1\nsauce = 2\n").unwrap();
        world.reload();
        world.until_seen("warning", 1);
        until("the old one goes on", || world.told("out").len() > outputs);
    });
    assert_eq!(ended.unwrap(), Ending::Stopped);
    let warning = &world.told("warning")[0];
    assert!(
        warning.contains("sauce") && warning.ends_with("going on with the configuration as it was"),
        "{warning}"
    );
}

#[test]
fn a_configuration_that_would_not_run_is_told_and_the_old_one_goes_on() {
    let world = World::new(&format!("{FACES}{}", wired(5, 22)));
    fs::write(world.kiosk.path("file"), "no directory").unwrap();
    let mqtt = "[sink.mqtt]\nhost = \"127.0.0.1\"\nport = 9\ndevice = \"a\"\noutbox = { dir = \"outbox\" }\n";
    let cases = [
        (
            "[sink.gpio]\nbackend = \"log\"\nlines = [{ pin = 5, emotion = \"Bored\" }]\n".to_owned(),
            "no emotion `Bored`",
        ),
        (mqtt.replace("\"outbox\"", "\"file\""), "is no directory"),
        (format!("{mqtt}tls = {{ ca_file = \"ca.pem\" }}\n"), "ca.pem"),
        (format!("{mqtt}credentials_file = \"login\"\n"), "login"),
        (
            "[sink.gpio]\nbackend = \"chip\"\nchip = \"none\"\nlines = [{ pin = 5, emotion = \"Sad\" }]\n".to_owned(),
            "gpio",
        ),
        (wired(BROKEN, 22), "broken"),
    ];
    let ended = world.run(|world| {
        world.until_seen("out", 1);
        for (at, (more, expected)) in cases.iter().enumerate() {
            world.kiosk.configure(&format!("{FACES}{more}"));
            world.reload();
            world.until_seen("warning", at + 1);
            let warning = world.told("warning")[at].clone();
            let goes_on = warning.ends_with("going on with the configuration as it was");
            assert!(
                goes_on && warning.contains(expected),
                "{warning} does not speak of {expected}"
            );
            let outputs = world.told("out").len();
            until("the old one goes on", || world.told("out").len() > outputs);
        }
        for (from, to, expected) in [
            ("\"factory\"", "\"nowhere\"", "nowhere"),
            ("\"frames\"", "\"film.y4m\"", "film.y4m"),
        ] {
            world.kiosk.configure("");
            let text = fs::read_to_string(world.kiosk.path("config.toml"))
                .unwrap()
                .replace(from, to);
            fs::write(world.kiosk.path("config.toml"), text).unwrap();
            let before = world.told("warning").len();
            world.reload();
            world.until_seen("warning", before + 1);
            assert!(
                world.told("warning")[before].contains(expected),
                "{:?}",
                world.told("warning")
            );
        }
    });
    assert_eq!(ended.unwrap(), Ending::Stopped);
    // Where it shows only when it is driven, the old lamp is lit again.
    assert_eq!(world.told("gpio 22").last().unwrap(), "gpio 22 low");
}

#[test]
fn a_pause_outlasts_a_restart_and_a_film_goes_on_where_it_was() {
    let world = World::new("");
    fs::create_dir(world.kiosk.path("kept")).unwrap();
    fs::write(world.kiosk.path("kept/paused"), "").unwrap();
    let text = fs::read_to_string(world.kiosk.path("config.toml")).unwrap();
    let text = text.replace("schema = 1\n", "schema = 1\nstate = \"kept\"\n");
    fs::write(world.kiosk.path("config.toml"), &text).unwrap();
    let ended = world.run(|world| world.until_seen("manager READY=1", 1));
    assert_eq!(ended.unwrap(), Ending::Stopped);
    assert!(!world.told("info paused").is_empty());
    let stats = world.told("info frames in");
    assert!(stats[0].contains("frames in 0"), "{stats:?}");
    fs::remove_file(world.kiosk.path("kept/paused")).unwrap();
    let ended = world.run(|world| world.until_seen("out", 1));
    assert_eq!(ended.unwrap(), Ending::Stopped);
}

#[test]
fn root_does_not_trust_a_bundle_that_others_can_change() {
    use std::os::unix::fs::PermissionsExt;

    let world = World::new("");
    let manifest = world.kiosk.path("factory/manifest.json");
    fs::set_permissions(manifest, fs::Permissions::from_mode(0o666)).unwrap();
    let ended = world.run(|world| {
        if !rustix::process::geteuid().is_root() {
            world.until_seen("out", 1);
        }
    });
    match ended {
        Ok(ended) => assert!(!rustix::process::geteuid().is_root(), "{ended:?}"),
        Err(error) => assert!(error.to_string().contains("manifest.json can be changed"), "{error}"),
    }
}

#[test]
fn who_is_asked_to_end_and_to_reload_at_once_ends() {
    let world = World::new("");
    let ended = world.run(|world| {
        world.until_seen("out", 1);
        world.end_and_reload();
    });
    assert_eq!(ended.unwrap(), Ending::Stopped);
    assert!(world.told("manager RELOADING").is_empty());
}

#[test]
fn a_source_without_a_single_frame_is_an_error_of_the_source() {
    let world = World::new("");
    fs::remove_dir_all(world.kiosk.path("frames")).unwrap();
    let ended = world.run(|world| world.until_seen("manager STOPPING=1", 1));
    assert_eq!(ended.unwrap(), Ending::NoFrame(Some(Fault::Missing)));
}

#[test]
fn a_bundle_that_is_installed_meanwhile_is_swapped_in_and_stays_once_it_has_worked() {
    let world = World::new("");
    let archive = world.kiosk.archive(2, |_| ());
    let ended = world.run(|world| {
        world.until_seen("out", 1);
        world.kiosk.install_blindly(&archive);
        until("it works and stays", || world.kiosk.installed() == Some(2));
    });
    assert_eq!(ended.unwrap(), Ending::Stopped);
    let news = world.told("info bundle version 2");
    assert_eq!(news.len(), 2, "{news:?}");
    assert!(
        news[0].contains("is tried from now on") && news[1].contains("works and stays"),
        "{news:?}"
    );
    let stats = world.told("info frames in");
    assert!(stats[0].contains("dropped 0, bad 0"), "{stats:?}");
}

#[test]
fn a_trial_that_a_stop_ends_is_not_to_blame() {
    let world = World::new("");
    world.kiosk.install_blindly(&world.kiosk.archive(2, |_| ()));
    for _ in 0..2 * update::TRIES {
        let ended = world.run(|world| world.until_seen("out", 1));
        assert_eq!(ended.unwrap(), Ending::Stopped);
        assert!(world.told("info").iter().all(|news| !news.contains("is given up")));
        world.forget();
    }
    let state = world.kiosk.state();
    assert!(state.trial.is_some() || state.current.is_some(), "{state:?}");
}

#[test]
fn updates_are_looked_for_again_and_again_while_the_loop_runs() {
    let world = World::new("channel = \"channel\"\ncheck_interval_s = 60\n").faster(60);
    let ended = world.run(|world| world.until_seen("task Check", 2));
    assert_eq!(ended.unwrap(), Ending::Stopped);
    assert!(world.told("task Install").is_empty());
}
