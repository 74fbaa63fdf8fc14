//! `scripts/deploy` against an ssh server of the test's own, on loopback, whose "device" has stand-ins
//! for the programs that would change this machine.

mod attacks;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use testing::write_script;

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
        let mut server = Self { child, port };
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert_eq!(server.child.try_wait().unwrap(), None, "sshd ended by itself");
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
        write_script(&bin.join(name), &body);
    }
    write_script(&bin.join("sudo"), "[ \"$1\" = -n ] && shift\nexec \"$@\"\n");
}

fn deploy(dir: &Path, port: u16, arguments: &[&str]) -> Output {
    deploying(dir, port, arguments).output().unwrap()
}

/// A deployment that has not begun.
fn deploying(dir: &Path, port: u16, arguments: &[&str]) -> Command {
    fs::write(dir.join("kiosk.deb"), "a package").unwrap();
    fs::write(dir.join("mine.toml"), "schema = 1\n").unwrap();
    let mut command = Command::new(root().join("scripts/deploy"));
    command.current_dir(dir).args(arguments).arg("127.0.0.1");
    command
        .args([
            "-p",
            &port.to_string(),
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-i",
        ])
        .arg(dir.join("user"));
    command
}

/// What a deployment did.
struct Deployed {
    code: Option<i32>,
    out: String,
    errors: String,
    /// The programs of the device that were called, with their arguments, one a line.
    log: String,
}

/// A device whose doctor and whose restart end with these codes, and its ssh server; `None`, said aloud, without one.
fn device_with_server(doctor: i32, restart: i32) -> Option<(tempfile::TempDir, Server)> {
    if !Path::new(SSHD).exists() {
        testing::skip(&format!(
            "scripts/deploy: {SSHD} is missing (sudo apt-get install openssh-server)"
        ));
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    device(folder.path(), doctor, restart);
    Some((folder, server))
}

/// Deploys to such a device.
fn deploy_to(doctor: i32, restart: i32, arguments: &[&str]) -> Option<Deployed> {
    let (folder, server) = device_with_server(doctor, restart)?;
    let output = deploy(folder.path(), server.port, arguments);
    Some(Deployed {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
        log: fs::read_to_string(folder.path().join("log")).unwrap_or_default(),
    })
}

#[test]
fn installs_checks_and_starts_in_this_order() {
    let Some(deployed) = deploy_to(0, 0, &["--package", "kiosk.deb", "--config", "mine.toml"]) else {
        return;
    };
    assert_eq!(deployed.code, Some(0), "{}", deployed.errors);
    let steps: Vec<&str> = (deployed.log.lines())
        .map(|line| line.split(' ').next().unwrap())
        .collect();
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
}

#[test]
fn shows_what_the_kiosk_tells_after_its_start() {
    let Some(deployed) = deploy_to(0, 0, &["--package", "kiosk.deb"]) else {
        return;
    };
    assert!(deployed.out.contains("a line of the kiosk"), "{}", deployed.out);
}

#[test]
fn keeps_a_configuration_that_was_edited_on_the_device() {
    let Some(deployed) = deploy_to(0, 0, &["--package", "kiosk.deb"]) else {
        return;
    };
    assert!(deployed.log.contains("--force-confold"), "{}", deployed.log);
}

#[test]
fn what_the_doctor_finds_keeps_the_service_as_it_is() {
    let Some(deployed) = deploy_to(69, 0, &["--package", "kiosk.deb"]) else {
        return;
    };
    assert_eq!(deployed.code, Some(69), "{}", deployed.errors);
    let log = deployed.log;
    assert!(!log.contains("systemctl") && !log.contains("install -D"), "{log}");
}

#[test]
fn anyway_restarts_the_service_whatever_the_doctor_finds() {
    let Some(deployed) = deploy_to(69, 0, &["--anyway", "--package", "kiosk.deb"]) else {
        return;
    };
    assert_eq!(deployed.code, Some(0), "{}", deployed.errors);
    assert!(deployed.log.contains("systemctl restart"), "{}", deployed.log);
}

#[test]
fn a_kiosk_that_does_not_start_tells_why() {
    let Some(deployed) = deploy_to(0, 1, &["--package", "kiosk.deb"]) else {
        return;
    };
    assert_eq!(deployed.code, Some(1), "{}", deployed.errors);
    assert!(deployed.out.contains("a line of the kiosk"), "{}", deployed.out);
}

#[test]
fn a_dry_run_calls_nothing_on_the_device() {
    let Some(deployed) = deploy_to(0, 0, &["--dry-run", "--package", "kiosk.deb"]) else {
        return;
    };
    assert_eq!((deployed.code, deployed.log.as_str()), (Some(0), ""));
}

#[test]
fn a_package_that_is_not_there_is_an_error_of_the_input() {
    let Some(deployed) = deploy_to(0, 0, &["--package", "nowhere.deb"]) else {
        return;
    };
    assert_eq!(deployed.code, Some(66), "{}", deployed.errors);
}

#[test]
fn a_device_that_cannot_be_reached_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output = deploy(folder.path(), port, &["--package", "kiosk.deb"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{errors}");
}
