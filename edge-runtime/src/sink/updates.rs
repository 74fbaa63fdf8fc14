//! The bundles of a device, as people see them from afar, and the one wish that they may have.
//!
//! What can be wished for is the bundle that the device found by itself. No name, version or address is ever
//! taken from outside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use update::Offer;

/// The only message that is followed.
pub const INSTALL: &str = "INSTALL";

/// Where the device tells what it has, and hears what is wished for.
#[derive(Debug, Default)]
pub struct Updates {
    offer: Mutex<Offer>,
    wished: AtomicBool,
}

impl Updates {
    /// Tells what there is now.
    pub fn tell(&self, offer: Offer) {
        *self.offer.lock().unwrap_or_else(PoisonError::into_inner) = offer;
    }

    /// What there is.
    pub fn offer(&self) -> Offer {
        *self.offer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows a message, if it is [`INSTALL`] and there is something to install. Returns false, and does nothing, for
    /// any other, and while nothing newer was found.
    pub fn obey(&self, message: &[u8]) -> bool {
        let Offer {
            installed,
            latest,
            in_progress,
        } = self.offer();
        let possible = latest > installed && !in_progress;
        let followed = possible && message == INSTALL.as_bytes();
        if followed {
            self.wished.store(true, Ordering::Relaxed);
        }
        followed
    }

    /// Whether an update is wished for; a wish is told once.
    pub fn take_wish(&self) -> bool {
        self.wished.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found() -> Updates {
        let updates = Updates::default();
        updates.tell(Offer {
            installed: 2,
            latest: 3,
            in_progress: false,
        });
        updates
    }

    #[test]
    fn what_was_found_can_be_wished_for_once() {
        let updates = found();
        assert!(!updates.take_wish());
        assert!(updates.obey(b"INSTALL"));
        assert!(updates.take_wish() && !updates.take_wish());
    }

    #[test]
    fn nothing_can_be_wished_for_that_was_not_found_or_is_under_way() {
        let updates = Updates::default();
        assert!(!updates.obey(b"INSTALL"));
        for (installed, latest, in_progress) in [(3, 3, false), (3, 2, false), (2, 3, true)] {
            updates.tell(Offer {
                installed,
                latest,
                in_progress,
            });
            assert!(!updates.obey(b"INSTALL"), "{installed} {latest} {in_progress}");
        }
        assert!(!updates.take_wish());
    }

    proptest! {
        #![proptest_config(testing::cases(256))]

        #[test]
        fn other_messages_wish_for_nothing(message in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assume!(message != b"INSTALL");
            let updates = found();
            prop_assert!(!updates.obey(&message) && !updates.take_wish());
        }
    }
}
