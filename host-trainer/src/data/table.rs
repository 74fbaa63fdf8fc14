//! CSV rows one after the other, with the place of each fault.
//!
//! What stands in the columns is left to the readers of the single kinds of file.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Reader, ReaderBuilder, Trim};

use super::{BadRow, BadRows, DataError, Fault};

/// Bytes read at once: a row of 96 x 96 pixels takes about 35,000.
const BUFFER: usize = 1 << 18;

/// An open CSV file with a header.
pub(super) struct Table {
    path: PathBuf,
    reader: Reader<BufReader<File>>,
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
        let (file, late_lines) = match open(&path) {
            Ok(opened) => opened,
            Err(source) => return Err(DataError::Open { path, source }),
        };
        // Rows of another length are reported like any other bad row, so the CSV reader lets them pass.
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .trim(Trim::Headers)
            .buffer_capacity(BUFFER)
            .from_reader(file);
        let header = match reader.byte_headers() {
            Ok(names) => names.iter().map(|name| String::from_utf8_lossy(name).into_owned()),
            Err(source) => return Err(DataError::Read { path, source }),
        }
        .collect();
        Ok(Self {
            path,
            reader,
            header,
            expected,
            row: 0,
            late_lines,
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
        })
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

/// Opens a file; the number is 1 if its lines end with CR LF, else 0.
///
/// The CSV reader takes a record to end at the CR and counts the line at the LF, which it skips as
/// part of the next record: in such files each data row would seem to begin a line too early.
fn open(path: &Path) -> std::io::Result<(BufReader<File>, u64)> {
    let mut file = BufReader::with_capacity(BUFFER, File::open(path)?);
    let start = file.fill_buf()?;
    let first_end = start.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let carriage_return = start[..first_end].last() == Some(&b'\r');
    Ok((file, u64::from(carriage_return)))
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
            missing.ends_with("no column 'c' in the header; expected a and b"),
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
