//! Where in a configuration file something is wrong, in the words of people who edit it.

use std::fmt;

/// Most typing errors that still make a key the nearest.
const MAX_DISTANCE: usize = 3;

/// Line, column and key of an error, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key in that line, or the name of the section; empty if there is none.
    pub key: String,
    /// What is wrong there, in words for people.
    pub message: String,
    /// The known key that was most likely meant.
    pub nearest: Option<String>,
}

/// What is wrong with a section as a whole.
#[derive(Debug)]
pub(super) struct SectionFault {
    /// As it stands in the file.
    header: &'static str,
    /// Which of those with this header, from 0.
    at: usize,
    message: String,
}

impl SectionFault {
    pub(super) fn new(header: &'static str, at: usize, message: String) -> Self {
        Self { header, at, message }
    }
}

impl Location {
    /// The header of the section, or the beginning of the file where it is written in another way.
    pub(super) fn in_section(text: &str, fault: SectionFault) -> Self {
        let mut headers = text.lines().zip(1..).filter(|(row, _)| {
            let row = row.split('#').next().unwrap_or_default();
            row.trim() == fault.header
        });
        let line = headers.nth(fault.at).map_or(1, |(_, line)| line);
        Self {
            line,
            column: 1,
            key: fault.header.trim_matches(['[', ']']).to_owned(),
            message: fault.message,
            nearest: None,
        }
    }

    pub(super) fn of(text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..at).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let row = text.get(start..).unwrap_or("").lines().next().unwrap_or("");
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        let nearest = nearest(&message);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(start..).map_or(0, |part| part.chars().count()) + 1,
            key: key_of(row).to_owned(),
            message,
            nearest,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None => Ok(()),
        }
    }
}

/// The key of a line, or the section that it opens.
fn key_of(row: &str) -> &str {
    let row = row.split('#').next().unwrap_or("").trim();
    if row.starts_with('[') {
        return row.trim_matches(['[', ']']);
    }
    row.split_once('=').map_or("", |(key, _)| key.trim())
}

/// The known name nearest to the unknown one, from serde's words: unknown field (or variant) `x`,
/// expected one of `a`, `b`.
fn nearest(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    // Who leaves the end out means that name: `ca` is `ca_file`.
    let distance = |name: &&str| match name.strip_prefix(unknown) {
        Some(_) => 1,
        None => strsim::osa_distance(unknown, name),
    };
    let best = names.min_by_key(distance)?;
    (distance(&best) <= MAX_DISTANCE).then(|| best.to_owned())
}
