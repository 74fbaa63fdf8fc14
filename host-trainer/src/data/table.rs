//! CSV rows one after the other, with the place of each fault.
//!
//! What stands in the columns is left to the readers of the single kinds of file.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Reader, ReaderBuilder, Trim};

use super::bounded::{Bounded, Row};
use super::unpack::{self, BUFFER};
use super::{BadRow, BadRows, DataError, Fault};

/// What may stand between two cells; the first counts where none is in the header.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Most of a header that a message shows, in letters.
const SHOWN_HEADER: usize = 160;

/// An open CSV file with a header.
pub(super) struct Table {
    path: PathBuf,
    reader: Reader<Bounded<Box<dyn Read>>>,
    /// How much of the row may still come.
    rest: Row,
    /// What stands between two cells.
    delimiter: u8,
    /// Column names without the blanks around them.
    header: Vec<String>,
    /// What the file is expected to hold, for messages.
    expected: &'static str,
    /// Number of the row read last; 0 before the first.
    row: u64,
    /// By how much the CSV reader's line numbers lag behind.
    late_lines: u64,
    bad_rows: BadRows,
    skipped: Vec<BadRow>,
}

/// What is wrong with a row and in which column (empty: the whole row).
pub(super) type RowFault = (String, Fault);

impl Table {
    /// Opens a file and reads its header; `expected` says in an error what the columns should be.
    pub(super) fn open(path: &Path, bad_rows: BadRows, expected: &'static str) -> Result<Self, DataError> {
        let path = path.to_owned();
        let text = unpack::open(&path)?;
        let layout = Layout::of(&text.head);
        let rest = Cursor::new(text.head).chain(text.rest);
        let mut rest: Box<dyn Read> = Box::new(rest);
        if let Err(error) = std::io::copy(&mut rest.by_ref().take(layout.start), &mut std::io::sink()) {
            return Err(DataError::Open { path, source: error });
        }
        let (bounded, row) = Bounded::new(rest);
        // Rows of another length are reported like any other bad row, so the CSV reader lets them pass.
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .trim(Trim::Headers)
            .delimiter(layout.delimiter)
            .buffer_capacity(BUFFER)
            .from_reader(bounded);
        let header = match reader.byte_headers() {
            Ok(names) => names.iter().map(|name| String::from_utf8_lossy(name).into_owned()),
            Err(source) => return Err(DataError::Read { path, source }),
        }
        .collect();
        Ok(Self {
            path,
            reader,
            rest: row,
            header,
            delimiter: layout.delimiter,
            expected,
            row: 0,
            late_lines: layout.late_lines,
            bad_rows,
            skipped: Vec::new(),
        })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of the row read last, from 1.
    pub(super) fn row(&self) -> u64 {
        self.row
    }

    /// Index of a column that must be there, letter case aside.
    pub(super) fn column(&self, name: &str) -> Result<usize, DataError> {
        self.optional_column(name)?.ok_or_else(|| DataError::Column {
            path: self.path.clone(),
            column: name.to_owned(),
            expected: self.expected,
            found: self.shown_header(),
        })
    }

    /// The header as a message shows it, with what may be wrong with it.
    fn shown_header(&self) -> String {
        let whole = self.header.join(", ");
        let shown: String = whole.chars().take(SHOWN_HEADER).collect();
        let more = if shown.len() < whole.len() { "..." } else { "" };
        let number = |cell: &String| {
            cell.split_whitespace()
                .next()
                .is_some_and(|word| word.parse::<f64>().is_ok())
        };
        let data = self.header.iter().any(number);
        let hint = if data {
            "; its first line looks like data, and needs a header above it"
        } else {
            ""
        };
        format!("{shown}{more}{hint}")
    }

    /// A cell with a number, whose decimal mark is a comma where cells are not parted by one.
    pub(super) fn decimal(&self, cell: &[u8]) -> Option<f64> {
        let text = std::str::from_utf8(cell.trim_ascii()).ok()?;
        if self.delimiter != b',' && text.contains(',') {
            return text.replacen(',', ".", 1).parse().ok();
        }
        text.parse().ok()
    }

    /// Index of a column that may be there, letter case aside.
    pub(super) fn optional_column(&self, name: &str) -> Result<Option<usize>, DataError> {
        let mut found = (0..self.header.len()).filter(|at| self.header[*at].eq_ignore_ascii_case(name));
        let first = found.next();
        if found.next().is_some() {
            let (path, column) = (self.path.clone(), name.to_owned());
            return Err(DataError::DuplicateColumn { path, column });
        }
        Ok(first)
    }

    /// Reads the next row into `record`; `false` at the end of the file.
    ///
    /// Rows whose number of fields differs from the header's count as bad and do not arrive.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<bool, DataError> {
        loop {
            self.rest.begin();
            let read = self.reader.read_byte_record(record);
            match read {
                Ok(true) => self.row += 1,
                Ok(false) => return Ok(false),
                Err(source) => {
                    let path = self.path.clone();
                    return Err(DataError::Read { path, source });
                }
            }
            let (expected, found) = (self.header.len(), record.len());
            if expected == found {
                return Ok(true);
            }
            self.bad(record, (String::new(), Fault::Fields { expected, found }))?;
        }
    }

    /// Notes a bad row, or refuses it.
    pub(super) fn bad(&mut self, record: &ByteRecord, (column, fault): RowFault) -> Result<(), DataError> {
        let bad = BadRow {
            row: self.row,
            line: record.position().map_or(0, csv::Position::line) + self.late_lines,
            column,
            fault,
        };
        match self.bad_rows {
            BadRows::Refuse => Err(DataError::Row {
                path: self.path.clone(),
                bad,
            }),
            BadRows::Skip => {
                self.skipped.push(bad);
                Ok(())
            }
        }
    }

    /// The bad rows noted so far.
    pub(super) fn into_skipped(self) -> Vec<BadRow> {
        self.skipped
    }
}

/// How a table is laid out.
struct Layout {
    /// Bytes before the header.
    start: u64,
    delimiter: u8,
    /// By how much the CSV reader's line numbers lag behind.
    late_lines: u64,
}

impl Layout {
    /// That of a file that begins so.
    ///
    /// The CSV reader takes a record to end at the CR and counts the line at the LF, which it skips as part of the next
    /// record: in files with CR LF each data row would seem to begin a line too early.
    fn of(head: &[u8]) -> Self {
        let end = |text: &[u8]| text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
        let mut start = 0;
        // Excel's own way to say what parts the cells.
        let first = &head[..end(head)];
        let named = first.trim_ascii_end().to_ascii_lowercase();
        let named = match named.strip_prefix(b"sep=") {
            Some([delimiter]) => Some(*delimiter),
            // A tab was trimmed.
            Some([]) => Some(b'\t'),
            _ => None,
        };
        if named.is_some() {
            start = (first.len() + 1).min(head.len());
        }
        let header = &head[start..start + end(&head[start..])];
        let carriage_return = header.last() == Some(&b'\r');
        Self {
            start: start as u64,
            delimiter: named.unwrap_or_else(|| delimiter(header)),
            late_lines: u64::from(carriage_return) + u64::from(named.is_some()),
        }
    }
}

/// What stands most often in a header, outside of quotes.
fn delimiter(header: &[u8]) -> u8 {
    let mut counts = [0; DELIMITERS.len()];
    let mut quoted = false;
    for byte in header {
        quoted ^= *byte == b'"';
        if let (false, Some(at)) = (quoted, DELIMITERS.iter().position(|own| own == byte)) {
            counts[at] += 1;
        }
    }
    let best = (0..DELIMITERS.len()).rev().max_by_key(|at| counts[*at]);
    best.map_or(b',', |at| DELIMITERS[at])
}

/// The text of a cell for an error message, shortened.
pub(super) fn shown(cell: &[u8]) -> String {
    const LONGEST: usize = 40;
    String::from_utf8_lossy(&cell[..cell.len().min(LONGEST)]).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn finds_columns_by_name_and_says_which_is_missing() {
        let file = file("\u{feff}a, Pixels ,b,B\n1,2,3,4\n");
        let table = Table::open(file.path(), BadRows::Refuse, "a and b").unwrap();
        assert_eq!(table.column("pixels").unwrap(), 1);
        assert_eq!(table.column("a").unwrap(), 0);
        assert_eq!(table.optional_column("c").unwrap(), None);
        let missing = table.column("c").unwrap_err().to_string();
        assert!(
            missing.ends_with("no column 'c' in the header (a, Pixels, b, B); expected a and b"),
            "{missing}"
        );
        assert!(matches!(table.column("b"), Err(DataError::DuplicateColumn { .. })));
    }

    #[test]
    fn counts_rows_and_lines_over_quoted_line_breaks_and_bad_lengths() {
        for end in ["\n", "\r\n"] {
            counts_rows_and_lines(&["a,b", "\"1\n1\",2", "1", "3,4", ""].join(end));
        }
    }

    fn counts_rows_and_lines(text: &str) {
        let file = file(text);
        let mut table = Table::open(file.path(), BadRows::Skip, "a and b").unwrap();
        let mut record = ByteRecord::new();
        assert!(table.next(&mut record).unwrap());
        assert!(table.next(&mut record).unwrap());
        assert_eq!((table.row(), &record[0]), (3, &b"3"[..]));
        assert!(!table.next(&mut record).unwrap());
        let skipped = table.into_skipped();
        assert_eq!(skipped.len(), 1);
        assert_eq!(skipped[0].to_string(), "row 2 (line 4): 1 fields instead of 2");
    }

    #[test]
    fn whatever_parts_the_cells_is_found_out() {
        for (text, delimiter) in [
            ("a;b\n1;2\n", b';'),
            ("a\tb\n1\t2\n", b'\t'),
            ("\"a,x;y\",b\n1,2\n", b','),
            ("sep=;\na;b\n1;2\n", b';'),
            ("sep=\t\r\na\tb\r\n1\t2\r\n", b'\t'),
            ("a\n1\n", b','),
        ] {
            let file = file(text);
            let mut table = Table::open(file.path(), BadRows::Refuse, "a and b").unwrap();
            assert_eq!(table.delimiter, delimiter, "{text:?}");
            let mut record = ByteRecord::new();
            assert!(table.next(&mut record).unwrap());
            let error = table
                .bad(&record, (String::new(), Fault::HalfPoint))
                .unwrap_err()
                .to_string();
            let line = if text.starts_with("sep") { 3 } else { 2 };
            assert!(error.contains(&format!("row 1 (line {line})")), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_comma_is_a_decimal_mark_where_it_parts_no_cells() {
        let [commas, semicolons] = ["a,b\n", "a;b\n"].map(|text| {
            let file = file(text);
            Table::open(file.path(), BadRows::Refuse, "").unwrap()
        });
        assert_eq!((commas.decimal(b"1,5"), commas.decimal(b" 1.5 ")), (None, Some(1.5)));
        assert_eq!(
            (semicolons.decimal(b"1,5"), semicolons.decimal(b"1.5")),
            (Some(1.5), Some(1.5))
        );
    }

    #[test]
    fn a_file_without_a_header_is_told_so() {
        let file = file("3,70 80 82\n4,1 2 3\n");
        let table = Table::open(file.path(), BadRows::Refuse, "emotion and pixels").unwrap();
        let error = table.column("emotion").unwrap_err().to_string();
        assert!(
            error.contains("(3, 70 80 82; its first line looks like data"),
            "{error}"
        );
    }

    #[test]
    fn what_unfolds_to_a_row_without_end_is_refused_before_it_takes_all_memory() {
        let file = file("");
        let mut packed = flate2::write::GzEncoder::new(file.as_file(), flate2::Compression::fast());
        std::io::copy(&mut std::io::repeat(b'0').take(80 << 20), &mut packed).unwrap();
        packed.finish().unwrap();
        assert!(file.as_file().metadata().unwrap().len() < 1 << 20);
        let error = Table::open(file.path(), BadRows::Skip, "").err().unwrap().to_string();
        assert!(error.contains("no table"), "{error}");
    }

    #[test]
    fn a_pipe_in_place_of_a_table_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe.csv");
        testing::pipe(&pipe);
        for path in [pipe.as_path(), Path::new("/dev/zero")] {
            let error = Table::open(path, BadRows::Skip, "").err().unwrap().to_string();
            assert!(error.contains("no regular file"), "{error}");
        }
    }

    #[test]
    fn refuses_a_bad_row_at_once_when_told_so() {
        let file = file("a,b\n1\n");
        let mut table = Table::open(file.path(), BadRows::Refuse, "a and b").unwrap();
        let error = table.next(&mut ByteRecord::new()).unwrap_err().to_string();
        assert!(
            error.contains("row 1 (line 2): 1 fields instead of 2; mend the row"),
            "{error}"
        );
    }

    #[test]
    fn says_which_file_is_not_there() {
        let gone = tempfile::tempdir().unwrap().path().join("gone.csv");
        let error = Table::open(&gone, BadRows::Refuse, "").err().unwrap().to_string();
        assert!(error.starts_with("open ") && error.contains("gone.csv"), "{error}");
    }
}
