//! Files of days at random: what is no day is refused, and nothing panics.

use testing::bolero::check;
use testing::fuzz::{Answers, DRAWN};

use crate::counts::day::{decode, encode, sum};

#[test]
fn whatever_a_file_of_counts_says_it_is_refused_or_can_be_summed() {
    let answers = Answers::default();
    check!(name = "counts").with_iterations(DRAWN).for_each(|input: &[u8]| {
        let day = decode(input);
        if let Ok(day) = &day {
            sum(day);
            assert!(decode(&encode(day)).unwrap() == *day);
        }
        answers.count(&day);
    });
    answers.were_of_both_kinds();
}
