//! Wild names, strange machines and devices that have been taken over: nobody is harmed who deploys, nor whom it is for.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use testing::write_script;

use super::{Server, deploying, device_with_server};
use crate::support::programs::root;

/// Deploys with these arguments and this environment, from a directory with files of wild names; gives the code, and what the
/// device's package manager got, with its owner and that of its directory. `None`, said aloud, without an ssh server.
fn deploy_wildly(arguments: &[&str], environment: &[(&str, &str)]) -> Option<(Option<i32>, String)> {
    let (folder, server) = device_with_server(0, 0)?;
    let dir = folder.path();
    for name in WILD {
        fs::write(dir.join(name), "a wild package").unwrap();
    }
    std::os::unix::fs::symlink("kiosk.deb", dir.join("link.deb")).unwrap();
    let got = dir.join("got");
    let body = format!(
        "for last; do :; done\n{{ stat -c %u \"$last\" \"${{last%/*}}\"; cat \"$last\"; }} >'{}'\n",
        got.display()
    );
    write_script(&dir.join("bin/dpkg"), &body);
    let output = deploying(dir, server.port, arguments)
        .envs(environment.iter().copied())
        .output();
    let output = output.unwrap();
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(!dir.join("hit").exists(), "{arguments:?}: a name was run");
    Some((output.status.code(), fs::read_to_string(got).unwrap_or_default()))
}

/// Names that programs take for options or shells for commands.
const WILD: [&str; 5] = ["-rf", "--help", "a b'\"c.deb", "$(touch hit).deb", "a\n;touch hit;.deb"];

#[test]
fn names_of_files_are_no_options_and_no_commands() {
    for name in WILD {
        let Some((code, got)) = deploy_wildly(&["--package", name, "--config", name], &[]) else {
            return;
        };
        assert_eq!(code, Some(0), "{name}");
        assert!(got.ends_with("a wild package"), "{name}: {got}");
    }
    let Some((code, got)) = deploy_wildly(&["--package", "link.deb"], &[]) else {
        return;
    };
    assert_eq!((code, got.ends_with("\na package")), (Some(0), true), "{got}");
}

#[test]
fn what_comes_to_root_of_the_device_belongs_to_root_whoever_sends_it() {
    if !fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        return testing::skip("only root gets files of other owners");
    }
    let sender = [("TAR_OPTIONS", "--owner=61234 --group=61234")];
    let Some((code, got)) = deploy_wildly(&["--package", "kiosk.deb"], &sender) else {
        return;
    };
    assert_eq!((code, got.as_str()), (Some(0), "0\n0\na package"));
}

#[test]
fn a_tape_in_the_environment_takes_nothing_away() {
    let Some((code, got)) = deploy_wildly(&["--package", "kiosk.deb"], &[("TAPE", "hit")]) else {
        return;
    };
    assert_eq!((code, got.ends_with("a package")), (Some(0), true), "{got}");
}

#[test]
fn names_of_devices_are_no_options_and_no_commands() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("kiosk.deb"), "a package").unwrap();
    for (host, code) in [
        ("-oProxyCommand=touch hit", 64),
        ("--", 64),
        ("$(touch hit)", 69),
        ("pi@`touch hit`", 69),
        ("pi@-oProxyCommand=touch hit", 69),
    ] {
        let output = Command::new(root().join("scripts/deploy"))
            .current_dir(folder.path())
            .args(["--package", "kiosk.deb", host])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{host}: {output:?}");
        assert!(!folder.path().join("hit").exists(), "{host}");
    }
}

/// Deploys to an ssh server by options of one's own; gives what came of it, and what the programs of the device wrote down.
fn deploy_as(dir: &Path, port: u16, known_hosts: &str, options: &[&str]) -> (Output, String) {
    fs::write(dir.join("known"), known_hosts).unwrap();
    fs::write(dir.join("kiosk.deb"), "a package").unwrap();
    let known = format!("UserKnownHostsFile={}", dir.join("known").display());
    let mut command = Command::new(root().join("scripts/deploy"));
    command
        .current_dir(dir)
        .args(["--package", "kiosk.deb", "127.0.0.1", "-p", &port.to_string()]);
    command
        .args(options)
        .args(["-o", &known, "-o", "GlobalKnownHostsFile=/dev/null", "-i"])
        .arg(dir.join("user"));
    let output = command.env("SSH_AUTH_SOCK", dir.join("agent")).output().unwrap();
    (output, fs::read_to_string(dir.join("log")).unwrap_or_default())
}

/// A device, its ssh server and the server's key.
fn known_device() -> Option<(tempfile::TempDir, Server, String)> {
    let (folder, server) = device_with_server(0, 0)?;
    let key = fs::read_to_string(folder.path().join("host.pub")).unwrap();
    let key = format!("[127.0.0.1]:{} {key}", server.port);
    Some((folder, server, key))
}

#[test]
fn a_machine_whose_key_is_not_that_of_the_device_gets_nothing() {
    let Some((folder, server, key)) = known_device() else {
        return;
    };
    let other = fs::read_to_string(folder.path().join("user.pub")).unwrap();
    let other = format!("[127.0.0.1]:{} {other}", server.port);
    let elsewhere = key.replacen(&server.port.to_string(), "22", 1);
    for known in [
        "",
        &other,
        &elsewhere,
        &format!("@revoked {key}"),
        &format!("{key}@revoked {key}"),
        &format!("@cert-authority {key}"),
        &key[..key.len() / 2],
        &format!("#{key}"),
        &"\0".repeat(4096),
    ] {
        let (output, log) = deploy_as(folder.path(), server.port, known, &[]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), log.as_str()),
            (Some(69), ""),
            "{known}: {errors}"
        );
        assert_eq!(fs::read_to_string(folder.path().join("known")).unwrap(), *known);
    }
    let (output, log) = deploy_as(folder.path(), server.port, &key, &[]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(log.contains("dpkg"));
}

#[test]
fn the_device_steers_no_terminal_and_is_lent_no_key() {
    let Some((folder, server, key)) = known_device() else {
        return;
    };
    let dir = folder.path();
    let agent = Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(dir.join("agent"))
        .stdout(Stdio::null())
        .spawn();
    let mut agent = agent.unwrap();
    while !dir.join("agent").exists() {
        std::thread::yield_now();
    }
    // The second sign of steering is one of two bytes, which shows when the one within it is taken out.
    let wild = "Zo\u{eb}\\033[2J\\033]0;x\\007\\302\\302\\233\\2332J\\r\tend\\n";
    let body = format!(
        "echo \"agent <$SSH_AUTH_SOCK>\" >>'{}'\nprintf '{wild}'\nprintf '{wild}' >&2\n",
        dir.join("log").display()
    );
    write_script(&dir.join("bin/edge-runtime"), &body);
    let generous = dir.join("ssh_config");
    fs::write(
        &generous,
        "ForwardAgent yes\nForwardX11 yes\nPermitLocalCommand yes\nLocalCommand touch hit\n",
    )
    .unwrap();
    let (output, log) = deploy_as(dir, server.port, &key, &["-F", generous.to_str().unwrap()]);
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(log.contains("agent <>") && !dir.join("hit").exists(), "{log}");
    for said in [output.stdout, output.stderr] {
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("Zo\u{eb}[2J]0;x2J\tend\n"), "{said:?}");
        let steers = |sign: char| sign.is_control() && !matches!(sign, '\n' | '\t');
        assert!(!said.contains(steers), "{said:?}");
    }
}
