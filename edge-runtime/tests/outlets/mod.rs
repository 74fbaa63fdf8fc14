//! Those who are told over a network or a cable, as they meet the program: their messages, and how they misbehave.

mod gestures;
pub(crate) mod serial;
mod triggers;
#[cfg(feature = "webhook")]
pub(crate) mod webhook;

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use edge_runtime::sink::outlet::Outlet;
use edge_runtime::sink::{FrameFacts, SignalSink, osc, udp};
use rosc::{OscPacket, OscType};
use serde_json::Value;
use shared_model::Text;
use shared_model::emotion::{ClassSet, Scores};
use shared_model::image::Rect;
use shared_model::keypoints::{COUNT, Keypoints};
use shared_model::message::{Face, FaceLine, State, Verdict};
use vision::stats::Stats;

use crate::support::program::Program;
use crate::support::until;

/// Longest wait for a datagram; far more than it takes.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn receiver() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub(crate) fn state(sequence: u64) -> State {
    State {
        boot: Text::try_from("boot").unwrap(),
        sequence,
        time_ms: 40 * sequence,
        emotion: Verdict::Uncertain,
        confidence: 0.25,
        face: true,
        reason: None,
    }
}

/// Tells a frame with one face.
fn tell(outlet: &mut Outlet, number: u64) {
    let (classes, stats) = (ClassSet::product(), Stats::default());
    let face = Face {
        bounds: Rect {
            x: 10.0,
            y: 20.0,
            w: 100.0,
            h: 120.0,
        },
        id: Some(7),
        reject_reason: None,
        classes: &classes,
        scores: Scores::from_logits(&[0.0, 0.0, 0.0, 2.0, 0.0], 1.0).unwrap(),
        keypoints: Keypoints(std::array::from_fn(|at| [(at * at % COUNT) as f32, at as f32])),
    };
    let line = FaceLine {
        input: "camera",
        frame: number,
        time_ms: Some(number),
        face: Some(face),
    };
    outlet.frame(&line).unwrap();
    let facts = FrameFacts {
        number,
        time_ms: number,
        width: 640,
        height: 480,
        light: 0.5,
        counting: Some(7),
        stats: &stats,
    };
    outlet.measured(&facts).unwrap();
    outlet.flush();
}

fn read(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let length = socket.recv(&mut buffer).unwrap();
    buffer.truncate(length);
    buffer
}

/// The messages of a packet, one behind the other.
fn flat(packet: OscPacket) -> Vec<(String, Vec<OscType>)> {
    match packet {
        OscPacket::Message(message) => vec![(message.addr, message.args)],
        OscPacket::Bundle(bundle) => bundle.content.into_iter().flat_map(flat).collect(),
    }
}

fn messages(socket: &UdpSocket) -> Vec<(String, Vec<OscType>)> {
    flat(rosc::decoder::decode_udp(&read(socket)).unwrap().1)
}

#[test]
fn osc_tells_verdicts_and_the_face_that_counts_in_a_bundle() {
    let socket = receiver();
    let target = socket.local_addr().unwrap();
    let mut outlet = osc::start(osc::OscConfig { target }, &ClassSet::product()).unwrap();
    outlet.show(&state(0)).unwrap();
    outlet.flush();
    let verdict = (
        "/emotion".to_owned(),
        vec![OscType::String("uncertain".to_owned()), OscType::Float(0.25)],
    );
    assert_eq!(messages(&socket), std::slice::from_ref(&verdict));
    tell(&mut outlet, 0);
    let frame = loop {
        let told = messages(&socket);
        // The verdict is told again each second.
        if told[0] != verdict {
            break told;
        }
    };
    let addresses: Vec<&str> = frame.iter().map(|(address, _)| address.as_str()).collect();
    assert_eq!(addresses[..2], ["/found", "/pose/position"]);
    assert_eq!(addresses[addresses.len() - 2..], ["/raw", "/emotion/scores"]);
    assert_eq!(frame[1].1, [OscType::Float(60.0), OscType::Float(80.0)]);
    // Without news it is told again, for whoever comes later.
    assert_eq!(messages(&socket), [verdict]);
}

#[test]
fn datagrams_carry_the_messages_of_the_pages() {
    let socket = receiver();
    let target = socket.local_addr().unwrap();
    let mut outlet = udp::start(udp::UdpConfig { target }, &ClassSet::product()).unwrap();
    outlet.show(&state(3)).unwrap();
    outlet.flush();
    let told: Value = serde_json::from_slice(&read(&socket)).unwrap();
    assert_eq!(
        (&told["event"], &told["data"]["sequence"]),
        (&"state".into(), &3.into())
    );
    tell(&mut outlet, 9);
    let told: Value = serde_json::from_slice(&read(&socket)).unwrap();
    let face = &told["data"]["faces"][0];
    assert_eq!((&told["event"], &told["data"]["frame"]), (&"faces".into(), &9.into()));
    assert_eq!((&face["emotion"], &face["counts"]), (&"Happy".into(), &true.into()));
    assert!(face["gestures"]["yaw"].is_number(), "{face}");
}

/// What is sent to nobody, and to somebody who never reads, holds nobody up: every frame is told, and the thread goes on.
#[test]
fn receivers_that_are_gone_or_never_read_hold_no_frame_up() {
    let gone = receiver().local_addr().unwrap();
    let full = receiver();
    for target in [gone, full.local_addr().unwrap()] {
        let mut outlet = udp::start(udp::UdpConfig { target }, &ClassSet::product()).unwrap();
        let status = outlet.status();
        for number in 0..1000 {
            tell(&mut outlet, number);
            outlet.show(&state(number)).unwrap();
            outlet.flush();
        }
        until("every verdict is sent or left out", || {
            outlet.beat().unwrap();
            let count = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
            let all = count(&status.sent) + count(&status.failed) + count(&status.dropped) + count(&status.replaced);
            all >= 2000
        });
        let heartbeats = status.heartbeats.load(Ordering::Relaxed);
        until("the thread lives", || {
            status.heartbeats.load(Ordering::Relaxed) > heartbeats
        });
        outlet.close().unwrap();
    }
}

#[test]
fn a_run_tells_whoever_listens() {
    let (osc, udp) = (receiver(), receiver());
    let sinks = format!(
        "[sink.osc]\ntarget = \"{}\"\n[sink.udp]\ntarget = \"{}\"\n",
        osc.local_addr().unwrap(),
        udp.local_addr().unwrap()
    );
    let program = Program::start(&sinks, Stdio::null(), &[]);
    until("a face is found", || {
        messages(&osc).contains(&("/found".to_owned(), vec![OscType::Int(1)]))
    });
    until("an emotion is told", || {
        let told: Value = serde_json::from_slice(&read(&udp)).unwrap();
        told["event"] == "state" && told["data"]["face"] == true
    });
    drop(program);
}
