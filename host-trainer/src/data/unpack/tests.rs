//! Packed tables, and what is none.

use std::io::Write;

use super::*;

const TEXT: &str = "emotion,pixels,name\n3,1 2 3,Zoë 😀\n";

fn opened(name: &str, bytes: &[u8]) -> Result<String, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let mut text = open(&path)?;
    text.rest.read_to_end(&mut text.head).unwrap();
    Ok(String::from_utf8(text.head).unwrap())
}

fn zipped(entries: &[(&str, &str)], method: CompressionMethod) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in entries {
        let options = zip::write::FileOptions::default().compression_method(method);
        archive.start_file(*name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn words(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn packed_and_differently_written_tables_are_read_alike() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(TEXT.as_bytes()).unwrap();
    let marked = format!("\u{feff}{TEXT}");
    let notes = ("__MACOSX/._faces.csv", "x");
    let cases = [
        ("plain", TEXT.as_bytes().to_vec()),
        ("mark", marked.clone().into_bytes()),
        ("gzip", gzip.finish().unwrap()),
        (
            "zip",
            zipped(&[("a/faces.csv", TEXT), notes], CompressionMethod::Deflated),
        ),
        ("stored", zipped(&[("faces.csv", TEXT)], CompressionMethod::Stored)),
        ("little endian", words(&marked, u16::to_le_bytes)),
        ("big endian", words(&marked, u16::to_be_bytes)),
        ("without a mark", words(TEXT, u16::to_le_bytes)),
    ];
    for (name, bytes) in cases {
        assert_eq!(opened(name, &bytes).unwrap(), TEXT, "{name}");
    }
}

#[test]
fn what_is_no_table_is_called_by_its_name() {
    let two = zipped(&[("a.csv", TEXT), ("b.csv", TEXT)], CompressionMethod::Stored);
    let workbook = zipped(&[("xl/workbook.xml", "")], CompressionMethod::Stored);
    let gzip = |bytes: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    };
    let twice = gzip(&gzip(TEXT.as_bytes()));
    let packed_archive = gzip(&two);
    let wide = |mark: u32, bytes: fn(u32) -> [u8; 4]| -> Vec<u8> {
        let letters = [mark].into_iter().chain(TEXT.chars().map(u32::from));
        letters.flat_map(bytes).collect()
    };
    let (little, big) = (wide(0xfeff, u32::to_le_bytes), wide(0xfeff, u32::to_be_bytes));
    let cases: [(&[u8], &str); 11] = [
        (&twice, "packed twice; unpack it with `gunzip`"),
        (&packed_archive, "packed twice; unpack it with `unzip`"),
        (&little, "UTF-32"),
        (&big, "UTF-32"),
        (b"PAR1....", "Parquet"),
        (b"<!doctype html><title>Log in</title>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"BZh91AY", "bunzip2"),
        (&two, "2 tables in the archive (a.csv, b.csv)"),
        (&workbook, "Excel"),
        (b"PK\x03\x04broken", "broken"),
    ];
    for (bytes, named) in cases {
        let error = opened("broken.csv", bytes).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn a_character_may_lie_across_two_reads() {
    let text = "😀".repeat(BUFFER / 4) + "a😀";
    let mut odd = words("x", u16::to_le_bytes);
    odd.extend(words(&text, u16::to_le_bytes));
    assert_eq!(
        opened("long", &[&[0xff, 0xfe], &odd[..]].concat()).unwrap(),
        format!("x{text}")
    );
}

#[test]
fn a_damaged_archive_is_told_at_its_end() {
    let mut bytes = zipped(&[("faces.csv", TEXT)], CompressionMethod::Stored);
    let at = bytes.windows(7).position(|own| own == b"emotion").unwrap();
    bytes[at] = b'E';
    let error = opened("damaged.zip", &bytes).unwrap_err().to_string();
    assert!(error.contains("checksum"), "{error}");
}

/// An archive with one table, in which `bytes` stand `at` so many after the mark of a header.
fn forged(mark: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut archive = zipped(&[("faces.csv", TEXT)], CompressionMethod::Deflated);
    let from = archive.windows(4).rposition(|own| own == mark).unwrap() + at;
    archive[from..from + bytes.len()].copy_from_slice(bytes);
    archive
}

#[test]
fn archives_that_contradict_themselves_are_refused_or_give_their_table() {
    let (end, entry) = (b"PK\x05\x06", b"PK\x01\x02");
    let far = &0xffff_fff0_u32.to_le_bytes()[..];
    let own_place = u32::try_from(forged(end, 0, b"").windows(4).rposition(|own| own == entry).unwrap()).unwrap();
    // An end of 2^60 entries in 2^60 bytes.
    let mut endless = zipped(&[("faces.csv", TEXT)], CompressionMethod::Deflated);
    let at = endless.windows(4).rposition(|own| own == end).unwrap();
    endless.truncate(at);
    let huge = (1_u64 << 60).to_le_bytes();
    for part in [
        &b"PK\x06\x06"[..],
        &44_u64.to_le_bytes(),
        &[45, 0, 45, 0],
        &[0; 8],
        &huge,
        &huge,
        &huge,
        &[0; 8],
        b"PK\x06\x07\0\0\0\0",
        &(at as u64).to_le_bytes(),
        &[1, 0, 0, 0],
        b"PK\x05\x06\0\0\0\0",
        &[0xff; 12],
        &[0; 2],
    ] {
        endless.extend_from_slice(part);
    }
    for (what, archive) in [
        ("65,535 entries", forged(end, 8, &[0xff; 4])),
        ("a list far behind the end", forged(end, 12, &[far, far].concat())),
        ("2^60 entries", endless),
        ("an entry far behind the end", forged(entry, 42, far)),
        (
            "an entry that is its own place in the list",
            forged(entry, 42, &own_place.to_le_bytes()),
        ),
        ("another checksum", forged(entry, 16, &[1, 2, 3, 4])),
        ("a password", forged(entry, 8, &[1, 0])),
        ("a method that nobody knows", forged(entry, 10, &[98, 0])),
        (
            "an archive in an archive",
            zipped(&[("a.zip", "PK")], CompressionMethod::Stored),
        ),
        ("a directory", zipped(&[("a.csv/", "")], CompressionMethod::Stored)),
    ] {
        assert!(opened("forged.zip", &archive).is_err(), "{what}");
    }
    // Sizes beyond all limits end where the table ends, and names lead nowhere: nothing is written.
    let sizes = forged(entry, 20, &[far, far].concat());
    assert_eq!(opened("sizes.zip", &sizes).unwrap(), TEXT);
    for name in ["../../faces.csv", "/etc/faces.csv", "\u{1b}[2J.csv"] {
        let archive = zipped(&[(name, TEXT)], CompressionMethod::Deflated);
        assert_eq!(opened("names.zip", &archive).unwrap(), TEXT, "{name:?}");
    }
    let many: Vec<String> = (0..2000).map(|at| format!("{at}.txt")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
    let error = opened("many.zip", &zipped(&many, CompressionMethod::Stored))
        .unwrap_err()
        .to_string();
    assert!(error.contains("2000 tables") && error.len() < 300, "{error}");
}
