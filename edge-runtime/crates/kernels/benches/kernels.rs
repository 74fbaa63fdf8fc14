//! The kernels one by one, in millions of multiplications a second, and as a share of what the core can do.
//!
//! `peak` is what one core can multiply when nothing has to be fetched. First comes a table of shares: a kernel's rate
//! divided by the peak, both the best of the same many short runs in turn, so that other programs disturb both alike.
//! Shapes are those of the networks' layers. Run with `cargo bench --bench kernels`.

use std::time::Instant;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use kernels::{
    Arena, AveragePool, Epilogue, FloatGemm, FloatWeights, Gather, Gemm, Isa, MaxPool, OutputMin, Requantise, Residual,
    ResidualInput, Weights,
};

fn main() {
    // `cargo test` only looks whether the benches run.
    if std::env::args().any(|argument| argument == "--bench") {
        print_shares();
    }
    divan::main();
}

/// Runs that the best one is taken of, and rounds of a peak, a few microseconds.
const RUNS: usize = 300;
const PEAK_ROUNDS: u32 = 2000;

fn print_shares() {
    println!("{:44} {:>9} {:>9} {:>7}", "kernel", "GMAC/s", "peak", "share");
    for (isa, shape) in available().flat_map(|isa| SHAPES.map(|shape| (isa, shape))) {
        let integers = shape
            .requantise()
            .and_then(|requantise| shape.product(isa, Epilogue::Requantise(requantise)));
        if let Some(product) = integers {
            let (input, places, mut out) = shape.buffers(77_u8);
            let run = || {
                product
                    .run(black_box(&input), None, black_box(&mut out), &places)
                    .is_ok()
            };
            print_share(
                &format!("{} int8 {shape}", isa.name()),
                shape,
                || isa.peak(PEAK_ROUNDS),
                run,
            );
        }
        if let Some(product) = shape.float_product(isa) {
            let (input, places, mut out) = shape.buffers(0.5_f32);
            let run = || {
                product
                    .run(black_box(&input), None, black_box(&mut out), &places)
                    .is_ok()
            };
            print_share(
                &format!("{} f32 {shape}", isa.name()),
                shape,
                || isa.float_peak(PEAK_ROUNDS),
                run,
            );
        }
    }
}

fn print_share(name: &str, shape: Shape, peak: impl Fn() -> Option<u64>, mut run: impl FnMut() -> bool) {
    let (mut best, mut best_peak) = (0.0_f64, 0.0_f64);
    for _ in 0..RUNS {
        let start = Instant::now();
        let Some(products) = peak() else { return };
        best_peak = best_peak.max(products as f64 / start.elapsed().as_nanos() as f64);
        let start = Instant::now();
        if !run() {
            return;
        }
        best = best.max(shape.products() as f64 / start.elapsed().as_nanos() as f64);
    }
    println!(
        "{name:44} {best:9.1} {best_peak:9.1} {:5.0} %",
        100.0 * best / best_peak
    );
}

/// A layer: rows and columns of the output, of the window, channels in and out.
#[derive(Debug, Clone, Copy)]
struct Shape {
    side: usize,
    window: usize,
    inputs: usize,
    outputs: usize,
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            side,
            window,
            inputs,
            outputs,
        } = self;
        write!(f, "{side}x{side}x{outputs} {window}x{window}x{inputs}")
    }
}

/// A 3x3 convolution, the 1x1 ones that enter and leave a bottleneck, the last block, and a dense layer.
const SHAPES: [Shape; 5] = [
    Shape {
        side: 11,
        window: 3,
        inputs: 64,
        outputs: 64,
    },
    Shape {
        side: 11,
        window: 1,
        inputs: 256,
        outputs: 64,
    },
    Shape {
        side: 11,
        window: 1,
        inputs: 64,
        outputs: 256,
    },
    Shape {
        side: 5,
        window: 3,
        inputs: 128,
        outputs: 128,
    },
    Shape {
        side: 1,
        window: 1,
        inputs: 4096,
        outputs: 2048,
    },
];

impl Shape {
    /// Bytes of a row of the input with its border.
    fn row(self) -> usize {
        (self.side + self.window - 1) * self.inputs
    }

    fn places(self, columns: usize, pixel: usize) -> Vec<u32> {
        let pixels = (0..self.side).flat_map(|row| (0..self.side).map(move |column| row * columns + column * pixel));
        pixels.map(|place| place as u32).collect()
    }

    fn gather(self) -> Gather {
        let runs = (0..self.window).map(|row| (row * self.row()) as u32).collect();
        Gather::new(self.places(self.row(), self.inputs), runs, self.window * self.inputs)
    }

    fn products(self) -> u64 {
        (self.side * self.side * self.outputs * self.window * self.window * self.inputs) as u64
    }

    fn product(self, isa: Isa, epilogue: Epilogue) -> Option<Gemm> {
        let weights = Weights::pack(&self.gather(), &vec![0; self.outputs], |k| {
            move |channel| (channel * 7 + k) as i8 / 2
        });
        Gemm::new(isa, self.gather(), weights.ok()?, 3, epilogue).ok()
    }

    fn float_product(self, isa: Isa) -> Option<FloatGemm> {
        let weights = FloatWeights::pack(
            &mut Arena::default(),
            &self.gather(),
            &vec![0.0; self.outputs],
            |channel, k| ((channel * 7 + k) % 17) as f32 - 8.0,
        );
        let output_min = OutputMin {
            gemm: 0.0,
            residual_sum: 0.0,
        };
        FloatGemm::new(isa, self.gather(), weights, output_min).ok()
    }

    /// Input, where each output pixel begins, and the output.
    fn buffers<T: Copy>(self, value: T) -> (Vec<T>, Vec<u32>, Vec<T>) {
        let places = self.places(self.side * self.outputs, self.outputs);
        let out = vec![value; self.side * self.side * self.outputs];
        (vec![value; self.gather().min_input_len()], places, out)
    }

    fn requantise(self) -> Option<Requantise> {
        Requantise::new(&vec![1e-4; self.outputs], 0, 0).ok()
    }
}

fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available())
}

fn layers() -> Vec<String> {
    let pairs = available().flat_map(|isa| SHAPES.map(|shape| format!("{} {shape}", isa.name())));
    pairs.collect()
}

/// Instructions and shape of a name that [`layers`] gave.
fn layer(name: &str) -> Option<(Isa, Shape)> {
    let (isa, shape) = name.split_once(' ')?;
    let isa = available().find(|other| other.name() == isa)?;
    Some((isa, SHAPES.into_iter().find(|other| other.to_string() == shape)?))
}

#[divan::bench(args = available().filter(|isa| isa.peak(1).is_some()).map(Isa::name))]
fn peak(bencher: Bencher<'_, '_>, name: &str) {
    const ROUNDS: u32 = 100_000;
    let isa = available().find(|isa| isa.name() == name).unwrap_or(Isa::Portable);
    let products = isa.peak(ROUNDS).unwrap_or_default();
    bencher
        .counter(ItemsCount::new(products))
        .bench_local(|| isa.peak(ROUNDS));
}

#[divan::bench(args = layers())]
fn product(bencher: Bencher<'_, '_>, name: &str) {
    let parts = layer(name)
        .and_then(|(isa, shape)| Some((shape, shape.product(isa, Epilogue::Requantise(shape.requantise()?))?)));
    run(bencher, parts, None);
}

#[divan::bench(args = layers())]
fn product_and_sum(bencher: Bencher<'_, '_>, name: &str) {
    let parts = layer(name).and_then(|(isa, shape)| {
        let residual = Residual::new(0.7, 0.9, 0, 0, 0).ok()?;
        Some((
            shape,
            shape.product(isa, Epilogue::RequantiseAdd(shape.requantise()?, residual))?,
        ))
    });
    let others = vec![9; 1 << 16];
    run(bencher, parts, Some(&others));
}

fn run(bencher: Bencher<'_, '_>, parts: Option<(Shape, Gemm)>, others: Option<&[u8]>) {
    let Some((shape, product)) = parts else { return };
    let (input, places, mut out) = shape.buffers(77_u8);
    let others = others.map(|values| ResidualInput {
        values,
        pixel_offsets: &places,
    });
    bencher
        .counter(ItemsCount::new(shape.products()))
        .bench_local(|| product.run(black_box(&input), others, black_box(&mut out), &places));
}

#[divan::bench(args = available().filter(|isa| isa.float_peak(1).is_some()).map(Isa::name))]
fn float_peak(bencher: Bencher<'_, '_>, name: &str) {
    const ROUNDS: u32 = 100_000;
    let isa = available().find(|isa| isa.name() == name).unwrap_or(Isa::Portable);
    let products = isa.float_peak(ROUNDS).unwrap_or_default();
    bencher
        .counter(ItemsCount::new(products))
        .bench_local(|| isa.float_peak(ROUNDS));
}

/// Without plain Rust, whose fused products are library calls where the instruction is missing.
#[divan::bench(args = layers().into_iter().filter(|name| !name.starts_with(Isa::Portable.name())))]
fn float_product(bencher: Bencher<'_, '_>, name: &str) {
    let parts = layer(name).and_then(|(isa, shape)| Some((shape, shape.float_product(isa)?)));
    let Some((shape, product)) = parts else { return };
    let (input, places, mut out) = shape.buffers(0.5_f32);
    bencher
        .counter(ItemsCount::new(shape.products()))
        .bench_local(|| product.run(black_box(&input), None, black_box(&mut out), &places));
}

/// Windows of 2x2 over 22x22 pixels of 64 channels.
fn windows() -> (Gather, Vec<u8>, Vec<u32>) {
    let place = |row: usize, column: usize| ((row * 22 + column) * 64) as u32;
    let pixels = (0..11).flat_map(|row| (0..11).map(move |column| place(2 * row, 2 * column)));
    let runs = vec![0, place(0, 1), place(1, 0), place(1, 1)];
    let outputs = (0..121).map(|pixel| pixel * 64).collect();
    (Gather::new(pixels.collect(), runs, 64), vec![77; 22 * 22 * 64], outputs)
}

#[divan::bench]
fn max_pool(bencher: Bencher<'_, '_>) {
    let (gather, input, pixels) = windows();
    let pool = MaxPool::new(gather);
    let mut out = vec![0; 121 * 64];
    bencher
        .counter(ItemsCount::new(input.len()))
        .bench_local(|| pool.run(black_box(&input), black_box(&mut out), &pixels));
}

#[divan::bench]
fn average_pool(bencher: Bencher<'_, '_>) {
    let (gather, input, pixels) = windows();
    let pool = Requantise::new(&[0.25; 64], 0, 0).and_then(|requantise| AveragePool::new(gather, 0, requantise));
    let Ok(pool) = pool else { return };
    let mut out = vec![0; 121 * 64];
    bencher
        .counter(ItemsCount::new(input.len()))
        .bench_local(|| pool.run(black_box(&input), black_box(&mut out), &pixels));
}
