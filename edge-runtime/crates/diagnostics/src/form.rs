//! How a line of diagnostics looks.

use std::env;
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

    /// The line with its end. Line breaks inside are indented, so that nothing in it looks like a line of its own.
    pub(crate) fn write(self, line: &Line) -> String {
        let text = line.text.trim_end().replace('\n', "\n  ");
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
    fn a_line_break_inside_begins_no_line_of_its_own() {
        let two = line(Level::ERROR, "broken\n<0>panic");
        assert_eq!(Form::Terminal.write(&two), "error: broken\n  <0>panic\n");
        assert_eq!(Form::Journal.write(&two), "<3>broken\n<3>  <0>panic\n");
    }
}
