//! A small JPEG picture, written byte by byte: no library of this project writes one.

/// A grey baseline picture of 32 x 24 pixels whose blocks have steps of brightness, about 150 bytes.
///
/// Two Huffman tables with one code length each: DC differences by their number of bits (codes of 4 bits), AC
/// with end of block alone (a code of 1 bit).
pub fn gradient() -> Vec<u8> {
    let mut file = head();
    let mut dc = vec![0x00, 0, 0, 0, 9];
    dc.extend([0; 12]);
    dc.extend(0..9);
    segment(&mut file, 0xc4, &dc);
    let mut ac = vec![0x10, 1];
    ac.extend([0; 15]);
    ac.push(0);
    segment(&mut file, 0xc4, &ac);
    tail(&mut file, |size| (size, 4), (0, 1));
    file
}

/// The same picture, coded by the standard tables (ITU-T T.81, K.3 and K.5), which are not in it.
pub fn without_tables() -> Vec<u8> {
    // Codes of differences of 0 to 8 bits; the end of a block is 1010.
    const DC: [(u32, u32); 9] = [
        (0, 2),
        (2, 3),
        (3, 3),
        (4, 3),
        (5, 3),
        (6, 3),
        (14, 4),
        (30, 5),
        (62, 6),
    ];
    let mut file = head();
    tail(&mut file, |size| DC[size as usize], (10, 4));
    file
}

/// Everything before the Huffman tables.
fn head() -> Vec<u8> {
    let mut file = vec![0xff, 0xd8];
    // All quantisers 8: a DC difference of 1 is one grey level.
    segment(&mut file, 0xdb, &[&[0][..], &[8; 64]].concat());
    // 8 bits, 24 x 32, one component.
    segment(&mut file, 0xc0, &[8, 0, 24, 0, 32, 1, 1, 0x11, 0]);
    file
}

fn tail(file: &mut Vec<u8>, dc: impl Fn(u32) -> (u32, u32), end: (u32, u32)) {
    segment(file, 0xda, &[1, 1, 0x00, 0, 63, 0]);
    file.extend(scan(dc, end));
    file.extend([0xff, 0xd9]);
}

fn segment(file: &mut Vec<u8>, code: u8, body: &[u8]) {
    file.extend([0xff, code]);
    file.extend((body.len() as u16 + 2).to_be_bytes());
    file.extend(body);
}

/// Twelve blocks, each of one grey; codes are given with their lengths.
fn scan(dc: impl Fn(u32) -> (u32, u32), end: (u32, u32)) -> Vec<u8> {
    let (mut bits, mut before) = (Vec::new(), 0);
    for block in 0..12 {
        let level = (block * 37) % 120 - 60;
        let difference: i32 = level - before;
        before = level;
        let size = 32 - difference.unsigned_abs().leading_zeros();
        let (code, length) = dc(size);
        push(&mut bits, code, length);
        // Negative numbers are one less than their low bits.
        let value = if difference < 0 { difference - 1 } else { difference };
        push(&mut bits, value as u32, size);
        push(&mut bits, end.0, end.1);
    }
    while !bits.len().is_multiple_of(8) {
        bits.push(true);
    }
    let bytes = bits
        .chunks(8)
        .map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
    bytes
        .flat_map(|byte| if byte == 0xff { vec![0xff, 0] } else { vec![byte] })
        .collect()
}

fn push(bits: &mut Vec<bool>, value: u32, count: u32) {
    bits.extend((0..count).rev().map(|at| value >> at & 1 == 1));
}
