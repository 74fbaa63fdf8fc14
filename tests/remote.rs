//! Trainings that compute on other machines, here on the loopback.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::support::programs::{program, run};
use crate::support::training::{Training, exported, newest, wait};

/// A `host-trainer serve`, killed at the end.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let mut process = program("host-trainer")
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        Self {
            process,
            url: line["listening"].as_str().unwrap().to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.process.kill();
        self.process.wait().unwrap();
    }
}

#[test]
fn machines_train_the_very_network_that_is_trained_here_even_if_one_vanishes() {
    let folder = tempfile::tempdir().unwrap();
    let training = Training::new(folder.path(), &["--epochs", "3"]);
    let [here, there, parts] = ["here", "there", "parts"].map(|name| folder.path().join(name));
    run(training.command(&here).args(["--device", "flex-autodiff"]), 0);

    let [mut first, second] = [Server::start(), Server::start()];
    let both = ["--remote", &first.url, "--remote", &second.url];
    run(training.command(&there).args(both), 0);
    assert!(exported(&here) == exported(&there), "the weights differ");

    let mut command = training.command(&parts);
    let mut child = command.args(both).stderr(Stdio::piped()).spawn().unwrap();
    wait(&mut child, || newest(&parts).is_some());
    first.process.kill().unwrap();
    let stopped = child.wait_with_output().unwrap();
    let errors = String::from_utf8(stopped.stderr).unwrap();
    assert_eq!(stopped.status.code(), Some(69), "{errors}");
    let told = [&first.url, "no longer answers", "step", "--resume"];
    assert!(told.iter().all(|part| errors.contains(part)), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");

    // The other one takes both shares.
    run(training.command(&parts).args(["--remote", &second.url]), 0);
    assert!(exported(&here) == exported(&parts), "the weights differ");
}

#[test]
fn a_machine_that_does_not_serve_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let training = Training::new(folder.path(), &[]);
    // Accepts and hangs up, unlike a port that refuses, for which the trainer would wait some seconds.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let mut command = training.command(&folder.path().join("run"));
    let refused = run(command.args(["--remote", &url]), 69);
    assert!(
        refused.errors.contains(&url) && refused.errors.contains("host-trainer serve"),
        "{}",
        refused.errors
    );
}
