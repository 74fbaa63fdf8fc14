//! Where results of a product end below.

/// The lowest results: 0 where a ReLU follows, else [`f32::NEG_INFINITY`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floors {
    /// Of the product itself.
    pub own: f32,
    /// Of its sum with other values.
    pub sum: f32,
}
