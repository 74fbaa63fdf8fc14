//! What a layer is, and where its numbers lie.

use std::ops::Range;

/// Size of a map in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plane {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

impl Plane {
    /// Pixels of one image.
    pub(crate) fn pixels(self) -> usize {
        self.columns * self.rows
    }

    /// The map behind a convolution that keeps the size at stride 1.
    pub(crate) fn behind(self, stride: usize) -> Self {
        Self {
            columns: self.columns.div_ceil(stride),
            rows: self.rows.div_ceil(stride),
        }
    }
}

/// What follows a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Batch norm and `ReLU`.
    NormRelu,
    /// Batch norm, the output of this layer added, `ReLU`.
    NormAddRelu(usize),
    /// A bias: the layer is an output.
    Bias,
}

/// One convolution and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    /// Name in the exported file.
    pub(crate) name: String,
    /// Index of the layer whose output it takes; none for the network's input.
    pub(crate) input: Option<usize>,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// 1 or 3; the padding keeps the size at stride 1.
    pub(crate) kernel: usize,
    /// 1 or 2.
    pub(crate) stride: usize,
    pub(crate) after: After,
}

impl Layer {
    /// Values of one patch.
    pub(crate) fn taps(&self) -> usize {
        self.kernel * self.kernel * self.inputs
    }

    /// Numbers of the weights, `[outputs, kernel, kernel, inputs]`.
    pub(crate) fn weights(&self) -> usize {
        self.outputs * self.taps()
    }

    pub(crate) fn has_norm(&self) -> bool {
        self.after != After::Bias
    }
}

/// Where a layer's numbers lie in the flat vectors of parameters and statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParamRanges {
    pub(crate) weight: Range<usize>,
    /// Scale of the norm; empty without one.
    pub(crate) gamma: Range<usize>,
    /// Shift of the norm, or the bias.
    pub(crate) beta: Range<usize>,
    /// Running mean among the statistics; empty without a norm.
    pub(crate) mean: Range<usize>,
    /// Running variance.
    pub(crate) variance: Range<usize>,
}

/// Ranges of all layers, and how many parameters and statistics there are.
pub(crate) fn param_ranges(layers: &[Layer]) -> (Vec<ParamRanges>, usize, usize) {
    let (mut params, mut statistics) = (0, 0);
    let take = |end: &mut usize, count: usize| {
        *end += count;
        *end - count..*end
    };
    let found = layers.iter().map(|layer| {
        let normed = if layer.has_norm() { layer.outputs } else { 0 };
        ParamRanges {
            weight: take(&mut params, layer.weights()),
            gamma: take(&mut params, normed),
            beta: take(&mut params, layer.outputs),
            mean: take(&mut statistics, normed),
            variance: take(&mut statistics, normed),
        }
    });
    let found = found.collect();
    (found, params, statistics)
}

/// Size of each layer's output for an input of this size.
pub(crate) fn planes(layers: &[Layer], input: Plane) -> Vec<Plane> {
    let mut found: Vec<Plane> = Vec::with_capacity(layers.len());
    for layer in layers {
        let before = layer.input.map_or(input, |at| found[at]);
        found.push(before.behind(layer.stride));
    }
    found
}
