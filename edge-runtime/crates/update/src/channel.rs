//! What is newest, for which share of the devices: `channel.json`.
//!
//! A release starts with a small share and grows to the whole fleet with later versions of the channel. Which devices
//! come first is drawn anew for each release, by a hash of the device's name and the release, so that nobody is always
//! the first, and a device that was in the share stays in it while the share grows.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256 as Hasher};
use shared_model::Text;
use shared_model::manifest::Sha256;

use super::update_manifest::{hash, is_plain, parse_form};
use super::{CHANNEL, UpdateError};

/// Form of `channel.json` that this code reads and writes.
const SCHEMA: u32 = 1;
/// Most releases of a channel.
const MAX_RELEASES: usize = 16;
/// All devices, in hundredths of a percent.
pub const SHARE_WHOLE: u32 = 10_000;
const DAY_S: u64 = 86_400;

/// The signed content of `channel.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    schema: u32,
    /// Grows with every change; at least 1.
    pub version: u32,
    /// When it was signed, in seconds since 1970.
    pub issued_s: u64,
    /// When it should have been signed anew, in seconds since 1970.
    pub expires_s: u64,
    /// What there is, in any order.
    pub releases: Vec<Release>,
}

/// A bundle that a share of the devices gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Name of the archive, beside the channel.
    pub archive: Text<64>,
    /// SHA-256 of its `update.json`; the file calls it `statement`.
    #[serde(rename = "statement")]
    pub update_manifest: Sha256,
    /// Version of the bundle in the archive; at least 1.
    pub version: u32,
    /// Share of the devices, in hundredths of a percent: 1 to [`SHARE_WHOLE`].
    pub share: u32,
}

/// What a device remembers of the channel, so that it cannot be led back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenChannel {
    /// Version of the newest channel.
    pub version: u32,
    /// SHA-256 of that channel's `channel.json`; `None` before the first.
    pub sha256: Option<Sha256>,
    /// Latest time that a signature vouched for, in seconds since 1970.
    pub time_s: u64,
}

/// Name of a device, which decides the shares that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device(pub String);

impl Channel {
    /// A channel with these releases.
    ///
    /// # Errors
    ///
    /// When a number or a name breaks the rules of a channel.
    pub fn new(version: u32, issued_s: u64, expires_s: u64, releases: Vec<Release>) -> Result<Self, UpdateError> {
        let channel = Self {
            schema: SCHEMA,
            version,
            issued_s,
            expires_s,
            releases,
        };
        channel.check()?;
        Ok(channel)
    }

    /// Reads a channel whose signature was checked, `now_s` seconds after 1970 by the device's clock; gives what to
    /// remember of it as well.
    pub(super) fn parse(json: &str, seen: &SeenChannel, now_s: u64) -> Result<(Self, SeenChannel), UpdateError> {
        let channel: Self = parse_form(json.as_bytes(), CHANNEL, SCHEMA)?;
        channel.check()?;
        let sha256 = hash(json.as_bytes());
        let changed = channel.version == seen.version && seen.sha256.as_ref() != Some(&sha256);
        if channel.version < seen.version || changed {
            return Err(UpdateError::Replayed {
                what: CHANNEL,
                found: channel.version,
                seen: seen.version,
            });
        }
        // A clock that was set back, or never set, shows less than what is known to have passed.
        let time_s = seen.time_s.max(channel.issued_s);
        let overdue = now_s.max(time_s).saturating_sub(channel.expires_s);
        if overdue > 0 {
            return Err(UpdateError::Expired { days: overdue / DAY_S });
        }
        let seen = SeenChannel {
            version: channel.version,
            sha256: Some(sha256),
            time_s,
        };
        Ok((channel, seen))
    }

    /// The newest release that this device is in the share of.
    pub fn newest(&self, device: &Device) -> Option<&Release> {
        let chosen = self.releases.iter().filter(|release| device.is_in(release));
        chosen.max_by_key(|release| release.version)
    }

    fn check(&self) -> Result<(), UpdateError> {
        let refused = |reason: String| UpdateError::Form {
            what: CHANNEL.to_owned(),
            reason,
        };
        if self.version == 0 {
            return Err(refused("`version` must be at least 1".to_owned()));
        }
        if self.expires_s <= self.issued_s {
            return Err(refused("`expires_s` must be after `issued_s`".to_owned()));
        }
        if self.releases.len() > MAX_RELEASES {
            return Err(refused(format!("more than {MAX_RELEASES} releases")));
        }
        for release in &self.releases {
            if !is_plain(&release.archive) {
                return Err(refused(format!("archive name {:?} must be plain", release.archive)));
            }
            if !(1..=SHARE_WHOLE).contains(&release.share) {
                return Err(refused(format!("`share` must be in 1..={SHARE_WHOLE}")));
            }
        }
        Ok(())
    }
}

impl Device {
    /// Whether the device belongs to the share of a release.
    fn is_in(&self, release: &Release) -> bool {
        let mut hasher = Hasher::new();
        hasher.update(self.0.as_bytes());
        hasher.update([0]);
        hasher.update(release.update_manifest.as_str());
        let digest: [u8; 32] = hasher.finalize().into();
        let draw = u64::from_be_bytes([
            digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7],
        ]);
        // The remainder prefers no device by more than 1 in 10^15.
        draw % u64::from(SHARE_WHOLE) < u64::from(release.share)
    }
}

/// Seconds since 1970 by this machine's clock, right or wrong.
pub fn clock_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUED: u64 = 1_800_000_000;

    fn release(version: u32, share: u32) -> Release {
        Release {
            archive: Text::try_from("a.tar").unwrap(),
            update_manifest: hash(&version.to_le_bytes()),
            version,
            share,
        }
    }

    fn channel(version: u32, releases: Vec<Release>) -> String {
        let channel = Channel::new(version, ISSUED, ISSUED + 30 * DAY_S, releases).unwrap();
        serde_json::to_string(&channel).unwrap()
    }

    fn device(number: usize) -> Device {
        Device(format!("kiosk-{number}"))
    }

    #[test]
    fn a_share_of_the_devices_gets_the_newest_and_the_rest_the_one_before() {
        let text = channel(1, vec![release(2, SHARE_WHOLE), release(3, 2_500)]);
        let (channel, _) = Channel::parse(&text, &SeenChannel::default(), ISSUED).unwrap();
        let count = |version| {
            (0..4000)
                .filter(|number| channel.newest(&device(*number)).unwrap().version == version)
                .count()
        };
        // Four standard deviations of 4000 draws around a quarter.
        assert!((890..=1110).contains(&count(3)), "{}", count(3));
        assert_eq!(count(2) + count(3), 4000);
    }

    #[test]
    fn who_is_in_a_share_stays_in_while_it_grows() {
        for number in 0..500 {
            let mut inside = false;
            for share in [1, 100, 2_500, 5_000, SHARE_WHOLE] {
                let now = device(number).is_in(&release(3, share));
                assert!(now || !inside);
                inside = now;
            }
            assert!(inside);
        }
    }

    #[test]
    fn an_older_or_changed_channel_is_refused() {
        let first = channel(5, vec![release(2, SHARE_WHOLE)]);
        let (_, seen) = Channel::parse(&first, &SeenChannel::default(), ISSUED).unwrap();
        assert!(Channel::parse(&first, &seen, ISSUED).is_ok());
        for replayed in [
            channel(4, vec![release(3, SHARE_WHOLE)]),
            channel(5, vec![release(1, SHARE_WHOLE)]),
        ] {
            let error = Channel::parse(&replayed, &seen, ISSUED).unwrap_err();
            assert!(matches!(error, UpdateError::Replayed { seen: 5, .. }), "{error}");
        }
        assert!(Channel::parse(&channel(6, Vec::new()), &seen, ISSUED).is_ok());
    }

    #[test]
    fn expiry_needs_no_clock_that_is_right_and_a_clock_set_back_does_not_undo_it() {
        let text = channel(5, Vec::new());
        let (_, seen) = Channel::parse(&text, &SeenChannel::default(), 0).unwrap();
        assert_eq!(seen.time_s, ISSUED);
        assert!(Channel::parse(&text, &seen, ISSUED + 30 * DAY_S).is_ok());
        let error = Channel::parse(&text, &seen, ISSUED + 33 * DAY_S).unwrap_err();
        assert!(matches!(error, UpdateError::Expired { days: 3 }), "{error}");
        let known = SeenChannel {
            time_s: ISSUED + 31 * DAY_S,
            ..seen
        };
        assert!(matches!(
            Channel::parse(&text, &known, 0),
            Err(UpdateError::Expired { days: 1 })
        ));
    }

    #[test]
    fn refuses_each_rule_broken() {
        let good = channel(1, vec![release(2, 50)]);
        for (from, to, expected) in [
            ("\"a.tar\"", "\"../a.tar\"", "plain"),
            ("\"share\":50", "\"share\":0", "share"),
            ("\"share\":50", "\"share\":10001", "share"),
            ("\"version\":1,", "\"version\":0,", "at least 1"),
            ("\"expires_s\":1", "\"expires_s\":", "after"),
            ("\"schema\":1", "\"schema\":3", "schema 3"),
        ] {
            assert!(good.contains(from), "{good}");
            let error = Channel::parse(&good.replacen(from, to, 1), &SeenChannel::default(), ISSUED).unwrap_err();
            assert!(
                error.to_string().contains(expected),
                "{error} does not speak of {expected}"
            );
        }
    }
}
