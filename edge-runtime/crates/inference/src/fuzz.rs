//! Random pictures and manifests: what cannot be read is refused, and nothing panics.

use std::path::Path;

use shared_model::manifest::Manifest;
use testing::bundle::write_bundle;
use testing::fuzz::{Target, corpus, kind};
use testing::jpeg;

use crate::bundle::parse;
use crate::jpeg::with_huffman_tables;
use crate::picture::Picture;

/// Markers of JPEG segments, and lengths that lie.
const MARKERS: [&[u8]; 16] = [
    b"\xff\xd8",
    b"\xff\xd9",
    b"\xff\xc0",
    b"\xff\xc2",
    b"\xff\xc4",
    b"\xff\xc4\x00\x13",
    b"\xff\xda",
    b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00",
    b"\xff\xdb",
    b"\xff\xdd\x00\x04\x00\x01",
    b"\xff\xe0\x00\x10AVI1",
    b"\xff\xff\xff",
    b"\xff\x00",
    b"\x00\x00",
    b"\xff\xff",
    b"\x00\x02",
];

#[test]
fn whatever_a_jpeg_lacks_it_is_mended_once_and_read_or_refused() {
    let target = Target {
        name: "jpeg",
        seeds: [corpus("jpeg"), vec![jpeg::gradient(), jpeg::without_tables()]].concat(),
        parts: &MARKERS,
        usual: 1000,
    };
    let report = target.run(|input| {
        let mended = with_huffman_tables(input);
        assert!(mended.len() <= input.len() + 500);
        assert_eq!(with_huffman_tables(&mended), mended, "mended once, nothing is missing");
        match Picture::decode(input) {
            Ok(picture) => {
                picture.gray().unwrap();
                format!("a picture, {}", mended.len() > input.len())
            }
            Err(error) => kind(&error.to_string()),
        }
    });
    assert!(report.kinds.len() > 5, "{:?}", report.kinds);
}

/// Parts of JSON, and numbers that no field holds.
const JSON: [&[u8]; 18] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"-1",
    b"1e999",
    b"4294967296",
    b"0.00000000000001",
    b"\"../../etc/passwd\"",
    b"[[[[[[[[[[[[[[[[",
    b"\"schema\":2,",
    b"\xff",
];

#[test]
fn whatever_a_manifest_says_it_is_refused_or_stays_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let whole = serde_json::to_vec(&write_bundle(dir.path())).unwrap();
    let target = Target {
        name: "manifest",
        seeds: [corpus("manifest"), vec![whole]].concat(),
        parts: &JSON,
        usual: 1000,
    };
    let report = target.run(|input| match parse(Path::new("manifest.json"), input) {
        Ok(manifest) => {
            let again = serde_json::to_vec(&manifest).unwrap();
            assert_eq!(serde_json::from_slice::<Manifest>(&again).unwrap(), manifest);
            for file in manifest.files() {
                assert!(!file.path.contains('/') && !file.path.starts_with('.'), "{}", file.path);
            }
            "read".to_owned()
        }
        Err(error) => kind(&error.to_string()),
    });
    assert!(report.kinds.len() > 10, "{:?}", report.kinds);
}
