//! Networks that were damaged before they were signed: each is an error or runs, within the memory that a try may have.
//!
//! The test runs itself again as the process that loads them; where that dies, the next goes on after the mutant that it
//! died of, as the program does with `try-bundle`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use inference::Model;
use inference::bundle::Bundle;
use onnx::ModelProto;
use prost::Message;
use rustix::process::{Resource, Rlimit, setrlimit};
use shared_model::image::INPUT_LEN;
use update::Limits;

use super::kiosk::factory;
use crate::support::rounds;

/// Tells the process that loads which mutants are its own.
const FROM: &str = "FIRST_MUTANT_OF_THE_TEST";

/// Numbers by chance, the same for the same seed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % most as u64) as usize
    }
}

/// A network, and where its bytes describe it: everything but the numbers of large tensors.
struct Seed {
    onnx: Vec<u8>,
    places: Vec<usize>,
}

impl Seed {
    fn read(name: &str) -> Self {
        let onnx = fs::read(factory().join(name)).unwrap();
        let model = ModelProto::decode(onnx.as_slice()).unwrap();
        let mut is_number = vec![false; onnx.len()];
        let mut from = 0;
        for tensor in &model.graph.unwrap().initializer {
            let data = &tensor.raw_data;
            if data.len() < 256 {
                continue;
            }
            // They stand in the file in this order.
            let at = from + onnx[from..].windows(data.len()).position(|part| part == data).unwrap();
            is_number[at..at + data.len()].fill(true);
            from = at + data.len();
        }
        let places = (0..onnx.len()).filter(|at| !is_number[*at]).collect();
        Self { onnx, places }
    }

    fn mutant(&self, number: u64) -> Vec<u8> {
        let mut chance = Numbers(number);
        let mut onnx = self.onnx.clone();
        for _ in 0..=chance.below(3) {
            // One in eight strikes the numbers, too.
            let at = match chance.below(8) {
                0 => chance.below(onnx.len()),
                _ => self.places[chance.below(self.places.len())].min(onnx.len() - 1),
            };
            match chance.below(6) {
                0 | 1 => onnx[at] ^= 1 << chance.below(8),
                2 => onnx[at] = chance.below(256) as u8,
                3 => drop(onnx.drain(at..(at + 1 + chance.below(16)).min(onnx.len()))),
                4 => onnx.insert(at, chance.below(256) as u8),
                _ => onnx[at] = [0, 1, 0x7f, 0x80, 0xff][chance.below(5)],
            }
            if onnx.len() < 16 {
                break;
            }
        }
        onnx
    }
}

/// Loads mutants one after the other, and says what became of each.
fn load(from: u64, to: u64) {
    let bundle = Bundle::open(&factory()).unwrap();
    let outputs = [("emotion", bundle.manifest().classes.len())];
    let limit = Some(Limits::default().memory_bytes);
    let (current, maximum) = (limit, limit);
    setrlimit(Resource::Data, Rlimit { current, maximum }).unwrap();
    // In both precisions, which different code reads.
    let seeds = ["emotion.onnx", "emotion-int8.onnx"].map(Seed::read);
    // Otherwise each is refused for something else than its damage.
    for seed in &seeds {
        Model::load(&seed.onnx, &outputs).unwrap();
    }
    let mut out = std::io::stdout();
    for number in from..to {
        writeln!(out, "mutant {number}").unwrap();
        let said = match Model::load(&seeds[number as usize % 2].mutant(number), &outputs) {
            Err(error) => format!("refused {error}"),
            Ok(mut model) => match model.run(&vec![0.5; INPUT_LEN]) {
                Err(error) => format!("fails {error}"),
                Ok(()) => "runs".to_owned(),
            },
        };
        writeln!(out, "{}", said.lines().next().unwrap_or_default()).unwrap();
    }
}

#[test]
fn damaged_networks_are_errors_or_run_and_never_need_more_memory_than_a_try_may_have() {
    let count = rounds(12);
    if let Ok(from) = std::env::var(FROM) {
        return load(from.parse().unwrap(), count);
    }
    let (mut next, mut runs, mut refused, mut died) = (0, 0, 0, 0);
    while next < count {
        let first = next;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "update::mutants::damaged_networks_are_errors_or_run_and_never_need_more_memory_than_a_try_may_have",
                "--exact",
                "--nocapture",
            ])
            .env(FROM, next.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for line in BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
        {
            match line.split_once(' ') {
                Some(("mutant", number)) => next = number.parse::<u64>().unwrap() + 1,
                Some(("refused" | "fails", error)) => {
                    assert!(!error.is_empty(), "mutant {} is refused without a word", next - 1);
                    refused += 1;
                }
                _ if line == "runs" => runs += 1,
                _ => {}
            }
        }
        let status = child.wait().unwrap();
        assert!(next > first, "the process ends before it loads anything: {status}");
        if !status.success() {
            // Memory that it may not have ends a process; the kiosk is another one.
            assert_eq!(status.signal(), Some(6), "mutant {}: {status}", next - 1);
            died += 1;
        }
    }
    eprintln!("{count} mutants: {refused} refused with an error, {runs} run, {died} ended by the limit of memory");
    assert_eq!(refused + runs + died, count);
    assert!(refused > 0);
}
