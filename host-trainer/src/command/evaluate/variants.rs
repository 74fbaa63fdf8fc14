//! Figures of the original's protocol, whose rows are varied faces.

use std::fmt::Write as _;

use anyhow::Result;
use host_trainer::train::prepare::Prepared;
use host_trainer::train::validate::{mean_shape, validate};
use serde_json::{Value, json};
use shared_model::manifest::KEYPOINTS_NAME;

/// Figures of a network on these rows, as JSON and as a table, beside those of the mean shape of the training part.
pub(super) fn measure(onnx: &[u8], prepared: &Prepared, rows: &[u32]) -> Result<(Value, String)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (mse, rmse) = validate(onnx, KEYPOINTS_NAME, prepared, rows, threads)?;
    let mut json = json!({"variants": rows.len(), "mse_px2": mse, "rmse_px": rmse});
    let mut table = format!(
        "These are variants of faces, most with siblings in the training part: the figures are too good.\n\
         mean squared error       {mse:>10.4} px²\nroot mean squared error  {rmse:>10.4} px\n"
    );
    if let Some((mse, rmse)) = mean_shape(prepared, &prepared.split.train, rows) {
        json["mean_shape"] = json!({"mse_px2": mse, "rmse_px": rmse});
        // Writing to a string cannot fail.
        let _ = write!(
            table,
            "of the mean shape        {mse:>10.4} px²\nroot of that             {rmse:>10.4} px\n"
        );
    }
    Ok((json, table))
}
