//! Triggers of a program that runs.

use std::process::Stdio;
use std::sync::atomic::Ordering;

use rosc::OscType;
use serde_json::Value;

use super::{messages, read, receiver};
use crate::support::program::Program;
use crate::support::until;

#[test]
fn a_trigger_pulses_a_line_once_and_is_told() {
    let udp = receiver();
    let sinks = format!(
        "[sink.udp]\ntarget = \"{}\"\n[sink.gpio]\nbackend = \"log\"\nlamp = {{ pin = 22 }}\n\
         [[when]]\nname = \"welcome\"\nstate = \"face\"\nfor_s = 0.2\ncooldown_s = 3600\npulse = {{ pin = 24, ms = 100 }}\n",
        udp.local_addr().unwrap()
    );
    let program = Program::start(&sinks, Stdio::null(), &[]);
    let data = loop {
        let told: Value = serde_json::from_slice(&read(&udp)).unwrap();
        if told["event"] == "trigger" {
            break told["data"].clone();
        }
    };
    assert_eq!(data["name"], "welcome");
    until("the line is safe again", || {
        let said = program.said();
        let at = |text: &str| said.iter().position(|(_, line)| line == text);
        at("gpio 24 high").is_some_and(|high| said[high..].iter().any(|(_, line)| line == "gpio 24 low"))
    });
    program.feeding.store(false, Ordering::Relaxed);
    let highs = program.said().iter().filter(|(_, line)| line == "gpio 24 high").count();
    assert_eq!(highs, 1);
}

/// A trigger that fires once, as soon as a face is there.
fn once(action: &str) -> String {
    format!("[[when]]\nname = \"welcome\"\nstate = \"face\"\nfor_s = 0.2\ncooldown_s = 3600\n{action}\n")
}

#[test]
fn a_trigger_is_sent_to_its_own_address_with_name_verdict_and_probability() {
    let osc = receiver();
    let sinks = format!("[sink.osc]\ntarget = \"{}\"\n", osc.local_addr().unwrap());
    let _program = Program::start(&(sinks + &once("osc = \"/kiosk/welcome\"")), Stdio::null(), &[]);
    let mut verdicts = Vec::new();
    let arguments = loop {
        let mut told = messages(&osc);
        verdicts.extend(told.iter().filter(|it| it.0 == "/emotion").map(|it| it.1.clone()));
        if told[0].0 == "/kiosk/welcome" {
            assert_eq!(told.len(), 1, "{told:?}");
            break told.remove(0).1;
        }
    };
    assert_eq!(arguments[0], OscType::String("welcome".to_owned()));
    // What it is told of is the verdict of that moment.
    assert!(
        verdicts.contains(&arguments[1..].to_vec()),
        "{arguments:?}: {verdicts:?}"
    );
}

#[cfg(feature = "webhook")]
#[test]
fn a_trigger_is_posted_as_an_event_of_its_own() {
    use super::webhook::{SECRET, Server};

    let server = Server::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let sinks = format!(
        "[sink.webhook]\nurl = \"http://{}/kiosk\"\nsecret_file = '{}'\ndir = \"outbox\"\n{}",
        server.address,
        secret.display(),
        once("webhook = true"),
    );
    let _program = Program::start(&sinks, Stdio::null(), &[]);
    let posted = |event: &str| -> Vec<Value> {
        let got = server.got().into_iter();
        let bodies = got.map(|got| serde_json::from_slice::<Value>(&got.body).unwrap());
        bodies.filter(|body| body["event"] == event).collect()
    };
    until("the trigger is posted", || !posted("trigger").is_empty());
    let trigger = posted("trigger").remove(0);
    assert_eq!(trigger["data"]["name"], "welcome");
    let told = |state: &Value| state["data"]["emotion"] == trigger["data"]["emotion"];
    until("the verdict of that moment is posted", || {
        posted("state").iter().any(told)
    });
    assert!(trigger["data"]["time_ms"].as_u64().unwrap() >= 200, "{trigger}");
    assert!(trigger["id"].as_str().unwrap().ends_with("-t0"), "{trigger}");
}
