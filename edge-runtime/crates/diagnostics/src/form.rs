//! How a line of diagnostics looks.

use std::borrow::Cow;
use std::env;
use std::fmt::Write as _;
use std::io;

use tracing::Level;

/// The form in which each line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people: `warning: …`; what only informs stands alone.
    Terminal,
    /// For systemd's journal: `<4>…`, the priority of syslog.
    Journal,
}

/// One event, ready to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) target: &'static str,
    pub(crate) text: String,
}

impl Form {
    /// [`Form::Journal`] where systemd says that standard error is its journal (`JOURNAL_STREAM`, systemd.exec(5)).
    pub fn of_stderr() -> Self {
        let stream = env::var("JOURNAL_STREAM").unwrap_or_default();
        let own = rustix::fs::fstat(io::stderr()).map(|stat| format!("{}:{}", stat.st_dev, stat.st_ino));
        if own.is_ok_and(|own| own == stream) {
            Self::Journal
        } else {
            Self::Terminal
        }
    }

    /// The line with its end. What a terminal would obey is spelled out: names of files come from anybody. Line breaks
    /// inside are indented, so that nothing in it looks like a line of its own.
    pub(crate) fn write(self, line: &Line) -> String {
        let text = visible(line.text.trim_end()).replace('\n', "\n  ");
        let source = match line.level {
            Level::DEBUG | Level::TRACE => format!("{}: ", line.target),
            _ => String::new(),
        };
        match self {
            Self::Terminal => format!("{}{source}{text}\n", word(line.level)),
            Self::Journal => {
                let priority = priority(line.level);
                let text = text.replace('\n', &format!("\n<{priority}>"));
                format!("<{priority}>{source}{text}\n")
            }
        }
    }
}

/// Whether a character steers what shows it, turns the direction of text round, or cannot be seen at all.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A text as it may be shown: what steers a terminal, and the marks that turn text round or cannot be seen, are spelled out,
/// such as `\u{1b}`. Line breaks and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| is_hidden(c) && !matches!(c, '\n' | '\t');
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error: ",
        Level::WARN => "warning: ",
        Level::INFO => "",
        Level::DEBUG => "debug: ",
        Level::TRACE => "trace: ",
    }
}

/// Syslog's numbers: error 3, warning 4, informational 6, debug 7.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: Level, text: &str) -> Line {
        let (target, text) = ("vision::detect", text.to_owned());
        Line { level, target, text }
    }

    #[test]
    fn people_read_words_and_the_journal_reads_priorities() {
        let warning = line(Level::WARN, "frame skipped");
        assert_eq!(Form::Terminal.write(&warning), "warning: frame skipped\n");
        assert_eq!(Form::Journal.write(&warning), "<4>frame skipped\n");
        let detail = line(Level::DEBUG, "3 faces");
        assert_eq!(Form::Terminal.write(&detail), "debug: vision::detect: 3 faces\n");
        assert_eq!(Form::Terminal.write(&line(Level::INFO, "ready\n")), "ready\n");
    }

    #[test]
    fn names_of_files_steer_no_terminal() {
        let name = line(Level::ERROR, "open a\u{1b}[2J\u{7}\u{202e}gpj.exe\0: not there");
        let shown = "open a\\u{1b}[2J\\u{7}\\u{202e}gpj.exe\\u{0}: not there\n";
        assert_eq!(Form::Terminal.write(&name), format!("error: {shown}"));
        assert_eq!(Form::Journal.write(&name), format!("<3>{shown}"));
        assert!(matches!(visible("plain, \u{e4}\tb\nc"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_line_break_inside_begins_no_line_of_its_own() {
        let two = line(Level::ERROR, "broken\n<0>panic");
        assert_eq!(Form::Terminal.write(&two), "error: broken\n  <0>panic\n");
        assert_eq!(Form::Journal.write(&two), "<3>broken\n<3>  <0>panic\n");
    }
}
