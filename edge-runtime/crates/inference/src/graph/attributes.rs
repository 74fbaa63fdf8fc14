//! Attributes of a node, with ONNX's defaults.

use onnx::NodeProto;

use super::{Why, Window};

/// The attributes of one node.
pub(crate) struct Attributes<'a>(pub(crate) &'a NodeProto);

impl Attributes<'_> {
    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        let attribute = self.0.attribute.iter().find(|attribute| attribute.name == name);
        attribute.map_or(default, |attribute| attribute.i)
    }

    /// An integer that has to be this, which is also its default.
    pub(crate) fn expect(&self, name: &'static str, expected: i64) -> Result<(), Why> {
        match self.int(name, expected) {
            value if value == expected => Ok(()),
            value => Err(Why::attribute(
                name,
                format!("is {value}, only {expected} is supported"),
            )),
        }
    }

    /// Integers that all have to be this, which is also their default.
    pub(crate) fn expect_all(&self, name: &'static str, expected: i64) -> Result<(), Why> {
        if self.ints(name).iter().all(|value| *value == expected as usize) {
            return Ok(());
        }
        Err(Why::attribute(name, format!("is not {expected} everywhere")))
    }

    /// A float that has to be this, which is also its default.
    pub(crate) fn expect_float(&self, name: &'static str, expected: f32) -> Result<(), Why> {
        let attribute = self.0.attribute.iter().find(|attribute| attribute.name == name);
        match attribute.map_or(expected, |attribute| attribute.f) {
            value if value == expected => Ok(()),
            value => Err(Why::attribute(
                name,
                format!("is {value}, only {expected} is supported"),
            )),
        }
    }

    fn ints(&self, name: &str) -> Vec<usize> {
        let attribute = self.0.attribute.iter().find(|attribute| attribute.name == name);
        let values = attribute.map(|attribute| attribute.ints.as_slice()).unwrap_or_default();
        values
            .iter()
            .map(|value| usize::try_from(*value).unwrap_or(usize::MAX))
            .collect()
    }

    fn array<const N: usize>(&self, name: &'static str, default: [usize; N]) -> Result<[usize; N], Why> {
        let values = self.ints(name);
        if values.is_empty() {
            return Ok(default);
        }
        values
            .try_into()
            .map_err(|_| Why::attribute(name, format!("needs {N} values")))
    }
}

/// The window of a convolution, whose weights say its size, or of a pool.
pub(crate) fn window(attributes: &Attributes<'_>, weights: Option<[usize; 2]>) -> Result<Window, Why> {
    let automatic = attributes
        .0
        .attribute
        .iter()
        .find(|attribute| attribute.name == "auto_pad");
    if automatic.is_some_and(|attribute| !attribute.s.is_empty() && attribute.s != b"NOTSET") {
        return Err(Why::attribute("auto_pad", "is not supported"));
    }
    let size = attributes.array("kernel_shape", weights.unwrap_or_default())?;
    if weights.is_some_and(|weights| weights != size) || size.contains(&0) {
        return Err(Why::attribute("kernel_shape", "does not fit"));
    }
    let window = Window {
        size,
        stride: attributes.array("strides", [1; 2])?,
        pads: attributes.array("pads", [0; 4])?,
    };
    if window.stride.contains(&0) {
        return Err(Why::attribute("strides", "is 0"));
    }
    Ok(window)
}
