//! Triggers of a program that runs.

use std::process::Stdio;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::{read, receiver};
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
