use super::*;
use crate::config::Config;

const LEAST: &str = "schema = 1\nsource.uri = \"-\"\n[sink.mqtt]\nhost = \"broker\"\ndevice = \"hall-1\"\n";

fn parse(more: &str) -> Result<MqttConfig, String> {
    let config = Config::parse(&format!("{LEAST}{more}")).map_err(|place| place.to_string())?;
    Ok(config.sink.mqtt.unwrap())
}

#[test]
fn fills_in_the_defaults() {
    let config = parse("").unwrap();
    assert_eq!((config.port, config.name.as_str()), (1883, "hall-1"));
    assert_eq!(config.discovery, Discovery::Announce);
    assert_eq!(config.outbox.dir, Path::new(OUTBOX));
    assert_eq!(parse("tls = {}").unwrap().port, 8883);
}

#[test]
fn relative_paths_start_from_the_file() {
    let mut config = parse("credentials_file = \"login\"\ntls = { ca_file = \"ca.pem\" }").unwrap();
    config.beside(Path::new("/etc/edge-runtime"));
    assert_eq!(config.credentials_file.unwrap(), Path::new("/etc/edge-runtime/login"));
    assert_eq!(
        config.tls.unwrap().ca_file.unwrap(),
        Path::new("/etc/edge-runtime/ca.pem")
    );
    assert_eq!(config.outbox.dir, Path::new(OUTBOX));
}

#[test]
fn refuses_what_no_broker_would_take() {
    for (more, expected) in [
        ("port = 0", "6:8: `port`: must be a port"),
        ("name = \"\"", "`name`"),
        ("discovery_prefix = \"a/#\"", "without wildcards"),
        ("stats_s = 0", "`stats_s`"),
        ("tls = { cert_file = \"a\" }", "need each other"),
        ("tls = { ca = \"a\" }", "did you mean `ca_file`?"),
        ("outbox = { max_events = 3 }", "events from 16"),
        ("password = \"secret\"", "unknown field `password`"),
    ] {
        let error = parse(more).unwrap_err();
        assert!(error.contains(expected), "{error} instead of {expected}");
    }
    let error = Config::parse(&LEAST.replace("broker", "mqtt://broker")).unwrap_err();
    assert!(error.to_string().contains("no scheme"), "{error}");
    let error = Config::parse(&LEAST.replace("hall-1", "hall/1")).unwrap_err();
    assert!(error.to_string().contains("`device`: must be 1 to 64"), "{error}");
}

#[test]
fn the_host_is_the_host_alone() {
    let parse = |host: &str| {
        let text = LEAST.replace("broker", host);
        let config = Config::parse(&text).map_err(|place| place.to_string());
        config.map(|config| config.sink.mqtt.unwrap().host)
    };
    for (host, expected) in [
        ("broker.local", "broker.local"),
        ("[fe80::1]", "fe80::1"),
        ("::1", "::1"),
    ] {
        assert_eq!(parse(host).unwrap(), expected);
    }
    for (host, expected) in [
        ("127.0.0.1:1883", "write host = \"127.0.0.1\" and port = 1883"),
        ("[::1]:8883", "write host = \"::1\" and port = 8883"),
        ("mqtts://broker", "no scheme"),
        ("user:word@broker", "no user and no password"),
        ("bro ker", "must be a host name"),
        ("", "must be a host name"),
    ] {
        let error = parse(host).unwrap_err();
        assert!(error.contains(expected), "{error} instead of {expected}");
        assert!(!error.contains("word@"), "{error}");
    }
}

#[test]
fn names_show_what_they_are() {
    assert_eq!(parse("name = \"Empfangshalle Süd\"").unwrap().name, "Empfangshalle Süd");
    for name in [
        "a\\u0000b",
        "a\\nb",
        "a\\u001b[31m",
        "a\\u202eb",
        "a\\u2066b",
        "\\u200b",
        "  ",
    ] {
        let error = parse(&format!("name = \"{name}\"")).unwrap_err();
        assert!(error.contains("letters that are seen"), "{error}");
    }
}

#[test]
fn ids_have_the_characters_that_home_assistant_takes() {
    let long = "x".repeat(65);
    for (id, good) in [
        ("hall_1-B", true),
        ("", false),
        ("a b", false),
        ("a/b", false),
        ("é", false),
        (&long, false),
    ] {
        assert_eq!(is_device_id(id), good, "{id}");
    }
}
