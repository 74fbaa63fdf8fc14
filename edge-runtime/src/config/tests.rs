mod fuzz;

use super::*;
use crate::sink::gpio::Polarity;
use crate::source::{Input, Repeat};

const LEAST: &str = "schema = 1\n[source]\nuri = \"clip.y4m\"\n";

fn error(text: &str) -> String {
    Config::parse(text).unwrap_err().to_string()
}

#[test]
fn fills_in_the_defaults() {
    let config = Config::parse(LEAST).unwrap();
    assert_eq!(config.bundle, Path::new(bundle::DEFAULT_DIR));
    assert_eq!(config.precision, PrecisionChoice::Auto);
    assert_eq!(config.threads, Threads::Two);
    assert_eq!(config.source.origin, Origin::Files(Input::Path("clip.y4m".into())));
    assert_eq!(
        (config.source.pacing, config.source.repeat),
        (Pacing::Fast, Repeat::Once)
    );
    assert_eq!(config.decide.0, DecideConfig::default());
    assert_eq!(config.face, FaceConfig::default());
    assert_eq!(config.sink, SinkConfig::default());
}

#[test]
fn the_example_of_the_package_is_valid() {
    let config = Config::parse(include_str!("../../config.example.toml")).unwrap();
    assert_eq!(
        config.decide.0,
        DecideConfig::default(),
        "the example shows the defaults"
    );
    assert_eq!(config.face, FaceConfig::default());
    let gpio = config.sink.gpio.unwrap();
    assert_eq!(gpio.lines[1].polarity, Polarity::ActiveLow);
}

#[test]
fn names_line_column_key_and_the_nearest_known_key() {
    for (text, expected) in [
        ("schema = 1\nbundel = \"x\"\n", "2:1: `bundel`: unknown field `bundel`"),
        ("schema = 1\nbundel = \"x\"\n", "did you mean `bundle`?"),
        (
            "schema = 1\n[source]\nuri = \"-\"\n[face]\n  min_face = 20\n",
            "5:3: `min_face`",
        ),
        (
            "schema = 1\n[source]\nuri = \"-\"\n[face]\n  min_face = 20\n",
            "did you mean `min_face_px`?",
        ),
        (
            "schema = 1\n[source]\nuri = \"-\"\n[face]\nmode = \"detekt\"\n",
            "did you mean `detect`?",
        ),
        (
            "schema = 1\nprecision = \"int9\"\n[source]\nuri = \"-\"\n",
            "did you mean `int8`?",
        ),
        ("schema = 1\nthreads = 3\n[source]\nuri = \"-\"\n", "must be 1 or 2"),
        ("schema = 1\n[source]\nuri = 7\n", "3:7: `uri`"),
        ("schema = 1\n[source]\n", "missing field `uri`"),
        ("[source]\nuri = \"-\"\n", "missing field `schema`"),
        ("schema = 1\n[source\n", "2:8"),
        ("", "schema"),
    ] {
        let error = error(text);
        assert!(error.contains(expected), "{error} instead of {expected}");
    }
    assert!(!error("schema = 1\nnothing_like_it = 1\n").contains("did you mean"));
}

#[test]
fn refuses_values_out_of_range_where_they_stand() {
    for (section, expected) in [
        (
            "[face]\nmin_face_px = 19\n",
            "5:15: `min_face_px`: must be a number of pixels from 20",
        ),
        (
            "[face]\ndetector_px = 32\n",
            "`detector_px`: must be a number of pixels from 64 to 1024",
        ),
        (
            "[face]\nidle_fps = 0.1\n",
            "`idle_fps`: must be a number from 0.5 to 60",
        ),
        (
            "[face]\nregion = [0.5, 0, 0.6, 1]\n",
            "5:10: `region`: must be [x, y, width, height]",
        ),
        ("[face]\nregion = [0, 0, 0, 1]\n", "`region`"),
        ("[face]\nregion = [0, 0, 1]\n", "`region`"),
        ("[face]\npolicy = \"larges\"\n", "did you mean `largest`?"),
        ("[decide]\nenter = 1.5\n", "5:9: `enter`: must be a number from 0 to 1"),
        ("[decide]\nenter = nan\n", "`enter`"),
        ("[decide]\nstale_ms = 2000\n", "`stale_ms`"),
        ("[decide]\ndwell_ms = -1\n", "`dwell_ms`"),
        ("[decide]\nenter = 0.3\n", "leave must be at most as high as enter"),
        ("[sink]\nstdout = true\n", "`stdout`"),
        ("[sink.gpio]\nbackend = \"log\"\nlines = []\n", "at least one"),
    ] {
        let error = error(&format!("{LEAST}{section}"));
        assert!(error.contains(expected), "{error} instead of {expected}");
    }
    assert!(error(&LEAST.replace('1', "2")).contains("1:10: `schema`: must be 1"));
}

#[test]
fn face_section_says_whom_to_follow() {
    let text = format!("{LEAST}[face]\nmin_face_px = 50\npolicy = \"all\"\nregion = [0.1, 0, 0.8, 1]\n");
    let track = Config::parse(&text).unwrap().face.track();
    assert_eq!(track.policy, vision::tracker::Policy::All);
    assert_eq!(
        (track.region.x, track.region.w, track.detector.min_face_px),
        (0.1, 0.8, 50.0)
    );
}

#[test]
fn what_a_bundle_makes_needless_is_told() {
    let face = |text: &str| Config::parse(&format!("{LEAST}[face]\n{text}")).unwrap().face;
    for (text, with_detector, without_one) in [
        (
            "search_every = 7\n",
            Some("`face.search_every`"),
            Some("`face.search_every`"),
        ),
        ("detector_px = 320\nidle_fps = 2\n", None, Some("`face.detector_px`")),
        ("mode = \"whole\"\nsearch_every = 7\ndetector_px = 320\n", None, None),
        ("", None, None),
    ] {
        for (has_detector, expected) in [(true, with_detector), (false, without_one)] {
            let told = face(text).without_effect(has_detector);
            assert_eq!(told.is_some(), expected.is_some(), "{text} {has_detector}");
            assert!(told.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
    }
    let track = face("detector_px = 320\nidle_fps = 2\n").track();
    assert_eq!((track.detector_px, track.idle_fps), (Some(320), 2.0));
}

#[test]
fn refuses_what_contradicts_itself() {
    for (text, expected) in [
        ("schema = 1\n[source]\nuri = \"-\"\nloop = true\n", "standard input"),
        ("schema = 1\n[source]\nuri = \"-\"\nrealtime = true\n", "standard input"),
        ("schema = 1\n[source]\nuri = \"\"\n", "`uri` must"),
        (
            "schema = 1\nsource.uri = \"-\"\n[sink.gpio]\nbackend = \"log\"\n[[sink.gpio.lines]]\npin = 4\nemotion = \"Sad\"\n\
             [[sink.gpio.lines]]\npin = 4\nemotion = \"Happy\"\n",
            "pin 4 stands twice",
        ),
        (
            "schema = 1\nsource.uri = \"-\"\n[sink.gpio]\nbackend = \"log\"\n[[sink.gpio.lines]]\npin = 4\nemotion = \"Sad\"\n\
             [[sink.gpio.lines]]\npin = 5\nemotion = \"sad\"\n",
            "two lines",
        ),
    ] {
        let error = error(text);
        assert!(error.contains(expected), "{error} instead of {expected}");
    }
}

#[test]
fn relative_paths_start_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, format!("bundle = \"models\"\n{LEAST}")).unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.bundle, dir.path().join("models"));
    let clip = Input::Path(dir.path().join("clip.y4m"));
    assert_eq!(config.source.origin, Origin::Files(clip));
    std::fs::write(&path, format!("bundle = \"/models\"\n{LEAST}")).unwrap();
    assert_eq!(Config::load(&path).unwrap().bundle, Path::new("/models"));
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none.toml");
    assert!(Config::load(&path).unwrap_err().to_string().contains("none.toml"));
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(matches!(Config::load(&path), Err(ConfigError::Io { .. })));
    std::fs::write(&path, " ".repeat(300_000)).unwrap();
    assert!(matches!(Config::load(&path), Err(ConfigError::TooLarge { .. })));
}

#[test]
fn a_pipe_in_place_of_the_file_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("config.toml");
    testing::pipe(&pipe);
    let error = Config::load(&pipe).unwrap_err().to_string();
    assert!(error.contains("no regular file"), "{error}");
}

#[test]
fn the_old_name_of_the_interval_between_checks_still_works() {
    for key in ["check_interval_s", "look_every_s"] {
        let config = Config::parse(&format!("{LEAST}[update]\n{key} = 60\n")).unwrap();
        assert_eq!(config.update.unwrap().check_interval.as_secs(), 60, "{key}");
    }
}
