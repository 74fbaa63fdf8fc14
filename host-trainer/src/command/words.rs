//! Command lines as text.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_or_change_them() {
        let words = ["host-trainer", "--data", "my faces/a'b.csv", "", "$HOME"].map(str::to_owned);
        assert_eq!(shell(words), r"host-trainer --data 'my faces/a'\''b.csv' '' '$HOME'");
    }
}
