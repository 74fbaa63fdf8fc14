//! Two networks in one file.

use shared_model::manifest::{EMOTION_NAME, INPUT_NAME, KEYPOINTS_NAME};

use super::graph::Graph;
use super::{Description, ExportError, metadata};

/// Merges a keypoint and an emotion network, as [`super::export`] writes them: one `input`, outputs
/// `keypoints` `[n, 30]` and `emotion` `[n, classes]`.
///
/// Both must normalise their input alike; `description` is the emotion network's.
pub fn merge(keypoints: &[u8], emotion: &[u8], description: &Description) -> Result<Vec<u8>, ExportError> {
    let mut merged = Graph::read(keypoints)?;
    let mut other = Graph::read(emotion)?;
    prefix(&mut merged, KEYPOINTS_NAME);
    prefix(&mut other, EMOTION_NAME);
    merged.nodes.append(&mut other.nodes);
    merged.weights.append(&mut other.weights);
    merged.integers.append(&mut other.integers);
    merged.outputs.append(&mut other.outputs);
    Ok(merged.write(&metadata(description)))
}

/// Puts `by` before every name but those of the input and the outputs.
fn prefix(graph: &mut Graph, by: &str) {
    let mut names: Vec<String> = graph.nodes.iter().flat_map(|node| node.output.clone()).collect();
    names.extend(graph.weights.keys().chain(graph.integers.keys()).cloned());
    for name in names {
        if name != INPUT_NAME && !graph.is_output(&name) {
            graph.rename(&name, &format!("{by}.{name}"));
        }
    }
    for node in &mut graph.nodes {
        node.name = format!("{by}.{}", node.name);
    }
}
