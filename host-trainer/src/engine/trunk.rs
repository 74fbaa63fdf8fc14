//! The trunk: stem and stages in sequence, and the order of their layers.

use super::SIDE;
use super::block::{Identity, Projection};
use super::branch::Extent;
use super::clock::{Pass, Timings};
use super::norm::Norm;
use super::params::{LayerGrads, LayerParams, LayerShape};
use super::pool::{STEM_POOLED_SIDE, window_order};
use super::stem::{IMAGE, Stem};
use super::workspace::Workspace;

/// Layers of a stage: four of its convolution block, three of each identity block.
const STAGE_LAYERS: usize = 10;
/// First layer of each identity block within a stage.
const IDENTITY_LAYERS: [usize; 2] = [4, 7];

/// One stage.
struct Stage {
    extent: Extent,
    projection: Projection,
    identities: [Identity; 2],
    /// For each row of an image of the projection's input, the row of the map it comes from.
    sources: Vec<usize>,
}

/// The trunk's plan and workspaces for a batch of images of at most a given size.
pub struct Trunk {
    batch: usize,
    /// Images of the last forward pass.
    images: Vec<f32>,
    stem: Stem,
    stages: Vec<Stage>,
    shapes: Vec<LayerShape>,
    /// Channels first, as the heads read them.
    features: Vec<f32>,
    shared: Workspace,
}

impl Trunk {
    /// Plans a trunk of `stages` stages for batches of at most `batch` images; stage `i`, from 0, has `256 << i` output
    /// channels.
    ///
    /// # Panics
    /// If `stages` is not 1 to 4: a fifth pool would find no window.
    #[must_use]
    pub fn new(stages: usize, batch: usize) -> Self {
        assert!((1..=4).contains(&stages), "a trunk has 1 to 4 stages, not {stages}");
        let (mut shapes, mut needs) = (vec![Stem::SHAPE], Stem::needs());
        let (mut side, mut inputs) = (STEM_POOLED_SIDE, Stem::SHAPE.outputs);
        let mut planned = Vec::with_capacity(stages);
        for index in 0..stages {
            let extent = Extent {
                side: side / 2,
                inner: Stem::SHAPE.outputs << index,
            };
            shapes.extend(Projection::shapes(extent, inputs));
            shapes.extend(Identity::shapes(extent).repeat(2));
            needs = needs.max(Projection::needs(extent, inputs, batch));
            planned.push(Stage::new(extent, side, inputs, batch));
            (side, inputs) = (extent.side, extent.outer());
        }
        let features = vec![0.0; batch * side * side * inputs];
        let (stem, shared, images) = (
            Stem::new(batch),
            Workspace::new(needs),
            Vec::with_capacity(batch * IMAGE),
        );
        Self {
            batch,
            images,
            stem,
            stages: planned,
            shapes,
            features,
            shared,
        }
    }

    /// Number of layers, in order: stem, then for each stage conv.a, conv.b, conv.c, conv.shortcut, iden1.a, iden1.b,
    /// iden1.c, iden2.a, iden2.b, iden2.c.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.shapes.len()
    }

    /// Sizes of each layer's convolution, in the order of [`Self::layers`].
    #[must_use]
    pub fn shapes(&self) -> &[LayerShape] {
        &self.shapes
    }

    /// Channels and side of the features.
    #[must_use]
    pub fn feature_shape(&self) -> (usize, usize) {
        self.stages
            .last()
            .map_or((0, 0), |stage| (stage.extent.outer(), stage.extent.side))
    }

    /// Time spent so far in each kind of pass.
    #[must_use]
    pub fn timings(&self) -> &Timings {
        &self.shared.clock
    }

    /// Features `[n, channels, side, side]` of `images: [n, 96, 96]`, normalised by the statistics of this batch, or by
    /// the running ones where `layers` hold them.
    ///
    /// # Panics
    /// If `images` holds no whole number of images from 1 to the planned batch, or `layers` do not have the shapes of
    /// [`Self::shapes`].
    pub fn forward(&mut self, layers: &[LayerParams], images: &[f32]) -> &[f32] {
        let count = images.len() / IMAGE;
        assert!(
            images.len().is_multiple_of(IMAGE),
            "{} values are no whole number of {SIDE}x{SIDE} images",
            images.len()
        );
        assert!(
            (1..=self.batch).contains(&count),
            "{count} images; the trunk is planned for 1 to {}",
            self.batch
        );
        assert!(
            layers
                .iter()
                .map(|layer| layer.weight.len())
                .eq(self.shapes.iter().map(|shape| shape.weights()))
        );
        self.images.clear();
        self.images.extend_from_slice(images);
        let first = &mut self.stages[0].projection.input;
        let stem_values = count * STEM_POOLED_SIDE * STEM_POOLED_SIDE * Stem::SHAPE.outputs;
        self.stem
            .forward(&layers[0], images, &mut first[..stem_values], &mut self.shared);
        for (index, layers) in layers[1..].chunks_exact(STAGE_LAYERS).enumerate() {
            let (before, rest) = self.stages.split_at_mut(index);
            let stage = &mut rest[0];
            if let Some(before) = before.last() {
                self.shared
                    .clock
                    .time(Pass::Layout, || stage.gather(before.output(), before.extent, count));
            }
            stage.forward(layers, count, &mut self.shared);
        }
        self.write_features(count)
    }

    fn write_features(&mut self, images: usize) -> &[f32] {
        let (channels, side) = self.feature_shape();
        let pixels = side * side;
        let features = &mut self.features[..images * channels * pixels];
        if let Some(stage) = self.stages.last() {
            self.shared
                .clock
                .time(Pass::Layout, || transpose(features, stage.output(), pixels, channels));
        }
        features
    }

    /// Mean (convolution bias included) and biased variance of each channel of `layer` in the last forward pass.
    #[must_use]
    pub fn statistics(&self, layer: usize) -> (&[f32], &[f32]) {
        self.norm(layer).statistics()
    }

    fn norm(&self, layer: usize) -> &Norm {
        let Some(index) = layer.checked_sub(1) else {
            return &self.stem.norm;
        };
        let (stage, within) = (&self.stages[index / STAGE_LAYERS], index % STAGE_LAYERS);
        if within < IDENTITY_LAYERS[0] {
            return stage.projection.norms()[within];
        }
        let branch = &stage.identities[usize::from(within >= IDENTITY_LAYERS[1])].branch;
        [&branch.norm_a, &branch.norm_b, &branch.norm_c][(within - IDENTITY_LAYERS[0]) % 3]
    }

    /// Replaces `grads` by the gradients for `d_features`, the loss gradient of the last forward pass's features.
    ///
    /// # Panics
    /// If `d_features` is not shaped as those features, or `layers` and `grads` do not have the shapes of
    /// [`Self::shapes`].
    pub fn backward(&mut self, layers: &[LayerParams], d_features: &[f32], grads: &mut [LayerGrads]) {
        let count = self.images.len() / IMAGE;
        let (channels, side) = self.feature_shape();
        assert_eq!(
            d_features.len(),
            count * channels * side * side,
            "values of the features' gradient"
        );
        let gradient = &mut self.shared.gradient[..d_features.len()];
        self.shared
            .clock
            .time(Pass::Layout, || transpose(gradient, d_features, channels, side * side));
        for index in (0..self.stages.len()).rev() {
            let own = 1 + index * STAGE_LAYERS..1 + (index + 1) * STAGE_LAYERS;
            let (before, rest) = self.stages.split_at_mut(index);
            rest[0].backward(&layers[own.clone()], &mut grads[own], count, &mut self.shared);
            if let Some(before) = before.last() {
                rest[0].scatter(before.extent, count, &mut self.shared);
            }
        }
        self.backward_stem(&mut grads[0], count);
    }

    fn backward_stem(&mut self, grads: &mut LayerGrads, images: usize) {
        let values = images * STEM_POOLED_SIDE * STEM_POOLED_SIDE * Stem::SHAPE.outputs;
        let mut gradient = std::mem::take(&mut self.shared.window_gradient);
        let output = &self.stages[0].projection.input[..values];
        grads.weight.fill(0.0);
        self.stem
            .backward(grads, &self.images, output, &mut gradient[..values], &mut self.shared);
        self.shared.window_gradient = gradient;
    }
}

impl Stage {
    fn new(extent: Extent, input_side: usize, inputs: usize, batch: usize) -> Self {
        let projection = Projection::new(extent, inputs, batch);
        let identities = [Identity::new(extent, batch), Identity::new(extent, batch)];
        Self {
            extent,
            projection,
            identities,
            sources: window_order(input_side),
        }
    }

    fn output(&self) -> &[f32] {
        &self.identities[1].output
    }

    /// Brings the map of the stage before into window order.
    fn gather(&mut self, map: &[f32], extent: Extent, images: usize) {
        let channels = extent.outer();
        let image = extent.rows() * channels;
        let rows = self.projection.input.chunks_exact_mut(self.sources.len() * channels);
        for (rows, map) in rows.zip(map.chunks_exact(image)).take(images) {
            for (row, source) in rows.chunks_exact_mut(channels).zip(&self.sources) {
                row.copy_from_slice(&map[source * channels..][..channels]);
            }
        }
    }

    /// Brings the input's gradient from window order into that of the map of the stage before, `shared.gradient`.
    fn scatter(&self, extent: Extent, images: usize, shared: &mut Workspace) {
        let channels = extent.outer();
        let image = extent.rows() * channels;
        let Workspace {
            gradient,
            window_gradient,
            clock,
            ..
        } = shared;
        let rows = window_gradient.chunks_exact(self.sources.len() * channels);
        clock.time(Pass::Layout, || {
            for (map, rows) in gradient.chunks_exact_mut(image).zip(rows).take(images) {
                // The last line and column of an odd side have no part in the pool.
                map.fill(0.0);
                for (row, source) in rows.chunks_exact(channels).zip(&self.sources) {
                    map[source * channels..][..channels].copy_from_slice(row);
                }
            }
        });
    }

    fn forward(&mut self, layers: &[LayerParams], images: usize, shared: &mut Workspace) {
        let [first, second] = &mut self.identities;
        self.projection.forward(layers, images, shared);
        first.forward(&layers[IDENTITY_LAYERS[0]..], &self.projection.output, images, shared);
        second.forward(&layers[IDENTITY_LAYERS[1]..], &first.output, images, shared);
    }

    fn backward(&mut self, layers: &[LayerParams], grads: &mut [LayerGrads], images: usize, shared: &mut Workspace) {
        let [first, second] = &mut self.identities;
        let [from_first, from_second] = IDENTITY_LAYERS;
        second.backward(
            &layers[from_second..],
            &mut grads[from_second..],
            &first.output,
            images,
            shared,
        );
        first.backward(
            &layers[from_first..],
            &mut grads[from_first..],
            &self.projection.output,
            images,
            shared,
        );
        self.projection.backward(layers, grads, images, shared);
    }
}

/// Swaps the last two axes of `from: [n, rows, columns]`.
fn transpose(to: &mut [f32], from: &[f32], rows: usize, columns: usize) {
    for (to, from) in to
        .chunks_exact_mut(rows * columns)
        .zip(from.chunks_exact(rows * columns))
    {
        for (row, values) in from.chunks_exact(columns).enumerate() {
            for (column, &value) in values.iter().enumerate() {
                to[column * rows + row] = value;
            }
        }
    }
}
