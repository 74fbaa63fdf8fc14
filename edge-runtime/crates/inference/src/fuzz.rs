//! Random pictures and manifests: what cannot be read is refused, and nothing panics.

use std::path::Path;

use shared_model::manifest::Manifest;
use testing::bolero::check;
use testing::fuzz::{Answers, DRAWN};

use crate::bundle::parse;
use crate::jpeg::with_huffman_tables;
use crate::picture::Picture;

#[test]
fn whatever_a_jpeg_lacks_it_is_mended_once_and_read_or_refused() {
    let answers = Answers::default();
    check!(name = "jpeg").with_iterations(DRAWN).for_each(|input: &[u8]| {
        let mended = with_huffman_tables(input);
        assert!(mended.len() <= input.len() + 500);
        assert_eq!(with_huffman_tables(&mended), mended, "mended once, nothing is missing");
        let picture = Picture::decode(input);
        if let Ok(picture) = &picture {
            picture.gray().unwrap();
        }
        answers.count(&picture);
    });
    answers.were_of_both_kinds();
}

#[test]
fn whatever_a_manifest_says_it_is_refused_or_stays_what_it_says() {
    let answers = Answers::default();
    check!(name = "manifest")
        .with_iterations(DRAWN)
        .for_each(|input: &[u8]| {
            let manifest = parse(Path::new("manifest.json"), input);
            if let Ok(manifest) = &manifest {
                let again = serde_json::to_vec(manifest).unwrap();
                assert_eq!(serde_json::from_slice::<Manifest>(&again).unwrap(), *manifest);
                for file in manifest.files() {
                    assert!(!file.path.contains('/') && !file.path.starts_with('.'), "{}", file.path);
                }
            }
            answers.count(&manifest);
        });
    answers.were_of_both_kinds();
}
