//! How a record lies in a segment.
//!
//! `[length u32][checksum u32][kind u8][number u64][payload]`, all little-endian. The length is that of the
//! payload; the checksum (CRC-32 of IEEE 802.3) covers everything but itself.

/// Bytes of a record before its payload.
pub(super) const HEADER: usize = 17;

/// Longest payload in bytes; a longer length is damage.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// Every number is smaller, so that others can follow it; a larger one is damage.
const MAX_NUMBER: u64 = 1 << 62;

const EVENT: u8 = 1;
const MARK: u8 = 2;

/// One record of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// An event that is to be delivered.
    Event {
        /// Number of the event; grows with each one.
        id: u64,
        /// Bytes of the event, as they are delivered.
        payload: &'a [u8],
    },
    /// How far things have come.
    Mark(Mark),
}

/// How far things have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// Events with smaller numbers are done with: delivered or dropped.
    pub(super) floor: u64,
    /// Events dropped so far, over all starts.
    pub(super) dropped: u64,
}

impl Record<'_> {
    /// Appends the record to `out`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let dropped;
        let (kind, number, payload) = match self {
            Self::Event { id, payload } => (EVENT, *id, *payload),
            Self::Mark(mark) => {
                dropped = mark.dropped.to_le_bytes();
                (MARK, mark.floor, &dropped[..])
            }
        };
        let length = (payload.len() as u32).to_le_bytes();
        let mut body = vec![kind];
        body.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&length);
        out.extend_from_slice(&checksum(&[&length, &body, payload]).to_le_bytes());
        out.extend_from_slice(&body);
        out.extend_from_slice(payload);
    }
}

/// The records of a segment, up to the first that is cut off or damaged.
pub(super) fn scan(bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (record, after) = decode(rest)?;
        rest = after;
        Some(record)
    })
}

fn decode(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let (head, rest) = rest.split_first_chunk::<9>()?;
    let size = u32::from_le_bytes(*length) as usize;
    if size > MAX_PAYLOAD {
        return None;
    }
    let (payload, rest) = rest.split_at_checked(size)?;
    if checksum(&[length, head, payload]) != u32::from_le_bytes(*sum) {
        return None;
    }
    let (kind, number) = head.split_first()?;
    let number = u64::from_le_bytes(number.try_into().ok()?);
    if number >= MAX_NUMBER {
        return None;
    }
    let record = match *kind {
        EVENT => Record::Event { id: number, payload },
        MARK => Record::Mark(Mark {
            floor: number,
            dropped: u64::from_le_bytes(payload.try_into().ok()?),
        }),
        _ => return None,
    };
    Some((record, rest))
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mark = Mark { floor: 7, dropped: 2 };
        Record::Mark(mark).encode(&mut bytes);
        for id in 7..10 {
            let payload = [id as u8; 5];
            Record::Event { id, payload: &payload }.encode(&mut bytes);
        }
        bytes
    }

    #[test]
    fn reads_what_was_written() {
        let bytes = segment();
        let records: Vec<_> = scan(&bytes).collect();
        assert_eq!(records.len(), 4);
        assert_eq!(records[0], Record::Mark(Mark { floor: 7, dropped: 2 }));
        assert_eq!(
            records[3],
            Record::Event {
                id: 9,
                payload: &[9; 5]
            }
        );
    }

    #[test]
    fn a_cut_record_ends_the_segment() {
        let bytes = segment();
        for length in 0..bytes.len() {
            let expected = match length {
                0..25 => 0,
                25..47 => 1,
                47..69 => 2,
                _ => 3,
            };
            assert_eq!(scan(&bytes[..length]).count(), expected, "{length}");
        }
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(scan(&[0; 4096]).count(), 0);
    }

    proptest! {
        #[test]
        fn a_flipped_bit_never_shows_up_as_a_record(bit in 0..8 * 91usize) {
            let good = segment();
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let known: Vec<_> = scan(&good).collect();
            for record in scan(&bytes) {
                prop_assert!(known.contains(&record));
            }
        }

        #[test]
        fn any_bytes_can_be_scanned(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(scan(&bytes).count() <= bytes.len() / HEADER);
        }
    }
}
