//! The camera: what it offers, and whether what is configured is among that.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use edge_runtime::config::{Origin, SourceConfig};
use edge_runtime::source::network::{StreamConfig, first_frame};
#[cfg(feature = "camera")]
use edge_runtime::source::offers;

use super::{Finding, openable};

/// Longest wait for a camera of the network.
const PATIENCE: Duration = Duration::from_secs(3);

/// `None` where no device is asked for.
pub(super) fn camera(config: &SourceConfig) -> Option<Finding> {
    Some(match &config.origin {
        Origin::V4l2(path) => {
            let cure = "plug it in; `ls /dev/video*` shows what is there";
            openable("camera", path, "video", cure).unwrap_or_else(|| v4l2(path, config))
        }
        Origin::Rpicam(program) => rpicam(program),
        Origin::Stream(camera) => stream(camera, config),
        Origin::Files(_) | Origin::Piped(_) => return None,
    })
}

#[cfg(feature = "camera")]
fn v4l2(path: &Path, config: &SourceConfig) -> Finding {
    let shown = path.display();
    let offers = match edge_runtime::source::v4l2_offers(path, &config.wanted) {
        Ok(offers) => offers,
        Err(error) => return Finding::bad("camera", format!("{shown}: {error}"), "use another device or camera"),
    };
    let all = offers::describe(&offers);
    match offers::fit(&offers, &config.wanted) {
        Ok(found) => Finding::good("camera", format!("{shown}: {found}: {all}")),
        Err(misfit) => Finding::bad("camera", format!("{shown}: {}: {all}", misfit.found), misfit.cure),
    }
}

#[cfg(not(feature = "camera"))]
fn v4l2(path: &Path, _: &SourceConfig) -> Finding {
    let found = format!(
        "{} can be opened, but this program was built without cameras",
        path.display()
    );
    Finding::bad("camera", found, "build with `--features camera`")
}

/// Whether the camera takes a connection and sends a frame.
fn stream(camera: &StreamConfig, config: &SourceConfig) -> Finding {
    let url = &camera.url;
    let cure = "check `uri`, the network and firewalls, and that the camera runs";
    let Some((host, port)) = camera.place() else {
        return Finding::bad("camera", format!("{url} names no host"), cure);
    };
    let places = match (host.as_str(), port).to_socket_addrs() {
        Ok(places) => places,
        Err(error) => return Finding::bad("camera", format!("{host}: {error}"), "check the name in `uri`"),
    };
    let tried: Vec<_> = places
        .map(|place| TcpStream::connect_timeout(&place, PATIENCE))
        .collect();
    match tried
        .into_iter()
        .reduce(|first, second| if first.is_ok() { first } else { second })
    {
        Some(Ok(_)) => frames(camera, config),
        Some(Err(error)) => Finding::bad("camera", format!("{host}:{port}: {error}"), cure),
        None => Finding::bad("camera", format!("{host} has no address"), "check the name in `uri`"),
    }
}

/// A camera that takes connections may still want a password, or know no such path.
fn frames(camera: &StreamConfig, config: &SourceConfig) -> Finding {
    let url = &camera.url;
    let cure = "check the path in `uri` and `credentials_file`; a camera may also refuse a second reader while the service runs";
    match first_frame(camera, config.wanted) {
        Ok(Some(after)) => {
            let found = format!("{url}: the first frame came after {:.1} s", after.as_secs_f64());
            Finding::good("camera", found)
        }
        Ok(None) => Finding::bad("camera", format!("{url} takes connections and sends no frame"), cure),
        Err(error) => Finding::bad("camera", format!("{url}: {error}"), cure),
    }
}

/// The program lists the cameras by itself, with their sizes; it scales to any that is asked for.
fn rpicam(program: &Path) -> Finding {
    let shown = program.display();
    let output = match Command::new(program).arg("--list-cameras").output() {
        Ok(output) => output,
        Err(error) => {
            let cure = "`sudo apt-get install rpicam-apps-lite`, or name the program in `uri`";
            return Finding::bad("camera", format!("{shown}: {error}"), cure);
        }
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let cameras: Vec<&str> = text.lines().map(str::trim).filter(|line| is_camera(line)).collect();
    if cameras.is_empty() {
        let cure = "check the ribbon cable at both ends, and start the device anew";
        return Finding::bad("camera", format!("{shown} finds none"), cure);
    }
    Finding::good("camera", format!("{shown} finds {}", cameras.join("; ")))
}

/// A line such as `0 : imx219 [3280x2464 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx219@10)`.
fn is_camera(line: &str) -> bool {
    let number = line.split_once(" : ").map(|(number, _)| number);
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use edge_runtime::config::Config;

    use super::*;

    fn check(uri: &str) -> Finding {
        let text = format!("schema = 1\n[source]\nuri = \"{uri}\"\n");
        camera(&Config::parse(&text).unwrap().source).unwrap()
    }

    #[test]
    fn what_is_missing_has_a_cure() {
        for (uri, cure) in [
            ("v4l2:/nowhere/at/all", "plug it in"),
            (
                "v4l2:/dev/null",
                if cfg!(feature = "camera") {
                    "another device"
                } else {
                    "--features camera"
                },
            ),
            ("rpicam:/nowhere/at/all", "rpicam-apps-lite"),
        ] {
            let finding = check(uri);
            assert!(
                !finding.ok && finding.cure.as_ref().unwrap().contains(cure),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn a_camera_of_the_network_is_told_from_one_that_is_dead_and_from_a_name_that_nobody_has() {
        let camera = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("rtsp://{}/live", camera.local_addr().unwrap());
        // It hangs up on everybody.
        let hangs_up = thread::spawn({
            let camera = camera.try_clone().unwrap();
            move || camera.incoming().take(2).for_each(drop)
        });
        let mute = check(&url);
        drop(camera);
        if !hangs_up.is_finished() {
            // Without ffmpeg nobody comes a second time.
            let _ = TcpStream::connect(url.trim_start_matches("rtsp://").trim_end_matches("/live"));
        }
        hangs_up.join().unwrap();
        // Nothing ever listened there. A port that was closed just now may stay open for a moment: a program that another
        // test starts inherits it until its own code runs.
        let dead = check("rtsp://127.0.0.1:1/live");
        // Such a name cannot be, so that nobody is asked for it.
        let nobody = check("rtsp://no..where/live");
        for (finding, found, cure) in [
            (mute, url.as_str(), "`credentials_file`"),
            (dead, "refused", "that the camera runs"),
            (nobody, "no..where: ", "check the name"),
        ] {
            assert!(
                !finding.ok && finding.found.contains(found) && finding.cure.as_ref().unwrap().contains(cure),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn cameras_of_a_pi_are_those_that_its_program_lists() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("rpicam-vid");
        for (says, expected) in [
            ("No cameras available!", "finds none"),
            (
                "Available cameras\n-----------------\n0 : imx219 [3280x2464 10-bit RGGB] (/base/imx219@10)\n    Modes: 640x480",
                "finds 0 : imx219 [3280x2464",
            ),
        ] {
            testing::write_script(
                &program,
                &format!("[ \"$1\" = --list-cameras ] && printf '%s\\n' '{says}'"),
            );
            let finding = check(&format!("rpicam:{}", program.display()));
            assert!(finding.found.contains(expected), "{finding:?}");
            assert_eq!(finding.ok, finding.cure.is_none());
        }
    }
}
