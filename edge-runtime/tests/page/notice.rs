//! The notice on paper: what the page says, in all languages, on one sheet.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::chromium::Chromium;

const LANGUAGES: [&str; 3] = ["de", "en", "fr"];

/// The sheet for a vocabulary.
fn sheet(vocabulary: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(format!("docs/src/notice-{vocabulary}.html"))).unwrap()
}

fn words(language: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("pages/lang/{language}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_sheets_say_what_the_page_says_in_every_language() {
    for vocabulary in ["emotion", "expression"] {
        let sheet = sheet(vocabulary);
        for language in LANGUAGES {
            let words = &words(language)[vocabulary];
            let text = |key: &str| words[key].as_str().unwrap().to_owned();
            let section = format!(
                "<section lang=\"{language}\">\n        <h2>{}</h2>\n        <p>{}</p>\n      </section>",
                text("notice"),
                text("notice_more")
            );
            assert!(sheet.contains(&section), "{vocabulary}: {section}");
        }
        assert_eq!(sheet.matches("<section").count(), LANGUAGES.len());
        // It is printed from a file, wherever that lies.
        assert!(!sheet.contains("://") && !sheet.contains("src="), "{vocabulary}");
    }
}

#[test]
fn a_sheet_is_one_page_of_a4() {
    let Some(mut window) = Chromium::open(800, 1100) else {
        return;
    };
    for vocabulary in ["emotion", "expression"] {
        window.show(&sheet(vocabulary));
        let printed = window.printed();
        let pages = printed
            .windows(12)
            .filter(|part| part.starts_with(b"/Type /Page\n"))
            .count();
        assert_eq!(pages, 1, "{vocabulary}");
    }
}
