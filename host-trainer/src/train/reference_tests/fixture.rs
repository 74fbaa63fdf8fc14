//! What the float64 implementation found, and the numbers that both sides make their parameters of.

use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Fixture {
    pub(super) image_first: Vec<Vec<f64>>,
    pub(super) networks: std::collections::BTreeMap<String, Reference>,
}

#[derive(Deserialize)]
pub(super) struct Reference {
    pub(super) parameter_total: usize,
    pub(super) parameters: Vec<Parameter>,
    pub(super) layers: Vec<Layer>,
    pub(super) eval: Eval,
    pub(super) train: Train,
}

#[derive(Deserialize)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) first: Vec<f64>,
}

#[derive(Deserialize)]
pub(super) struct Layer {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
}

#[derive(Deserialize)]
pub(super) struct Eval {
    pub(super) outputs: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
pub(super) struct Train {
    pub(super) outputs: Vec<Vec<f64>>,
    pub(super) loss: f64,
    pub(super) tensors: Vec<Trained>,
    pub(super) batch_norms: Vec<Running>,
}

#[derive(Deserialize)]
pub(super) struct Trained {
    pub(super) name: String,
    pub(super) gradient: Numbers,
    pub(super) adam_corrected: Numbers,
}

#[derive(Deserialize)]
#[allow(clippy::struct_field_names, reason = "the names of the JSON")]
pub(super) struct Running {
    pub(super) name: String,
    pub(super) running_mean: Numbers,
    pub(super) running_var_biased: Numbers,
}

#[derive(Deserialize)]
pub(super) struct Numbers {
    pub(super) l2: f64,
    pub(super) first: Vec<f64>,
}

pub(super) fn fixture() -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/reference.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Numbers in 0..1 by the hash that `reference.py` documents.
pub(super) fn uniform(tensor: u64, count: usize) -> impl Iterator<Item = f64> {
    let start = (tensor + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (0..count as u64).map(move |k| {
        let mut x = start.wrapping_add(k.wrapping_mul(0xBF58_476D_1CE4_E5B9));
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^= x >> 31;
        (x >> 40) as f64 / f64::from(1 << 24)
    })
}
