//! What may be switched from outside while the program runs: a fixed set, each on or off.

use std::sync::atomic::{AtomicBool, Ordering};

/// Longest message in bytes that is looked at.
pub const MAX_MESSAGE: usize = 1024;

/// One switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// While on, no frame is judged: nothing is known, and lines are safe.
    Pause,
    /// While on, lines stay safe whatever is known; other sinks go on.
    Mute,
}

impl Switch {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Pause, Self::Mute];

    /// Its name in topics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Mute => "mute",
        }
    }
}

/// How the switches stand; all are off at the start.
#[derive(Debug, Default)]
pub struct Switches {
    pause: AtomicBool,
    mute: AtomicBool,
}

impl Switches {
    /// Whether a switch is on.
    pub fn is_on(&self, switch: Switch) -> bool {
        self.flag(switch).load(Ordering::Relaxed)
    }

    /// Follows a message: `ON` or `OFF` in ASCII, letter case aside. Returns false, and does nothing, for
    /// any other.
    pub fn obey(&self, switch: Switch, message: &[u8]) -> bool {
        if message.len() > MAX_MESSAGE {
            return false;
        }
        let on = message.eq_ignore_ascii_case(b"on");
        let known = on || message.eq_ignore_ascii_case(b"off");
        if known {
            self.flag(switch).store(on, Ordering::Relaxed);
        }
        known
    }

    fn flag(&self, switch: Switch) -> &AtomicBool {
        match switch {
            Switch::Pause => &self.pause,
            Switch::Mute => &self.mute,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_switch_is_set_on_its_own() {
        let switches = Switches::default();
        assert!(switches.obey(Switch::Mute, b"ON"));
        assert!(switches.is_on(Switch::Mute) && !switches.is_on(Switch::Pause));
        assert!(switches.obey(Switch::Mute, b"off"));
        assert!(!switches.is_on(Switch::Mute));
    }

    proptest! {
        #[test]
        fn other_messages_change_nothing(message in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assume!(!message.eq_ignore_ascii_case(b"on") && !message.eq_ignore_ascii_case(b"off"));
            let switches = Switches::default();
            switches.obey(Switch::Pause, b"on");
            for switch in Switch::ALL {
                prop_assert!(!switches.obey(switch, &message));
            }
            prop_assert!(switches.is_on(Switch::Pause) && !switches.is_on(Switch::Mute));
        }
    }
}
