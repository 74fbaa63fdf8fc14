//! What a quantised file was made of, so that it is never bundled with the weights of another training.

use anyhow::{Context, Result, bail};
use onnx::ModelProto;
use prost::Message;
use sha2::{Digest, Sha256};
use shared_model::manifest::{EMOTION_NAME, KEYPOINTS_NAME};

use crate::fingerprint::hex;
use crate::model::Task;
use crate::onnx::encode::encode;

/// Key in the metadata of a quantised file: SHA-256 of the 32-bit file, in hexadecimal.
pub(super) const KEY: &str = "quantised_from";

/// What [`KEY`] says of files made of this one.
pub(super) fn of(onnx: &[u8]) -> String {
    hex(&Sha256::digest(onnx))
}

/// Checks that a file was quantised from this one.
pub fn check_origin(quantised: &[u8], onnx: &[u8]) -> Result<()> {
    let model = ModelProto::decode(quantised).context("read a quantised file")?;
    let found = model.metadata_props.iter().find(|entry| entry.key == KEY);
    match found {
        None => bail!("the file was not written by `host-trainer quantise`"),
        Some(entry) if entry.value != of(onnx) => {
            bail!("the file was quantised from other weights than those of the run: quantise the run again")
        }
        Some(_) => Ok(()),
    }
}

/// A network's files as this program writes them, in 32-bit floats and quantised: earlier versions left zeros out, and let
/// nodes share a `DequantizeLinear`. The quantised one still names the other as what it was made of, if it did.
pub fn spelled_out(onnx: &[u8], quantised: Option<&[u8]>) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
    let floats = encode(ModelProto::decode(onnx).context("read a network file")?);
    let Some(quantised) = quantised else {
        return Ok((floats, None));
    };
    let mut model = ModelProto::decode(quantised).context("read a quantised file")?;
    let own = of(onnx);
    let origins = model.metadata_props.iter_mut();
    for entry in origins.filter(|entry| entry.key == KEY && entry.value == own) {
        entry.value = of(&floats);
    }
    Ok((floats, Some(encode(model))))
}

/// What a network file with one output tells.
pub fn task_of(onnx: &[u8]) -> Result<Task> {
    let graph = ModelProto::decode(onnx).context("read a network file")?.graph;
    let outputs: Vec<String> = (graph.unwrap_or_default().output.into_iter())
        .map(|output| output.name)
        .collect();
    match outputs.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [KEYPOINTS_NAME] => Ok(Task::Keypoints),
        [EMOTION_NAME] => Ok(Task::Emotion),
        _ => bail!(
            "the file gives `{}`; a network of a bundle gives `{KEYPOINTS_NAME}` or `{EMOTION_NAME}`",
            outputs.join("`, `")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::graph::{Graph, node};

    fn file(outputs: &[&str], metadata: &[(&str, String)]) -> Vec<u8> {
        let graph = Graph {
            input: "input".into(),
            nodes: vec![node("Relu", &["input"], "rectified", Vec::new())],
            outputs: outputs.iter().map(|name| ((*name).to_owned(), 5)).collect(),
            ..Graph::default()
        };
        graph.write(metadata)
    }

    #[test]
    fn knows_the_file_it_was_made_of() {
        let (own, other) = (file(&["emotion"], &[]), file(&["keypoints"], &[]));
        let quantised = file(&["emotion"], &[(KEY, of(&own))]);
        check_origin(&quantised, &own).unwrap();
        let error = check_origin(&quantised, &other).unwrap_err().to_string();
        assert!(error.contains("quantise the run again"), "{error}");
        let error = check_origin(&own, &own).unwrap_err().to_string();
        assert!(error.contains("not written by"), "{error}");
        assert!(check_origin(b"nothing", &own).is_err());
    }

    #[test]
    fn files_that_are_spelled_out_still_belong_together() {
        // As an exporter wrote it that left zeros out.
        let old = ModelProto::decode(file(&["emotion"], &[]).as_slice()).unwrap();
        let old = ModelProto {
            producer_name: "old".into(),
            ..old
        };
        let old = old.encode_to_vec();
        let quantised = file(&["emotion"], &[(KEY, of(&old))]);
        let (floats, integers) = spelled_out(&old, Some(&quantised)).unwrap();
        assert_ne!(floats, old);
        check_origin(integers.as_ref().unwrap(), &floats).unwrap();
        assert_eq!(spelled_out(&floats, integers.as_deref()).unwrap(), (floats, integers));
        let stranger = file(&["emotion"], &[(KEY, of(b"other"))]);
        let (floats, integers) = spelled_out(&old, Some(&stranger)).unwrap();
        assert!(check_origin(&integers.unwrap(), &floats).is_err());
    }

    #[test]
    fn tells_the_task_by_the_output() {
        assert_eq!(task_of(&file(&["keypoints"], &[])).unwrap(), Task::Keypoints);
        assert_eq!(task_of(&file(&["emotion"], &[])).unwrap(), Task::Emotion);
        let error = task_of(&file(&["keypoints", "emotion"], &[])).unwrap_err().to_string();
        assert!(error.contains("`keypoints`, `emotion`"), "{error}");
    }
}
