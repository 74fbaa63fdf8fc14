//! The files of the pages, which are part of the program.

/// A file and its type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";
const SVG: &str = "image/svg+xml";
const FONT: &str = "font/woff2";
const LICENCE: &str = "text/plain; charset=utf-8";

/// Files below `edge-runtime/pages`, each with its type.
macro_rules! assets {
    ($($name:literal: $kind:expr),* $(,)?) => {
        [$(Asset {
            name: $name,
            kind: $kind,
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/pages/", $name)),
        }),*]
    };
}

static ASSETS: [Asset; 27] = assets! {
    "aim.css": CSS,
    "aim.html": HTML,
    "aim.js": SCRIPT,
    "base.css": CSS,
    "build.js": SCRIPT,
    "chart.js": SCRIPT,
    "face.js": SCRIPT,
    "fonts/OFL.txt": LICENCE,
    "fonts/atkinson-latin-ext.woff2": FONT,
    "fonts/atkinson-latin.woff2": FONT,
    "icon.svg": SVG,
    "index.html": HTML,
    "lang/de.json": JSON,
    "lang/en.json": JSON,
    "lang/fr.json": JSON,
    "live.js": SCRIPT,
    "media.js": SCRIPT,
    "meters.js": SCRIPT,
    "mirror.js": SCRIPT,
    "operator.css": CSS,
    "operator.html": HTML,
    "operator.js": SCRIPT,
    "signin.html": HTML,
    "signin.js": SCRIPT,
    "visitor.css": CSS,
    "visitor.js": SCRIPT,
    "words.js": SCRIPT,
};

/// The file of this name.
pub(super) fn asset(name: &str) -> Option<Asset> {
    ASSETS.iter().find(|asset| asset.name == name).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::page::settings::LANGUAGES;

    /// Every file below a folder, by its path from there.
    fn files(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                files(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name);
            }
        }
    }

    #[test]
    fn every_file_of_the_pages_is_in_the_program() {
        let mut found = BTreeSet::new();
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("pages"), "", &mut found);
        let embedded: BTreeSet<String> = ASSETS.iter().map(|asset| asset.name.to_owned()).collect();
        assert_eq!(found, embedded);
        assert!(asset("../Cargo.toml").is_none() && asset("").is_none());
    }

    #[test]
    fn pages_name_nothing_outside_and_hold_no_script_of_their_own() {
        for asset in ASSETS
            .iter()
            .filter(|asset| asset.kind != FONT && asset.kind != LICENCE)
        {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            let outside: Vec<&str> = text.lines().filter(|line| line.contains("://")).collect();
            let allowed = |line: &&&str| line.contains("http://www.w3.org/");
            assert_eq!(
                outside.iter().filter(allowed).count(),
                outside.len(),
                "{}: {outside:?}",
                asset.name
            );
            if asset.kind == HTML {
                assert!(
                    !text.contains("style=") && !text.contains("onclick") && !text.contains("<style"),
                    "{}",
                    asset.name
                );
                let scripts = text.matches("<script").count();
                assert_eq!(
                    scripts,
                    text.matches("<script type=\"module\" src=\"/assets/").count(),
                    "{}",
                    asset.name
                );
            }
        }
    }

    /// Paths of all texts of a file of words.
    fn keys(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => map
                .iter()
                .for_each(|(key, value)| keys(value, &format!("{path}.{key}"), found)),
            _ => assert!(found.insert(path.to_owned())),
        }
    }

    #[test]
    fn all_languages_say_the_same_things_in_the_same_places() {
        let words = |language: &str| {
            let file = asset(&format!("lang/{language}.json")).unwrap();
            let value: Value = serde_json::from_slice(file.bytes).unwrap();
            assert_eq!(value["language"], language);
            let mut found = BTreeSet::new();
            keys(&value, "", &mut found);
            found
        };
        let english = words("en");
        assert!(english.contains(".expression.verdicts.neutral") && english.len() > 100);
        for language in LANGUAGES {
            assert_eq!(words(language), english, "{language}");
        }
    }
}
