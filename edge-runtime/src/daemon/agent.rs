//! Looks for updates on the device's own channel, and brings one in when somebody wishes for it.
//!
//! The work itself is the [updater's](Updater). The bundle's way from there is that of any update.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use update::Offer;

use super::updater::{Errand, Updater, Work};
use crate::config::{Config, UpdateConfig};
use crate::sink::updates::Updates;

/// The first look: the network may need some time after a start.
const FIRST: Duration = Duration::from_mins(1);

/// Time to the next look after one that failed.
const AGAIN: Duration = Duration::from_mins(15);

/// Sends the updater to the channel.
pub(super) struct Agent {
    updater: Arc<dyn Updater>,
    /// Time between two looks; zero is never.
    every: Duration,
    next: Duration,
    errand: Option<(Errand, Box<dyn Work>)>,
    updates: Arc<Updates>,
}

impl Agent {
    /// An agent for the channel of a configuration, if it has one; nothing is done before the first tick.
    pub(super) fn new(config: &Config, updater: Arc<dyn Updater>, updates: &Arc<Updates>) -> Option<Self> {
        let UpdateConfig {
            channel, look_every, ..
        } = config.update.as_ref()?;
        channel.as_ref()?;
        Some(Self {
            updater,
            every: *look_every,
            next: FIRST.min(*look_every),
            errand: None,
            updates: Arc::clone(updates),
        })
    }

    /// To be called every second; `offer` is what the device has.
    pub(super) fn tick(&mut self, now: Duration, offer: Offer, report: &mut dyn FnMut(String)) {
        if let Err(error) = self.go_on(now) {
            self.next = now + AGAIN;
            report(format!("look for updates: {error}"));
        }
        let installs = matches!(self.errand, Some((Errand::Install, _)));
        self.updates.tell(Offer {
            in_progress: offer.in_progress || installs,
            ..offer
        });
    }

    fn go_on(&mut self, now: Duration) -> io::Result<()> {
        if let Some((_, work)) = &mut self.errand {
            let Some(went_well) = work.poll()? else {
                return Ok(());
            };
            // What went wrong was said by whoever did it.
            let wait = if went_well { self.every } else { AGAIN.min(self.every) };
            self.next = now + wait;
            self.errand = None;
        }
        let errand = if self.updates.take_wish() {
            Errand::Install
        } else if !self.every.is_zero() && now >= self.next {
            Errand::Look
        } else {
            return Ok(());
        };
        self.errand = Some((errand, self.updater.start(errand)?));
        Ok(())
    }
}
