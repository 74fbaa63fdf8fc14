//! `scripts/flash` prepares small images that are laid out like Raspberry Pi OS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::programs::root;

/// Start of the boot partition in bytes; sectors 2048 to 34815.
const BOOT: u64 = 2048 * 512;
/// Start of the root partition in bytes; sectors from 34816.
const ROOT: u64 = 34816 * 512;

/// Tools that lie in the administrator's directories on Debian.
fn path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

fn tools() -> bool {
    let tools = ["sfdisk", "mkfs.vfat", "mke2fs", "mcopy", "debugfs", "lsblk"];
    let missing: Vec<&str> = tools
        .into_iter()
        .filter(|tool| !std::env::split_paths(&path()).any(|dir| dir.join(tool).exists()))
        .collect();
    if !missing.is_empty() {
        testing::skip(&format!(
            "scripts/flash: {} is missing (sudo apt-get install fdisk dosfstools e2fsprogs mtools)",
            missing.join(", ")
        ));
    }
    missing.is_empty()
}

fn succeed(command: &mut Command) -> Vec<u8> {
    let output = command.env("PATH", path()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// An image with a FAT and an ext4 partition that calls itself this release.
fn image(dir: &Path, release: &str) -> PathBuf {
    let image = dir.join(format!("{release}.img"));
    let part = |name: &str, megabytes: u64| {
        let path = dir.join(format!("{release}.{name}"));
        fs::File::create(&path).unwrap().set_len(megabytes << 20).unwrap();
        path
    };
    let (boot, root) = (part("fat", 16), part("ext4", 20));
    succeed(Command::new("mkfs.vfat").arg(&boot));
    let line = dir.join("cmdline.txt");
    fs::write(&line, "console=tty1 rootwait\n").unwrap();
    succeed(Command::new("mcopy").arg("-i").args([&boot, &line]).arg("::"));
    let tree = dir.join(format!("{release}.tree"));
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::write(tree.join("etc/os-release"), format!("VERSION_CODENAME={release}\n")).unwrap();
    succeed(
        Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-d"])
            .args([&tree, &root]),
    );
    let mut whole = vec![0; ROOT as usize];
    whole[BOOT as usize..][..16 << 20].copy_from_slice(&fs::read(boot).unwrap());
    whole.extend(fs::read(root).unwrap());
    fs::write(&image, whole).unwrap();
    let table = dir.join("table");
    fs::write(
        &table,
        "label: dos\nstart=2048, size=32768, type=c\nstart=34816, type=83\n",
    )
    .unwrap();
    succeed(
        Command::new("sfdisk")
            .arg("-q")
            .arg(&image)
            .stdin(fs::File::open(table).unwrap()),
    );
    image
}

/// Everything that the script can write.
fn flash(dir: &Path, arguments: &[&str]) -> Output {
    for (name, text) in [
        ("kiosk.deb", "a package"),
        ("config.toml", "schema = 1\n"),
        ("key.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1 me@desk\n"),
        ("password", "long enough\n"),
        ("bad.pub", "ssh-ed25519 AAAA'; reboot; echo ' x\n"),
    ] {
        fs::write(dir.join(name), text).unwrap();
    }
    Command::new(root().join("scripts/flash"))
        .current_dir(dir)
        .args(["--package", "kiosk.deb"])
        .args(arguments)
        .output()
        .unwrap()
}

const EVERYTHING: [&str; 10] = [
    "--config",
    "config.toml",
    "--ssh-key",
    "key.pub",
    "--wifi",
    "My net",
    "--wifi-password-file",
    "password",
    "--wifi-country",
    "DE",
];

fn on_boot_partition(image: &Path, name: &str) -> String {
    let place = format!("{}@@{BOOT}", image.display());
    let text = succeed(Command::new("mtype").args(["-i", &place, &format!("::{name}")]));
    String::from_utf8(text).unwrap()
}

#[test]
fn each_release_gets_its_own_first_boot_files() {
    if !tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    for (release, file, expected) in [
        (
            "trixie",
            "user-data",
            [
                "#cloud-config",
                "hostname: kiosk\nmanage_etc_hosts: localhost",
                "ssh-ed25519 AAAAC3NzaC1lZDI1 me@desk",
            ],
        ),
        (
            "trixie",
            "network-config",
            ["\"My net\"", "password: \"long enough\"", "regulatory-domain: \"DE\""],
        ),
        (
            "bookworm",
            "firstrun.sh",
            [
                "set_wlan 'My net' 'long enough' 'DE'",
                "edge-runtime-setup.sh",
                "authorized_keys",
            ],
        ),
        (
            "bookworm",
            "cmdline.txt",
            [
                "console=tty1 rootwait systemd.run=",
                "firstrun.sh",
                "kernel-command-line.target",
            ],
        ),
    ] {
        let image = image(dir, release);
        let before = fs::read(&image).unwrap();
        let result = dir.join("result.img");
        let source = format!("{release}.img");
        let output = flash(dir, &[&EVERYTHING[..], &[&source, "result.img"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = on_boot_partition(&result, file);
        for expected in expected {
            assert!(text.contains(expected), "{release} {file}: {text} lacks {expected}");
        }
        assert_eq!(on_boot_partition(&result, "edge-runtime.deb"), "a package");
        assert_eq!(on_boot_partition(&result, "edge-runtime.toml"), "schema = 1\n");
        for script in ["edge-runtime-setup.sh", "firstrun.sh"] {
            if script == "firstrun.sh" && release == "trixie" {
                continue;
            }
            let copy = dir.join(script);
            fs::write(&copy, on_boot_partition(&result, script)).unwrap();
            succeed(Command::new("sh").arg("-n").arg(&copy));
        }
        assert!(
            before == fs::read(&image).unwrap(),
            "the image that was named has changed"
        );
        fs::remove_file(result).unwrap();
    }
}

#[test]
fn refuses_what_would_not_boot_or_would_destroy_something() {
    if !tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    image(dir, "trixie");
    image(dir, "woody");
    fs::write(dir.join("short"), "short\n").unwrap();
    fs::write(dir.join("noise.img"), [7; 4096]).unwrap();
    let wifi = |ssid, file| {
        [
            "--wifi",
            ssid,
            "--wifi-password-file",
            file,
            "--wifi-country",
            "DE",
            "trixie.img",
            "new.img",
        ]
    };
    let cases: [(&[&str], i32, &str); 17] = [
        (&["woody.img", "new.img"], 65, "woody"),
        (&["noise.img", "new.img"], 65, "partition"),
        (&["nowhere.img", "new.img"], 66, "nowhere.img"),
        (&["trixie.img", "kiosk.deb"], 64, "exists"),
        (&["trixie.img"], 64, "FILE"),
        (&["--hostname", "Two words", "trixie.img", "new.img"], 64, "Two words"),
        (
            &["--ssh-key", "config.toml", "trixie.img", "new.img"],
            65,
            "config.toml",
        ),
        (&wifi("net", "short"), 65, "8 to 63"),
        (&wifi("it's", "password"), 65, "quote"),
        (&wifi("net$(reboot)", "password"), 65, "quote"),
        (&wifi("net\n  key_mgmt: none", "password"), 65, "sign"),
        (&wifi("net\u{7}", "password"), 65, "sign"),
        (
            &["--hostname", "kiosk\nreboot", "trixie.img", "new.img"],
            64,
            "--hostname",
        ),
        (&["--hostname", "-kiosk", "trixie.img", "new.img"], 64, "--hostname"),
        (&["--user", "root;reboot", "trixie.img", "new.img"], 64, "--user"),
        (&["--ssh-key", "bad.pub", "trixie.img", "new.img"], 65, "bad.pub"),
        (&["-i.img", "new.img"], 64, "unknown option"),
    ];
    for (arguments, code, named) in cases {
        let output = flash(dir, arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(named), "{arguments:?}: {errors}");
        assert!(!dir.join("new.img").exists() && !dir.join("new.img.part").exists());
    }
    let output = flash(dir, &["--dry-run", "trixie.img", "new.img"]);
    assert!(output.status.success() && !dir.join("new.img").exists());
}

#[test]
fn no_file_beside_the_result_is_written_to() {
    if !tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    image(dir, "trixie");
    fs::write(dir.join("precious"), "precious").unwrap();
    std::os::unix::fs::symlink("precious", dir.join("new.img.part")).unwrap();
    std::os::unix::fs::symlink("nothing", dir.join("new.img")).unwrap();
    let output = flash(dir, &["trixie.img", "new.img"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_to_string(dir.join("precious")).unwrap(), "precious");
    assert!(dir.join("new.img.part").is_symlink() && !dir.join("nothing").exists());
    assert_eq!(on_boot_partition(&dir.join("new.img"), "edge-runtime.deb"), "a package");
    let left = fs::read_dir(dir).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("new.img")
    });
    assert_eq!(left.count(), 2);
}

/// The disk that this machine runs from is mounted: it must never be written to.
#[test]
fn refuses_the_disk_that_the_computer_runs_from() {
    if !tools() {
        return;
    }
    let disks = succeed(Command::new("lsblk").args(["-nrpo", "NAME,TYPE,MOUNTPOINTS"]));
    let disks = String::from_utf8(disks).unwrap();
    let Some(disk) = disks.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (name, kind, mounts) = (words.next()?, words.next()?, words.next()?);
        (kind == "disk" && !mounts.is_empty()).then(|| name.to_owned())
    }) else {
        testing::skip("no whole disk is mounted here, so that none can be refused");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    image(folder.path(), "trixie");
    let output = flash(folder.path(), &["--dry-run", "trixie.img", &disk]);
    assert_eq!(
        output.status.code(),
        Some(75),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("mounted"));
}
