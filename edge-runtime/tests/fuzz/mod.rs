//! Configurations of random signs, and damaged ones: an error has a place, and nothing panics.

use proptest::prelude::*;

use edge_runtime::config::Config;
use testing::cases;

const EXAMPLE: &str = include_str!("../../config.example.toml");

fn check(text: &str) -> Result<(), TestCaseError> {
    if let Err(place) = Config::parse(text) {
        prop_assert!(
            place.line >= 1 && place.column >= 1 && !place.message.is_empty(),
            "{place}"
        );
        prop_assert!(place.line <= text.lines().count() + 1, "{place}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn any_text_is_read_or_refused_with_its_place(text in "\\PC*") {
        check(&text)?;
    }

    #[test]
    fn a_damaged_example_is_read_or_refused_with_its_place(
        at in any::<prop::sample::Index>(),
        length in 0usize..20,
        patch in "[a-z0-9_=\\[\\]{}\"'.,# \n-]{0,12}",
    ) {
        // The commented sections count as well.
        let mut text = EXAMPLE.replace("\n# ", "\n").replace("\n#\n", "\n\n");
        let start = at.index(text.len());
        let start = (0..=start).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let end = (start + length..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        text.replace_range(start..end, &patch);
        check(&text)?;
    }
}
