//! The integer kernels one by one, in millions of multiplications a second.
//!
//! `peak` is what one core can multiply when nothing has to be fetched; the other rates divided by it are the share of
//! the peak that a kernel reaches. Shapes are those of the networks' layers. Run with `cargo bench --bench kernels`.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use edge_runtime::kernels::{AveragePool, Finish, Gather, Isa, MaxPool, Product, Requantise, Residual, Weights};

fn main() {
    divan::main();
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

    fn product(self, isa: Isa, finish: Finish) -> Option<Product> {
        let weights = Weights::pack(&self.gather(), &vec![0; self.outputs], |channel, k| {
            (channel * 7 + k) as i8 / 2
        });
        Product::new(isa, self.gather(), weights.ok()?, 3, finish).ok()
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
    let parts =
        layer(name).and_then(|(isa, shape)| Some((shape, shape.product(isa, Finish::Bytes(shape.requantise()?))?)));
    run(bencher, parts, None);
}

#[divan::bench(args = layers())]
fn product_and_sum(bencher: Bencher<'_, '_>, name: &str) {
    let parts = layer(name).and_then(|(isa, shape)| {
        let residual = Residual::new(0.7, 0.9, 0, 0, 0).ok()?;
        Some((shape, shape.product(isa, Finish::Sum(shape.requantise()?, residual))?))
    });
    let others = vec![9; 1 << 16];
    run(bencher, parts, Some(&others));
}

fn run(bencher: Bencher<'_, '_>, parts: Option<(Shape, Product)>, others: Option<&[u8]>) {
    let Some((shape, product)) = parts else { return };
    let input = vec![77; shape.gather().reach()];
    let places = shape.places(shape.side * shape.outputs, shape.outputs);
    let mut out = vec![0; shape.side * shape.side * shape.outputs];
    let others = others.map(|others| (others, places.as_slice()));
    bencher
        .counter(ItemsCount::new(shape.products()))
        .bench_local(|| product.run(black_box(&input), others, black_box(&mut out), &places));
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
