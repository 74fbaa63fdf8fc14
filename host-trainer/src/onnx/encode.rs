//! An ONNX file with every number in it.
//!
//! Protocol buffers leave a field out that has its default value. An attribute of 0 would have a name, a type and no
//! value, which some programs take for 0 and others, OpenCV among them, refuse. Here it is written out.

use onnx::attribute_proto::AttributeType;
use onnx::{AttributeProto, GraphProto, ModelProto, NodeProto};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::readers::apart;

/// Numbers of the fields in `onnx.proto`.
mod field {
    pub(super) const GRAPH_OF_MODEL: u32 = 7;
    pub(super) const NODE_OF_GRAPH: u32 = 1;
    pub(super) const ATTRIBUTE_OF_NODE: u32 = 5;
    pub(super) const FLOAT_OF_ATTRIBUTE: u32 = 2;
    pub(super) const INTEGER_OF_ATTRIBUTE: u32 = 3;
}

/// The file of a model.
///
/// Fields of a message may stand in any order, so nodes and graph are added at the end of what they are part of.
pub(super) fn encode(mut model: ModelProto) -> Vec<u8> {
    let graph = model.graph.take().map(|mut graph: GraphProto| {
        let nodes = apart(std::mem::take(&mut graph.node));
        let mut bytes = graph.encode_to_vec();
        for node in &nodes {
            append(&mut bytes, field::NODE_OF_GRAPH, &encode_node(node));
        }
        bytes
    });
    let mut file = model.encode_to_vec();
    if let Some(graph) = graph {
        append(&mut file, field::GRAPH_OF_MODEL, &graph);
    }
    file
}

fn encode_node(node: &NodeProto) -> Vec<u8> {
    let bare = NodeProto {
        attribute: Vec::new(),
        ..node.clone()
    };
    let mut bytes = bare.encode_to_vec();
    for attribute in &node.attribute {
        append(&mut bytes, field::ATTRIBUTE_OF_NODE, &encode_attribute(attribute));
    }
    bytes
}

fn encode_attribute(attribute: &AttributeProto) -> Vec<u8> {
    let mut bytes = attribute.encode_to_vec();
    if attribute.r#type == AttributeType::Int as i32 && attribute.i == 0 {
        encode_key(field::INTEGER_OF_ATTRIBUTE, WireType::Varint, &mut bytes);
        encode_varint(0, &mut bytes);
    }
    if attribute.r#type == AttributeType::Float as i32 && attribute.f == 0.0 {
        encode_key(field::FLOAT_OF_ATTRIBUTE, WireType::ThirtyTwoBit, &mut bytes);
        bytes.extend(0f32.to_le_bytes());
    }
    bytes
}

fn append(bytes: &mut Vec<u8>, field: u32, message: &[u8]) {
    encode_key(field, WireType::LengthDelimited, bytes);
    encode_varint(message.len() as u64, bytes);
    bytes.extend_from_slice(message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::graph::{integer, node};

    #[test]
    fn an_attribute_of_zero_has_its_value_in_the_file() {
        let pool = node(
            "MaxPool",
            &["x"],
            "y",
            vec![integer("ceil_mode", 0), integer("axis", 1)],
        );
        let graph = GraphProto {
            node: vec![pool.clone()],
            ..GraphProto::default()
        };
        let file = encode(ModelProto {
            graph: Some(graph),
            ..ModelProto::default()
        });
        // Field 20 is the type, 2 an integer; field 3 is the value.
        let expected = b"ceil_mode\xa0\x01\x02\x18\x00";
        assert!(file.windows(expected.len()).any(|bytes| bytes == expected), "{file:x?}");
        let read = ModelProto::decode(file.as_slice()).unwrap();
        assert_eq!(encode(read.clone()), file);
        assert_eq!(read.graph.unwrap().node, [pool]);
    }
}
