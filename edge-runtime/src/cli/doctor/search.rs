//! The search for faces: whether this machine searches a whole frame in time, by the bundle's detector or by the cascade.

use std::time::{Duration, Instant};

use edge_runtime::config::{Config, FaceMode};
use edge_runtime::preflight::{CASCADE_LIMIT as LIMIT, DETECTOR_SHARE};
use shared_model::image::GrayView;
use update::Networks;
use vision::detector::finder::{Finder, FinderConfig};
use vision::face::{Detector, Effort};
use vision::tracking::TrackConfig;

use super::Finding;

/// `None` where nothing is searched, or the frames' size is not known before they come.
pub(super) fn search(config: &Config) -> Option<Finding> {
    if config.face.mode != FaceMode::Detect || !config.source.origin.has_size() {
        return None;
    }
    let track = config.face.track();
    let side = |share: f32, side: u32| ((share * side as f32) as usize).max(1);
    let (width, height) = (
        side(track.region.w, config.source.wanted.width),
        side(track.region.h, config.source.wanted.height),
    );
    let pixels = noise(width * height);
    let frame = GrayView::new(&pixels, width, height).ok()?;
    // A bundle that cannot be loaded is told of by another check.
    match Networks::load(&config.bundle, config.precision) {
        Ok(mut networks) if networks.predictor.detector().is_some() => {
            Some(by_detector(&mut networks, frame, &track, config.source.fps))
        }
        _ => Some(by_cascade(frame, &track)),
    }
}

/// The bundle's own detector searches every frame.
fn by_detector(networks: &mut Networks, frame: GrayView<'_>, track: &TrackConfig, fps: f32) -> Finding {
    let Some(network) = networks.predictor.detector_mut() else {
        return Finding::bad("search", "the bundle has no detector", "install the bundle again");
    };
    let config = FinderConfig {
        min_face_px: track.detector.min_face_px,
        detector_px: track.detector_px,
    };
    let mut finder = Finder::new(config, network.entry());
    // The first one makes the network ready for the size.
    let mut took = Duration::ZERO;
    for _ in 0..2 {
        let start = Instant::now();
        finder.take(frame);
        if let Err(error) = finder.find(network) {
            return Finding::bad("search", error.to_string(), "install the bundle again");
        }
        took = start.elapsed();
    }
    let size = network.model().input_size();
    judge_detector(took, [frame.width(), frame.height()], [size.columns, size.rows], fps)
}

fn judge_detector(took: Duration, [width, height]: [usize; 2], [columns, rows]: [usize; 2], fps: f32) -> Finding {
    let took_s = took.as_secs_f32();
    let found = format!(
        "every frame of {width}x{height} is searched at {columns}x{rows} within {:.1} ms",
        1000.0 * took_s
    );
    // The networks need their share of a frame's time as well.
    let share = took_s * fps;
    if share <= DETECTOR_SHARE {
        return Finding::good("search", found);
    }
    // The work grows with the square of the side.
    let longer = columns.max(rows) as f32 * (DETECTOR_SHARE / share).sqrt();
    let cure = format!(
        "set face.detector_px = {}, or fewer frames a second",
        (longer as u32 / 16 * 16).max(64)
    );
    Finding::bad(
        "search",
        format!("{found}, {:.0} % of the time between two frames", 100.0 * share),
        cure,
    )
}

/// The cascade searches, for want of a detector.
fn by_cascade(frame: GrayView<'_>, track: &TrackConfig) -> Finding {
    let mut detector = match Detector::new(track.detector) {
        Ok(detector) => detector,
        Err(error) => return Finding::bad("search", error.to_string(), "install the program anew"),
    };
    let start = Instant::now();
    // As it searches while somebody is tracked.
    detector.search(frame, Effort::Quick);
    finding(
        start.elapsed(),
        [frame.width(), frame.height()],
        track.detector.min_face_px,
    )
}

fn finding(took: Duration, [width, height]: [usize; 2], min_face_px: f32) -> Finding {
    let found = format!(
        "faces from {min_face_px} pixels on are searched in {width}x{height} within {:.2} s",
        took.as_secs_f32()
    );
    if took <= LIMIT {
        return Finding::good("search", found);
    }
    // The work grows with the square of what is smaller.
    let factor = (took.as_secs_f32() / LIMIT.as_secs_f32()).sqrt();
    let larger = (min_face_px * factor / 5.0).ceil() * 5.0;
    Finding::bad(
        "search",
        format!("{found}; in a crowd it takes up to four times as long, and the watchdog gives 3 s"),
        format!("set min_face_px = {larger}, or a smaller width and height"),
    )
}

/// Grey values without a pattern (Knuth's multiplier).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(more: &str) -> Option<Finding> {
        let text = format!("schema = 1\n{more}");
        search(&Config::parse(&text).unwrap())
    }

    #[test]
    fn a_frame_of_the_configured_size_is_searched() {
        let finding =
            check("[source]\nuri = \"stdin:raw\"\nwidth = 160\nheight = 120\n[face]\nregion = [0, 0, 0.5, 1]\n");
        assert!(
            finding
                .unwrap()
                .found
                .contains("faces from 80 pixels on are searched in 80x120")
        );
        for unknown in [
            "[source]\nuri = \"-\"\n",
            "[source]\nuri = \"v4l2:/dev/video0\"\n[face]\nmode = \"whole\"\n",
        ] {
            assert!(check(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn a_detector_that_takes_too_much_of_a_frame_has_a_cure() {
        let judge = |ms| judge_detector(Duration::from_millis(ms), [640, 480], [320, 240], 10.0);
        assert!(
            judge(50).ok
                && judge(50)
                    .found
                    .contains("640x480 is searched at 320x240 within 50.0 ms")
        );
        let finding = judge(200);
        assert!(!finding.ok && finding.cure.unwrap().contains("detector_px = 160,"));
    }

    #[test]
    fn a_search_that_takes_too_long_has_a_cure() {
        assert!(finding(LIMIT, [640, 480], 20.0).ok);
        let found = finding(4 * LIMIT, [640, 480], 20.0);
        assert!(!found.ok && found.cure.unwrap().contains("min_face_px = 40,"));
    }
}
