//! Every instruction set of this processor against the definition, bit by bit, and against double precision.

use proptest::prelude::*;

use super::{FloatGemm, FloatWeights, OutputMin};
use crate::{Arena, Gather, Isa, ResidualInput};

#[derive(Debug, Clone)]
struct Case {
    pixels: Vec<u32>,
    runs: Vec<u32>,
    run: usize,
    input: Vec<f32>,
    weights: Vec<f32>,
    biases: Vec<f32>,
    output_min: OutputMin,
}

/// Of very different sizes, zero among them.
fn values(length: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(
        prop_oneof![4 => -1.0..1.0_f32, 1 => -1e6..1e6_f32, 1 => Just(0.0), 1 => Just(-1e-30)],
        length,
    )
}

fn output_min() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.0), Just(f32::NEG_INFINITY)]
}

fn case() -> impl Strategy<Value = Case> {
    let shape = (1..16_usize, 1..4_usize, 1..40_usize, 1..100_usize);
    shape.prop_flat_map(|(pixels, runs, run, channels)| {
        let numbers = (
            prop::collection::vec(0..200_u32, pixels),
            prop::collection::vec(0..200_u32, runs),
            values(400 + run),
            values(channels * runs * run),
            values(channels),
        );
        (numbers, output_min(), output_min()).prop_map(
            move |((pixels, runs, input, weights, biases), gemm, residual_sum)| Case {
                pixels,
                runs,
                run,
                input,
                weights,
                biases,
                output_min: OutputMin { gemm, residual_sum },
            },
        )
    })
}

impl Case {
    fn product(&self, isa: Isa) -> FloatGemm {
        let gather = Gather::new(self.pixels.clone(), self.runs.clone(), self.run);
        let depth = self.depth();
        let weights = FloatWeights::pack(&mut Arena::default(), &gather, &self.biases, |channel, k| {
            self.weights[channel * depth + k]
        });
        FloatGemm::new(isa, gather, weights, self.output_min).unwrap()
    }

    fn depth(&self) -> usize {
        self.runs.len() * self.run
    }

    /// Pairs of a value and its weight, in the order of the sum.
    fn pairs(&self, pixel: usize, channel: usize) -> impl Iterator<Item = (f32, f32)> {
        (0..self.depth()).map(move |k| {
            let start = self.pixels[pixel] + self.runs[k / self.run];
            let value = self.input[start as usize + k % self.run];
            (value, self.weights[channel * self.depth() + k])
        })
    }

    /// The definition.
    fn expected(&self, pixel: usize, channel: usize, other: Option<f32>) -> f32 {
        let pairs = self.pairs(pixel, channel);
        let sum = pairs.fold(self.biases[channel], |sum, (value, weight)| value.mul_add(weight, sum));
        let own = sum.max(self.output_min.gemm);
        other.map_or(own, |other| (own + other).max(self.output_min.residual_sum))
    }

    /// In double precision, and how far rounding may lead away from it.
    fn exact(&self, pixel: usize, channel: usize) -> (f64, f64) {
        let products = self
            .pairs(pixel, channel)
            .map(|(value, weight)| f64::from(value) * f64::from(weight));
        let bias = f64::from(self.biases[channel]);
        let (sum, size) = products.fold((bias, bias.abs()), |(sum, size), product| {
            (sum + product, size + product.abs())
        });
        let steps = self.depth() as f64 + 1.0;
        (
            sum.max(self.output_min.gemm.into()),
            size * steps / f64::from(1 << 24) + 1e-30,
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

fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available())
}

proptest! {
    #[test]
    fn every_instruction_set_computes_the_definition(case in case(), others in values(16 * 115)) {
        for isa in available() {
            let product = case.product(isa);
            let places = case.places(product.channels());
            let sources: Vec<u32> = (0..places.len()).map(|pixel| (pixel * 100) as u32).collect();
            for summed in [false, true] {
                let mut out = vec![0.0; (product.channels() + 3) * places.len()];
                let given = summed.then_some(ResidualInput { values: &others, pixel_offsets: &sources });
                product.run(&case.input, given, &mut out, &places).unwrap();
                for (pixel, place) in places.iter().enumerate() {
                    for channel in 0..case.biases.len() {
                        let other = summed.then(|| others[pixel * 100 + channel]);
                        let expected = case.expected(pixel, channel, other);
                        let found = out[*place as usize + channel];
                        prop_assert_eq!(found, expected, "{:?} {} {}", isa, pixel, channel);
                    }
                }
            }
        }
    }

    #[test]
    fn the_largest_of_four_pixels_is_what_four_pixels_have(case in case(), others in values(16 * 115)) {
        let mut case = case;
        let windows = case.pixels.len();
        case.pixels = (0..4 * windows).map(|at| case.pixels[at % windows] / 2 + (at % 97) as u32).collect();
        for isa in available() {
            let single = case.product(isa);
            let pooled = single.clone().pooled().unwrap();
            let channels = single.channels();
            let places: Vec<u32> = (0..4 * windows).map(|at| (at * channels) as u32).collect();
            let mut each = vec![0.0; 4 * windows * channels];
            single.run(&case.input, None, &mut each, &places).unwrap();
            let sources: Vec<u32> = (0..windows).map(|window| (window * 100) as u32).collect();
            for summed in [false, true] {
                let mut out = vec![f32::NAN; windows * channels];
                let given = summed.then_some(ResidualInput { values: &others, pixel_offsets: &sources });
                pooled.run(&case.input, given, &mut out, &places[..windows]).unwrap();
                for (at, found) in out.iter().enumerate() {
                    let (window, channel) = (at / channels, at % channels);
                    let four = (0..4).map(|pixel| each[(4 * window + pixel) * channels + channel]);
                    let most = four.fold(f32::NEG_INFINITY, f32::max);
                    let sum = (most + others[window * 100 + channel]).max(case.output_min.residual_sum);
                    prop_assert_eq!(*found, if summed { sum } else { most }, "{:?} {}", isa, at);
                }
            }
        }
    }

    #[test]
    fn results_are_as_exact_as_their_sums_allow(case in case()) {
        let product = case.product(Isa::detect());
        let places = case.places(product.channels());
        let mut out = vec![0.0; (product.channels() + 3) * places.len()];
        product.run(&case.input, None, &mut out, &places).unwrap();
        for (pixel, place) in places.iter().enumerate() {
            for channel in 0..case.biases.len() {
                let (expected, allowed) = case.exact(pixel, channel);
                let found = f64::from(out[*place as usize + channel]);
                prop_assert!((found - expected).abs() <= allowed, "{} {}: {} {}", pixel, channel, found, expected);
            }
        }
    }
}

#[test]
fn what_is_not_a_number_stays_so() {
    for isa in available() {
        let gather = Gather::new(vec![0], vec![0], 8);
        let weights = FloatWeights::pack(&mut Arena::default(), &gather, &[1.0], |_, _| 1.0);
        let product = FloatGemm::new(
            isa,
            gather,
            weights,
            OutputMin {
                gemm: 0.0,
                residual_sum: 0.0,
            },
        )
        .unwrap();
        let mut out = [0.0; 16];
        product
            .run(
                &[f32::NAN; 8],
                Some(ResidualInput {
                    values: &[0.0; 16],
                    pixel_offsets: &[0],
                }),
                &mut out,
                &[0],
            )
            .unwrap();
        assert!(out[0].is_nan(), "{isa:?}");
    }
}

#[test]
fn refuses_parts_that_do_not_fit() {
    let gather = Gather::new(vec![0, 4], vec![0], 8);
    let pack = |gather: &Gather| FloatWeights::pack(&mut Arena::default(), gather, &[0.0; 16], |_, _| 1.0);
    let output_min = OutputMin {
        gemm: 0.0,
        residual_sum: 0.0,
    };
    let new = |gather: &Gather| {
        FloatGemm::new(
            Isa::Portable,
            gather.clone(),
            pack(&Gather::new(vec![], vec![0], 8)),
            output_min,
        )
    };
    assert!(new(&Gather::new(vec![0], vec![0, 0], 8)).is_err());
    let product = new(&gather).unwrap();
    let mut out = [0.0; 32];
    assert!(product.run(&[0.0; 12], None, &mut out, &[0, 16]).is_ok());
    assert!(product.run(&[0.0; 11], None, &mut out, &[0, 16]).is_err());
    assert!(product.run(&[0.0; 12], None, &mut out, &[0, 17]).is_err());
    assert!(product.run(&[0.0; 12], None, &mut out, &[0]).is_err());
    assert!(product.clone().pooled().is_err());
    let pooled = new(&Gather::new(vec![0; 4], vec![0], 8)).unwrap().pooled().unwrap();
    assert!(pooled.run(&[0.0; 8], None, &mut out, &[0]).is_ok());
    assert!(pooled.run(&[0.0; 8], None, &mut out, &[0; 4]).is_err());
    assert!(
        product
            .run(
                &[0.0; 12],
                Some(ResidualInput {
                    values: &[0.0; 31],
                    pixel_offsets: &[0, 16]
                }),
                &mut out,
                &[0, 16]
            )
            .is_err()
    );
}
