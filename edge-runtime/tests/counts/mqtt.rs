//! Counts at the broker: what the kiosk tells of a film whose visitors are known.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Stdio;

use rumqttc::Transport;
use serde_json::{Value, json};

use super::film::{ATTENTIVE, FRAMES, OpenFilm, SMILES, VISITORS, configure, known_visitors};
use crate::support::broker::{Broker, Memory};
use crate::support::listener::Listener;
use crate::support::program::command;
use crate::support::until;
use crate::update::kiosk::stop;

/// Everything that was told of counts so far, in its order.
fn told(listener: &Listener) -> Vec<Value> {
    let stats = listener.on("/stats").into_iter();
    stats.map(|it| serde_json::from_str(&it.text).unwrap()).collect()
}

#[test]
fn the_broker_is_told_the_visitors_of_a_film_each_once() {
    let Some(film) = known_visitors() else {
        return;
    };
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    listener.until_ready();
    let dir = tempfile::tempdir().unwrap();
    let config = configure(dir.path());
    let mqtt = format!(
        "[sink]\nstdout = \"off\"\n[sink.mqtt]\nhost = \"127.0.0.1\"\nport = {}\ndevice = \"hall\"\nstats_s = 1\n\
         outbox = {{ dir = \"outbox\" }}\n",
        broker.port
    );
    let mut file = OpenOptions::new().append(true).open(&config).unwrap();
    file.write_all(mqtt.as_bytes()).unwrap();
    let held = OpenFilm::pour(film, &dir.path().join("film.y4m"));
    let mut run = command(&["run", "--config"]);
    let child = run.arg(&config).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = child.spawn().unwrap();
    // Visits end, and sums are told once they are on the disk.
    let mut last = Value::Null;
    until("the whole film is counted", || {
        last = told(&listener).pop().unwrap_or_default();
        last["output"] == FRAMES && last["counts"]["dwell_s"].as_u64().is_some_and(|seconds| seconds >= 13)
    });
    drop(held);
    stop(child);
    let mut counts = last["counts"].clone();
    let dwell_s = counts.as_object_mut().unwrap().remove("dwell_s").unwrap();
    assert!((13..=18).contains(&dwell_s.as_u64().unwrap()), "{dwell_s}");
    let expected = json!({
        "visitors": VISITORS, "attentive": ATTENTIVE, "smiles": SMILES, "told": {"Happy": 1, "Neutral": 2},
    });
    assert_eq!(counts, expected);
    // Home Assistant takes a sum that falls for a new beginning.
    for name in ["visitors", "attentive", "smiles", "dwell_s"] {
        let sums: Vec<u64> = (told(&listener).iter())
            .map(|stats| stats["counts"][name].as_u64().unwrap())
            .collect();
        assert!(sums.is_sorted(), "{name}: {sums:?}");
    }
}
