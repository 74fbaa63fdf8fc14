//! The cases of the conformance suite of The Update Framework (<https://github.com/theupdateframework/tuf-conformance>)
//! that mean something here, by the names that they have there. Its roles are: root, whose key signs the key list;
//! timestamp and snapshot, which the channel is in one; targets, which the update manifest is.
//!
//! Left out, with the reason:
//!
//! | cases | reason |
//! |---|---|
//! | `test_snapshot_threshold`, `test_root_has_keys_but_not_snapshot`, `3-of-5-…`, `2-of-3-…`, `1-of-3-…`, `1-of-2-…`, `2-of-5-…`, `…-unused-signatures` | a document has one signature, and one suffices |
//! | `test_root_rotation` | the root key comes with the operating system's package and changes with it |
//! | `test_root_expired`, `test_snapshot_expired`, `test_targets_expired` | only the channel expires |
//! | `test_wrong_hashing_algorithm`, `test_custom_fields` | there is one algorithm, and unknown fields are refused |
//! | `test_graph_traversal`, `test_targetfile_search`, `test_unusual_role_name`, `test_delegated_targets_expired`, `test_expired_local_delegated_targets`, `test_expired_local_delegated_targets_updates` | nobody passes on the right to sign |
//! | `test_client_downloads_expected_file_in_sub_dir` | names are plain |
//! | `test_static_repo`, `test_basic_init_and_refresh`, `test_implicit_refresh` | of TUF's own file format and requests |
//! | `test_new_snapshot_fast_forward_recovery` | snapshot and timestamp are one document here: `test_new_timestamp_fast_forward_recovery` |
//! | `test_timestamp_eq_versions_check` | the same as `test_timestamp_content_changes`, which is here |
//! | `test_invalid_initial_root` | a root key is no document; one that cannot be read is refused (`keys_come_bare_or_with_a_comment`) |

use std::fs;

use super::*;

const DAY_S: u64 = 86_400;

/// A directory that serves a channel.
struct Mirror {
    dir: tempfile::TempDir,
    signers: Signers,
    device: PowerDisk,
    now_s: u64,
}

impl Mirror {
    /// With a device that runs version 1.
    fn new() -> Self {
        let signers = Signers::new();
        let device = signers.device(1);
        Self {
            dir: tempfile::tempdir().unwrap(),
            signers,
            device,
            now_s: clock_s(),
        }
    }

    fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.dir.path().join(name), content).unwrap();
    }

    fn put_signed(&self, name: &str, signed: &Signed) {
        self.put(name, signed.text.as_bytes());
        self.put(&format!("{name}{SIGNATURE}"), signed.signature.as_bytes());
    }

    fn channel(&self, version: u32, bundles: &[u32], by: &Signer) -> Signed {
        self.channel_of(version, bundles, by, self.now_s - DAY_S, self.now_s + DAY_S)
    }

    fn channel_of(&self, version: u32, bundles: &[u32], by: &Signer, issued_s: u64, expires_s: u64) -> Signed {
        let release = |bundle: &u32| Release {
            archive: Text::try_from(format!("{bundle}.tar").as_str()).unwrap(),
            update_manifest: self.signers.update(*bundle).slot(*bundle).id,
            version: *bundle,
            share: SHARE_WHOLE,
        };
        let channel = Channel::new(version, issued_s, expires_s, bundles.iter().map(release).collect());
        by.sign(&serde_json::to_string(&channel.unwrap()).unwrap())
    }

    fn publish(&self, version: u32, bundles: &[u32]) {
        self.put_signed(CHANNEL, &self.channel(version, bundles, &self.signers.signer));
        for bundle in bundles {
            self.put(&format!("{bundle}.tar"), &self.signers.update(*bundle).pack());
        }
    }

    fn refresh(&mut self) -> Result<Outcome, UpdateError> {
        let source = Source::Path(self.dir.path().to_path_buf());
        let web = Web::new(None).unwrap();
        let (signers, device) = (&self.signers, Device("kiosk-1".into()));
        on(&mut self.device, |store| {
            let mut installer = signers.installer(store)?;
            update(&mut installer, &source, &device, &web, Task::Install, &mut |_| Ok(()))
        })
    }

    fn confirmed(&mut self) -> u32 {
        apply(&mut self.device, Event::Started).unwrap();
        apply(&mut self.device, Event::Confirmed).unwrap();
        self.runs()
    }

    fn runs(&mut self) -> u32 {
        runs(&mut self.device).unwrap().version
    }
}

#[test]
fn test_client_downloads_expected_file() {
    let mut mirror = Mirror::new();
    mirror.publish(1, &[2]);
    assert!(matches!(mirror.refresh().unwrap(), Outcome::OnTrial(slot) if slot.version == 2));
    assert_eq!(mirror.confirmed(), 2);
    assert_eq!(mirror.refresh().unwrap(), Outcome::UpToDate);
}

#[test]
fn test_multiple_changes_to_target() {
    let mut mirror = Mirror::new();
    for version in 2..7 {
        mirror.publish(version, &[version]);
        mirror.refresh().unwrap();
        assert_eq!(mirror.confirmed(), version);
        let mut malicious = mirror.signers.update(version + 1);
        malicious.files[1].1[5] ^= 1;
        mirror.put(&format!("{version}.tar"), &malicious.pack());
        assert_eq!(mirror.refresh().unwrap(), Outcome::UpToDate);
        assert_eq!(mirror.runs(), version);
    }
}

#[test]
fn test_repository_substitutes_target_file() {
    let mut mirror = Mirror::new();
    mirror.publish(1, &[2]);
    // Signed, newer than what runs, but not what the channel names.
    mirror.put("2.tar", &mirror.signers.update(3).pack());
    let error = mirror.refresh().unwrap_err();
    assert!(
        matches!(error, UpdateError::Hash { ref path, .. } if path == UPDATE_MANIFEST),
        "{error}"
    );
    assert_eq!(mirror.runs(), 1);
}

#[test]
fn test_new_timestamp_version_rollback() {
    let mut mirror = Mirror::new();
    mirror.publish(4, &[2]);
    mirror.refresh().unwrap();
    mirror.publish(3, &[3]);
    assert!(matches!(
        mirror.refresh(),
        Err(UpdateError::Replayed { what: CHANNEL, .. })
    ));
    assert_eq!(mirror.runs(), 2);
}

#[test]
fn test_snapshot_rollback() {
    let mut mirror = Mirror::new();
    mirror.publish(4, &[2]);
    mirror.refresh().unwrap();
    assert_eq!(mirror.confirmed(), 2);
    // A newer channel, correctly signed, that names an older bundle.
    mirror.publish(5, &[1]);
    assert_eq!(mirror.refresh().unwrap(), Outcome::UpToDate);
    assert_eq!(mirror.runs(), 2);
}

#[test]
fn test_simple_snapshot_rollback() {
    let mut mirror = Mirror::new();
    mirror.publish(1, &[3]);
    mirror.refresh().unwrap();
    assert_eq!(mirror.confirmed(), 3);
    // The channel is the one that was seen; what it names was replaced by something older.
    mirror.put("3.tar", &mirror.signers.update(2).pack());
    assert_eq!(mirror.refresh().unwrap(), Outcome::UpToDate);
    assert_eq!(mirror.runs(), 3);
}

#[test]
fn test_new_targets_version_mismatch() {
    let mut mirror = Mirror::new();
    mirror.publish(1, &[2]);
    // A newer bundle, correctly signed, of which the channel knows nothing.
    mirror.put("2.tar", &mirror.signers.update(9).pack());
    assert!(matches!(mirror.refresh(), Err(UpdateError::Hash { ref path, .. }) if path == UPDATE_MANIFEST));
    assert_eq!(mirror.runs(), 1);
    assert_eq!(state(&mut mirror.device).floor, 1);
}

#[test]
fn test_targets_rollback() {
    let mut mirror = Mirror::new();
    mirror.publish(1, &[3]);
    mirror.refresh().unwrap();
    assert_eq!(mirror.confirmed(), 3);
    let older = mirror.signers.update(2).pack();
    let error = mirror.signers.install(&mut mirror.device, &older).unwrap_err();
    assert!(matches!(error, UpdateError::Older { found: 2, floor: 3 }), "{error}");
}

#[test]
fn test_timestamp_content_changes() {
    let mut mirror = Mirror::new();
    mirror.publish(4, &[2]);
    mirror.refresh().unwrap();
    mirror.publish(4, &[3]);
    assert!(matches!(
        mirror.refresh(),
        Err(UpdateError::Replayed { found: 4, seen: 4, .. })
    ));
    assert_eq!(mirror.runs(), 2);
}

#[test]
fn test_new_targets_hash_mismatch() {
    let mut mirror = Mirror::new();
    mirror.publish(1, &[2]);
    let mut mixed = mirror.signers.update(2);
    mixed.files[1] = mirror.signers.update(3).files[1].clone();
    mirror.put("2.tar", &mixed.pack());
    assert!(matches!(mirror.refresh(), Err(UpdateError::Hash { .. })));
    assert_eq!(mirror.runs(), 1);
}

#[test]
fn test_new_snapshot_version_mismatch() {
    let mut mirror = Mirror::new();
    // The channel says 9; the update manifest that it names says 2, which is what counts.
    let channel = mirror.channel(1, &[2], &mirror.signers.signer).text;
    let channel = channel.replace("\"version\":2", "\"version\":9");
    mirror.put_signed(CHANNEL, &mirror.signers.signer.sign(&channel));
    mirror.put("2.tar", &mirror.signers.update(2).pack());
    mirror.refresh().unwrap();
    assert_eq!(mirror.confirmed(), 2);
    assert_eq!(state(&mut mirror.device).floor, 2);
}

#[test]
fn test_unsigned_initial_root() {
    let mut mirror = Mirror::new();
    mirror.publish(1, &[2]);
    let list = mirror.signers.key_list(2, &[&mirror.signers.signer], None);
    mirror.put_signed(KEYS, &Signer::new().sign(&list.text));
    assert!(matches!(mirror.refresh(), Err(UpdateError::UnknownKey(what)) if what == KEYS));
    mirror.put(&format!("{KEYS}{SIGNATURE}"), b"");
    assert!(matches!(mirror.refresh(), Err(UpdateError::Signature { .. })));
    fs::remove_file(mirror.dir.path().join(format!("{KEYS}{SIGNATURE}"))).unwrap();
    assert!(matches!(mirror.refresh(), Err(UpdateError::Unsigned(_))));
    assert_eq!(mirror.runs(), 1);
}

#[test]
fn test_duplicate_keys_root() {
    let mut mirror = Mirror::new();
    let key = mirror.signers.signer.public();
    let twice = format!(r#"{{"schema":1,"version":2,"keys":["{key}","{key}"]}}"#);
    mirror.put_signed(KEYS, &mirror.signers.root.sign(&twice));
    mirror.publish(1, &[2]);
    assert!(matches!(mirror.refresh(), Err(UpdateError::Form { .. })));
    assert_eq!(mirror.runs(), 1);
}

#[test]
fn test_non_root_rotations_1_of_1_key_rotation() {
    let mut mirror = Mirror::new();
    let new = Signer::new();
    mirror.publish(1, &[2]);
    mirror.put_signed(KEYS, &mirror.signers.key_list(2, &[&new], None));
    assert!(matches!(mirror.refresh(), Err(UpdateError::UnknownKey(what)) if what == CHANNEL));
    mirror.put_signed(CHANNEL, &mirror.channel(1, &[2], &new));
    // The archive still has the signature of the old key.
    assert!(matches!(mirror.refresh(), Err(UpdateError::UnknownKey(what)) if what == UPDATE_MANIFEST));
    let mut update = mirror.signers.update(2);
    update.manifest = new.sign(&update.manifest.text);
    mirror.put("2.tar", &update.pack());
    mirror.refresh().unwrap();
    assert_eq!(mirror.confirmed(), 2);
}

#[test]
fn test_non_root_rotations_fail_not_signed_with_new_key() {
    let mut mirror = Mirror::new();
    let stranger = Signer::new();
    mirror.put_signed(CHANNEL, &mirror.channel(1, &[2], &stranger));
    assert!(matches!(mirror.refresh(), Err(UpdateError::UnknownKey(_))));
    assert_eq!(mirror.runs(), 1);
}

#[test]
fn test_new_targets_fast_forward_recovery() {
    let mut mirror = Mirror::new();
    let stolen = mirror.signers.update(u32::MAX).pack();
    mirror.signers.install(&mut mirror.device, &stolen).unwrap();
    assert_eq!(mirror.confirmed(), u32::MAX);
    let new = Signer::new();
    mirror.put_signed(KEYS, &mirror.signers.key_list(2, &[&new], Some(1)));
    mirror.put_signed(CHANNEL, &mirror.channel(2, &[2], &new));
    let mut update = mirror.signers.update(2);
    update.manifest = new.sign(&update.manifest.text);
    mirror.put("2.tar", &update.pack());
    mirror.refresh().unwrap();
    assert_eq!(mirror.confirmed(), 2);
}

#[test]
fn test_new_timestamp_fast_forward_recovery() {
    let mut mirror = Mirror::new();
    mirror.publish(u32::MAX, &[2]);
    mirror.refresh().unwrap();
    let new = Signer::new();
    mirror.put_signed(CHANNEL, &mirror.channel(1, &[], &new));
    mirror.put_signed(KEYS, &mirror.signers.key_list(2, &[&new], None));
    assert_eq!(mirror.refresh().unwrap(), Outcome::UpToDate);
}

#[test]
fn test_timestamp_expired() {
    let mut mirror = Mirror::new();
    let (signer, now_s) = (&mirror.signers.signer, mirror.now_s);
    let old = mirror.channel_of(1, &[2], signer, now_s - 9 * DAY_S, now_s - 5 * DAY_S);
    mirror.put_signed(CHANNEL, &old);
    assert!(matches!(mirror.refresh(), Err(UpdateError::Expired { days: 5 })));
    assert_eq!(mirror.runs(), 1);
}

#[test]
fn test_expired_metadata() {
    let mut mirror = Mirror::new();
    // The clock was never set: what was issued later than it shows is no reason to refuse.
    let (signer, later) = (&mirror.signers.signer, mirror.now_s + 900 * DAY_S);
    let fresh = mirror.channel_of(1, &[], signer, later, later + 7 * DAY_S);
    mirror.put_signed(CHANNEL, &fresh);
    assert_eq!(mirror.refresh().unwrap(), Outcome::UpToDate);
    // By then the one that the device has is over, which does not keep the next from coming.
    let next = mirror.channel_of(2, &[], &mirror.signers.signer, later + 18 * DAY_S, later + 21 * DAY_S);
    mirror.put_signed(CHANNEL, &next);
    assert_eq!(mirror.refresh().unwrap(), Outcome::UpToDate);
    // And from then on time is known to be at least that late, whatever the clock shows.
    let frozen = mirror.channel_of(3, &[2], &mirror.signers.signer, later, later + 7 * DAY_S);
    mirror.put_signed(CHANNEL, &frozen);
    assert!(matches!(mirror.refresh(), Err(UpdateError::Expired { days: 11 })));
}
