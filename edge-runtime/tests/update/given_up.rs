//! What root has no more once it has given itself up, and what files become, whatever it was started with.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use super::kiosk::Kiosk;

/// Whom the state belongs to.
const SERVICE: u32 = 61_234;

/// Every file and directory below a path, and itself.
fn all(path: &Path, into: &mut Vec<std::path::PathBuf>) {
    into.push(path.to_path_buf());
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            all(&entry.unwrap().path(), into);
        }
    }
}

/// Runs a command of the program from a shell with this mask for the modes of files.
fn masked(kiosk: &Kiosk, mask: &str, command: &str, arguments: &[&str]) -> Command {
    let program = kiosk.program(command);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("umask {mask}; exec \"$@\""), "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .args(arguments);
    shell
}

#[test]
fn whatever_mask_it_was_started_with_others_can_change_no_file_and_its_own_user_can() {
    for mask in ["000", "002", "022", "077", "777"] {
        let kiosk = Kiosk::new();
        let archive = kiosk.archive(2, |_| ());
        fs::create_dir(kiosk.path("kept")).unwrap();
        kiosk.configure(
            "[counts]\ndir = \"counts\"\n[sink.mqtt]\nhost = \"127.0.0.1\"\nport = 9\ndevice = \"a\"\n\
             outbox = { dir = \"outbox\" }\n",
        );
        let text = fs::read_to_string(kiosk.path("config.toml")).unwrap();
        let text = text
            .replace("loop = true", "")
            .replace("schema = 1", "schema = 1\nstate = \"kept\"");
        fs::write(kiosk.path("config.toml"), text).unwrap();
        let output = masked(&kiosk, mask, "update", &[archive.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{mask}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let output = masked(&kiosk, mask, "run", &[]).output().unwrap();
        assert!(
            output.status.success(),
            "{mask}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut made = Vec::new();
        for dir in ["state", "outbox", "counts"] {
            all(&kiosk.path(dir), &mut made);
        }
        all(&kiosk.path("kept/outboxes"), &mut made);
        assert!(made.len() > 8, "{made:?}");
        for path in made {
            let mode = fs::symlink_metadata(&path).unwrap().mode();
            let own = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(
                (mode & 0o022, mode & own),
                (0, own),
                "{mask}: {} {mode:o}",
                path.display()
            );
        }
    }
}

#[test]
fn root_that_is_given_up_has_no_right_left_and_nobody_reads_its_memory() {
    if !rustix::process::geteuid().is_root() {
        return testing::skip("only root can give itself up");
    }
    let kiosk = Kiosk::new();
    fs::set_permissions(kiosk.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(kiosk.path("state")).unwrap();
    chown(kiosk.path("state"), Some(SERVICE), Some(SERVICE)).unwrap();
    // Connections are taken, and nothing is answered: the program waits, when it has given up what it had.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = format!("https://{}/", server.local_addr().unwrap());
    let mut update = kiosk.program("update");
    let mut update = update.arg(&source).spawn().unwrap();
    let connection = server.accept().unwrap();
    let process = Path::new("/proc").join(update.id().to_string());
    let status = fs::read_to_string(process.join("status")).unwrap();
    // What belongs to root here is closed to the user that the program has become, its environment with it.
    let environment = fs::metadata(process.join("environ")).unwrap().uid();
    update.kill().unwrap();
    update.wait().unwrap();
    drop(connection);
    for (field, expected) in [
        ("Uid:", "61234 61234 61234 61234"),
        ("Gid:", "61234 61234 61234 61234"),
        ("Groups:", ""),
        ("CapPrm:", "0000000000000000"),
        ("CapEff:", "0000000000000000"),
        ("CapAmb:", "0000000000000000"),
    ] {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words.join(" "), expected, "{field}");
    }
    assert_eq!(environment, 0);
}
