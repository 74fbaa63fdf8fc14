//! The report of a training is one page that needs nothing but itself, and a browser shows it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::programs::{program, run};
use crate::support::{browser, faces};

const HEADINGS: [&str; 7] = [
    "On the faces held out",
    "Best and worst faces",
    "Course of the training",
    "Data",
    "Split",
    "Settings",
    "How to repeat it",
];

/// Trains two epochs and writes the report; gives its directory.
fn report(task: &str, data: &Path, folder: &Path, options: &[&str]) -> PathBuf {
    let [trained, out] = ["run", "report"].map(|kind| folder.join(format!("{task}-{kind}")));
    let mut command = program("host-trainer");
    command.args([
        "train",
        task,
        "--epochs",
        "2",
        "--batch",
        "8",
        "--replicas",
        "2",
        "--learning-rate",
        "1e-4",
    ]);
    run(
        command.args(options).arg("--data").arg(data).arg("--out").arg(&trained),
        0,
    );
    run(
        program("host-trainer")
            .arg("report")
            .arg(&trained)
            .arg("--data")
            .arg(data)
            .arg("--out")
            .arg(&out),
        0,
    );
    out
}

fn page(report: &Path) -> String {
    fs::read_to_string(report.join("report.html")).unwrap()
}

/// Every address that a browser would load.
fn loaded(page: &str) -> Vec<&str> {
    let after = |mark: &'static str| {
        page.split(mark)
            .skip(1)
            .map(|rest| rest.split(['"', ')']).next().unwrap())
    };
    ["src=\"", "href=\"", "url(", "@import"]
        .into_iter()
        .flat_map(after)
        .collect()
}

fn needs_nothing_else(page: &str) {
    let loaded = loaded(page);
    assert!(!loaded.is_empty(), "a page with faces has pictures");
    for address in loaded {
        assert!(address.starts_with("data:image/png;base64,"), "{address}");
    }
    assert!(!page.contains("<script") && !page.contains("<link"));
}

#[test]
fn a_report_is_one_page_that_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let emotion = report("emotion", &csv.emotion, folder.path(), &[]);
    let keypoints = report("keypoints", &csv.keypoints, folder.path(), &[]);
    for (report, charts) in [
        (&emotion, &["confusion", "reliability", "coverage"][..]),
        (&keypoints, &["points"]),
    ] {
        let page = page(report);
        needs_nothing_else(&page);
        for heading in HEADINGS {
            assert!(page.contains(&format!("<h2>{heading}</h2>")), "{heading}");
        }
        for chart in charts
            .iter()
            .chain(&["learning-loss", "learning-metric", "learning-rate"])
        {
            let svg = fs::read_to_string(report.join(format!("{chart}.svg"))).unwrap();
            assert!(
                svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"),
                "{chart}"
            );
        }
        let faces = fs::read_dir(report.join("faces")).unwrap().count();
        assert_eq!(faces, loaded(&page).len(), "each face lies beside the page too");
        browser_shows(report, folder.path());
    }
    assert!(page(&emotion).contains("Guessing: whoever always says "));
    assert!(page(&keypoints).contains("Guessing: whoever always gives the mean shape"));
    assert!(page(&emotion).contains("No votes were given"));
    assert!(
        page(&emotion).contains("train emotion --epochs 2 --batch 8"),
        "how the run was begun"
    );
}

#[test]
fn a_training_on_variants_shows_no_faces_as_held_out() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let report = report("keypoints", &csv.keypoints, folder.path(), &["--protocol", "original"]);
    let page = page(&report);
    assert!(page.contains("siblings in the training part") && !page.contains("<h2>Best and worst faces</h2>"));
    assert!(page.contains("<h2>Course of the training</h2>"));
    let mut evaluate = program("host-trainer");
    evaluate
        .args(["evaluate", "--run"])
        .arg(folder.path().join("keypoints-run"));
    let figures = run(evaluate.arg("--data").arg(&csv.keypoints), 0).lines().remove(0);
    let guessed = figures["mean_shape"]["rmse_px"].as_f64();
    assert!(guessed.is_some_and(|pixels| pixels > 0.0), "{figures}");
}

#[test]
fn other_data_than_the_trainings_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    report("emotion", &csv.emotion, folder.path(), &[]);
    let text = fs::read_to_string(&csv.emotion).unwrap();
    let fewer: Vec<&str> = text.lines().take(text.lines().count() - 1).collect();
    fs::write(&csv.emotion, fewer.join("\n")).unwrap();
    let mut command = program("host-trainer");
    command
        .arg("report")
        .arg(folder.path().join("emotion-run"))
        .arg("--data")
        .arg(&csv.emotion);
    let out = folder.path().join("other");
    let ran = run(command.arg("--out").arg(&out), 65);
    assert!(
        ran.errors.contains("differs from what the run was trained on") && !out.exists(),
        "{}",
        ran.errors
    );
}

/// A browser finds the headings, paints something, and asks for nothing but the page.
fn browser_shows(report: &Path, folder: &Path) {
    let shot = folder.join("screenshot.png");
    let page = fs::read(report.join("report.html")).unwrap();
    let Some(shown) = browser::show(&page, &shot, folder) else {
        testing::skip("the look at the report: no `chromium` on the path (or named by CHROMIUM)");
        return;
    };
    for heading in HEADINGS {
        let found = shown.document.contains(&format!("<h2>{heading}</h2>"));
        assert!(found, "{heading}: {:.400}", shown.document);
    }
    let asked: Vec<_> = shown.requests.iter().filter(|path| *path != "/favicon.ico").collect();
    assert!(
        !asked.is_empty() && asked.iter().all(|path| *path == "/report.html"),
        "{asked:?}"
    );
    let pixels = image::open(&shot).unwrap().to_luma8();
    assert_eq!(pixels.dimensions(), (1000, 1600));
    let shades: HashSet<u8> = pixels.pixels().map(|pixel| pixel.0[0]).collect();
    assert!(
        shades.len() > 32,
        "a page with text and faces has many shades, not {}",
        shades.len()
    );
}
