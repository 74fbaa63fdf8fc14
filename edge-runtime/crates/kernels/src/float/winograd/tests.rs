//! Every instruction set against plain Rust, bit by bit, and against the windows in double precision.

use proptest::prelude::*;

use super::size::PatchSize;
use super::{FloatWinograd, Patches, WinogradRoom};
use crate::float::OutputMin;
use crate::{Arena, Gather, Isa, LANES, ResidualInput};

/// A convolution with padding 1 over a map in its border.
#[derive(Debug, Clone)]
struct Case {
    rows: usize,
    columns: usize,
    /// Panels of input channels, and output channels.
    panels: usize,
    outputs: usize,
    size: PatchSize,
    input: Vec<f32>,
    weights: Vec<f32>,
    biases: Vec<f32>,
    others: Vec<f32>,
    output_min: OutputMin,
}

fn values(length: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(prop_oneof![4 => -1.0..1.0_f32, 1 => Just(0.0)], length)
}

fn output_min() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.0), Just(f32::NEG_INFINITY)]
}

fn case() -> impl Strategy<Value = Case> {
    let size = prop_oneof![Just(PatchSize::Two), Just(PatchSize::Four)];
    let shape = (0..14_usize, 0..14_usize, 1..3_usize, 1..40_usize, size);
    shape.prop_flat_map(|(rows, columns, panels, outputs, size)| {
        let (rows, columns) = (rows + size.outputs(), columns + size.outputs());
        let padded = outputs.next_multiple_of(LANES);
        let numbers = (
            values(rows * columns * panels * LANES),
            values(outputs * 9 * panels * LANES),
            values(outputs),
            values(rows * columns * padded),
        );
        (numbers, output_min(), output_min()).prop_map(move |((input, weights, biases, others), gemm, residual_sum)| {
            Case {
                rows,
                columns,
                panels,
                outputs,
                size,
                input,
                weights,
                biases,
                others,
                output_min: OutputMin { gemm, residual_sum },
            }
        })
    })
}

impl Case {
    fn depth(&self) -> usize {
        self.panels * LANES
    }

    fn gather(&self) -> Gather {
        let row = (self.columns + 2) * self.depth();
        let pixels = (0..self.rows).flat_map(|y| (0..self.columns).map(move |x| (y, x)));
        let places = pixels.map(|(y, x)| (y * row + x * self.depth()) as u32).collect();
        Gather::new(places, (0..3).map(|y| (y * row) as u32).collect(), 3 * self.depth())
    }

    /// The map with a border of zeros.
    fn bordered(&self) -> Vec<f32> {
        let depth = self.depth();
        let row = (self.columns + 2) * depth;
        let mut values = vec![0.0; (self.rows + 2) * row];
        for (y, from) in self.input.chunks(self.columns * depth).enumerate() {
            values[(y + 1) * row + depth..][..self.columns * depth].copy_from_slice(from);
        }
        values
    }

    fn computed(&self, isa: Isa, summed: bool) -> Vec<f32> {
        let weight = |channel: usize, k: usize| self.weights[channel * 9 * self.depth() + k];
        let convolution = FloatWinograd::new(
            &mut Arena::default(),
            isa,
            &self.gather(),
            Patches {
                size: self.size,
                columns: self.columns,
            },
            &self.biases,
            weight,
            self.output_min,
        )
        .unwrap();
        let channels = convolution.channels();
        let places: Vec<u32> = (0..self.rows * self.columns).map(|at| (at * channels) as u32).collect();
        let residual = summed.then_some(ResidualInput {
            values: &self.others,
            pixel_offsets: &places,
        });
        let mut out = vec![f32::NAN; places.len() * channels];
        let mut room = WinogradRoom::default();
        convolution
            .run(&self.bordered(), residual, &mut out, &places, &mut room)
            .unwrap();
        out
    }

    /// By the windows, in double precision, and the sum of all magnitudes.
    fn exact(&self, pixel: usize, channel: usize, summed: bool) -> (f64, f64) {
        let (gather, bordered) = (self.gather(), self.bordered());
        let weights = &self.weights[channel * 9 * self.depth()..][..9 * self.depth()];
        let start = gather.pixel_offsets()[pixel];
        let window = gather
            .run_offsets()
            .iter()
            .flat_map(|run| &bordered[(start + run) as usize..][..gather.run_len()]);
        let bias = f64::from(self.biases[channel]);
        let (sum, size) = window.zip(weights).fold((bias, bias.abs()), |(sum, size), (a, b)| {
            let product = f64::from(*a) * f64::from(*b);
            (sum + product, size + product.abs())
        });
        let own = sum.max(self.output_min.gemm.into());
        if !summed {
            return (own, size);
        }
        let other = f64::from(self.others[pixel * self.outputs.next_multiple_of(LANES) + channel]);
        (
            (own + other).max(self.output_min.residual_sum.into()),
            size + other.abs(),
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_instruction_set_gives_the_same_bits(case in case(), summed in any::<bool>()) {
        let expected = case.computed(Isa::Portable, summed);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            prop_assert_eq!(&case.computed(isa, summed), &expected, "{:?}", isa);
        }
    }

    /// Magnitudes are less than 1. Patches of 4x4 lose several bits of 24, which the default bundle's own test bounds for
    /// whole networks.
    #[test]
    fn results_are_those_of_the_windows(case in case(), summed in any::<bool>()) {
        let found = case.computed(Isa::detect(), summed);
        let channels = case.outputs.next_multiple_of(LANES);
        for pixel in 0..case.rows * case.columns {
            for channel in 0..case.outputs {
                let (expected, _) = case.exact(pixel, channel, summed);
                let found = f64::from(found[pixel * channels + channel]);
                prop_assert!((found - expected).abs() <= 2e-4, "{} {}: {} {}", pixel, channel, found, expected);
            }
        }
    }
}
