//! Checks beside a run, by the doctor's names.
//!
//! Files, directories and ways over the network are checked as the doctor checks them. What the run holds itself is not tried
//! a second time, which could disturb it; the run says how it fares:
//!
//! - `bundle`: loading the networks once more takes memory and time of the frames. That it loads is shown by the run.
//! - `camera`: most cameras can be opened once only.
//! - `search`: a search of the doctor's would take the time of some frames. Those of the run are timed all along.
//! - `serial`: opening a port a second time restarts many boards.
//! - `broker`, `webhook server`, `osc receiver`, `udp receiver`: they would get messages beside those of the run.
//! - `page port`: whoever reads this has come that way.
//!
//! `classes` and `decide` are missing: the doctor names them where they keep a configuration from running, and here one runs.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Finding, IN_VAIN, bundle, gpio, keys, outlets, page, paths, port, source, trust};
use crate::config::{Config, FaceMode, Origin};

/// Largest share of the time between two frames that the detector of a bundle may take.
pub const DETECTOR_SHARE: f32 = 0.5;

/// Longest search by the cascade of a frame full of noise. One of a crowd takes up to four times as long (640x480, thousand
/// millions of instructions by callgrind: noise 0.2, 1.1, 9.1, a crowd 0.8, 3.6, 18.7, for faces from 80, 40, 20 pixels on),
/// and one that outlasts the watchdog's 3 s looks like a detector that hangs.
pub const CASCADE_LIMIT: Duration = Duration::from_millis(700);

/// Longest time without a frame of a camera that works.
const SILENCE: Duration = Duration::from_secs(5);

const WARNINGS: &str = "the warnings tell what is wrong, and what helps";

/// How the parts of a run fare that nobody may try beside it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Running {
    /// Name and version of the bundle that runs.
    pub bundle: String,
    /// Whether the bundle finds faces by a network of its own.
    pub has_detector: bool,
    /// Whether a switch keeps frames from being judged.
    pub paused: bool,
    /// Frames a second that came from the source lately.
    pub captured_fps: f32,
    /// Time since the last frame came from the source.
    pub silent: Duration,
    /// Time that a search for faces took lately; none while nothing was searched.
    pub search: Option<Duration>,
    /// Whether the broker is there.
    pub connected: bool,
    /// Those who are told over a network or a cable.
    pub outlets: Vec<RunningOutlet>,
}

/// How one of those fares who are told over a network or a cable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunningOutlet {
    /// What it is called in the configuration, such as `osc`.
    pub name: &'static str,
    /// Messages that were taken so far.
    pub sent: u64,
    /// Why the last one did not go out; none once one has.
    pub fault: Option<String>,
    /// Events that wait on disk.
    pub waiting: u64,
    /// Events that made room on disk for newer ones.
    pub discarded: u64,
}

/// Checks again and again what a run goes on to need, and tells how what it holds fares.
pub fn beside(config: &Config, running: &Running) -> Vec<Finding> {
    let mut findings = vec![bundle::running(config, &running.bundle)];
    let note = config.face.without_effect(running.has_detector);
    findings.extend(note.map(|note| Finding::good(IN_VAIN, note)));
    findings.extend(source::check(&config.source));
    findings.extend(camera(&config.source.origin, running));
    findings.extend(search(config, running));
    findings.extend(trust::check(config));
    findings.extend(paths::state(&config.state));
    findings.extend(config.sink.gpio.as_ref().map(gpio::check));
    if let Some(mqtt) = &config.sink.mqtt {
        let place = format!("{}:{}", mqtt.host, mqtt.port);
        findings.extend([paths::login(mqtt), super::outbox(mqtt), broker(&place, running)]);
    }
    findings.extend(outlets::routes(&config.sink));
    findings.extend(config.sink.webhook.as_ref().map(outlets::files));
    findings.extend(receivers(config, running));
    findings.extend(super::left_behind(config));
    findings.extend(config.counts.as_ref().map(super::counts));
    if let Some(update) = &config.update {
        findings.extend([paths::update(update), keys(update)]);
    }
    if let Some(served) = &config.page {
        let here = format!("{} is where this page comes from", served.listen);
        findings.extend([page::check(served), Finding::good("page port", here)]);
    }
    findings.extend(
        config
            .metrics
            .map(|metrics| port::answers(&port::METRICS, metrics.listen)),
    );
    findings
}

/// `None` where no device is asked for.
fn camera(origin: &Origin, running: &Running) -> Option<Finding> {
    if matches!(origin, Origin::Files(_) | Origin::Piped(_)) {
        return None;
    }
    if running.paused {
        return Some(Finding::good("camera", "a switch says pause: no frame is looked at"));
    }
    let silent = running.silent;
    Some(if silent > SILENCE {
        let found = format!("{origin}: no frame has come for {} s", silent.as_secs());
        Finding::bad("camera", found, WARNINGS)
    } else {
        let fps = running.captured_fps;
        Finding::good("camera", format!("{origin} sends {fps:.1} frames a second"))
    })
}

/// `None` where nothing is searched, or the doctor would not know the frames' size.
fn search(config: &Config, running: &Running) -> Option<Finding> {
    if config.face.mode != FaceMode::Detect || !config.source.origin.has_size() {
        return None;
    }
    let Some(took) = running.search else {
        return Some(Finding::good("search", "no frame was searched lately"));
    };
    let found = format!("a search for faces takes {:.1} ms", 1000.0 * took.as_secs_f32());
    let interval = Duration::from_secs_f32(1.0 / config.source.fps);
    let (limit, cure) = if running.has_detector {
        let cure = "set a smaller face.detector_px, or fewer frames a second";
        (interval.mul_f32(DETECTOR_SHARE), cure)
    } else {
        let cure = "set a larger face.min_face_px, or a smaller width and height";
        (CASCADE_LIMIT, cure)
    };
    Some(if took <= limit {
        Finding::good("search", found)
    } else {
        let limit = format!(
            "{found}, and should take {:.0} ms at most",
            1000.0 * limit.as_secs_f32()
        );
        Finding::bad("search", limit, cure)
    })
}

fn broker(place: &str, running: &Running) -> Finding {
    if running.connected {
        Finding::good("broker", format!("{place} takes this device"))
    } else {
        Finding::bad("broker", format!("{place}: no connection"), WARNINGS)
    }
}

/// Those who are told, by the checks that ask for them.
fn receivers(config: &Config, running: &Running) -> Vec<Finding> {
    let sink = &config.sink;
    let outlet = |name: &str| running.outlets.iter().find(|outlet| outlet.name == name);
    let told = |check, name, place: String| outlet(name).map(|outlet| reached(check, &place, outlet));
    let datagrams = |target: SocketAddr| format!("datagrams to {target}");
    let osc = sink
        .osc
        .and_then(|osc| told("osc receiver", "osc", datagrams(osc.target)));
    let udp = sink
        .udp
        .and_then(|udp| told("udp receiver", "udp", datagrams(udp.target)));
    let serial =
        (sink.serial.as_ref()).and_then(|serial| told("serial", "serial", serial.device.display().to_string()));
    let mut findings: Vec<Finding> = [osc, udp, serial].into_iter().flatten().collect();
    if let Some((webhook, outlet)) = sink.webhook.as_ref().zip(outlet("webhook")) {
        findings.push(reached("webhook server", &webhook.url, outlet));
        let mut outbox = outlets::outbox(webhook);
        let (waiting, discarded) = (outlet.waiting, outlet.discarded);
        outbox.found = format!(
            "{}: {waiting} events wait, {discarded} made room for newer ones",
            outbox.found
        );
        findings.push(outbox);
    }
    findings
}

/// Whether messages go out to somebody. Nobody tells whether a datagram was read.
fn reached(check: &'static str, place: &str, outlet: &RunningOutlet) -> Finding {
    match &outlet.fault {
        None => Finding::good(check, format!("{place}: {} messages went out", outlet.sent)),
        Some(fault) => Finding::bad(check, format!("{place}: {fault}"), WARNINGS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Config {
        Config::parse(&format!("schema = 1\n{more}")).unwrap()
    }

    /// What this check says, and whether all is well.
    fn said(config: &Config, running: &Running, check: &str) -> (bool, String) {
        let findings = beside(config, running);
        let finding = findings.into_iter().find(|finding| finding.check == check);
        finding.map(|finding| (finding.ok, finding.found)).unwrap()
    }

    #[test]
    fn a_camera_that_sends_nothing_is_named_unless_a_switch_says_pause() {
        let config = config("[source]\nuri = \"rpicam:/bin/sh\"\n");
        let mut running = Running {
            captured_fps: 9.96,
            ..Running::default()
        };
        let (ok, found) = said(&config, &running, "camera");
        assert!(ok && found.contains("sends 10.0 frames"), "{found}");
        running.silent = Duration::from_secs(61);
        let (ok, found) = said(&config, &running, "camera");
        assert!(!ok && found.contains("no frame has come for 61 s"), "{found}");
        running.paused = true;
        assert!(said(&config, &running, "camera").0);
    }

    #[test]
    fn searches_are_held_to_the_share_of_a_frame_or_to_the_watchdog() {
        let config = config("[source]\nuri = \"rpicam:/bin/sh\"\nfps = 10\n");
        for (has_detector, search, ok) in [
            (true, None, true),
            (true, Some(50), true),
            (true, Some(51), false),
            (false, Some(700), true),
            (false, Some(701), false),
        ] {
            let running = Running {
                has_detector,
                search: search.map(Duration::from_millis),
                ..Running::default()
            };
            assert_eq!(said(&config, &running, "search").0, ok, "{running:?}");
        }
    }

    #[test]
    fn whoever_is_told_is_well_until_a_message_does_not_go_out() {
        let config = config(
            "source.uri = \"-\"\n[sink.osc]\ntarget = \"127.0.0.1:8338\"\n[sink.serial]\ndevice = \"/dev/ttyACM0\"\n\
             [sink.webhook]\nurl = \"https://example.org/kiosk\"\nsecret_file = \"secret\"\ndir = \"hook\"\n",
        );
        let outlet = |name, fault: Option<&str>| RunningOutlet {
            name,
            sent: 7,
            fault: fault.map(str::to_owned),
            waiting: 3,
            discarded: 1,
        };
        let running = Running {
            outlets: vec![
                outlet("osc", None),
                outlet("serial", Some("no such device")),
                outlet("webhook", None),
            ],
            ..Running::default()
        };
        let well = |check| said(&config, &running, check);
        assert!(well("osc receiver").1.ends_with("127.0.0.1:8338: 7 messages went out"));
        assert_eq!(well("serial"), (false, "/dev/ttyACM0: no such device".to_owned()));
        assert!(well("webhook outbox").1.contains("3 events wait, 1 made room"));
        assert!(well("webhook server").0);
    }
}
