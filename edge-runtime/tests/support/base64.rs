//! Base64, read leniently.

/// The bytes that letters of base64 stand for, both alphabets; what is none is left out.
pub(crate) fn decode(letters: &[u8]) -> Vec<u8> {
    let values: Vec<u32> = letters.iter().filter_map(|letter| value(*letter)).collect();
    let whole = |four: &[u32]| {
        let bits = four
            .iter()
            .chain([&0; 4])
            .take(4)
            .fold(0, |bits, value| bits << 6 | value);
        [bits >> 16, bits >> 8, bits]
            .map(|byte| byte as u8)
            .into_iter()
            .take(four.len() * 3 / 4)
    };
    values.chunks(4).flat_map(whole).collect()
}

/// What a letter stands for; `None` for what is none of either alphabet.
pub(crate) fn value(letter: u8) -> Option<u32> {
    Some(match letter {
        b'A'..=b'Z' => u32::from(letter - b'A'),
        b'a'..=b'z' => u32::from(letter - b'a') + 26,
        b'0'..=b'9' => u32::from(letter - b'0') + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}
