//! Home Assistant's own code as the judge of what it is told: its schemas and its templates.
//!
//! `scripts/test-home-assistant` installs it; without, this says that it is skipped.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use rumqttc::Transport;
use serde_json::{Value, json};
use update::Offer;

use super::Kiosk;
use crate::support::broker::{Broker, Memory};
use crate::support::listener::Listener;
use crate::support::program::{Program, Scene};
use crate::support::until;

/// Names a Python that has Home Assistant.
const PYTHON: &str = "HOMEASSISTANT_PYTHON";

/// Spoils a message.
type Bend = fn(&mut Value);

/// What a listener heard that Home Assistant would read.
fn heard(listener: &Listener) -> Value {
    let last = |leaf: &str| listener.on(leaf).pop().unwrap();
    let config = last("/config");
    let texts = |leaf: &str| listener.on(leaf).into_iter().map(|it| it.text).collect::<Vec<_>>();
    json!({
        "topic": config.topic,
        "payload": config.text,
        "messages": {
            "emotion/hall/state": texts("/state"),
            "emotion/hall/event": texts("/event"),
            "emotion/hall/stats": texts("/stats"),
            "emotion/hall/availability": ["online", "offline", "stopped"],
        },
    })
}

fn judge(python: &str, heard: &Value) -> Output {
    run(python, "home_assistant.py", heard)
}

/// Runs a script beside this file, which reads from its standard input.
fn run(python: &str, script: &str, input: &Value) -> Output {
    let script = format!("{}/tests/mqtt/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.to_string().as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// Home Assistant's Python, a broker, and who listens there; `None`, said aloud, where one is missing.
fn judges() -> Option<(String, Broker, Listener)> {
    let Ok(python) = std::env::var(PYTHON) else {
        testing::skip(&format!("{PYTHON} is not set: run scripts/test-home-assistant"));
        return None;
    };
    let broker = Broker::start(Memory::None)?;
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    Some((python, broker, listener))
}

#[test]
fn home_assistant_takes_what_it_is_told() {
    let Some((python, broker, listener)) = judges() else {
        return;
    };
    let mut kiosk = Kiosk::start(broker.port);
    kiosk.updates.set_offer(Offer {
        installed: 2,
        latest: 3,
        in_progress: false,
    });
    kiosk.until_connected();
    kiosk.show(2);
    kiosk.until_delivered();
    until("an update is shown", || {
        listener
            .on("/stats")
            .iter()
            .any(|it| it.text.contains(r#""latest_version":"3""#))
    });
    until("states are heard", || listener.on("/state").len() >= 2);
    let good = heard(&listener);
    let output = judge(&python, &good);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    eprintln!("{said}");
    assert!(output.status.success(), "{said}");

    // A judge that takes everything would be none.
    let payload: Value = serde_json::from_str(good["payload"].as_str().unwrap()).unwrap();
    let bends: [Bend; 7] = [
        |it| drop(it.as_object_mut().unwrap().remove("o")),
        |it| drop(it["cmps"]["emotion"].as_object_mut().unwrap().remove("unique_id")),
        |it| it["cmps"]["emotion"]["state_class"] = "measurement".into(),
        |it| it["cmps"]["emotion"]["options"] = json!(["Happy"]),
        |it| it["cmps"]["face"]["device_class"] = "presence of mind".into(),
        |it| it["cmps"]["verdict"]["event_types"] = json!(["Happy"]),
        |it| it["cmps"]["update"]["value_template"] = "{{ value_json.stats }}".into(),
    ];
    for (number, bend) in bends.into_iter().enumerate() {
        let (mut bent, mut message) = (good.clone(), payload.clone());
        bend(&mut message);
        bent["payload"] = message.to_string().into();
        let output = judge(&python, &bent);
        assert_eq!(output.status.code(), Some(1), "{number}: {output:?}");
    }
}

/// What an entity shows, and where that stands in the message of counts.
const SHOWN: [(&str, &str); 8] = [
    ("fps", "/fps"),
    ("temperature", "/temperature_c"),
    ("outbox", "/outbox/waiting"),
    ("bundle", "/bundle"),
    ("threshold", "/threshold"),
    ("visitors", "/counts/visitors"),
    ("attentive", "/counts/attentive"),
    ("smiles", "/counts/smiles"),
];

/// What a machine with a sensor says; most servers have none.
const TEMPERATURE_C: f64 = 47.5;

/// Whether a message of counts has a rate, and a visitor who was told something.
fn is_complete(stats: &Value) -> bool {
    let above_0 = |place: &str| stats.pointer(place).and_then(Value::as_f64).is_some_and(|it| it > 0.0);
    let told = stats.pointer("/counts/told").and_then(Value::as_object);
    above_0("/counts/visitors") && above_0("/fps") && told.is_some_and(|told| !told.is_empty())
}

/// A kiosk before a face that stays, and what it tells of it: the first counts that are complete.
fn counted(broker: &Broker, listener: &Listener) -> (Program, Value) {
    let sinks = format!(
        "[counts]\ndir = \"counts\"\n[sink.mqtt]\nhost = \"127.0.0.1\"\nport = {}\ndevice = \"hall\"\nstats_s = 1\n\
         support_url = \"https://example.org/kiosk\"\noutbox = {{ dir = \"outbox\" }}\n",
        broker.port
    );
    let program = Program::before(&Scene::face(), &sinks, Stdio::null(), &[]);
    let mut complete = None;
    until("a visitor is counted and told", || {
        let told = listener.on("/stats").into_iter();
        let mut told = told.map(|it| serde_json::from_str(&it.text).unwrap());
        complete = told.find(is_complete);
        complete.is_some() && !listener.on("/event").is_empty()
    });
    (program, complete.unwrap())
}

/// What Home Assistant shows of a text or a number.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What each entity is to show.
fn wanted(stats: &Value) -> Value {
    let mut shown = serde_json::Map::new();
    for (entity, place) in SHOWN {
        let value = stats.pointer(place).unwrap_or_else(|| panic!("no {place}: {stats}"));
        shown.insert(entity.to_owned(), text(value).into());
    }
    for (label, visitors) in stats["counts"]["told"].as_object().unwrap() {
        shown.insert(format!("told_{label}"), text(visitors).into());
    }
    shown.into()
}

#[test]
fn home_assistant_shows_the_counts_and_the_diagnostics_of_a_run() {
    let Some((python, broker, listener)) = judges() else {
        return;
    };
    let (program, mut stats) = counted(&broker, &listener);
    let manifest = fs::read_to_string(program.dir.path().join("bundle/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let bundle = format!("{} {}", text(&manifest["name"]), manifest["version"]);
    assert_eq!(stats["bundle"], bundle);
    assert_eq!(stats["threshold"], manifest["decision"]["abstain_below"]);
    assert_eq!(stats["counts"]["visitors"], 1);
    if stats["temperature_c"].is_null() {
        *stats.get_mut("temperature_c").unwrap() = TEMPERATURE_C.into();
    }
    let mut heard = heard(&listener);
    heard["shown"] = wanted(&stats);
    let mut judged = |stats: &Value| {
        heard["messages"]["emotion/hall/stats"] = json!([stats.to_string()]);
        judge(&python, &heard)
    };
    let output = judged(&stats);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    eprintln!("{said}");
    assert!(output.status.success(), "{said}");
    // A key of another name would leave its entity without a value.
    for key in ["fps", "temperature_c", "outbox", "bundle", "threshold", "counts"] {
        let mut renamed = stats.clone();
        let value = renamed.as_object_mut().unwrap().remove(key).unwrap();
        renamed[format!("{key}s")] = value;
        let output = judged(&renamed);
        assert_eq!(output.status.code(), Some(1), "{key}: {output:?}");
    }
}

/// The automation that the documents give, as it stands there.
fn automation() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/outputs.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let automations: Vec<&str> = blocks.filter(|block| block.contains("actions:")).collect();
    assert_eq!(automations.len(), 1);
    automations[0].to_owned()
}

#[test]
fn home_assistant_runs_the_automation_of_the_documents() {
    let Ok(python) = std::env::var(PYTHON) else {
        testing::skip(&format!("{PYTHON} is not set: run scripts/test-home-assistant"));
        return;
    };
    // The entity of the device hall-1, which discovery names so.
    let given = |automation: &str| json!({"automation": automation, "entity": "event.hall_1_verdict", "happy": "Happy", "other": "uncertain"});
    let script = "home_assistant_automation.py";
    let automation = automation();
    let output = run(&python, script, &given(&automation));
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    eprintln!("{said}");
    assert!(output.status.success(), "{said}");

    for (right, wrong) in [
        ("triggers:", "triggerz:"),
        ("trigger: state", "trigger: mood"),
        ("entity_id: event.hall_1_verdict", "entity_id: event.hall_verdict"),
        ("attribute: event_type", "attribute: event_kind"),
        ("state: Happy", "state: happy"),
        ("light.turn_on", "light.turn_no"),
        ("\"00:01:00\"", "soon"),
        ("mode: single", "mode: parallel"),
        ("conditions:\n", "conditions\n"),
    ] {
        assert!(automation.contains(right), "{right}");
        let output = run(&python, script, &given(&automation.replace(right, wrong)));
        assert_eq!(output.status.code(), Some(1), "{wrong}: {output:?}");
    }
}
