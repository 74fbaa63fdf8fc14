//! Names of the topics of one device.

use crate::switches::Switch;

/// The topics of one device, below `emotion/<id>`.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    id: String,
    /// First level of Home Assistant's own topics.
    prefix: String,
}

impl Topics {
    pub(super) fn new(id: &str, prefix: &str) -> Self {
        Self {
            id: id.to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn availability(&self) -> String {
        self.own("availability")
    }

    pub(super) fn state(&self) -> String {
        self.own("state")
    }

    pub(super) fn event(&self) -> String {
        self.own("event")
    }

    pub(super) fn stats(&self) -> String {
        self.own("stats")
    }

    pub(super) fn set(&self, switch: Switch) -> String {
        self.own(&format!("set/{}", switch.name()))
    }

    /// Where the update that the device found is requested.
    pub(super) fn install(&self) -> String {
        self.own("set/update")
    }

    /// Where Home Assistant learns of the device.
    pub(super) fn discovery(&self) -> String {
        format!("{}/device/{}/config", self.prefix, self.id)
    }

    /// Where Home Assistant tells that it has started.
    pub(super) fn birth(&self) -> String {
        format!("{}/status", self.prefix)
    }

    /// What the broker keeps of the device.
    pub(super) fn kept(&self) -> [String; 3] {
        [self.discovery(), self.state(), self.availability()]
    }

    /// The switch that a topic sets.
    pub(super) fn switch(&self, topic: &str) -> Option<Switch> {
        Switch::ALL.into_iter().find(|switch| self.set(*switch) == topic)
    }

    fn own(&self, leaf: &str) -> String {
        format!("emotion/{}/{leaf}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_those_of_the_convention() {
        let topics = Topics::new("hall-1", "homeassistant");
        assert_eq!(topics.availability(), "emotion/hall-1/availability");
        assert_eq!(topics.state(), "emotion/hall-1/state");
        assert_eq!(topics.event(), "emotion/hall-1/event");
        assert_eq!(topics.stats(), "emotion/hall-1/stats");
        assert_eq!(topics.set(Switch::Pause), "emotion/hall-1/set/pause");
        assert_eq!(topics.install(), "emotion/hall-1/set/update");
        assert_eq!(topics.discovery(), "homeassistant/device/hall-1/config");
        assert_eq!(topics.birth(), "homeassistant/status");
    }

    #[test]
    fn only_its_own_switches_are_known() {
        let topics = Topics::new("a", "homeassistant");
        assert_eq!(topics.switch("emotion/a/set/mute"), Some(Switch::Mute));
        for topic in [
            "emotion/b/set/mute",
            "emotion/a/set/bundle",
            "emotion/a/set/update",
            "emotion/a/set",
            "",
            "emotion/a/set/mute/x",
        ] {
            assert_eq!(topics.switch(topic), None, "{topic}");
        }
    }
}
