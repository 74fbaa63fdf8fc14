//! Inputs at random, bred from a corpus: whatever a target is given, it must not panic, and must keep its promise.
//!
//! A *target* is a function from bytes to the kind of answer that it gave. It checks by assertions what must hold. Inputs
//! are those of the corpus, then such with parts changed. An input that gets a kind of answer that none got before is bred
//! from, too. A few hundred inputs are tried by default; `scripts/fuzz` asks for more:
//!
//! - `FUZZ_S=600`: goes on for so many seconds.
//! - `FUZZ_SEED=7`: draws other numbers.
//! - `FUZZ_KEEP=DIR`: keeps what gets a new kind of answer, what takes long, and the input that is tried now.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Most inputs that are bred from.
const MAX_SEEDS: usize = 2000;

/// Most bytes of an input that was changed.
const MAX_BYTES: usize = 200_000;

/// Most characters that tell kinds of answers apart.
const MAX_KIND: usize = 160;

/// What is tried, and how inputs for it are made.
pub struct Target<'a> {
    /// Its name in messages and folders: one word.
    pub name: &'a str,
    /// What inputs are bred from, at least one.
    pub seeds: Vec<Vec<u8>>,
    /// Parts that readers of this form may stumble over.
    pub parts: &'a [&'a [u8]],
    /// Inputs without `FUZZ_S`, beside the seeds.
    pub usual: u64,
}

/// What became of a target, once enough inputs were tried.
#[derive(Debug)]
pub struct Report {
    /// How many inputs were tried, those that seeds give among them.
    pub inputs: u64,
    /// Kinds of answers that they got.
    pub kinds: BTreeSet<String>,
    /// The longest time that an input took.
    pub slowest: Duration,
}

/// The files of a folder in the corpus, in the order of their names.
pub fn corpus(name: &str) -> Vec<Vec<u8>> {
    files(&Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).join(name))
}

/// The files of a folder, in the order of their names.
pub fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The kind of a message: numbers, and what stands in quotes, make no difference.
pub fn kind(answer: &str) -> String {
    let (mut kind, mut quote) = (String::new(), None);
    for letter in answer.chars().take(4 * MAX_KIND) {
        if quote == Some(letter) {
            quote = None;
        } else if quote.is_none() && matches!(letter, '`' | '"') {
            quote = Some(letter);
            kind.push(letter);
        } else if quote.is_none() && !(letter.is_ascii_digit() && kind.ends_with('0')) {
            kind.push(if letter.is_ascii_digit() { '0' } else { letter });
        }
    }
    kind.chars().take(MAX_KIND).collect()
}

impl Target<'_> {
    /// Tries inputs until there were enough; what panics is kept, and the panic goes on.
    pub fn run(mut self, mut ask: impl FnMut(&[u8]) -> String) -> Report {
        assert!(!self.seeds.is_empty(), "{}: there is nothing to breed from", self.name);
        let length = number("FUZZ_S").map(Duration::from_secs);
        let keep = std::env::var_os("FUZZ_KEEP").map(|dir| PathBuf::from(dir).join(self.name));
        if let Some(dir) = &keep {
            fs::create_dir_all(dir).unwrap();
        }
        let usual = self.seeds.len() as u64 + self.usual;
        let (mut numbers, begun) = (Numbers::new(number("FUZZ_SEED").unwrap_or(17)), Instant::now());
        let mut report = Report {
            inputs: 0,
            kinds: BTreeSet::new(),
            slowest: Duration::ZERO,
        };
        while length.map_or(report.inputs < usual, |length| begun.elapsed() < length) {
            // First the seeds themselves.
            let seed = self.seeds.get(report.inputs as usize).cloned();
            let input = seed.unwrap_or_else(|| self.mutant(&mut numbers));
            if let Some(dir) = &keep {
                fs::write(dir.join("now"), &input).unwrap();
            }
            let started = Instant::now();
            let answer = catch_unwind(AssertUnwindSafe(|| ask(&input)));
            let took = started.elapsed();
            report.inputs += 1;
            let answer = answer.unwrap_or_else(|panic| {
                eprintln!("{}: this input fails: {}", self.name, input.escape_ascii());
                save(keep.as_deref(), "failed", report.inputs, &input);
                resume_unwind(panic)
            });
            if took > report.slowest {
                report.slowest = took;
                if took > Duration::from_secs(1) {
                    save(keep.as_deref(), "slow", report.inputs, &input);
                }
            }
            if report.kinds.insert(answer) && length.is_some() && self.seeds.len() < MAX_SEEDS {
                save(keep.as_deref(), "found", report.inputs, &input);
                self.seeds.push(input);
            }
        }
        eprintln!(
            "{}: {} inputs, {} kinds of answers, {} seeds, slowest {} ms",
            self.name,
            report.inputs,
            report.kinds.len(),
            self.seeds.len(),
            report.slowest.as_millis()
        );
        report
    }

    /// One of the seeds, changed in one to six places.
    fn mutant(&self, numbers: &mut Numbers) -> Vec<u8> {
        let mut bytes = self.seeds[numbers.below(self.seeds.len())].clone();
        for _ in 0..=numbers.below(6) {
            let at = numbers.below(bytes.len() + 1);
            let end = (at + numbers.below(24)).min(bytes.len());
            match numbers.below(8) {
                0 => drop(bytes.drain(at..end)),
                1 if !self.parts.is_empty() => drop(bytes.splice(at..at, self.part(numbers))),
                2 if !self.parts.is_empty() => drop(bytes.splice(at..end, self.part(numbers))),
                3 => {
                    let part = bytes[at..end].to_vec();
                    let times = 1 + numbers.below(40);
                    bytes.splice(at..at, part.repeat(times));
                }
                4 => {
                    // The head of this one and the tail of another.
                    let other = &self.seeds[numbers.below(self.seeds.len())];
                    bytes.truncate(at);
                    bytes.extend(&other[numbers.below(other.len() + 1)..]);
                }
                5 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
                _ if at < bytes.len() => bytes[at] = numbers.below(256) as u8,
                _ => {}
            }
        }
        bytes.truncate(MAX_BYTES);
        bytes
    }

    fn part(&self, numbers: &mut Numbers) -> Vec<u8> {
        self.parts[numbers.below(self.parts.len())].to_vec()
    }
}

fn save(keep: Option<&Path>, what: &str, number: u64, input: &[u8]) {
    if let Some(dir) = keep {
        fs::write(dir.join(format!("{what}-{number}")), input).unwrap();
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Numbers by chance (`SplitMix64`), the same ones for the same seed.
struct Numbers(u64);

impl Numbers {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to below `end`; 0 where that is 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target<'static> {
        Target {
            name: "letters",
            seeds: vec![b"abc".to_vec(), b"xyz".to_vec()],
            parts: &[b"!!"],
            usual: 300,
        }
    }

    #[test]
    fn seeds_come_first_and_what_is_bred_from_them_differs() {
        let mut inputs = Vec::new();
        let report = target().run(|input| {
            inputs.push(input.to_vec());
            input.len().to_string()
        });
        assert_eq!(inputs[..2], [b"abc".to_vec(), b"xyz".to_vec()]);
        assert_eq!((report.inputs, inputs.len()), (302, 302));
        let different: BTreeSet<_> = inputs.iter().collect();
        assert!(different.len() > 200, "{}", different.len());
        assert!(inputs.iter().any(|input| input.windows(2).any(|part| part == b"!!")));
    }

    #[test]
    fn what_fails_goes_on_failing() {
        let run = || target().run(|input| if input.len() > 8 { panic!("long") } else { String::new() });
        assert!(catch_unwind(run).is_err());
    }

    #[test]
    fn kinds_differ_by_words_and_not_by_numbers() {
        assert_eq!(kind("line 17: no key `emotionn`"), kind("line 3: no key `x`"));
        assert_ne!(kind("line 17: no key `a`"), kind("line 17: no value `a`"));
    }
}
