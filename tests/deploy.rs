//! `scripts/deploy` against an ssh server of the test's own, on loopback, whose "device" has stand-ins
//! for the programs that would change this machine.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::programs::root;

const SSHD: &str = "/usr/sbin/sshd";

/// An ssh server that ends with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(dir: &Path) -> Self {
        for key in ["host", "user"] {
            let status = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(dir.join(key))
                .status();
            assert!(status.unwrap().success());
        }
        fs::copy(dir.join("user.pub"), dir.join("authorized")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = dir.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nAuthorizedKeysFile {at}/authorized\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nSetEnv PATH={at}/bin:/usr/bin:/bin\n"
        );
        fs::write(dir.join("sshd_config"), config).unwrap();
        // Root's sshd wants this directory, which the system's service makes; others cannot and need not.
        let _ = fs::create_dir("/run/sshd");
        let child = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(dir.join("sshd_config"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "sshd does not listen");
            std::thread::yield_now();
        }
        server
    }
}

/// Programs of the device that write down how they were called, and end with these codes.
fn device(dir: &Path, doctor: i32, restart: i32) {
    let bin = dir.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let log = dir.join("log");
    for (name, code) in [
        ("install", String::from("0")),
        ("dpkg", String::from("0")),
        ("edge-runtime", doctor.to_string()),
        ("systemctl", format!("$([ $1 = restart ] && echo {restart} || echo 0)")),
        ("journalctl", String::from("0")),
    ] {
        let body = format!(
            "echo {name} \"$@\" >>'{}'\n[ {name} != journalctl ] || echo a line of the kiosk\nexit {code}\n",
            log.display()
        );
        program(&bin.join(name), &body);
    }
    program(&bin.join("sudo"), "[ \"$1\" = -n ] && shift\nexec \"$@\"\n");
    let _ = fs::remove_file(log);
}

fn program(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn deploy(dir: &Path, port: u16, arguments: &[&str]) -> Output {
    fs::write(dir.join("kiosk.deb"), "a package").unwrap();
    fs::write(dir.join("mine.toml"), "schema = 1\n").unwrap();
    Command::new(root().join("scripts/deploy"))
        .current_dir(dir)
        .args(arguments)
        .arg("127.0.0.1")
        .args([
            "-p",
            &port.to_string(),
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-i",
        ])
        .arg(dir.join("user"))
        .output()
        .unwrap()
}

#[test]
fn installs_checks_and_starts_in_this_order() {
    if !Path::new(SSHD).exists() {
        testing::skip(&format!(
            "scripts/deploy: {SSHD} is missing (sudo apt-get install openssh-server)"
        ));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let server = Server::start(dir);
    let log = || fs::read_to_string(dir.join("log")).unwrap_or_default();

    device(dir, 0, 0);
    let output = deploy(dir, server.port, &["--package", "kiosk.deb", "--config", "mine.toml"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let log_text = log();
    let steps: Vec<&str> = log_text.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(
        steps,
        [
            "install",
            "dpkg",
            "edge-runtime",
            "systemctl",
            "systemctl",
            "systemctl",
            "journalctl"
        ]
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("a line of the kiosk"));
    assert!(
        log_text.contains("--force-confold"),
        "an edited configuration must be kept: {log_text}"
    );

    // What the doctor finds keeps the service from being restarted.
    device(dir, 69, 0);
    let output = deploy(dir, server.port, &["--package", "kiosk.deb"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(
        !log().contains("systemctl") && !log().contains("install -D"),
        "{}",
        log()
    );

    let output = deploy(dir, server.port, &["--anyway", "--package", "kiosk.deb"]);
    assert!(
        output.status.success() && log().contains("systemctl restart"),
        "{}",
        log()
    );

    // A kiosk that does not start tells why.
    device(dir, 0, 1);
    let output = deploy(dir, server.port, &["--package", "kiosk.deb"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("a line of the kiosk"));

    device(dir, 0, 0);
    let output = deploy(dir, server.port, &["--dry-run", "--package", "kiosk.deb"]);
    assert!(output.status.success() && log().is_empty(), "a dry run did {}", log());

    let output = deploy(dir, server.port, &["--package", "nowhere.deb"]);
    assert_eq!(output.status.code(), Some(66));
    drop(server);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output = deploy(dir, port, &["--package", "kiosk.deb"]);
    assert_eq!(
        output.status.code(),
        Some(69),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
