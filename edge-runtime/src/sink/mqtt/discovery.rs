//! What Home Assistant is told, so that the device shows up by itself: its *device discovery* (2024.11 and
//! later), <https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>.

use serde_json::{Value, json};
use shared_model::emotion::ClassSet;
use shared_model::message::Verdict;

use super::super::updates::INSTALL;
use super::Counting;
use super::topics::Topics;
use crate::switches::Switch;

/// Whether the device checks for updates by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Updating {
    Looks,
    Never,
}

/// What a device has that another may lack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extras {
    pub(super) updating: Updating,
    pub(super) counting: Counting,
    /// What kind of machine it is, where it says so.
    pub(super) hardware: Option<String>,
    /// Where people find help, where there is such a place.
    pub(super) support_url: Option<String>,
}

/// The homepage of this program, where its package names one.
pub(super) fn homepage() -> Option<String> {
    let homepage = env!("CARGO_PKG_HOMEPAGE");
    (!homepage.is_empty()).then(|| homepage.to_owned())
}

/// The message that makes the device known; an empty one removes it.
///
/// What was announced earlier and is not in the message any more is removed, too.
pub(super) fn payload(topics: &Topics, name: &str, classes: &ClassSet, extras: &Extras) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let mut components = serde_json::Map::new();
    components.insert("emotion".to_owned(), emotion(topics, classes));
    components.insert("confidence".to_owned(), confidence(topics));
    components.insert("face".to_owned(), face(topics));
    components.insert("verdict".to_owned(), verdict(topics, classes));
    for switch in Switch::ALL {
        components.insert(switch.name().to_owned(), toggle(topics, switch));
    }
    components.extend(diagnostics(topics));
    if extras.counting == Counting::On {
        components.extend(counters(topics, classes));
    }
    if extras.updating == Updating::Looks {
        components.insert("update".to_owned(), update(topics));
    }
    for (key, component) in &mut components {
        // By what the entity is called until somebody renames it; ids of Home Assistant have no hyphens.
        let platform = component["p"].as_str().unwrap_or_default();
        let entity = format!("{platform}.{}_{key}", topics.id())
            .to_lowercase()
            .replace('-', "_");
        component["default_entity_id"] = entity.into();
    }
    let mut device = json!({ "ids": [topics.id()], "name": name, "mdl": "Emotion kiosk", "sw": version });
    if let Some(model) = &extras.hardware {
        device["hw"] = model.as_str().into();
    }
    let mut origin = json!({ "name": env!("CARGO_PKG_NAME"), "sw": version });
    if let Some(url) = &extras.support_url {
        origin["url"] = url.as_str().into();
    }
    let message = json!({
        "dev": device,
        "o": origin,
        "cmps": components,
        "availability_topic": topics.availability(),
        // `stopped` is neither of the two words that Home Assistant knows.
        "availability_template": "{{ 'online' if value == 'online' else 'offline' }}",
        "qos": 1,
    });
    message.to_string().into_bytes()
}

fn emotion(topics: &Topics, classes: &ClassSet) -> Value {
    json!({
        "p": "sensor",
        "unique_id": unique(topics, "emotion"),
        "name": "Emotion",
        "device_class": "enum",
        "options": verdicts(classes),
        "state_topic": topics.state(),
        "value_template": "{{ value_json.emotion }}",
    })
}

/// What a verdict can be.
fn verdicts(classes: &ClassSet) -> Vec<String> {
    let others = [Verdict::Uncertain, Verdict::NoFace, Verdict::Unknown];
    let all = classes.iter().chain(others.iter().map(Verdict::as_str));
    all.map(str::to_owned).collect()
}

/// An event for each verdict, for automations: a state that comes again is one as well.
fn verdict(topics: &Topics, classes: &ClassSet) -> Value {
    json!({
        "p": "event",
        "unique_id": unique(topics, "verdict"),
        "name": "Verdict",
        "event_types": verdicts(classes),
        "state_topic": topics.event(),
        "value_template": "{{ {'event_type': value_json.emotion, 'confidence': value_json.confidence, \
                           'sequence': value_json.sequence} | to_json }}",
    })
}

/// How the device is doing. What a machine does not tell is `None`, which Home Assistant shows as unknown.
fn diagnostics(topics: &Topics) -> Vec<(String, Value)> {
    let sensor = |key: &str, name: &str, path: &str, more: Value| {
        let mut sensor = json!({
            "p": "sensor",
            "unique_id": unique(topics, key),
            "name": name,
            "entity_category": "diagnostic",
            "state_topic": topics.stats(),
            "value_template": format!("{{{{ value_json.get({path}) }}}}"),
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            sensor[key] = value.clone();
        }
        (key.to_owned(), sensor)
    };
    let measured = |unit: &str| json!({ "state_class": "measurement", "unit_of_measurement": unit });
    let mut temperature = measured("°C");
    temperature["device_class"] = "temperature".into();
    vec![
        sensor("temperature", "Temperature", "'temperature_c'", temperature),
        sensor("fps", "Frame rate", "'fps'", measured("fps")),
        sensor(
            "outbox",
            "Waiting events",
            "'outbox', {}).get('waiting'",
            json!({ "state_class": "measurement" }),
        ),
        sensor("bundle", "Running bundle", "'bundle'", json!({})),
        sensor(
            "threshold",
            "Threshold",
            "'threshold'",
            json!({ "state_class": "measurement" }),
        ),
    ]
}

fn confidence(topics: &Topics) -> Value {
    json!({
        "p": "sensor",
        "unique_id": unique(topics, "confidence"),
        "name": "Confidence",
        "unit_of_measurement": "%",
        "state_class": "measurement",
        "state_topic": topics.state(),
        "value_template": "{{ (value_json.confidence * 100) | round(1) }}",
    })
}

fn face(topics: &Topics) -> Value {
    json!({
        "p": "binary_sensor",
        "unique_id": unique(topics, "face"),
        "name": "Face",
        "device_class": "occupancy",
        "state_topic": topics.state(),
        "value_template": "{{ 'ON' if value_json.face else 'OFF' }}",
    })
}

fn toggle(topics: &Topics, switch: Switch) -> Value {
    let name = switch.name();
    let (first, rest) = name.split_at(1);
    json!({
        "p": "switch",
        "unique_id": unique(topics, name),
        "name": format!("{}{rest}", first.to_uppercase()),
        "command_topic": topics.set(switch),
        "state_topic": topics.stats(),
        "value_template": format!("{{{{ 'ON' if value_json.{name} else 'OFF' }}}}"),
    })
}

/// Shows the bundles, and brings in the one that the device found.
fn update(topics: &Topics) -> Value {
    json!({
        "p": "update",
        "unique_id": unique(topics, "update"),
        "name": "Bundle",
        "title": "Bundle",
        "entity_category": "config",
        "state_topic": topics.stats(),
        // `value_json.update` would be the method of that name.
        "value_template": "{{ value_json['update'] | to_json }}",
        "command_topic": topics.install(),
        "payload_install": INSTALL,
    })
}

/// A sensor for each sum of visitors; they never get less.
fn counters(topics: &Topics, classes: &ClassSet) -> Vec<(String, Value)> {
    let counter = |key: String, name: String, path: String| {
        let sensor = json!({
            "p": "sensor",
            "unique_id": unique(topics, &key),
            "name": name,
            "state_class": "total_increasing",
            "state_topic": topics.stats(),
            "value_template": format!("{{{{ value_json['counts']{path} }}}}"),
        });
        (key, sensor)
    };
    let sums = [
        ("visitors", "Visitors"),
        ("attentive", "Attentive visitors"),
        ("smiles", "Smiles"),
    ];
    let sums = sums.map(|(key, name)| counter(key.to_owned(), name.to_owned(), format!("['{key}']")));
    let told = classes.iter().map(|label| {
        let path = format!("['told'].get('{label}', 0)");
        counter(format!("told_{label}"), format!("Visitors told {label}"), path)
    });
    sums.into_iter().chain(told).collect()
}

fn unique(topics: &Topics, component: &str) -> String {
    format!("{}_{component}", topics.id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::settings::is_device_id as is_id;

    const EVERYTHING: Extras = Extras {
        updating: Updating::Looks,
        counting: Counting::On,
        hardware: None,
        support_url: None,
    };

    fn message() -> Value {
        let topics = Topics::new("hall-1", "homeassistant");
        serde_json::from_slice(&payload(&topics, "Hall", &ClassSet::product(), &EVERYTHING)).unwrap()
    }

    #[test]
    fn device_and_origin_are_there() {
        let message = message();
        assert_eq!(message["dev"]["ids"], json!(["hall-1"]));
        assert_eq!(message["dev"]["name"], "Hall");
        assert_eq!(message["o"]["name"], "edge-runtime");
    }

    #[test]
    fn every_component_has_a_platform_and_an_id_of_its_own() {
        let message = message();
        let components = message["cmps"].as_object().unwrap();
        let mut ids: Vec<&str> = components
            .values()
            .map(|it| it["unique_id"].as_str().unwrap())
            .collect();
        for (key, component) in components {
            assert!(is_id(key) && component["p"].is_string(), "{key}");
            let entity = component["default_entity_id"].as_str().unwrap();
            assert!(entity.starts_with(&format!("{}.hall_1_", component["p"].as_str().unwrap())));
            assert!(component.get("object_id").is_none(), "{key}");
        }
        assert!(ids.iter().all(|id| is_id(id)));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), components.len());
    }

    #[test]
    fn verdicts_are_events_and_diagnostics_are_set_apart() {
        let message = message();
        let verdict = &message["cmps"]["verdict"];
        assert_eq!(
            (&verdict["p"], &verdict["state_topic"]),
            (&json!("event"), &json!("emotion/hall-1/event"))
        );
        assert_eq!(verdict["event_types"], message["cmps"]["emotion"]["options"]);
        assert_eq!(verdict["default_entity_id"], "event.hall_1_verdict");
        for key in ["temperature", "fps", "outbox", "bundle", "threshold"] {
            assert_eq!(message["cmps"][key]["entity_category"], "diagnostic", "{key}");
        }
        let outbox = &message["cmps"]["outbox"]["value_template"];
        assert_eq!(outbox, "{{ value_json.get('outbox', {}).get('waiting') }}");
    }

    #[test]
    fn the_emotion_is_an_enumeration_of_all_that_can_be_said() {
        let six = ClassSet::new(&["Angry", "Disgust", "Sad", "Happy", "Surprise", "Neutral"]).unwrap();
        let topics = Topics::new("hall-1", "homeassistant");
        let message: Value = serde_json::from_slice(&payload(&topics, "Hall", &six, &EVERYTHING)).unwrap();
        let emotion = &message["cmps"]["emotion"];
        assert_eq!(emotion["device_class"], "enum");
        assert_eq!(
            emotion["options"],
            json!([
                "Angry",
                "Disgust",
                "Sad",
                "Happy",
                "Surprise",
                "Neutral",
                "uncertain",
                "no_face",
                "unknown"
            ])
        );
        assert!(emotion.get("state_class").is_none() && emotion.get("unit_of_measurement").is_none());
    }

    #[test]
    fn confidence_and_face_are_what_the_convention_says() {
        let message = message();
        let (confidence, face) = (&message["cmps"]["confidence"], &message["cmps"]["face"]);
        assert_eq!(
            (&confidence["unit_of_measurement"], &confidence["state_class"]),
            (&json!("%"), &json!("measurement"))
        );
        assert_eq!(
            (&face["p"], &face["device_class"]),
            (&json!("binary_sensor"), &json!("occupancy"))
        );
    }

    #[test]
    fn an_update_is_offered_where_the_device_looks_for_one() {
        let message = message();
        let update = &message["cmps"]["update"];
        assert_eq!(
            (&update["p"], &update["payload_install"]),
            (&json!("update"), &json!("INSTALL"))
        );
        assert_eq!(update["command_topic"], "emotion/hall-1/set/update");
        assert_eq!(update["state_topic"], "emotion/hall-1/stats");
        let topics = Topics::new("hall-1", "homeassistant");
        let nothing = Extras {
            updating: Updating::Never,
            counting: Counting::Off,
            hardware: Some("Board 1".to_owned()),
            support_url: Some("https://example.org/kiosk".to_owned()),
        };
        let without = payload(&topics, "Hall", &ClassSet::product(), &nothing);
        let without: Value = serde_json::from_slice(&without).unwrap();
        assert_eq!(without["dev"]["hw"], "Board 1");
        assert_eq!(without["o"]["url"], "https://example.org/kiosk");
        assert!(without["cmps"].get("update").is_none());
        assert!(without["cmps"].get("visitors").is_none());
    }

    #[test]
    fn what_is_counted_only_grows_and_every_class_has_a_sum() {
        let message = message();
        let visitors = &message["cmps"]["visitors"];
        assert_eq!(visitors["state_class"], "total_increasing");
        assert_eq!(visitors["state_topic"], "emotion/hall-1/stats");
        assert_eq!(visitors["value_template"], "{{ value_json['counts']['visitors'] }}");
        for label in ClassSet::product().iter() {
            let told = &message["cmps"][format!("told_{label}")];
            let template = format!("{{{{ value_json['counts']['told'].get('{label}', 0) }}}}");
            assert_eq!(told["value_template"], json!(template));
        }
    }

    #[test]
    fn switches_read_back_what_they_set() {
        let message = message();
        let pause = &message["cmps"]["pause"];
        assert_eq!(pause["command_topic"], "emotion/hall-1/set/pause");
        assert_eq!(pause["value_template"], "{{ 'ON' if value_json.pause else 'OFF' }}");
        assert_eq!(pause["name"], "Pause");
    }
}
