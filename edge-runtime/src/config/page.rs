//! `[page]`: where the pages are served, to whom, and how they look.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::page::settings::{LANGUAGES, Language, PageConfig, PageTls, Vocabulary};

/// Most names that the kiosk may have.
const MAX_HOSTS: usize = 16;

/// `[page]`, read into the pages' own settings.
pub(super) fn page<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PageConfig>, D::Error> {
    let section = Option::<Page>::deserialize(deserializer)?;
    Ok(section.map(|Page(config)| config))
}

#[derive(Deserialize)]
#[serde(try_from = "RawPage")]
struct Page(PageConfig);

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawPage {
    /// Where the server listens: an address of this machine alone, or with `token_file` any.
    #[serde(deserialize_with = "super::ranges::listen")]
    #[schemars(with = "String")]
    listen: SocketAddr,
    /// File with the token that browsers on other machines have to send once; at least 128 random bits.
    token_file: Option<PathBuf>,
    /// Names by which browsers may call the kiosk, without ports.
    #[serde(deserialize_with = "hosts")]
    #[schemars(length(max = 16), inner(regex(pattern = r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$")))]
    hosts: Vec<String>,
    /// Directory with pictures, films and texts of verdicts.
    media: Option<PathBuf>,
    /// Language of the visitor's page: `de`, `en`, `fr`, or a file whose name ends with `.json`.
    #[serde(deserialize_with = "language")]
    #[schemars(with = "String")]
    language: Language,
    /// Whether the page names emotions, or only what can be seen.
    #[serde(deserialize_with = "vocabulary")]
    #[schemars(with = "RawVocabulary")]
    vocabulary: Vocabulary,
    /// Encryption for other machines; none without.
    tls: Option<RawPageTls>,
}

/// The section `[page.tls]`: certificate and key of the pages.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawPageTls {
    /// The server's certificate, and those between it and one that browsers trust, in PEM.
    cert_file: PathBuf,
    /// Path of the private key that belongs to it, in PEM.
    key_file: PathBuf,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RawVocabulary {
    /// By the emotion, such as "happy".
    Emotion,
    /// By what can be seen, such as "a smile".
    Expression,
}

impl Default for RawPage {
    fn default() -> Self {
        let PageConfig {
            listen,
            token_file,
            hosts,
            media,
            language,
            vocabulary,
            tls: _,
        } = PageConfig::default();
        Self {
            listen,
            token_file,
            hosts,
            media,
            language,
            vocabulary,
            tls: None,
        }
    }
}

impl TryFrom<RawPage> for Page {
    type Error = &'static str;

    fn try_from(raw: RawPage) -> Result<Self, Self::Error> {
        let RawPage {
            listen,
            token_file,
            hosts,
            media,
            language,
            vocabulary,
            tls,
        } = raw;
        if !listen.ip().is_loopback() && token_file.is_none() {
            return Err(
                "`listen` beyond the loopback needs `token_file`: a file with one line of 128 random bits or more",
            );
        }
        let tls = tls.map(|RawPageTls { cert_file, key_file }| PageTls { cert_file, key_file });
        Ok(Self(PageConfig {
            listen,
            token_file,
            hosts,
            media,
            language,
            vocabulary,
            tls,
        }))
    }
}

/// Lets relative paths start from `dir`.
pub(super) fn beside(config: &mut PageConfig, dir: &Path) {
    let tls = config.tls.iter_mut();
    let tls = tls.flat_map(|tls| [&mut tls.cert_file, &mut tls.key_file]);
    let words = match &mut config.language {
        Language::File(path) => Some(path),
        Language::Shipped(_) => None,
    };
    let paths = config.token_file.iter_mut().chain(config.media.iter_mut());
    for path in paths.chain(words).chain(tls) {
        *path = dir.join(&*path);
    }
}

fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let hosts = Vec::<String>::deserialize(deserializer)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let label = |label: &str| !label.is_empty() && label.chars().all(plain);
    let good = |host: &String| host.len() <= 253 && host.split('.').all(label);
    if hosts.len() <= MAX_HOSTS && hosts.iter().all(good) {
        return Ok(hosts);
    }
    Err(D::Error::custom(
        "must be up to 16 names without a port, such as \"kiosk.local\"",
    ))
}

fn language<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Language, D::Error> {
    let text = String::deserialize(deserializer)?;
    if let Some(shipped) = LANGUAGES.iter().find(|known| **known == text) {
        return Ok(Language::Shipped(shipped));
    }
    let path = PathBuf::from(text);
    if path.extension().is_some_and(|end| end == "json") {
        return Ok(Language::File(path));
    }
    Err(D::Error::custom(
        "must be \"de\", \"en\", \"fr\", or a file whose name ends with .json",
    ))
}

fn vocabulary<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vocabulary, D::Error> {
    Ok(match RawVocabulary::deserialize(deserializer)? {
        RawVocabulary::Emotion => Vocabulary::Emotion,
        RawVocabulary::Expression => Vocabulary::Expression,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(section: &str) -> Result<PageConfig, String> {
        let text = format!("schema = 1\nsource.uri = \"-\"\n[page]\n{section}");
        let parsed = Config::parse(&text).map_err(|place| place.to_string());
        parsed.map(|config| config.page.unwrap())
    }

    #[test]
    fn one_line_switches_the_pages_on_for_this_machine_alone() {
        assert_eq!(parse("").unwrap(), PageConfig::default());
        assert!(PageConfig::default().listen.ip().is_loopback());
        assert!(
            Config::parse("schema = 1\nsource.uri = \"-\"\n")
                .unwrap()
                .page
                .is_none()
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (section, expected) in [
            ("listen = \"0.0.0.0:8380\"", "needs `token_file`"),
            ("listen = \"8380\"", "an address and a port alone"),
            ("hosts = [\"kiosk.local:80\"]", "without a port"),
            ("hosts = [\"\"]", "without a port"),
            ("language = \"nl\"", "\"de\", \"en\", \"fr\""),
            ("vocabulary = \"expresion\"", "did you mean `expression`"),
            ("lisen = \"127.0.0.1:1\"", "did you mean `listen`"),
            ("tls = { cert_file = \"a\" }", "key_file"),
        ] {
            let error = parse(section).unwrap_err();
            assert!(error.contains(expected), "{section}: {error}");
        }
    }

    #[test]
    fn paths_start_from_the_file() {
        let mut config = parse(
            "listen = \"0.0.0.0:80\"\ntoken_file = \"t\"\nmedia = \"m\"\nlanguage = \"nl.json\"\n\
             hosts = [\"kiosk.local\", \"kiosk\"]\ntls = { cert_file = \"c\", key_file = \"/k\" }\n",
        )
        .unwrap();
        beside(&mut config, Path::new("/etc/x"));
        assert_eq!(config.token_file.unwrap(), Path::new("/etc/x/t"));
        assert_eq!(config.media.unwrap(), Path::new("/etc/x/m"));
        assert_eq!(config.language, Language::File("/etc/x/nl.json".into()));
        let tls = config.tls.unwrap();
        assert_eq!((tls.cert_file, tls.key_file), ("/etc/x/c".into(), "/k".into()));
    }
}
