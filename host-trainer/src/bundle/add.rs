//! Puts the network that finds faces into a copy of a bundle.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use durable::replace_file;
use inference::bundle::Bundle;
use inference::{DETECTOR_NAME, DetectorNetwork, Golden};
use shared_model::manifest::{DETECTOR_CONTRACT, FILE_NAME, Manifest, Precision};

use super::entry::{sealed, set_bytes, text};
use super::finder::{Finder, SETTINGS, split_card};
use super::{hidden, refuse_full};
use crate::onnx::quantise::spelled_out;

/// What the new bundle is called.
pub struct Name<'a> {
    /// Name for people, at most as long as the manifest's field.
    pub name: &'a str,
    /// Version of the bundle; grows with every release.
    pub version: u32,
    /// Commit of the trainer, or `unknown`.
    pub commit: &'a str,
}

/// Writes a bundle to `out` that is `bundle` with this detector in place of its own; `out` must not exist or be empty.
pub fn add(bundle: &Bundle, finder: &Finder, name: &Name<'_>, out: &Path) -> Result<Manifest> {
    refuse_full(out)?;
    let old = bundle.manifest();
    let mut golden = Golden::of(bundle)?;
    golden.outputs.retain(|outputs| outputs.network != DETECTOR_NAME);
    for (precision, _, onnx) in &finder.files {
        let mut network = DetectorNetwork::load(onnx.clone(), &finder.entry, *precision)?;
        golden.record_detector(&mut network)?;
    }
    let mut manifest = Manifest {
        contract: DETECTOR_CONTRACT,
        name: text(name.name, "name")?,
        version: name.version,
        commit: text(name.commit, "commit")?,
        detector: Some(finder.entry.clone()),
        ..old.clone()
    };
    let networks = [&mut manifest.keypoints, &mut manifest.emotion];
    let mut files = Vec::new();
    for network in networks {
        let read = |precision| network.file(precision).map(|file| bundle.read(file.into())).transpose();
        let [floats, integers] = [read(Precision::F32)?, read(Precision::Int8)?];
        // A bundle may hold the integers alone.
        let spelled = match &floats {
            Some(floats) => spelled_out(floats, integers.as_deref()).map(|(floats, other)| (Some(floats), other))?,
            None => (None, integers),
        };
        for file in &mut network.files {
            let onnx = match file.precision {
                Precision::F32 => &spelled.0,
                Precision::Int8 => &spelled.1,
            };
            if let Some(onnx) = onnx {
                set_bytes(file, onnx);
                files.push((file.path.as_str().to_owned(), onnx.clone()));
            }
        }
    }
    let golden = sealed(&mut manifest, &mut golden)?;
    manifest.check()?;
    let hidden = hidden(out)?;
    fs::create_dir_all(&hidden).with_context(|| format!("create {}", hidden.display()))?;
    copy_others(bundle, &hidden)?;
    files.extend(finder.files.iter().map(|(_, path, onnx)| (path.clone(), onnx.clone())));
    for (path, onnx) in &files {
        replace_file(&hidden.join(path), onnx)?;
    }
    replace_file(&hidden.join(SETTINGS), finder.settings.as_bytes())?;
    replace_file(&hidden.join(manifest.golden.path.as_str()), &golden)?;
    replace_file(&hidden.join("README.md"), card(bundle, &manifest, finder)?.as_bytes())?;
    let mut json = serde_json::to_vec_pretty(&manifest)?;
    json.push(b'\n');
    replace_file(&hidden.join(FILE_NAME), &json)?;
    if out.exists() {
        fs::remove_dir(out).with_context(|| format!("replace {}", out.display()))?;
    }
    fs::rename(&hidden, out).with_context(|| format!("move the bundle to {}", out.display()))?;
    Ok(manifest)
}

/// The files that do not change: all but those of a detector, and those that are written anew.
fn copy_others(bundle: &Bundle, folder: &Path) -> Result<()> {
    let manifest = bundle.manifest();
    let own = manifest.detector.iter().flat_map(|detector| &detector.files);
    let own: Vec<&str> = own.map(|file| file.path.as_str()).collect();
    let dir = bundle.dir();
    for entry in fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
        let entry = entry.with_context(|| format!("list {}", dir.display()))?;
        let name = entry.file_name();
        let written = [FILE_NAME, SETTINGS, "README.md", manifest.golden.path.as_str()];
        let left_out = own.iter().chain(&written).any(|other| name == **other);
        if !left_out && entry.path().is_file() {
            fs::copy(entry.path(), folder.join(&name)).with_context(|| format!("copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// The card of the bundle under its new name and version, with what is to be said of the detector at its end.
fn card(bundle: &Bundle, manifest: &Manifest, finder: &Finder) -> Result<String> {
    let old = bundle.manifest();
    let path = bundle.dir().join("README.md");
    let card = match crate::files::read_text(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("read {}", path.display()))?,
    };
    let title = |manifest: &Manifest| format!("# {} (version {})\n", manifest.name, manifest.version);
    let entry = |manifest: &Manifest| format!("- name: {}\n", manifest.name);
    let card =
        split_card(&card)
            .0
            .replacen(&title(old), &title(manifest), 1)
            .replacen(&entry(old), &entry(manifest), 1);
    Ok(format!("{}\n\n{}", card.trim_end(), finder.card))
}

#[cfg(test)]
mod tests {
    use inference::Predictor;
    use shared_model::manifest::Network;
    use testing::bundle::write_bundle;

    use super::*;
    use crate::bundle::HeldOut;
    use crate::detector::checkpoint::Checkpoint;
    use crate::detector::compose::tests::photos;
    use crate::detector::config::DetectorConfig;
    use crate::detector::data::Photo;

    const NAME: Name<'static> = Name {
        name: "with-eyes",
        version: 7,
        commit: "unknown",
    };

    fn finder() -> Finder {
        finder_of(&Checkpoint::new(DetectorConfig::default(), "a5".repeat(32)))
    }

    fn finder_of(checkpoint: &Checkpoint) -> Finder {
        let photos = photos();
        let photos: Vec<&Photo> = photos.iter().collect();
        let held = HeldOut {
            photos: &photos,
            sizes: &[[64, 48], [96, 64]],
            trained_on: 8,
            score: Some(0.5),
        };
        Finder::of_run(checkpoint, None, &held).unwrap()
    }

    #[test]
    fn card_and_settings_tell_of_the_keypoint_set_whose_faces_were_pasted_in() {
        let mut checkpoint = Checkpoint::new(DetectorConfig::default(), "a5".repeat(32));
        let without = finder_of(&checkpoint);
        assert!(!without.card.contains("keypoint set") && !without.settings.contains("keypoints"));
        checkpoint.state.close = Some("b6".repeat(32));
        let with = finder_of(&checkpoint);
        assert!(with.card.contains(&format!(
            "keypoint set were pasted in as well, SHA-256 `{}`",
            "b6".repeat(32)
        )));
        assert!(with.settings.contains(&format!("keypoints = \"{}\"", "b6".repeat(32))));
    }

    #[test]
    fn a_bundle_gets_a_detector_and_another_takes_it_over() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("old")).unwrap();
        let old = write_bundle(&at("old"));
        let manifest = add(&Bundle::open(&at("old")).unwrap(), &finder(), &NAME, &at("new")).unwrap();
        let new = Bundle::open(&at("new")).unwrap();
        assert_eq!(*new.manifest(), manifest);
        assert_eq!((manifest.contract, manifest.version), (DETECTOR_CONTRACT, 7));
        for (new, old) in [(&manifest.keypoints, &old.keypoints), (&manifest.emotion, &old.emotion)] {
            let bare = |network: &Network| Network {
                files: heapless::Vec::new(),
                ..network.clone()
            };
            assert_eq!(bare(new), bare(old));
        }
        let entry = manifest.detector.as_ref().unwrap();
        let metrics: Vec<&str> = entry.files[0]
            .metrics
            .iter()
            .map(|metric| metric.name.as_str())
            .collect();
        assert!(metrics.contains(&"average_precision_96x64"), "{metrics:?}");
        // The golden vectors of all three come out.
        let predictor = Predictor::load(&new).unwrap();
        assert_eq!(predictor.detector().unwrap().entry(), entry);

        let taken = Finder::of_bundle(&new).unwrap();
        let third = add(&new, &taken, &NAME, &at("third")).unwrap();
        assert_eq!(third.detector, manifest.detector);
        Predictor::load(&Bundle::open(&at("third")).unwrap()).unwrap();
        let card = fs::read_to_string(at("third").join("README.md")).unwrap();
        assert_eq!(card.matches("## Face detector").count(), 1, "{card}");
        assert!(add(&new, &taken, &NAME, &at("third")).is_err(), "it is not empty");
        let none = Finder::of_bundle(&Bundle::open(&at("old")).unwrap());
        assert!(none.map(|_| ()).unwrap_err().to_string().contains("holds no detector"));
    }
}
