//! Huffman tables for JPEG pictures that came without.
//!
//! They are optional in the pictures of USB cameras: who leaves them out means those of ITU-T T.81, Annex K.3.

use std::borrow::Cow;

/// Symbols of both DC tables: number of bits of a difference.
const DC: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

/// Table K.5: luminance AC symbols.
#[rustfmt::skip]
const AC_LUMINANCE: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
    0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
    0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];

/// Table K.6: chrominance AC symbols.
#[rustfmt::skip]
const AC_CHROMINANCE: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
    0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
    0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
    0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];

/// Class and number of a table (as the file writes them), how many codes it has of each length, its symbols.
type Table = (u8, [u8; 16], &'static [u8]);

/// Tables K.3 to K.6.
const STANDARD: [Table; 4] = [
    (0x00, [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &DC),
    (0x01, [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &DC),
    (0x10, [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d], &AC_LUMINANCE),
    (
        0x11,
        [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
        &AC_CHROMINANCE,
    ),
];

/// A picture (from its first byte on) with the standard tables in place of those that its first scan needs and lacks;
/// the picture itself where nothing is missing, and where it is no JPEG of a kind that the tables are made for.
pub fn with_huffman_tables(picture: &[u8]) -> Cow<'_, [u8]> {
    let missing = missing(picture);
    if missing.is_empty() {
        return Cow::Borrowed(picture);
    }
    // Behind the two bytes of the beginning: what the picture brings itself comes later, and wins.
    let (start, rest) = picture.split_at(2);
    Cow::Owned([start, &segment(&missing), rest].concat())
}

/// The standard tables that the first scan needs and that stand nowhere before it.
fn missing(picture: &[u8]) -> Vec<Table> {
    let mut given: Vec<u8> = Vec::new();
    let mut baseline = false;
    for (code, body) in Segments(picture.get(2..).unwrap_or_default()) {
        match code {
            0xc0 | 0xc1 => baseline = true,
            0xc4 => given.extend(tables(body)),
            0xda if baseline => {
                let needed = needed(body);
                let lacks = |table: &Table| needed.contains(&table.0) && !given.contains(&table.0);
                return STANDARD.into_iter().filter(lacks).collect();
            }
            0xda => break,
            _ => {}
        }
    }
    Vec::new()
}

/// Class and number of each table of a segment.
fn tables(mut body: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    while let Some((head, rest)) = body.split_at_checked(17) {
        found.push(head[0]);
        let symbols: usize = head[1..].iter().map(|count| usize::from(*count)).sum();
        body = rest.get(symbols..).unwrap_or_default();
    }
    found
}

/// Class and number of each table that a scan uses.
fn needed(body: &[u8]) -> Vec<u8> {
    let components = usize::from(body.first().copied().unwrap_or(0));
    let pairs = body.get(1..).unwrap_or_default().chunks_exact(2).take(components);
    pairs.flat_map(|pair| [pair[1] >> 4, 0x10 | pair[1] & 0x0f]).collect()
}

fn segment(tables: &[Table]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, counts, symbols) in tables {
        body.push(*name);
        body.extend(counts);
        body.extend(*symbols);
    }
    let length = (body.len() as u16 + 2).to_be_bytes();
    [&[0xff, 0xc4][..], &length, &body].concat()
}

/// Codes and contents of the segments up to the first scan.
struct Segments<'a>(&'a [u8]);

impl<'a> Iterator for Segments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // Fill bytes may stand before a marker.
        let at = self
            .0
            .windows(2)
            .position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff))?;
        let (code, rest) = (self.0[at + 1], &self.0[at + 2..]);
        let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
        let body = rest.get(2..length)?;
        self.0 = &rest[length..];
        Some((code, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Picture;
    use testing::jpeg;

    #[test]
    fn a_picture_without_tables_is_that_with_the_standard_ones() {
        let bare = jpeg::without_tables();
        assert!(!bare.windows(2).any(|pair| pair == [0xff, 0xc4]));
        // The same blocks, coded by tables of its own.
        assert_eq!(
            Picture::decode(&bare).unwrap(),
            Picture::decode(&jpeg::gradient()).unwrap()
        );
    }

    #[test]
    fn tables_that_came_stay_as_they_are() {
        let picture = jpeg::gradient();
        assert!(matches!(with_huffman_tables(&picture), Cow::Borrowed(_)));
    }

    #[test]
    fn one_table_that_is_missing_is_put_in_and_the_other_kept() {
        let bare = jpeg::without_tables();
        let dc = segment(&STANDARD[..1]);
        let half = [&bare[..2], &dc, &bare[2..]].concat();
        let whole = with_huffman_tables(&half).into_owned();
        assert_eq!(whole.len(), half.len() + 4 + 17 + AC_LUMINANCE.len());
        assert_eq!(Picture::decode(&half).unwrap(), Picture::decode(&bare).unwrap());
    }

    #[test]
    fn what_is_no_picture_or_cut_short_stays_as_it_is() {
        let bare = jpeg::without_tables();
        let scan = bare.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
        for length in 0..scan + 2 {
            assert_eq!(with_huffman_tables(&bare[..length]), &bare[..length], "{length} bytes");
        }
        // Progressive pictures have no standard tables.
        let progressive: Vec<u8> = bare
            .iter()
            .map(|byte| if *byte == 0xc0 { 0xc2 } else { *byte })
            .collect();
        assert_eq!(with_huffman_tables(&progressive), progressive);
    }

    #[test]
    fn the_tables_are_whole() {
        for (name, counts, symbols) in STANDARD {
            let codes: usize = counts.iter().map(|count| usize::from(*count)).sum();
            assert_eq!(codes, symbols.len(), "table {name:#x}");
            let mut once = symbols.to_vec();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), symbols.len(), "table {name:#x}");
        }
    }
}
