//! Every instruction set of this processor against the definition, bit by bit.

use proptest::prelude::*;

use super::*;

/// A gemm with everything it needs, in plain numbers.
#[derive(Debug, Clone)]
struct Case {
    pixels: Vec<u32>,
    runs: Vec<u32>,
    run: usize,
    input: Vec<u8>,
    input_zero: u8,
    weights: Vec<i8>,
    biases: Vec<i32>,
    multipliers: Vec<f32>,
    zero_point: u8,
    relu: bool,
    /// Zero point of the other activations, of the sum, and both factors.
    residual: (u8, u8, f32, f32),
}

/// Mostly the ends of the range, where kernels would saturate.
fn activations(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![2 => Just(255), 1 => Just(0), 3 => any::<u8>()], length)
}

/// Mostly the ends of the range; of four weights up to 63, 16 bits hold the products.
fn weights(length: usize) -> impl Strategy<Value = Vec<i8>> {
    prop_oneof![Just(127_i8), Just(63)].prop_flat_map(move |most| {
        let each = prop_oneof![2 => Just(most), 1 => Just(-most), 3 => -most..=most];
        prop::collection::vec(each, length)
    })
}

fn case() -> impl Strategy<Value = Case> {
    let shape = (1..20_usize, 1..4_usize, 1..6_usize, 1..100_usize);
    shape.prop_flat_map(|(pixels, runs, steps, channels)| {
        let run = steps * RUN_STEP;
        let numbers = (
            prop::collection::vec(0..200_u32, pixels),
            prop::collection::vec(0..200_u32, runs),
            activations(400 + run),
            weights(channels * runs * run),
            prop::collection::vec(-200_000..200_000, channels),
            prop::collection::vec(1e-6..0.01_f32, channels),
        );
        let points = (any::<[u8; 4]>(), any::<bool>(), 0.01..4.0_f32, 0.01..4.0_f32);
        (numbers, points).prop_map(
            move |(numbers, ([input_zero, zero_point, other, sum], relu, own, factor))| {
                let (pixels, runs, input, weights, biases, multipliers) = numbers;
                let residual = (other, sum, own, factor);
                Case {
                    pixels,
                    runs,
                    run,
                    input,
                    input_zero,
                    weights,
                    biases,
                    multipliers,
                    zero_point,
                    relu,
                    residual,
                }
            },
        )
    })
}

impl Case {
    fn gemm(&self, isa: Isa, epilogue: Epilogue) -> Gemm {
        let gather = Gather::new(self.pixels.clone(), self.runs.clone(), self.run);
        let depth = self.runs.len() * self.run;
        let weight = |k: usize| move |channel: usize| self.weights[channel * depth + k];
        let packed = Weights::pack(&gather, &self.biases, weight).unwrap();
        Gemm::new(isa, gather, packed, self.input_zero, epilogue).unwrap()
    }

    fn requantise(&self) -> Requantise {
        Requantise::new(&self.multipliers, self.zero_point, self.output_min(self.zero_point)).unwrap()
    }

    fn output_min(&self, zero_point: u8) -> u8 {
        if self.relu { zero_point } else { 0 }
    }

    /// The definition.
    fn sum(&self, pixel: usize, channel: usize) -> i32 {
        let mut sum = self.biases[channel];
        for (at, start) in self.runs.iter().enumerate() {
            for k in 0..self.run {
                let activation = self.input[self.pixels[pixel] as usize + *start as usize + k];
                let weight = self.weights[(channel * self.runs.len() + at) * self.run + k];
                sum += (i32::from(activation) - i32::from(self.input_zero)) * i32::from(weight);
            }
        }
        sum
    }

    fn own(&self, pixel: usize, channel: usize) -> u8 {
        let value = self.sum(pixel, channel) as f32 * self.multipliers[channel];
        to_byte(value, self.zero_point, self.output_min(self.zero_point))
    }

    fn with_residual(&self, pixel: usize, channel: usize, other: u8) -> u8 {
        let (other_zero, sum_zero, own_factor, other_factor) = self.residual;
        let own = (i32::from(self.own(pixel, channel)) - i32::from(self.zero_point)) as f32;
        let other = (i32::from(other) - i32::from(other_zero)) as f32;
        to_byte(
            own * own_factor + other * other_factor,
            sum_zero,
            self.output_min(sum_zero),
        )
    }

    /// Where pixels go: apart from each other, the last one first.
    fn places(&self, channels: usize) -> Vec<u32> {
        let count = self.pixels.len();
        (0..count)
            .map(|pixel| ((count - 1 - pixel) * (channels + 3)) as u32)
            .collect()
    }
}

/// Written with library functions, unlike the kernels.
fn to_byte(value: f32, zero_point: u8, output_min: u8) -> u8 {
    let value = value.round_ties_even() as i64 + i64::from(zero_point);
    value.clamp(i64::from(output_min), 255) as u8
}

fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available())
}

proptest! {
    #[test]
    fn every_instruction_set_computes_the_definition(case in case()) {
        for isa in available() {
            let gemm = case.gemm(isa, Epilogue::Requantise(case.requantise()));
            let places = case.places(gemm.channels());
            let mut out = vec![0; (gemm.channels() + 3) * places.len()];
            gemm.run(&case.input, None, &mut out, &places).unwrap();
            for (pixel, place) in places.iter().enumerate() {
                for channel in 0..case.biases.len() {
                    let found = out[*place as usize + channel];
                    prop_assert_eq!(found, case.own(pixel, channel), "{:?} {} {}", isa, pixel, channel);
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_adds_residuals(case in case(), others in activations(20 * 115)) {
        let (other_zero, sum_zero, own, other) = case.residual;
        for isa in available() {
            let residual = Residual::new(own, other, other_zero, sum_zero, case.output_min(sum_zero)).unwrap();
            let gemm = case.gemm(isa, Epilogue::RequantiseAdd(case.requantise(), residual));
            let places = case.places(gemm.channels());
            let mut out = vec![0; (gemm.channels() + 3) * places.len()];
            let sources: Vec<u32> = (0..places.len()).map(|pixel| (pixel * 100) as u32).collect();
            let addend = ResidualInput { values: &others, pixel_offsets: &sources };
            gemm.run(&case.input, Some(addend), &mut out, &places).unwrap();
            for (pixel, place) in places.iter().enumerate() {
                for channel in 0..case.biases.len() {
                    let expected = case.with_residual(pixel, channel, others[pixel * 100 + channel]);
                    prop_assert_eq!(out[*place as usize + channel], expected, "{:?} {} {}", isa, pixel, channel);
                }
            }
        }
    }

    #[test]
    fn pools_compute_the_definition(
        (windows, elements) in (prop::collection::vec(0..300_usize, 1..12), prop::collection::vec(0..300_usize, 1..10)),
        panels in 1..4_usize,
        input in activations(664),
        (zero_in, zero_out, relu) in (any::<u8>(), any::<u8>(), any::<bool>()),
        multiplier in 1e-3..2.0_f32,
    ) {
        let channels = panels * LANES;
        let starts = |places: &[usize]| places.iter().map(|place| *place as u32).collect::<Vec<_>>();
        let gather = Gather::new(starts(&windows), starts(&elements), channels);
        let pixels: Vec<u32> = (0..windows.len()).map(|pixel| (pixel * channels) as u32).collect();
        let output_min = if relu { zero_out } else { 0 };
        let requantise = Requantise::new(&vec![multiplier; channels], zero_out, output_min).unwrap();
        let mut largest = vec![0; windows.len() * channels];
        MaxPool::new(gather.clone()).run(&input, &mut largest, &pixels).unwrap();
        let mut mean = largest.clone();
        AveragePool::new(gather, zero_in, requantise).unwrap().run(&input, &mut mean, &pixels).unwrap();
        for (at, (largest, mean)) in largest.iter().zip(&mean).enumerate() {
            let start = windows[at / channels] + at % channels;
            let values = || elements.iter().map(|element| input[start + element]);
            prop_assert_eq!(Some(*largest), values().max());
            let sum: i32 = values().map(|value| i32::from(value) - i32::from(zero_in)).sum();
            prop_assert_eq!(*mean, to_byte(sum as f32 * multiplier, zero_out, output_min));
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_floats(mut case in case()) {
        case.pixels.truncate(1);
        for isa in available() {
            let mut out = vec![0.0; case.biases.len()];
            let epilogue = Epilogue::dequantise(&case.multipliers).unwrap();
            case.gemm(isa, epilogue).run_floats(&case.input, &mut out).unwrap();
            for (channel, value) in out.iter().enumerate() {
                prop_assert_eq!(*value, case.sum(0, channel) as f32 * case.multipliers[channel], "{:?}", isa);
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_floats_of_every_pixel(case in case()) {
        for isa in available() {
            let gemm = case.gemm(isa, Epilogue::dequantise(&case.multipliers).unwrap());
            let channels = gemm.channels();
            let mut out = vec![0.0; case.pixels.len() * channels];
            gemm.run_floats(&case.input, &mut out).unwrap();
            for (pixel, values) in out.chunks_exact(channels).enumerate() {
                for (channel, value) in values.iter().take(case.biases.len()).enumerate() {
                    let expected = case.sum(pixel, channel) as f32 * case.multipliers[channel];
                    prop_assert_eq!(*value, expected, "{:?}, pixel {}", isa, pixel);
                }
            }
            if case.pixels.len() > 1 {
                out.pop();
                prop_assert!(gemm.run_floats(&case.input, &mut out).is_err());
            }
        }
    }
}

#[test]
fn longest_sums_are_exact_at_the_ends_of_the_range() {
    let depth = weights::MAX_DEPTH;
    for (isa, sign) in available().flat_map(|isa| [(isa, 1), (isa, -1)]) {
        let gather = Gather::new(vec![0], vec![0], depth);
        let packed = Weights::pack(&gather, &[0], |_| move |_| 127 * sign).unwrap();
        let gemm = Gemm::new(isa, gather, packed, 0, Epilogue::dequantise(&[1.0]).unwrap()).unwrap();
        let mut out = [0.0];
        gemm.run_floats(&vec![255; depth], &mut out).unwrap();
        assert_eq!(out[0], (depth as i32 * 255 * 127 * i32::from(sign)) as f32, "{isa:?}");
    }
}

/// `64 + 64 + 64 + 63 = 255` is what 16 bits hold, and 256 is not.
#[test]
fn sums_of_four_are_exact_at_the_ends_of_the_range() {
    for (isa, last, sign) in available().flat_map(|isa| [(isa, 63, 1), (isa, 63, -1), (isa, 64, 1), (isa, 64, -1)]) {
        let gather = Gather::new(vec![0, 16], vec![0], 32);
        let weight = |k: usize| move |_| sign * if k % 16 < 12 { 64 } else { last };
        let packed = Weights::pack(&gather, &[0], weight).unwrap();
        let epilogue = Epilogue::Requantise(Requantise::new(&[1.0 / 8192.0], 128, 0).unwrap());
        let gemm = Gemm::new(isa, gather, packed, 128, epilogue).unwrap();
        for activation in [0, 255] {
            let mut out = [0; 32];
            gemm.run(&[activation; 48], None, &mut out, &[0, 16]).unwrap();
            let sum = (i32::from(activation) - 128) * i32::from(sign) * (24 * 64 + 8 * i32::from(last));
            let expected = to_byte(sum as f32 / 8192.0, 128, 0);
            assert_eq!([out[0], out[16]], [expected; 2], "{isa:?} {last} {sign} {activation}");
        }
    }
}

#[test]
fn refuses_parts_that_do_not_fit() {
    let gather = Gather::new(vec![0, 4], vec![0], 8);
    let packed = || Weights::pack(&gather, &[0; 16], |_| |_| 1).unwrap();
    let epilogue = |channels| Epilogue::Requantise(Requantise::new(&vec![1.0; channels], 0, 0).unwrap());
    let new = |gather: &Gather, channels| Gemm::new(Isa::Portable, gather.clone(), packed(), 0, epilogue(channels));
    assert!(new(&gather, 17).is_err());
    assert!(new(&Gather::new(vec![0], vec![0, 0], 8), 16).is_err());
    let gemm = new(&gather, 16).unwrap();
    let mut out = [0; 32];
    let addend = ResidualInput {
        values: &[0; 32],
        pixel_offsets: &[0, 16],
    };
    assert!(gemm.run(&[0; 12], None, &mut out, &[0, 16]).is_ok());
    assert!(gemm.run(&[0; 11], None, &mut out, &[0, 16]).is_err());
    assert!(gemm.run(&[0; 12], None, &mut out, &[0, 17]).is_err());
    assert!(gemm.run(&[0; 12], None, &mut out, &[0]).is_err());
    assert!(gemm.run(&[0; 12], Some(addend), &mut out, &[0, 16]).is_err());
    assert!(gemm.run_floats(&[0; 12], &mut [0.0]).is_err());
}

#[test]
fn instructions_that_are_missing_are_refused() {
    for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
        let gather = Gather::new(vec![0], vec![0], 8);
        let packed = Weights::pack(&gather, &[0; 16], |_| |_| 1).unwrap();
        let gemm = Gemm::new(isa, gather, packed, 0, Epilogue::dequantise(&[1.0; 16]).unwrap());
        assert_eq!(gemm.err(), Some(KernelError::Isa(isa)));
    }
    assert!(Isa::detect().is_available());
}
