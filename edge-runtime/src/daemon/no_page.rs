//! The pages of a program that was built without them.

#![allow(
    clippy::unused_self,
    clippy::needless_pass_by_value,
    reason = "they stand in for pages, which need what they are given"
)]

use std::sync::Arc;

use shared_model::emotion::ClassSet;
use update::Networks;

use super::error::DaemonError;
use super::shared::{Shared, Warn, Ways};
use crate::config::Config;
use crate::service::Liveness;
use crate::sink::SignalSink;
use crate::sink::when::ShowMedia;

/// Stands for the pages where the feature `page` is off.
#[derive(Default)]
pub(super) struct Pages {}

/// Stands for what pages show of a bundle.
pub(super) struct BundleFacts {}

/// What the pages would tell of a bundle.
pub(super) fn bundle(_: &Networks) -> BundleFacts {
    BundleFacts {}
}

impl Pages {
    pub(super) fn fit(&self, config: &Config) -> bool {
        config.page.is_none()
    }

    pub(super) fn beside(&mut self, config: &Config) -> Result<Self, DaemonError> {
        match config.page {
            Some(_) => Err(DaemonError::NoPage),
            None => Ok(Self {}),
        }
    }

    pub(super) fn sink(&self, _: &ClassSet) -> Option<(Box<dyn SignalSink>, Liveness)> {
        None
    }

    pub(super) fn warn(&self) -> Warn {
        Arc::new(|_, _| {})
    }

    pub(super) fn show(&self) -> Option<ShowMedia> {
        None
    }

    pub(super) fn swapped(&self) -> Box<dyn Fn(&Networks) + Send> {
        Box::new(|_| {})
    }

    pub(super) fn attach(&self, _: &Config, _: &ClassSet, _: BundleFacts, _: &Shared, _: Ways) {}
}
