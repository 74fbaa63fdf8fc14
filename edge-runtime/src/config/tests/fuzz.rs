//! Configurations at random: an error has a place, and nothing panics.

use testing::bolero::check;
use testing::fuzz::{Answers, DRAWN};

use crate::config::Config;

#[test]
fn whatever_a_configuration_says_it_is_read_or_refused_with_its_place() {
    let answers = Answers::default();
    check!(name = "config").with_iterations(DRAWN).for_each(|input: &[u8]| {
        let text = String::from_utf8_lossy(input);
        let config = Config::parse(&text);
        if let Err(place) = &config {
            assert!(place.column >= 1 && !place.message.is_empty(), "{place}");
            assert!((1..=text.lines().count() + 1).contains(&place.line), "{place}");
        }
        answers.count(&config);
    });
    answers.were_of_both_kinds();
}
