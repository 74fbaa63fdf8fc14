//! Command lines as text.

use shared_model::manifest::Precision;

/// Words as a shell takes them.
pub(crate) fn shell(words: impl IntoIterator<Item = String>) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+".contains(letter);
    let quoted = words.into_iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// The command that this process was started with.
pub(crate) fn own() -> String {
    // An argument that is no text is shown as well as it can be.
    shell(std::env::args_os().map(|word| word.to_string_lossy().into_owned()))
}

/// A time in the unit that fits it.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{seconds:.0} s")
    } else if seconds < 5400.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

/// A precision by its name.
pub(super) fn precision(name: &str) -> Result<Precision, String> {
    let known = [Precision::F32, Precision::Int8];
    let found = known.into_iter().find(|precision| precision.name() == name);
    found.ok_or_else(|| "neither f32 nor int8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_the_unit_that_fits_it() {
        let told = [7.4, 89.0, 119.0, 5000.0, 7200.0].map(duration);
        assert_eq!(told, ["7 s", "89 s", "2 min", "83 min", "2.0 h"]);
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_split_or_change_them() {
        let words = ["host-trainer", "--data", "my faces/a'b.csv", "", "$HOME"].map(str::to_owned);
        assert_eq!(shell(words), r"host-trainer --data 'my faces/a'\''b.csv' '' '$HOME'");
    }
}
