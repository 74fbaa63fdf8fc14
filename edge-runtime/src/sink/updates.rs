//! The bundles of a device, as people see them from afar, and the one request that they may make.
//!
//! What can be requested is the bundle that the device found by itself. No name, version or address is ever
//! taken from outside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use update::Offer;

/// The only message that requests an update.
pub const INSTALL: &str = "INSTALL";

/// What the device has to offer, and what was requested of it.
#[derive(Debug, Default)]
pub struct Updates {
    offer: Mutex<Offer>,
    requested: AtomicBool,
}

impl Updates {
    /// Replaces what there is to install.
    pub fn set_offer(&self, offer: Offer) {
        *self.offer.lock().unwrap_or_else(PoisonError::into_inner) = offer;
    }

    /// What there is to install, as it was set last.
    pub fn offer(&self) -> Offer {
        *self.offer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests an update, if the message is [`INSTALL`] and there is something to install. Returns false, and does nothing, for
    /// any other, and while nothing newer was found.
    pub fn request(&self, message: &[u8]) -> bool {
        let Offer {
            installed,
            latest,
            in_progress,
        } = self.offer();
        let possible = latest > installed && !in_progress;
        let requested = possible && message == INSTALL.as_bytes();
        if requested {
            self.requested.store(true, Ordering::Relaxed);
        }
        requested
    }

    /// Whether an update is requested; true once for each request.
    pub fn take_request(&self) -> bool {
        self.requested.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found() -> Updates {
        let updates = Updates::default();
        updates.set_offer(Offer {
            installed: 2,
            latest: 3,
            in_progress: false,
        });
        updates
    }

    #[test]
    fn what_was_found_can_be_wished_for_once() {
        let updates = found();
        assert!(!updates.take_request());
        assert!(updates.request(b"INSTALL"));
        assert!(updates.take_request() && !updates.take_request());
    }

    #[test]
    fn nothing_can_be_requested_that_was_not_found_or_is_in_progress() {
        let updates = Updates::default();
        assert!(!updates.request(b"INSTALL"));
        for (installed, latest, in_progress) in [(3, 3, false), (3, 2, false), (2, 3, true)] {
            updates.set_offer(Offer {
                installed,
                latest,
                in_progress,
            });
            assert!(!updates.request(b"INSTALL"), "{installed} {latest} {in_progress}");
        }
        assert!(!updates.take_request());
    }

    proptest! {
        #![proptest_config(testing::cases(256))]

        #[test]
        fn other_messages_request_nothing(message in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assume!(message != b"INSTALL");
            let updates = found();
            prop_assert!(!updates.request(&message) && !updates.take_request());
        }
    }
}
