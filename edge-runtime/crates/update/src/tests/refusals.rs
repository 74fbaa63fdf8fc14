//! Updates that must not get in.

use std::fs;

use super::*;
use durable::power::Dice;

/// Installs what must be refused; nothing of it may stay.
fn refused(signers: &Signers, disk: &mut PowerDisk, archive: &[u8]) -> UpdateError {
    let before = state(disk);
    let error = signers.install(disk, archive).unwrap_err();
    assert_eq!(state(disk), before, "{error}");
    let names = disk.list(&Path::new(ROOT).join("bundles")).unwrap();
    assert_eq!(names.len(), before.slots().count(), "{names:?}");
    error
}

#[test]
fn each_fault_is_refused_with_its_own_kind_and_message() {
    type Bend = fn(&mut Update, &Signers);
    let signers = Signers::new();
    let mut disk = signers.device(5);
    let cases: [(&str, Kind, Bend); 11] = [
        ("key that this device does not trust", Kind::Untrusted, |update, _| {
            update.manifest = Signer::new().sign(&update.manifest.text);
        }),
        ("was changed after it was signed", Kind::Untrusted, |update, _| {
            update.manifest.text = update.manifest.text.replace("\"version\":6", "\"version\":7");
        }),
        ("signature cannot be read", Kind::Untrusted, |update, _| {
            update.manifest.signature = String::new();
        }),
        ("version 5 is not above 5", Kind::Untrusted, |update, signers| {
            update.manifest = signers.signer.sign(&update_manifest(5, &update.files));
        }),
        ("version 2 is not above 5", Kind::Untrusted, |update, signers| {
            *update = signers.update(2);
        }),
        ("keys.json: signed by a key", Kind::Untrusted, |update, signers| {
            let text = &signers.key_list(9, &[&signers.signer], None).text;
            update.keys = Some(signers.signer.sign(text));
        }),
        ("`a.onnx`: sha-256", Kind::Data, |update, signers| {
            update.files[1] = signers.update(4).files[1].clone();
        }),
        ("`a.onnx`: 3 bytes instead of", Kind::Data, |update, _| {
            update.files[1].1.truncate(3);
        }),
        ("`extra` is not in the signed list", Kind::Data, |update, _| {
            update.files.push(("extra".into(), vec![1]));
        }),
        ("ends too early", Kind::Data, |update, _| update.files.truncate(2)),
        ("stands where `manifest.json` should be", Kind::Data, |update, _| {
            update.files.swap(0, 1);
        }),
    ];
    for (expected, kind, bend) in cases {
        let mut update = signers.update(6);
        bend(&mut update, &signers);
        let error = refused(&signers, &mut disk, &update.pack());
        assert!(
            error.to_string().contains(expected),
            "{error} does not speak of {expected}"
        );
        assert_eq!(error.kind(), kind, "{error}");
    }
    signers.install(&mut disk, &signers.update(6).pack()).unwrap();
}

#[test]
fn without_a_statement_or_its_signature_an_update_is_unsigned() {
    let signers = Signers::new();
    let mut disk = signers.device(1);
    let update = signers.update(2);
    let text = update.manifest.text.as_bytes();
    for entries in [
        vec![(UPDATE_MANIFEST, text)],
        vec![(UPDATE_MANIFEST, text), (FILE_NAME, text)],
        vec![(FILE_NAME, text)],
        vec![],
    ] {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content) in entries {
            append(&mut archive, name, content.len() as u64, content).unwrap();
        }
        let error = refused(&signers, &mut disk, &archive.into_inner().unwrap());
        assert!(matches!(error, UpdateError::Unsigned(_)), "{error}");
    }
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    let signers = Signers::new();
    let mut disk = signers.device(1);
    let archive = signers.update(2).pack();
    // The two blocks of zeros at the end are not needed.
    let needed = archive.len() - 1024 - 507;
    let ends = (0..8192)
        .step_by(97)
        .chain((8192..needed).step_by(20_011))
        .chain([needed]);
    for end in ends {
        let error = refused(&signers, &mut disk, &archive[..end]);
        assert!(matches!(error.kind(), Kind::Data | Kind::Untrusted), "{end} {error}");
    }
}

#[test]
fn every_changed_byte_of_the_signed_texts_is_refused() {
    let signers = Signers::new();
    let mut disk = signers.device(1);
    let update = signers.update(2);
    for at in 0..update.manifest.text.len() {
        let mut changed = update.clone();
        let mut bytes = changed.manifest.text.into_bytes();
        bytes[at] ^= 1 << (at % 7);
        changed.manifest.text = String::from_utf8(bytes).unwrap();
        let error = refused(&signers, &mut disk, &changed.pack());
        assert!(matches!(error, UpdateError::Changed(_)), "{at} {error}");
    }
}

#[test]
fn every_changed_byte_of_the_manifest_is_refused() {
    let signers = Signers::new();
    let device = signers.device(1);
    // That of the bundle that comes with the program, before weights that take no time.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/default/manifest.json");
    let mut update = signers.update(2);
    update.files = vec![
        (FILE_NAME.into(), fs::read(manifest).unwrap()),
        ("a.onnx".into(), vec![1]),
    ];
    update.manifest = signers.signer.sign(&update_manifest(2, &update.files));
    let length = update.files[0].1.len();
    // All bits of a byte where the environment asks for more than one.
    let bits = cases(1).min(8) as usize;
    for (at, bit) in (0..length).flat_map(|at| (0..bits).map(move |bit| (at, (at + bit) % 8))) {
        update.files[0].1[at] ^= 1 << bit;
        let error = refused(&signers, &mut device.clone(), &update.pack());
        assert!(
            matches!(&error, UpdateError::Hash { path, .. } if path == FILE_NAME),
            "{at} {bit} {error}"
        );
        update.files[0].1[at] ^= 1 << bit;
    }
    eprintln!("{length} bytes of a manifest, {bits} bits of each: all refused");
    assert!(signers.install(&mut device.clone(), &update.pack()).is_ok());
}

#[test]
fn changed_bytes_of_a_signature_never_let_another_text_in() {
    let signers = Signers::new();
    let device = signers.device(1);
    let update = signers.update(2);
    let (mut refused, mut taken) = (0, 0);
    for at in 0..update.manifest.signature.len() {
        let mut changed = update.clone();
        let mut bytes = changed.manifest.signature.into_bytes();
        bytes[at] ^= 1 << (at % 7);
        let Ok(signature) = String::from_utf8(bytes) else {
            continue;
        };
        changed.manifest.signature = signature;
        let mut disk = device.clone();
        match signers.install(&mut disk, &changed.pack()) {
            // The first line is a comment that nobody signs.
            Ok(_) => {
                assert!(at < update.manifest.signature.find('\n').unwrap(), "{at}");
                assert_eq!(runs(&mut disk), Some(update.slot(2)));
                taken += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), Kind::Untrusted, "{at} {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 100 && taken > 0, "{refused} {taken}");
}

#[test]
fn changed_bits_of_the_weights_are_refused() {
    let signers = Signers::new();
    let device = signers.device(1);
    let mut update = signers.update(2);
    let mut dice = Dice::new(3);
    let flips = cases(100);
    for _ in 0..flips {
        let (at, bit) = (dice.below(update.files[1].1.len()), dice.below(8));
        update.files[1].1[at] ^= 1 << bit;
        let error = refused(&signers, &mut device.clone(), &update.pack());
        assert!(matches!(error, UpdateError::Hash { .. }), "{at} {bit} {error}");
        update.files[1].1[at] ^= 1 << bit;
    }
    eprintln!("{flips} bits of weights flipped: all refused");
}

#[test]
fn changed_bits_anywhere_in_an_archive_never_get_other_bytes_in() {
    let signers = Signers::new();
    let device = signers.device(1);
    let good = signers.update(2);
    let mut archive = good.pack();
    let mut dice = Dice::new(4);
    for _ in 0..cases(200) {
        // Heads and signed texts lie within the first blocks.
        let (at, bit) = (dice.below(8192), dice.below(8));
        archive[at] ^= 1 << bit;
        let mut disk = device.clone();
        if signers.install(&mut disk, &archive).is_ok() {
            assert_eq!(runs(&mut disk), Some(good.slot(2)), "{at} {bit}");
        } else {
            assert_eq!(runs(&mut disk).unwrap().version, 1);
        }
        archive[at] ^= 1 << bit;
    }
}

#[test]
fn links_and_names_that_leave_the_directory_are_refused_where_a_file_should_be() {
    let signers = Signers::new();
    let mut disk = signers.device(1);
    let update = signers.update(2);
    for (name, kind) in [
        ("manifest.json", tar::EntryType::Symlink),
        ("manifest.json", tar::EntryType::Link),
        ("manifest.json", tar::EntryType::Directory),
        ("../../../etc/passwd", tar::EntryType::Regular),
        ("/etc/passwd", tar::EntryType::Regular),
        ("bundles/../manifest.json", tar::EntryType::Regular),
    ] {
        let signed = Update {
            files: Vec::new(),
            ..update.clone()
        };
        let mut archive = signed.pack();
        // In place of the end of the archive.
        archive.truncate(archive.len() - 1024);
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_link_name("/etc/passwd").unwrap();
        header.set_size(0);
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        let error = refused(&signers, &mut disk, &archive);
        assert!(matches!(error, UpdateError::Entry { .. }), "{name} {error}");
    }
}

#[test]
fn signed_statements_with_evil_names_or_sizes_are_refused() {
    let signers = Signers::new();
    let mut disk = signers.device(1);
    let good = signers.update(2);
    for (from, to, expected) in [
        ("\"a.onnx\"", "\"../a.onnx\"", "plain"),
        ("\"a.onnx\"", "\"/a.onnx\"", "plain"),
        ("\"bytes\":300000", "\"bytes\":268435457", "bytes together"),
        ("\"bytes\":300000", "\"bytes\":18446744073709551615", "bytes together"),
        ("\"contract\":1", "\"contract\":3", "contract 3"),
        ("\"0.0.1\"", "\"999.0.0\"", "update the program first"),
        ("\"schema\":1", "\"schema\":2", "schema 2"),
    ] {
        let mut update = good.clone();
        assert!(update.manifest.text.contains(from), "{from}");
        update.manifest = signers.signer.sign(&update.manifest.text.replacen(from, to, 1));
        let error = refused(&signers, &mut disk, &update.pack());
        assert!(
            error.to_string().contains(expected),
            "{error} does not speak of {expected}"
        );
        assert_eq!(error.kind(), Kind::Data);
    }
    let mut big = good;
    big.manifest.text = " ".repeat(MAX_SIGNED_BYTES as usize + 1);
    assert!(matches!(
        refused(&signers, &mut disk, &big.pack()),
        UpdateError::TooLarge { .. }
    ));
}

#[test]
fn a_bundle_that_fails_its_try_never_gets_a_slot() {
    let signers = Signers::new();
    let mut disk = signers.device(1);
    let archive = signers.update(2).pack();
    let before = state(&mut disk);
    let result = on(&mut disk, |store| {
        let mut archive = tar::Archive::new(Capped::new(archive.as_slice()));
        let mut parts = TarParts::new(&mut archive)?;
        let mut probe = |_: &Path| Err(UpdateError::Probe("it gives no numbers".into()));
        Ok(signers.installer(store)?.install(&mut parts, None, &mut probe))
    });
    assert!(matches!(result.unwrap(), Err(UpdateError::Probe(_))));
    assert_eq!(state(&mut disk), before);
    assert_eq!(runs(&mut disk).unwrap().version, 1);
}

#[test]
fn what_was_rolled_back_is_not_installed_again_but_the_next_version_is() {
    let signers = Signers::new();
    let mut disk = signers.device(1);
    signers.install(&mut disk, &signers.update(2).pack()).unwrap();
    for _ in 0..TRIES {
        assert_eq!(runs(&mut disk).unwrap().version, 2);
    }
    assert_eq!(runs(&mut disk).unwrap().version, 1);
    let error = signers.install(&mut disk, &signers.update(2).pack()).unwrap_err();
    assert!(matches!(error, UpdateError::RolledBack(2)), "{error}");
    assert_eq!(error.kind(), Kind::Untrusted);
    signers.install(&mut disk, &signers.update(3).pack()).unwrap();
    assert_eq!(runs(&mut disk).unwrap().version, 3);
}
