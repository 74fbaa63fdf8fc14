//! Random archives, signed texts and records: what is not signed gets nowhere, and nothing panics.

use std::fs;

use testing::bolero::check;
use testing::fuzz::{Answers, DRAWN};

use super::*;
use crate::channel::SeenChannel;

/// Files of a few bytes.
fn small(signers: &Signers, version: u32) -> Update {
    let files = vec![
        (FILE_NAME.to_owned(), format!("{{\"version\":{version}}}").into_bytes()),
        ("a.onnx".to_owned(), vec![7; 700]),
    ];
    Update {
        keys: Some(signers.key_list(1, &[&signers.signer], None)),
        manifest: signers.signer.sign(&update_manifest(version, &files)),
        files,
    }
}

/// Keys that never change: what they signed lies in the corpus.
fn known() -> Signers {
    Signers {
        root: Signer::known(include_str!("__fuzz__/root.key")),
        signer: Signer::known(include_str!("__fuzz__/signer.key")),
    }
}

fn empty() -> PowerDisk {
    let mut disk = PowerDisk::default();
    disk.make_dir(Path::new(ROOT)).unwrap();
    disk
}

/// Puts inputs that the known keys sign into the corpus of a target, where `UPDATE_CORPUS=1` asks for it.
fn renew(target: &str, inputs: &[(&str, Vec<u8>)]) {
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/__fuzz__")).join(target);
        fs::create_dir_all(dir.join("corpus")).unwrap();
        for (name, input) in inputs {
            fs::write(dir.join("corpus").join(name), input).unwrap();
        }
    }
}

#[test]
fn whatever_an_archive_holds_nothing_gets_in_but_what_was_signed() {
    let signers = known();
    let updates = [2, 3].map(|version| small(&signers, version));
    let without_keys = Update {
        keys: None,
        ..updates[0].clone()
    };
    let strangers = small(&Signers::new(), 9);
    renew(
        "archive",
        &[
            ("version-2.tar", updates[0].pack()),
            ("version-3.tar", updates[1].pack()),
            ("without-keys.tar", without_keys.pack()),
            ("strangers.tar", strangers.pack()),
        ],
    );
    let answers = Answers::default();
    check!(name = "archive")
        .with_iterations(DRAWN)
        .for_each(|input: &[u8]| {
            let mut disk = empty();
            let installed = signers.install(&mut disk, input);
            if installed.is_ok() {
                let trial = state(&mut disk).trial.unwrap().slot;
                let signed = [updates[0].slot(2), updates[1].slot(3)];
                assert!(signed.contains(&trial) && is_whole(&mut disk, &trial), "{trial:?}");
            } else {
                assert_eq!(state(&mut disk), State::default());
            }
            answers.count(&installed);
        });
    answers.were_of_both_kinds();
}

#[test]
fn whatever_stands_in_signed_texts_they_are_refused_or_sound() {
    let signers = known();
    let text = |signed: Signed| signed.text.into_bytes();
    renew(
        "lists",
        &[
            ("manifest.json", text(small(&signers, 2).manifest)),
            ("keys.json", text(signers.key_list(1, &[&signers.signer], Some(4)))),
        ],
    );
    let answers = [const { Answers::new() }; 3];
    check!(name = "lists").with_iterations(DRAWN).for_each(|input: &[u8]| {
        let text = String::from_utf8_lossy(input);
        let manifest = UpdateManifest::parse(input, Version::own());
        if let Ok(manifest) = &manifest {
            manifest.check().unwrap();
        }
        let device = Device("hall".to_owned());
        let channel = Channel::parse(&text, &SeenChannel::default(), 1);
        if let Ok((channel, _)) = &channel {
            channel.newest(&device);
        }
        let mut trust = Trust::new(&signers.root.public()).unwrap();
        let keys = trust.take(&signers.root.sign(&text));
        answers[0].count(&manifest);
        answers[1].count(&channel);
        answers[2].count(&keys);
    });
    answers.iter().for_each(Answers::were_of_both_kinds);
}

#[test]
fn whatever_a_record_says_it_is_put_aside_or_its_rules_hold() {
    let signers = known();
    let path = Path::new(ROOT).join("record.json");
    let mut disk = signers.device(2);
    signers.install(&mut disk, &small(&signers, 5).pack()).unwrap();
    renew("record", &[("trial.json", disk.read(&path, MAX_BYTES).unwrap())]);
    let newest = small(&signers, u32::MAX).pack();
    let answers = Answers::default();
    check!(name = "record").with_iterations(DRAWN).for_each(|input: &[u8]| {
        let mut disk = empty();
        disk.create(&path).unwrap();
        disk.append(&path, input).unwrap();
        let (record, warning) = Record::read_or_put_aside(&mut disk, &path).unwrap();
        record.status();
        let mut state = record.state;
        for event in [
            Event::Started,
            Event::Stopped,
            Event::Started,
            Event::Started,
            Event::Started,
            Event::Confirmed,
        ] {
            state = state.after(event);
            state.choice(1);
        }
        if warning.is_some() {
            assert!(disk.read(&path, MAX_BYTES).is_err(), "it is out of the way");
        }
        // An update gets in whatever was there, unless a record that can be read says that it is too old.
        let installed = signers.install(&mut disk, &newest);
        assert!(warning.is_none() || installed.is_ok(), "{installed:?}");
        answers.count(&warning.map_or(Ok(()), Err));
    });
    answers.were_of_both_kinds();
}
