//! Files of days at random: what is no day is refused, and nothing panics.

use testing::fuzz::{Target, corpus, kind};

use crate::counts::day::{decode, encode, sum};

const PARTS: [&[u8]; 12] = [
    b"{",
    b"}",
    b"\"",
    b":",
    b",",
    b"18446744073709551615",
    b"-1",
    b"1e999",
    b"\"96\"",
    b"\"0\"",
    b"null",
    b"\"schema\":1",
];

#[test]
fn whatever_a_file_of_counts_says_it_is_refused_or_can_be_summed() {
    let target = Target {
        name: "counts",
        seeds: corpus("counts"),
        parts: &PARTS,
        usual: 1000,
    };
    let report = target.run(|input| match decode(input) {
        Ok(day) => {
            sum(&day);
            assert!(decode(&encode(&day)).unwrap() == day);
            "read".to_owned()
        }
        Err(error) => kind(&error.to_string()),
    });
    assert!(report.kinds.len() > 10, "{:?}", report.kinds);
}
