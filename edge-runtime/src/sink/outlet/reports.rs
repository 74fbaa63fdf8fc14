//! What is told of a recipient that cannot be reached, and that it can be again.

use std::io;
use std::mem;
use std::sync::atomic::Ordering;

use super::OutletStatus;

/// Tells of failures, and of their end.
pub(super) struct Reports {
    name: &'static str,
    /// What is taken has not gone out yet.
    keeps: bool,
    failing: bool,
}

impl Reports {
    pub(super) fn new(name: &'static str, keeps: bool) -> Self {
        Self {
            name,
            keeps,
            failing: false,
        }
    }

    /// What was kept has gone out.
    pub(super) fn went_out(&mut self, status: &OutletStatus) {
        if mem::take(&mut self.failing) {
            let name = self.name;
            *status.lock_fault() = None;
            tracing::info!(about = name, "{name}: messages go out again");
        }
    }

    /// What became of a message.
    pub(super) fn note(&mut self, done: io::Result<()>, status: &OutletStatus) {
        let name = self.name;
        match done {
            Ok(()) => {
                status.sent.fetch_add(1, Ordering::Relaxed);
                if !self.keeps {
                    self.went_out(status);
                }
            }
            Err(error) => {
                status.failed.fetch_add(1, Ordering::Relaxed);
                self.failing = true;
                *status.lock_fault() = Some(error.to_string());
                tracing::warn!(about = name, "{name}: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_is_only_kept_is_no_sign_that_messages_go_out_again() {
        let status = OutletStatus::default();
        let failed = || Err(io::Error::other("the server answers 503"));
        for (keeps, still) in [(true, true), (false, false)] {
            let mut reports = Reports::new("webhook", keeps);
            reports.note(failed(), &status);
            reports.note(Ok(()), &status);
            assert_eq!(reports.failing, still);
            assert_eq!(status.fault().is_some(), still);
            reports.went_out(&status);
            assert!(!reports.failing && status.fault().is_none());
        }
    }
}
