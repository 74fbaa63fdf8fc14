//! JSON lines: every new state, and every judged face for those who want them.

use std::io::{self, Write};

use serde::Serialize;
use shared_model::message::{FaceLine, State};

use super::{SignalSink, SinkError};

/// Whether judged faces are written as well as states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faces {
    /// One line a judged frame.
    Show,
    /// States alone, no line for each face.
    Hide,
}

/// Writes one JSON object a line and hands it on at once.
pub struct JsonLines<W> {
    out: W,
    faces: Faces,
}

impl<W: Write> JsonLines<W> {
    /// A sink that writes its lines to `out`.
    pub fn new(out: W, faces: Faces) -> Self {
        Self { out, faces }
    }

    /// Writes one line, whatever it is.
    ///
    /// # Errors
    ///
    /// When the output cannot be written; [`SinkError::Closed`] when nobody reads it any more.
    pub fn write(&mut self, line: &impl Serialize) -> Result<(), SinkError> {
        serde_json::to_writer(&mut self.out, line).map_err(io::Error::from)?;
        self.out.write_all(b"\n")?;
        Ok(self.out.flush()?)
    }
}

impl<W: Write> SignalSink for JsonLines<W> {
    fn name(&self) -> &'static str {
        "stdout"
    }

    fn show(&mut self, state: &State) -> Result<(), SinkError> {
        self.write(state)
    }

    fn frame(&mut self, line: &FaceLine<'_>) -> Result<(), SinkError> {
        match self.faces {
            Faces::Show => self.write(line),
            Faces::Hide => Ok(()),
        }
    }

    fn close(&mut self) -> Result<(), SinkError> {
        Ok(self.out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_model::Text;
    use shared_model::message::Verdict;

    fn state() -> State {
        State {
            boot: Text::try_from("b").unwrap(),
            sequence: 3,
            time_ms: 40,
            emotion: Verdict::Uncertain,
            confidence: 0.0,
            face: true,
            reason: None,
        }
    }

    const NOBODY: FaceLine<'_> = FaceLine {
        input: "x",
        frame: 1,
        time_ms: Some(40),
        face: None,
    };

    #[test]
    fn writes_one_object_a_line() {
        let mut out = Vec::new();
        let mut sink = JsonLines::new(&mut out, Faces::Show);
        sink.show(&state()).unwrap();
        sink.frame(&NOBODY).unwrap();
        sink.close().unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].contains(r#""emotion":"uncertain""#) && lines[0].contains(r#""sequence":3"#));
        assert_eq!(lines[1], r#"{"input":"x","frame":1,"time_ms":40,"face":null}"#);
    }

    #[test]
    fn leaves_faces_out_unless_asked() {
        let mut out = Vec::new();
        JsonLines::new(&mut out, Faces::Hide).frame(&NOBODY).unwrap();
        assert!(out.is_empty());
    }

    #[test]
    fn tells_a_reader_who_left_from_other_errors() {
        struct Broken(io::ErrorKind);
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let show = |kind| JsonLines::new(Broken(kind), Faces::Hide).show(&state());
        assert!(matches!(show(io::ErrorKind::BrokenPipe), Err(SinkError::Closed)));
        assert!(matches!(show(io::ErrorKind::StorageFull), Err(SinkError::Io(_))));
    }
}
