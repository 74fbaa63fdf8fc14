//! Everything that is wrong with a configuration, not only the first.
//!
//! What is wrong is taken out, the line or the whole section, and the rest is read again. What is missing only because
//! something was taken out is no fault of the file.

use super::{Config, Location};

/// Most faults that are told.
const MAX: usize = 64;

/// A section that no configuration lacks.
const SOURCE: &str = "[source]\nuri = \"-\"";

/// The faults of a text, and what it says apart from them.
pub(super) struct Found {
    pub(super) faults: Vec<Location>,
    /// `None` where the text cannot be read any further.
    pub(super) rest: Option<Config>,
    /// Whether the source is the text's own.
    pub(super) has_source: bool,
}

/// Finds all that is wrong with a text, in the order of its lines.
pub(super) fn survey(text: &str) -> Found {
    let mut rest = Rest::new(text);
    let mut faults = Vec::new();
    let mut found = None;
    for _ in 0..MAX {
        match rest.read() {
            Ok(config) => {
                found = Some(config);
                break;
            }
            Err(Wrong { fault, told }) => {
                if told {
                    faults.push(Location {
                        line: fault.line.saturating_sub(rest.above).max(1),
                        ..fault.clone()
                    });
                }
                if !rest.take_out(&fault) {
                    break;
                }
            }
        }
    }
    faults.sort_by_key(|fault| (fault.line, fault.column));
    Found {
        faults,
        rest: found,
        has_source: rest.has_source,
    }
}

/// A fault, and whether the file is to blame.
struct Wrong {
    fault: Location,
    told: bool,
}

/// What is left of a text.
struct Rest {
    lines: Vec<String>,
    /// Lines that were put above the text.
    above: usize,
    /// Keys whose lines were taken out.
    keys: Vec<String>,
    /// Headers of the sections that were taken out, without brackets.
    sections: Vec<String>,
    has_source: bool,
}

impl Rest {
    fn new(text: &str) -> Self {
        Self {
            lines: text.lines().map(str::to_owned).collect(),
            above: 0,
            keys: Vec::new(),
            sections: Vec::new(),
            has_source: true,
        }
    }

    fn read(&self) -> Result<Config, Wrong> {
        let text = self.lines.join("\n");
        let parsed: Result<Config, _> = toml::from_str(&text);
        let mut config = parsed.map_err(|error| {
            let fault = Location::of(&text, &error);
            let told = !self.is_consequence(&fault);
            Wrong { fault, told }
        })?;
        config.join().map_err(|fault| Wrong {
            fault: Location::in_section(&text, fault),
            // What a section needs may have been taken out.
            told: self.sections.is_empty(),
        })?;
        Ok(config)
    }

    /// Whether something is missing only because it was taken out.
    fn is_consequence(&self, fault: &Location) -> bool {
        let Some(missing) = missing(&fault.message) else {
            return false;
        };
        let section = self.section(fault.line - 1).map(|at| header(&self.lines[at]));
        let below = |taken: &String| section.is_some_and(|section| section.starts_with(&format!("{taken}.")));
        self.keys.iter().any(|key| key == missing)
            || (self.sections.iter()).any(|taken| below(taken) || taken.rsplit('.').next() == Some(missing))
    }

    /// Takes out what a fault is about; `false` where nothing can be.
    fn take_out(&mut self, fault: &Location) -> bool {
        match missing(&fault.message) {
            Some("schema") => return self.put_above("schema = 1"),
            Some("source") => {
                self.has_source = false;
                return self.replaced(|lines| lines.push(SOURCE.to_owned()));
            }
            _ => {}
        }
        let at = fault.line - 1;
        let Some(row) = self.lines.get(at).cloned() else {
            return false;
        };
        let key = row.split_once('=').map(|(key, _)| key.trim().to_owned());
        match key {
            Some(key) if !row.trim_start().starts_with('[') && self.take_line(at, &key) => true,
            _ => self.take_section(at),
        }
    }

    fn take_line(&mut self, at: usize, key: &str) -> bool {
        let stand_in = match key.rsplit('.').next() {
            Some("schema") => format!("{key} = 1"),
            Some("uri") => format!("{key} = \"-\""),
            _ => String::new(),
        };
        if !self.replaced(|lines| lines[at] = stand_in) {
            return false;
        }
        let name = key.rsplit('.').next().unwrap_or(key);
        self.has_source &= name != "uri";
        self.keys.push(name.to_owned());
        true
    }

    fn take_section(&mut self, at: usize) -> bool {
        let Some(start) = self.section(at) else {
            return false;
        };
        let name = header(&self.lines[start]).to_owned();
        let end = (start + 1..self.lines.len()).find(|line| is_header(&self.lines[*line]));
        let end = end.unwrap_or(self.lines.len());
        let is_source = name == "source";
        let taken = self.replaced(|lines| {
            lines[start..end].iter_mut().for_each(String::clear);
            if is_source {
                lines.push(SOURCE.to_owned());
            }
        });
        self.has_source &= !is_source;
        self.sections.push(name);
        taken
    }

    fn put_above(&mut self, line: &str) -> bool {
        self.above += 1;
        self.replaced(|lines| lines.insert(0, line.to_owned()))
    }

    /// Changes the lines, if they then are others and still TOML.
    fn replaced(&mut self, change: impl FnOnce(&mut Vec<String>)) -> bool {
        let mut lines = self.lines.clone();
        change(&mut lines);
        let good = lines != self.lines && toml::from_str::<toml::Table>(&lines.join("\n")).is_ok();
        if good {
            self.lines = lines;
        }
        good
    }

    /// The line with the header of the section that a line is in.
    fn section(&self, at: usize) -> Option<usize> {
        let at = at.min(self.lines.len().checked_sub(1)?);
        (0..=at).rev().find(|line| is_header(&self.lines[*line]))
    }
}

fn is_header(line: &str) -> bool {
    let row = line.split('#').next().unwrap_or_default().trim();
    row.starts_with('[') && row.ends_with(']') && !row.contains(['=', ',', '{', '"'])
}

/// A header without its brackets.
fn header(line: &str) -> &str {
    let row = line.split('#').next().unwrap_or_default();
    row.trim().trim_matches(['[', ']']).trim()
}

/// The key that is missing, in serde's words.
fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line and key of each fault.
    fn faults(text: &str) -> Vec<String> {
        let found = survey(text).faults.into_iter();
        found.map(|fault| format!("{} {}", fault.line, fault.key)).collect()
    }

    #[test]
    fn every_fault_of_a_file_is_found_each_once_and_no_consequence_of_it() {
        let text = "schema = 1\nbundle = \"nowhere\"\nthreads = 3\n[source]\nuri = \"/dev/video0\"\n[face]\n\
                    min_face_px = 19\npolicy = \"larges\"\n[metrics]\nlisten = \"localhost:9464\"\n[sauce]\nx = 1\n\
                    [sink.mqtt]\nhost = \"mqtt://broker\"\ndevice = \"a\"\n[sink.mqtt.tls]\nca_fil = \"ca.pem\"\n\
                    [decide]\nenter = 0.9\n";
        let found = survey(text);
        let told = faults(text).join("\n");
        for part in [
            "3 threads",
            "min_face_px",
            "8 policy",
            "10 listen",
            "11 sauce",
            "17 ca_fil",
        ] {
            assert!(told.contains(part), "{told} does not speak of {part}");
        }
        let said = |words: &str| found.faults.iter().any(|fault| fault.message.contains(words));
        assert!(said("v4l2:/dev/video0") && said("no scheme"), "{told}");
        assert!(!found.has_source && !told.contains("missing"), "{told}");
        assert_eq!(found.faults.len(), 8, "{told}");
        let rest = found.rest.unwrap();
        assert_eq!(rest.bundle.to_str(), Some("nowhere"));
        assert_eq!(rest.decide.0.enter, 0.9);
    }

    #[test]
    fn what_is_in_order_is_read_as_ever() {
        let text = "schema = 1\n[source]\nuri = \"-\"\n";
        let found = survey(text);
        assert!(found.faults.is_empty() && found.has_source);
        assert_eq!(found.rest, Some(Config::parse(text).unwrap()));
    }

    #[test]
    fn what_is_missing_is_told_and_stands_in_no_other_faults_way() {
        assert_eq!(faults("[source]\nuri = \"-\"\n[face]\nmin_face_px = 1\n").len(), 2);
        assert_eq!(faults("schema = 1\nthreads = 3\n").len(), 2);
        assert_eq!(
            faults("schema = 1\n[source]\nuri = \"-\"\n[metrics]\n[sink.osc]\n").len(),
            2
        );
    }

    #[test]
    fn a_text_that_is_no_toml_has_one_fault_and_no_rest() {
        for text in ["", "schema = 1\n[source\n", "schema", "a = [\n1,\n"] {
            let found = survey(text);
            assert!(!found.faults.is_empty(), "{text}");
        }
        let found = survey("schema = 1\n[source\nuri = 1\n");
        assert!(found.faults.len() == 1 && found.rest.is_none());
    }

    proptest::proptest! {
        #![proptest_config(testing::cases(200))]

        #[test]
        fn whatever_is_written_is_surveyed_to_its_end(text in "(schema = 1\n)?([a-z\\[\\]=\"{}#., \n0-9]{0,80}\n?){0,3}") {
            let found = survey(&text);
            proptest::prop_assert_eq!(found.faults.is_empty(), Config::parse(&text).is_ok());
        }
    }
}
