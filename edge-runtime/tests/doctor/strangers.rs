//! Configurations as strangers write them: what `run` cannot start is told before, with the cure.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::support::program::command;

/// What a stranger writes behind `schema`, `bundle` and, where it has none, a source; and what is said of it.
type Case = (String, &'static str, &'static str);

/// A directory with a file of each kind that is none.
fn dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("notes.txt", "no picture"),
        ("empty.y4m", ""),
        ("weak", "short"),
        ("secret", "a secret of twenty-four bytes or more"),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    fs::create_dir(dir.path().join("nothing")).unwrap();
    dir
}

fn write(dir: &Path, more: &str) {
    let bundle = concat!(env!("CARGO_MANIFEST_DIR"), "/models/default");
    let source = if more.contains("source.uri") {
        ""
    } else {
        "source.uri = \"-\"\n"
    };
    fs::write(
        dir.join("c.toml"),
        format!("schema = 1\nbundle = '{bundle}'\n{source}{more}\n"),
    )
    .unwrap();
}

fn uri(uri: &str, said: &'static str, cure: &'static str) -> Case {
    (format!("source.uri = \"{uri}\""), said, cure)
}

fn hook(url: &str, secret: &str) -> String {
    format!("[sink.webhook]\nurl = \"{url}\"\nsecret_file = \"{secret}\"\ndir = \"hooks\"")
}

fn case(text: &str, said: &'static str, cure: &'static str) -> Case {
    (text.to_owned(), said, cure)
}

/// What is written otherwise than it must be.
fn misspelt() -> Vec<Case> {
    vec![
        // A scheme that nobody knows, or that is written otherwise.
        uri("gopher://a/b", "for gopher:", "ffmpeg -i ADDRESS"),
        uri("gphoto:usb", "no kind of source", "v4l2:, rpicam:"),
        uri("camera:0", "USB camera", "v4l2:/dev/video0"),
        uri("0", "USB camera", "v4l2:/dev/video0"),
        uri("/dev/video0", "USB camera", "v4l2:/dev/video0"),
        uri("v4l2://dev/video0", "must name the device", "v4l2:/dev/video0"),
        uri("rtsp:camera/live", "of a stream", "rtsp://camera.local/live"),
        uri("http://camera:99999/", "an address such as", "rtsp://camera.local/live"),
        // A host with a scheme, a path or a port; a name where an address is wanted.
        case(
            "[sink.mqtt]\nhost = \"mqtt://broker\"\ndevice = \"a\"",
            "no scheme",
            "`tls` encrypts",
        ),
        case(
            "[sink.mqtt]\nhost = \"broker:1883\"\ndevice = \"a\"",
            "the host alone",
            "port = 1883",
        ),
        case(
            "[sink.osc]\ntarget = \"osc.udp://127.0.0.1:8338\"",
            "without a scheme",
            "127.0.0.1:8338",
        ),
        case(
            "[sink.osc]\ntarget = \"touch.local:8338\"",
            "names are not looked up",
            "192.168.1.20:8338",
        ),
        case(
            "[sink.udp]\ntarget = \"127.0.0.1\"",
            "an address and a port",
            "192.168.1.20:8338",
        ),
        case(&hook("example.org/hook", "secret"), "an address such as", "https://"),
        case(&hook("http://a:99999/", "secret"), "an address such as", "https://"),
        case(
            "[metrics]\nlisten = \"localhost:9464\"",
            "an address and a port alone",
            "127.0.0.1",
        ),
        case(
            "[page]\nlisten = \"http://127.0.0.1:8380\"",
            "no scheme",
            "127.0.0.1:8380",
        ),
    ]
}

/// What is not there, or is in use.
fn missing(taken: u16) -> Vec<Case> {
    vec![
        // A port that is taken.
        case(
            &format!("[metrics]\nlisten = \"127.0.0.1:{taken}\""),
            "in use",
            "set another port as `metrics.listen`",
        ),
        case(
            &format!("[page]\nlisten = \"127.0.0.1:{taken}\""),
            "in use",
            "set another port as `page.listen`",
        ),
        case(
            "[page]\nlisten = \"127.0.0.1:9\"\n[metrics]\nlisten = \"127.0.0.1:9\"",
            "the port of [page]",
            "its own",
        ),
        // A device that is not there, or is none.
        uri(
            "v4l2:/dev/nowhere",
            "/dev/nowhere",
            if cfg!(feature = "camera") {
                "plug it in"
            } else {
                "--features camera"
            },
        ),
        uri("rpicam:/nowhere/rpicam-vid", "no such program", "rpicam-apps-lite"),
        case(
            "[sink.serial]\ndevice = \"/dev/nowhere\"",
            "No such file",
            "plug the board in",
        ),
        case(
            "[sink.serial]\ndevice = \"/dev/null\"",
            "no serial port",
            "/dev/ttyACM0",
        ),
        case("[sink.serial]\ndevice = \"COM3\"", "a device such as", "/dev/ttyACM0"),
        // A file that cannot be opened, or is another.
        uri("clip.y4m", "no such file", "name a picture"),
        uri("notes.txt", "neither PNG", "name a picture"),
        uri("empty.y4m", "no YUV4MPEG2 header", "ffmpeg -i IN"),
        uri("nothing", "holds no picture", "name a picture"),
        uri("clip.mp4", "cannot be read", "ffmpeg -i IN"),
        case(
            "source.uri = \"rtsp://127.0.0.1/x\"\nsource.credentials_file = \"nobody\"",
            "No such file",
            "credentials_file",
        ),
        case(&hook("http://127.0.0.1/", "nobody"), "No such file", "[sink.webhook]"),
        case(&hook("http://127.0.0.1/", "weak"), "24 bytes or more", "openssl rand"),
        case(
            &(hook("https://127.0.0.1/", "secret") + "\nca_file = \"notes.txt\""),
            "no certificate",
            "PEM",
        ),
        case("[counts]\ndir = \"notes.txt\"", "is no directory", "counts.dir"),
        case("state = \"notes.txt\"", "is no directory", "as `state`"),
        case("state = \"notes.txt/below\"", "lies below a file", "as `state`"),
        // What another section would have to have.
        case(
            "[[when]]\nname = \"a\"\nstate = \"face\"\nfor_s = 1\nosc = \"/x\"",
            "needs [sink.osc]",
            "not there",
        ),
        case(
            "[[when]]\nname = \"a\"\nemotion = \"Bored\"\nfor_s = 1\npage_s = 1\n[page]\nlisten = \"127.0.0.1:0\"",
            "no emotion `Bored`",
            "name one of",
        ),
    ]
}

#[test]
fn what_run_cannot_start_is_told_before_with_the_cure() {
    let (dir, taken) = (dir(), TcpListener::bind("127.0.0.1:0").unwrap());
    for (text, said, cure) in misspelt()
        .into_iter()
        .chain(missing(taken.local_addr().unwrap().port()))
    {
        write(dir.path(), &text);
        let tried = command(&["check-config", "--try", "c.toml"])
            .current_dir(dir.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&tried.stderr).into_owned();
        assert_eq!(tried.status.code(), Some(78), "{text}: {told}");
        assert!(
            told.contains(said) && told.contains(cure),
            "{text}: {told} lacks {said} or {cure}"
        );
        let plain = command(&["check-config", "c.toml"])
            .current_dir(dir.path())
            .output()
            .unwrap();
        if plain.status.code() != Some(78) {
            let looked = command(&["doctor", "--config", "c.toml"])
                .current_dir(dir.path())
                .output()
                .unwrap();
            let lines = String::from_utf8_lossy(&looked.stdout).into_owned();
            let wrong = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let wrong: Vec<String> = wrong
                .filter(|it| it["ok"] == false)
                .map(|it| it["found"].to_string() + &it["cure"].to_string())
                .collect();
            let found = wrong.iter().any(|it| it.replace('\\', "").contains(said));
            assert!(
                found && looked.status.code() == Some(69),
                "{text}: the doctor says {wrong:?}"
            );
        }
    }
}

#[test]
fn the_port_of_pages_that_a_running_kiosk_serves_is_no_fault() {
    let world = crate::page::kiosk("");
    crate::page::visit(&world, |address| {
        let dir = dir();
        write(dir.path(), &format!("[page]\nlisten = \"{address}\""));
        let tried = command(&["check-config", "--try", "c.toml"])
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(tried.status.success(), "{tried:?}");
    });
}

#[test]
fn all_that_is_wrong_with_the_file_and_on_the_machine_is_told_at_once() {
    let dir = dir();
    let text = "schema = 1\nbundle = \"nowhere\"\n[source]\nuri = \"/dev/video0\"\n[face]\nmin_face_px = 1\n[metrics]\n\
                listen = \"localhost:9464\"\n[counts]\ndir = \"notes.txt\"\n";
    fs::write(dir.path().join("c.toml"), text).unwrap();
    let tried = command(&["check-config", "--deep", "c.toml"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&tried.stderr).into_owned();
    assert_eq!(tried.status.code(), Some(78), "{told}");
    for said in [
        "v4l2:/dev/video0",
        "c.toml:6:",
        "c.toml:8:",
        "nowhere",
        "notes.txt is no directory",
    ] {
        assert!(told.contains(said), "{told} does not speak of {said}");
    }
    assert_eq!(told.lines().count(), 5, "{told}");
}

#[test]
fn a_source_file_that_is_not_there_is_told_by_the_plain_check() {
    let dir = dir();
    for source in ["clip.y4m", "pictures", "clip.mjpeg"] {
        write(dir.path(), &format!("source.uri = \"{source}\""));
        let tried = command(&["check-config", "c.toml"])
            .current_dir(dir.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&tried.stderr).into_owned();
        assert_eq!(tried.status.code(), Some(66), "{told}");
        assert!(told.contains(source) && told.contains("does not exist"), "{told}");
    }
}

#[test]
fn names_that_are_no_utf_8_are_read() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let dir = dir();
    let name = OsStr::from_bytes(b"caf\xe9.pgm");
    let pixels: Vec<u8> = (0..96 * 96_u32).map(|at| (at % 251) as u8).collect();
    fs::write(dir.path().join(name), [b"P5 96 96 255\n".to_vec(), pixels].concat()).unwrap();
    let bundle = concat!(env!("CARGO_MANIFEST_DIR"), "/models/default");
    let read = command(&["classify", "--face", "whole", "--bundle", bundle])
        .arg(name)
        .current_dir(dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&read.stderr).into_owned();
    assert!(read.status.success(), "{told}");
    assert_eq!(String::from_utf8_lossy(&read.stdout).lines().count(), 1, "{told}");
}

#[test]
fn no_command_of_roots_trusts_a_bundle_that_others_can_change() {
    use std::os::unix::fs::PermissionsExt;

    if !rustix::process::geteuid().is_root() {
        return testing::skip("only root refuses what others can change");
    }
    let dir = dir();
    let bundle = dir.path().join("bundle");
    crate::update::kiosk::copy_bundle(&crate::update::kiosk::factory(), &bundle);
    fs::set_permissions(bundle.join("manifest.json"), fs::Permissions::from_mode(0o666)).unwrap();
    fs::write(
        dir.path().join("c.toml"),
        "schema = 1\nbundle = \"bundle\"\nsource.uri = \"clip.y4m\"\n",
    )
    .unwrap();
    for (arguments, code) in [
        (&["classify", "--bundle", "bundle", "a.png"][..], 77),
        (&["run", "--config", "c.toml"], 77),
        (&["check-config", "--deep", "c.toml"], 78),
        #[cfg(feature = "page")]
        (&["aim", "--config", "c.toml", "--listen", "127.0.0.1:0"], 77),
    ] {
        let tried = command(arguments).current_dir(dir.path()).output().unwrap();
        let told = String::from_utf8_lossy(&tried.stderr).into_owned();
        assert_eq!(tried.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains("manifest.json can be changed"), "{arguments:?}: {told}");
    }
}

#[test]
fn no_command_of_roots_trusts_a_state_that_others_can_change() {
    use std::os::unix::fs::PermissionsExt;

    if !rustix::process::geteuid().is_root() {
        return testing::skip("only root refuses what others can change");
    }
    let dir = dir();
    let bundle = dir.path().join("bundle");
    crate::update::kiosk::copy_bundle(&crate::update::kiosk::factory(), &bundle);
    fs::create_dir(dir.path().join("state")).unwrap();
    fs::set_permissions(dir.path().join("state"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::create_dir(dir.path().join("keys")).unwrap();
    fs::write(dir.path().join("keys/root.pub"), "a key\n").unwrap();
    fs::write(
        dir.path().join("c.toml"),
        "schema = 1\nbundle = \"bundle\"\nsource.uri = \"clip.y4m\"\nupdate = { state = \"state\", keys = \"keys\", device = \"a\" }\n",
    )
    .unwrap();
    for (arguments, code) in [
        (&["run", "--config", "c.toml"][..], 77),
        (&["update", "--config", "c.toml", "--status"], 77),
        (&["update", "--config", "c.toml", "a.tar"], 77),
        (&["check-config", "--deep", "c.toml"], 78),
    ] {
        fs::write(dir.path().join("a.tar"), "").unwrap();
        let tried = command(arguments).current_dir(dir.path()).output().unwrap();
        let told = String::from_utf8_lossy(&tried.stderr).into_owned();
        assert_eq!(tried.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(
            told.contains("state can be changed by other users"),
            "{arguments:?}: {told}"
        );
    }
    let doctor = command(&["doctor", "--config", "c.toml"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(told.contains("state can be changed by other users"), "{told}");
}
