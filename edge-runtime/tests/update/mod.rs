//! Updates of a running kiosk.

mod given_up;
mod home;
#[cfg(feature = "mqtt")]
mod hostile;
mod killed;
pub(crate) mod kiosk;
mod mutants;

use std::fs;
use std::path::Path;
use std::process::Output;

use onnx::attribute_proto::AttributeType;
use onnx::tensor_proto::DataType;
use onnx::{AttributeProto, ModelProto, NodeProto, TensorProto};
use prost::Message;
use update::TRIES;

use crate::support::{rounds, until};
use kiosk::{Kiosk, bend_network, copy_bundle, edit_manifest, factory, stop};

fn assert_code(output: &Output, code: i32, message: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(errors.contains(message), "{errors} does not speak of {message}");
}

/// Of the default bundle: rows of its emotion network's last layer.
const CLASSES: i64 = 6;

/// The weights of the last layer in another order than that which the golden vectors were made with.
fn other_weights(onnx: &mut Vec<u8>) {
    let mut model = ModelProto::decode(onnx.as_slice()).unwrap();
    let constants = &mut model.graph.as_mut().unwrap().initializer;
    let last = |tensor: &&mut TensorProto| tensor.dims.len() == 2 && tensor.dims.contains(&CLASSES);
    let mut bent = false;
    for tensor in constants.iter_mut().filter(last) {
        let count = tensor.dims.iter().product::<i64>() as usize;
        let numbers = tensor.raw_data.chunks(tensor.raw_data.len() / count);
        tensor.raw_data = numbers.rev().flatten().copied().collect();
        bent = true;
    }
    assert!(bent);
    *onnx = model.encode_to_vec();
}

/// Nodes without end between the input and the rest: minutes of computing for a single face.
fn endless(onnx: &mut Vec<u8>) {
    let mut model = ModelProto::decode(onnx.as_slice()).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let tensor = |name: &str, dims: &[i64]| TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        raw_data: vec![0; dims.iter().product::<i64>() as usize * 4],
        ..TensorProto::default()
    };
    graph.initializer.extend([
        tensor("wide", &[128, 1, 3, 3]),
        tensor("long", &[128, 128, 3, 3]),
        tensor("narrow", &[1, 128, 3, 3]),
    ]);
    let conv = |input: &str, weights: &str, output: String| NodeProto {
        op_type: "Conv".into(),
        input: vec![input.into(), weights.into()],
        output: vec![output],
        attribute: vec![AttributeProto {
            name: "pads".into(),
            r#type: AttributeType::Ints as i32,
            ints: vec![1; 4],
            ..AttributeProto::default()
        }],
        ..NodeProto::default()
    };
    let mut nodes = vec![conv("input", "wide", "slow_0".into())];
    nodes.extend((1..1000).map(|at| conv(&format!("slow_{}", at - 1), "long", format!("slow_{at}"))));
    nodes.push(conv("slow_999", "narrow", "slow".into()));
    for node in &mut graph.node {
        for input in node.input.iter_mut().filter(|name| *name == "input") {
            *input = "slow".into();
        }
    }
    nodes.append(&mut graph.node);
    graph.node = nodes;
    *onnx = model.encode_to_vec();
}

/// No numbers in the last layer, where no rectifier hides them: in its bias, or in the scale of its quantised weights.
fn no_numbers(onnx: &mut Vec<u8>) {
    let mut model = ModelProto::decode(onnx.as_slice()).unwrap();
    let constants = &mut model.graph.as_mut().unwrap().initializer;
    let floats = |tensor: &&mut TensorProto| tensor.dims == [CLASSES] && tensor.data_type == DataType::Float as i32;
    for tensor in constants.iter_mut().filter(floats) {
        (tensor.float_data, tensor.raw_data) = (Vec::new(), vec![0xff; 4 * CLASSES as usize]);
    }
    *onnx = model.encode_to_vec();
}

#[test]
fn a_running_kiosk_takes_up_an_update_and_loses_no_frame() {
    let kiosk = Kiosk::new();
    let archive = kiosk.archive(2, |_| ());
    let child = kiosk.start();
    assert_code(&kiosk.update(&archive), 0, "on trial");
    until("the update is confirmed", || kiosk.installed() == Some(2));
    let output = stop(child);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(128 + 15), "{errors}");
    assert!(
        errors.contains("bundle version 2 is tried") && errors.contains("bundle version 2 works"),
        "{errors}"
    );
    let stats = errors.lines().find(|line| line.starts_with("frames in")).unwrap();
    assert!(stats.contains("dropped 0") && stats.contains("bad 0"), "{stats}");
    assert_eq!(kiosk.state().floor, 2);
    let again = kiosk.update(&archive);
    assert_code(&again, 0, "here already");
    let status = kiosk.program("update").arg("--status").output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((&status["installed"], &status["floor"]), (&2.into(), &2.into()));
}

#[test]
fn each_refusal_has_its_exit_code_and_message() {
    let kiosk = Kiosk::new();
    assert_code(&kiosk.update(&kiosk.path("none.tar")), 66, "does not exist");
    assert_code(&kiosk.update(&kiosk.path("frames")), 66, "neither update.json");
    assert_code(&kiosk.update(Path::new("http://example.org/a.tar")), 78, "https://");
    assert_code(&kiosk.program("update").output().unwrap(), 78, "channel");

    let archive = kiosk.archive(1, |_| ());
    assert_code(&kiosk.update(&archive), 77, "version 1 is not above 1");
    let archive = kiosk.archive(2, |_| ());
    let bytes = fs::read(&archive).unwrap();
    fs::write(kiosk.path("short.tar"), &bytes[..bytes.len() / 2]).unwrap();
    assert_code(&kiosk.update(&kiosk.path("short.tar")), 65, "ends too early");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    fs::write(kiosk.path("flipped.tar"), &flipped).unwrap();
    assert_code(&kiosk.update(&kiosk.path("flipped.tar")), 65, "sha-256");
    assert_eq!(kiosk.installed(), None);
}

#[test]
fn an_update_by_a_stranger_is_refused() {
    let (kiosk, stranger) = (Kiosk::new(), Kiosk::new());
    assert_code(&kiosk.update(&stranger.archive(3, |_| ())), 77, "does not trust");
}

#[test]
fn only_one_update_at_a_time() {
    let kiosk = Kiosk::new();
    let archive = kiosk.archive(2, |_| ());
    fs::create_dir(kiosk.path("state")).unwrap();
    let lock = fs::File::create(kiosk.path("state/lock")).unwrap();
    lock.lock().unwrap();
    assert_code(&kiosk.update(&archive), 75, "another update");
    drop(lock);
    assert_code(&kiosk.update(&archive), 0, "on trial");
}

#[test]
fn bundles_that_do_not_work_are_refused_before_they_get_a_slot() {
    let kiosk = Kiosk::new();
    for (version, message, bend) in [
        (2, "try bundle", no_numbers as fn(&mut Vec<u8>)),
        (3, "try bundle", |onnx| onnx.truncate(onnx.len() / 2)),
        (4, "try bundle", |onnx| onnx.fill(0)),
        (6, "golden", other_weights),
    ] {
        let archive = kiosk.archive(version, |dir| bend_network(dir, bend));
        assert_code(&kiosk.update(&archive), 65, message);
        assert_eq!(kiosk.state().trial, None);
    }
    assert_code(&kiosk.update(&kiosk.archive(7, |_| ())), 0, "on trial");
}

#[test]
fn a_bundle_that_computes_without_end_is_ended() {
    let kiosk = Kiosk::new();
    let dir = kiosk.path("endless");
    copy_bundle(&kiosk.path("factory"), &dir);
    bend_network(&dir, endless);
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_edge-runtime"));
    let output = program.args(["try-bundle", "--seconds=1"]).arg(&dir).output().unwrap();
    // Ended by the limit of computing time, and not with an error of its own.
    let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
    assert!(matches!(signal, Some(9 | 24)), "{output:?}");
}

#[test]
fn a_bundle_that_needs_too_much_memory_is_ended_not_the_kiosk() {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_edge-runtime"));
    let small = program
        .args(["try-bundle", "--memory-bytes=4000000"])
        .arg(factory())
        .output()
        .unwrap();
    assert!(!small.status.success());
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_edge-runtime"));
    assert_code(&program.arg("try-bundle").arg(factory()).output().unwrap(), 0, "");
}

#[test]
fn bundles_that_fail_only_later_are_rolled_back_within_their_tries() {
    let kiosk = Kiosk::new();
    let other_classes = |dir: &Path| edit_manifest(dir, |manifest| manifest["classes"][0] = "Bored".into());
    kiosk.configure("[sink.gpio]\nbackend = \"log\"\n[[sink.gpio.lines]]\npin = 17\nemotion = \"Angry\"\n");
    let mut version = 2;
    for _ in 0..rounds(1) {
        let bad = [
            kiosk.archive(version, |dir| bend_network(dir, no_numbers)),
            kiosk.archive(version + 1, |dir| {
                bend_network(dir, |onnx| onnx.truncate(onnx.len() / 2));
            }),
            kiosk.archive(version + 2, other_classes),
            kiosk.archive(version + 3, |dir| bend_network(dir, other_weights)),
            kiosk.archive(version + 4, |dir| bend_network(dir, |onnx| onnx.fill(0))),
        ];
        for (number, archive) in bad.iter().enumerate() {
            kiosk.install_blindly(archive);
            let mut starts = 0;
            while kiosk.state().trial.is_some() {
                assert!(starts < TRIES);
                starts += 1;
                let child = kiosk.start();
                until("it runs", || {
                    kiosk.state().trial.is_none_or(|trial| trial.tries_left < TRIES)
                });
                let output = stop(child);
                assert_eq!(
                    output.status.code(),
                    Some(128 + 15),
                    "{}",
                    String::from_utf8_lossy(&output.stderr)
                );
            }
            let rejected = kiosk.state().rejected.last().map(|slot| slot.version);
            assert_eq!(rejected, Some(version + number as u32));
            assert_eq!(kiosk.installed(), None);
        }
        version += 5;
    }
}

#[test]
fn a_kiosk_that_is_killed_during_each_trial_goes_back_after_its_tries() {
    let kiosk = Kiosk::new();
    kiosk.configure("");
    for round in 0..rounds(1) {
        // It hangs, and never gets ready: the service manager kills it.
        let version = 2 + round as u32;
        kiosk.install_blindly(&kiosk.archive(version, |dir| bend_network(dir, endless)));
        for left in (0..TRIES).rev() {
            let mut child = kiosk.start();
            until("the try is paid", || kiosk.state().trial.unwrap().tries_left == left);
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let child = kiosk.start();
        until("it is rolled back", || kiosk.state().trial.is_none());
        stop(child);
        let rejected = kiosk.state().rejected.last().map(|slot| slot.version);
        assert_eq!(rejected, Some(version));
        assert_eq!(kiosk.installed(), None);
    }
}
