//! Random archives, signed texts and records: what is not signed gets nowhere, and nothing panics.

use testing::fuzz::{Target, corpus, kind};

use super::*;
use crate::channel::SeenChannel;

/// Parts of archives and their texts.
const PARTS: [&[u8]; 20] = [
    b"\0",
    b"\0\0\0\0\0\0\0\0",
    b"ustar\x0000",
    b"ustar  \0",
    b"77777777777\0",
    b"00000000000\0",
    b"\x80\0\0\0\0\0\0\0\xff\xff\xff\xff",
    b"././@LongLink",
    b"../../../etc/passwd",
    b"/etc/passwd",
    b"update.json",
    b"update.json.minisig",
    b"keys.json",
    b"manifest.json",
    b"\"schema\":1",
    b"4294967296",
    b"-1",
    b"{",
    b"}",
    b"\"",
];

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

#[test]
fn whatever_an_archive_holds_nothing_gets_in_but_what_was_signed() {
    let signers = Signers::new();
    let updates = [small(&signers, 2), small(&signers, 3)];
    let strangers = small(&Signers::new(), 9).pack();
    let device = {
        let mut disk = PowerDisk::default();
        disk.make_dir(Path::new(ROOT)).unwrap();
        disk
    };
    let target = Target {
        name: "archive",
        seeds: [updates.each_ref().map(Update::pack).to_vec(), vec![strangers]].concat(),
        parts: &PARTS,
        usual: 300,
    };
    let report = target.run(|input| {
        let mut disk = device.clone();
        match signers.install(&mut disk, input) {
            Ok(_) => {
                let trial = state(&mut disk).trial.unwrap().slot;
                let signed = [updates[0].slot(2), updates[1].slot(3)];
                assert!(signed.contains(&trial) && is_whole(&mut disk, &trial), "{trial:?}");
                "installed".to_owned()
            }
            Err(error) => {
                assert_eq!(state(&mut disk), State::default());
                kind(&error.to_string())
            }
        }
    });
    assert!(report.kinds.len() > 5, "{:?}", report.kinds);
}

#[test]
fn whatever_stands_in_signed_texts_they_are_refused_or_sound() {
    let signers = Signers::new();
    let text = |signed: Signed| signed.text.into_bytes();
    let own = vec![
        text(small(&signers, 2).manifest),
        text(signers.key_list(1, &[&signers.signer], Some(4))),
    ];
    let target = Target {
        name: "lists",
        seeds: [corpus("lists"), own].concat(),
        parts: &PARTS,
        usual: 1000,
    };
    let report = target.run(|input| {
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
        let said =
            |error: Option<UpdateError>| error.map_or_else(|| "read".to_owned(), |error| kind(&error.to_string()));
        [said(manifest.err()), said(channel.err()), said(keys.err())].join("; ")
    });
    assert!(report.kinds.len() > 10, "{:?}", report.kinds);
}

#[test]
fn whatever_a_record_says_it_is_put_aside_or_its_rules_hold() {
    let signers = Signers::new();
    let mut disk = signers.device(2);
    signers.install(&mut disk, &small(&signers, 5).pack()).unwrap();
    let path = Path::new(ROOT).join("record.json");
    let whole = disk.read(&path, MAX_BYTES).unwrap();
    let empty = {
        let mut disk = PowerDisk::default();
        disk.make_dir(Path::new(ROOT)).unwrap();
        disk
    };
    let target = Target {
        name: "record",
        seeds: [corpus("record"), vec![whole]].concat(),
        parts: &PARTS,
        usual: 1000,
    };
    let report = target.run(|input| {
        let mut disk = empty.clone();
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
        let installed = signers.install(&mut disk, &small(&signers, u32::MAX).pack());
        assert!(warning.is_none() || installed.is_ok(), "{installed:?}");
        let installed = installed.map_or_else(|error| kind(&error.to_string()), |_| "installed".to_owned());
        format!(
            "{}; {installed}",
            warning.map_or_else(|| "read".to_owned(), |warning| kind(&warning))
        )
    });
    assert!(report.kinds.len() > 10, "{:?}", report.kinds);
}
