//! A `DequantizeLinear` for each node that reads its output.
//!
//! Any runtime computes the same from one that several nodes share. OpenCV 5.0 does not: where a convolution and an
//! addition share one, its fusing of the two loses the value, and the file cannot be run.

use std::collections::BTreeMap;

use onnx::NodeProto;

/// The nodes in their order, with as many copies of each `DequantizeLinear` as nodes read it, each of its own name.
pub(super) fn apart(mut nodes: Vec<NodeProto>) -> Vec<NodeProto> {
    let shared = nodes.iter().filter(|node| node.op_type == "DequantizeLinear");
    let mut copies: BTreeMap<String, Vec<String>> = shared
        .filter_map(|node| Some((node.output.first()?.clone(), Vec::new())))
        .collect();
    for input in nodes.iter_mut().flat_map(|node| &mut node.input) {
        let Some(names) = copies.get_mut(input) else { continue };
        let name = match names.len() {
            0 => input.clone(),
            others => format!("{input}.{}", others + 1),
        };
        names.push(name.clone());
        *input = name;
    }
    nodes
        .into_iter()
        .flat_map(|node| {
            let names = node.output.first().and_then(|output| copies.remove(output));
            let more = names.into_iter().flatten().skip(1).map(|name| NodeProto {
                name: name.clone(),
                output: vec![name],
                ..node.clone()
            });
            let more: Vec<NodeProto> = more.collect();
            std::iter::once(node).chain(more)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use onnx::{GraphProto, ModelProto};
    use prost::Message;

    use super::*;
    use crate::onnx::graph::node;
    use crate::onnx::renewed;

    #[test]
    fn each_reader_has_its_own_and_nothing_else_changes() {
        let dequantise = |output| node("DequantizeLinear", &["q", "scale"], output, Vec::new());
        let mut first = dequantise("x");
        "x".clone_into(&mut first.name);
        let nodes = vec![
            first.clone(),
            node("Conv", &["x", "w"], "y", Vec::new()),
            node("Add", &["y", "x"], "z", Vec::new()),
            dequantise("lonely"),
        ];
        let found = apart(nodes.clone());
        let mut second = dequantise("x.2");
        "x.2".clone_into(&mut second.name);
        let expected = vec![
            first,
            second,
            nodes[1].clone(),
            node("Add", &["y", "x.2"], "z", Vec::new()),
            nodes[3].clone(),
        ];
        assert_eq!(found, expected);
        assert_eq!(apart(expected.clone()), expected);
    }

    #[test]
    fn a_file_of_an_earlier_version_is_renewed_once() {
        let shared = GraphProto {
            node: vec![
                node("DequantizeLinear", &["q", "scale"], "x", Vec::new()),
                node("Conv", &["x", "w"], "y", Vec::new()),
                node("Add", &["y", "x"], "z", Vec::new()),
            ],
            ..GraphProto::default()
        };
        let old = ModelProto {
            graph: Some(shared),
            ..ModelProto::default()
        };
        let new = renewed(&old.encode_to_vec()).unwrap();
        let nodes = ModelProto::decode(new.as_slice()).unwrap().graph.unwrap().node;
        let inputs: Vec<&[String]> = nodes.iter().map(|node| node.input.as_slice()).collect();
        assert_eq!(inputs[2..], [["x", "w"], ["y", "x.2"]]);
        assert_eq!(renewed(&new).unwrap(), new);
        assert!(renewed(b"no model").is_err());
    }
}
