use std::fs;

use super::super::pack::{append, pack};
use super::super::{KEYS, UPDATE_MANIFEST};
use super::*;
use crate::signing::Signer;

const LIMIT: u64 = 1000;

fn parts<T>(bytes: &[u8], read: impl FnOnce(&mut dyn Parts) -> T) -> T {
    let mut archive = tar::Archive::new(Capped::new(bytes));
    read(&mut TarParts::new(&mut archive).unwrap())
}

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        append(&mut builder, name, content.len() as u64, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn take(parts: &mut dyn Parts, name: &str, bytes: u64) -> Result<Vec<u8>, UpdateError> {
    let mut all = Vec::new();
    parts.copy(name, bytes, &mut |chunk| {
        all.extend_from_slice(chunk);
        Ok(())
    })?;
    Ok(all)
}

#[test]
fn gives_what_was_packed_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, vec![7; 1_000_000]).unwrap();
    let signer = Signer::new();
    let (keys, update_manifest) = (signer.sign("keys"), signer.sign("update_manifest"));
    let mut packed = Vec::new();
    pack(&mut packed, Some(&keys), &update_manifest, [("a.onnx", path.as_path())]).unwrap();
    parts(&packed, |parts| {
        assert_eq!(signed(parts, KEYS).unwrap().unwrap(), keys);
        assert_eq!(signed(parts, UPDATE_MANIFEST).unwrap().unwrap(), update_manifest);
        assert_eq!(take(parts, "a.onnx", 1_000_000).unwrap(), vec![7; 1_000_000]);
        parts.end().unwrap();
    });
    let mut again = Vec::new();
    pack(&mut again, Some(&keys), &update_manifest, [("a.onnx", path.as_path())]).unwrap();
    assert_eq!(packed, again);
}

#[test]
fn refuses_everything_but_plain_files_in_order() {
    use tar::EntryType;
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::Char,
        EntryType::Fifo,
        EntryType::GNULongName,
        EntryType::GNUSparse,
        EntryType::XHeader,
        EntryType::XGlobalHeader,
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_path("a").unwrap();
        header.set_entry_type(kind);
        header.set_link_name("/etc/passwd").unwrap();
        header.set_size(0);
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, io::empty()).unwrap();
        let bytes = builder.into_inner().unwrap();
        let error = parts(&bytes, |parts| parts.optional("a", LIMIT))
            .unwrap_err()
            .to_string();
        assert!(error.contains("no plain file"), "{kind:?} {error}");
    }
    let bytes = archive(&[("a", b"1"), ("b", b"2")]);
    let error = parts(&bytes, |parts| take(parts, "b", 1)).unwrap_err().to_string();
    assert!(error.contains("`a` stands where `b` should be"), "{error}");
    let error = parts(&bytes, |parts| {
        take(parts, "a", 1)?;
        parts.end()
    });
    assert!(error.unwrap_err().to_string().contains("`b` is not in the signed list"));
}

#[test]
fn names_that_leave_the_directory_are_never_asked_for() {
    for evil in ["../../etc/passwd", "/etc/passwd", "a/../../b", "./a", "a\\b"] {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..evil.len()].copy_from_slice(evil.as_bytes());
        header.set_size(1);
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, &b"x"[..]).unwrap();
        let bytes = builder.into_inner().unwrap();
        let error = parts(&bytes, |parts| take(parts, "a", 1)).unwrap_err();
        assert!(matches!(error, UpdateError::Entry { .. }), "{error}");
    }
}

#[test]
fn refuses_sizes_before_reading_and_archives_that_end_early() {
    let bytes = archive(&[("a", &[1; 600])]);
    let error = parts(&bytes, |parts| parts.optional("a", 599)).unwrap_err();
    assert!(matches!(error, UpdateError::TooLarge { limit: 599, .. }), "{error}");
    for wrong in [599, 601] {
        let error = parts(&bytes, |parts| take(parts, "a", wrong)).unwrap_err();
        assert!(matches!(error, UpdateError::Size { found: 600, .. }), "{error}");
    }
    for end in 0..512 + 600 {
        let short = &bytes[..end];
        let error = parts(short, |parts| take(parts, "a", 600)).unwrap_err();
        let early = matches!(error, UpdateError::Truncated(_) | UpdateError::Archive(_));
        assert!(early, "{end} {error}");
    }
    let mut endless = tar::Archive::new(Capped {
        inner: io::repeat(0),
        left: 700,
    });
    let mut parts = TarParts::new(&mut endless).unwrap();
    assert!(matches!(take(&mut parts, "a", 1), Err(UpdateError::Truncated(_))));
}

#[test]
fn a_changed_header_never_passes() {
    let bytes = archive(&[("a", b"content")]);
    for at in 0..512 {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let result = parts(&changed, |parts| take(parts, "a", 7));
        // Owner and time are covered by the header's own sum, which blanks and zeros may end.
        if let Ok(content) = result {
            assert_eq!(content, b"content", "{at}");
        }
    }
}

#[test]
fn directories_give_the_same_parts() {
    let dir = tempfile::tempdir().unwrap();
    let mut parts = DirParts(dir.path().to_path_buf());
    assert!(parts.optional("a", LIMIT).unwrap().is_none());
    assert!(matches!(take(&mut parts, "a", 1), Err(UpdateError::Missing(_))));
    fs::write(dir.path().join("a"), b"12345").unwrap();
    assert_eq!(parts.optional("a", 5).unwrap().unwrap(), b"12345");
    assert!(matches!(parts.optional("a", 4), Err(UpdateError::TooLarge { .. })));
    assert_eq!(take(&mut parts, "a", 5).unwrap(), b"12345");
    assert!(matches!(take(&mut parts, "a", 4), Err(UpdateError::Size { .. })));
    fs::create_dir(dir.path().join("b")).unwrap();
    assert!(matches!(parts.optional("b", 5), Err(UpdateError::Entry { .. })));
}
