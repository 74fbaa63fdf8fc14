//! From the nodes of an ONNX file in floats to a [`Graph`].
//!
//! Only what residual networks consist of once batch norms are folded: anything else is an error that names the node.

use std::collections::{HashMap, HashSet};

use onnx::tensor_proto::DataType;
use onnx::{GraphProto, NodeProto, TensorProto};

use super::{Filter, Graph, Node, Op};
use crate::graph::attributes::Attributes;
use crate::graph::geometry::{self, Geometry, input};
use crate::graph::{Shape, Subject, Target, Tensor, TensorId, Unsupported, Why, Window};
use crate::unsupported;

/// A tensor, possibly flattened to channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct View {
    tensor: TensorId,
    flat: bool,
}

/// Reads a graph that the structure check has accepted, with these outputs in this order.
pub(super) fn read(proto: &GraphProto, shape: Shape, outputs: &[&str]) -> Result<Graph, Unsupported> {
    let mut reader = Reader {
        constants: proto
            .initializer
            .iter()
            .map(|tensor| (tensor.name.as_str(), tensor))
            .collect(),
        uses: uses(proto),
        claimed: HashSet::new(),
        values: HashMap::new(),
        graph: Graph::default(),
    };
    let image = proto
        .input
        .iter()
        .find(|info| !reader.constants.contains_key(info.name.as_str()));
    let image = image.ok_or_else(|| Subject::Graph.because(Why::Pattern("there is no input")))?;
    let tensor = reader.tensor(shape);
    reader.graph.input = Some(tensor);
    reader.values.insert(&image.name, View { tensor, flat: false });
    for node in &proto.node {
        let view = reader.node(node).map_err(|why| Subject::of(node).because(why))?;
        reader
            .values
            .insert(node.output.first().map_or("", String::as_str), view);
    }
    for (at, name) in outputs.iter().enumerate() {
        let view = reader
            .values
            .get(name)
            .ok_or_else(|| Subject::Output((*name).to_owned()).because(Why::Pattern("nothing computes it")))?;
        reader.graph.results.push((view.tensor, at));
    }
    Ok(reader.graph)
}

/// How many read each name, the caller among them.
fn uses(proto: &GraphProto) -> HashMap<&str, usize> {
    let inputs = proto.node.iter().flat_map(|node| &node.input);
    let names = inputs.chain(proto.output.iter().map(|output| &output.name));
    let mut uses = HashMap::new();
    for name in names {
        *uses.entry(name.as_str()).or_default() += 1;
    }
    uses
}

struct Reader<'a> {
    constants: HashMap<&'a str, &'a TensorProto>,
    uses: HashMap<&'a str, usize>,
    /// Constants that a layer uses; each is packed once.
    claimed: HashSet<&'a str>,
    values: HashMap<&'a str, View>,
    graph: Graph,
}

impl<'a> Reader<'a> {
    fn node(&mut self, node: &'a NodeProto) -> Result<View, Why> {
        match node.op_type.as_str() {
            "Conv" => self.convolution(node),
            "Gemm" => self.dense(node),
            "Add" => self.add(node),
            "MaxPool" => self.pool(node, Op::MaxPool),
            "AveragePool" => self.pool(node, Op::AveragePool),
            "Relu" => self.relu(node),
            "Flatten" => self.flatten(node),
            _ => Err(Why::Operator("")),
        }
    }

    fn convolution(&mut self, node: &'a NodeProto) -> Result<View, Why> {
        let (view, shape) = self.spatial(node, 0)?;
        let geometry = geometry::convolution(node, &self.sizes(input(node, 1)?)?, shape)?;
        self.conv_or_dense(node, view, &geometry)
    }

    fn dense(&mut self, node: &'a NodeProto) -> Result<View, Why> {
        let view = self.view(node, 0)?;
        if !view.flat {
            return Err(Why::Pattern("its input is not flattened"));
        }
        let shape = self.graph.tensors[view.tensor].shape;
        let geometry = geometry::dense(node, &self.sizes(input(node, 1)?)?, shape)?;
        let view = self.conv_or_dense(node, view, &geometry)?;
        Ok(View { flat: true, ..view })
    }

    fn conv_or_dense(&mut self, node: &'a NodeProto, view: View, geometry: &Geometry) -> Result<View, Why> {
        let weights = self.claim(input(node, 1)?)?;
        let outputs = geometry.output[2];
        let biases = match node.input.get(2) {
            Some(name) if self.sizes(name)? == [outputs] => Some(self.claim(name)?),
            Some(name) => return Err(Why::Shape(format!("its biases `{name}` are not {outputs} values"))),
            None => None,
        };
        let filter = Filter {
            weights,
            biases,
            outputs,
            strides: geometry.strides,
        };
        let op = Op::Convolution {
            window: geometry.window,
            filter,
            residual: None,
            pool: None,
        };
        Ok(self.push(node, op, view, geometry.output))
    }

    fn add(&mut self, node: &'a NodeProto) -> Result<View, Why> {
        let ((view, shape), (other, other_shape)) = (self.spatial(node, 0)?, self.spatial(node, 1)?);
        if shape != other_shape {
            return Err(Why::Pattern("its inputs have different shapes"));
        }
        Ok(self.push(node, Op::Add { other: other.tensor }, view, shape))
    }

    fn pool(&mut self, node: &'a NodeProto, op: fn(Window) -> Op) -> Result<View, Why> {
        let (view, shape) = self.spatial(node, 0)?;
        let (window, output) = geometry::pool(node, shape)?;
        Ok(self.push(node, op(window), view, output))
    }

    /// Becomes the end of the operation before it, whose bare result nobody else may read.
    fn relu(&mut self, node: &'a NodeProto) -> Result<View, Why> {
        let view = self.view(node, 0)?;
        let alone = self.uses.get(input(node, 0)?) == Some(&1);
        let producer = self
            .graph
            .nodes
            .iter_mut()
            .find(|node| node.output == Target::Tensor(view.tensor));
        match producer {
            Some(producer) if alone && matches!(producer.op, Op::Convolution { .. } | Op::Add { .. }) => {
                producer.relu = true;
                Ok(view)
            }
            _ => Err(Why::Pattern(
                "it does not follow a convolution, dense layer or sum alone",
            )),
        }
    }

    fn flatten(&mut self, node: &'a NodeProto) -> Result<View, Why> {
        Attributes(node).expect("axis", 1)?;
        Ok(View {
            flat: true,
            ..self.view(node, 0)?
        })
    }

    fn push(&mut self, node: &NodeProto, op: Op, view: View, shape: Shape) -> View {
        let tensor = self.tensor(shape);
        self.graph.nodes.push(Node {
            name: unsupported::name(node),
            op,
            input: view.tensor,
            output: Target::Tensor(tensor),
            relu: false,
        });
        View { tensor, flat: false }
    }

    fn tensor(&mut self, shape: Shape) -> TensorId {
        self.graph.tensors.push(Tensor {
            shape,
            quantisation: (),
        });
        self.graph.tensors.len() - 1
    }

    fn view(&self, node: &NodeProto, at: usize) -> Result<View, Why> {
        let name = input(node, at)?;
        let view = self.values.get(name).copied();
        view.ok_or_else(|| Why::tensor(name, "is a constant"))
    }

    /// An input that has rows and columns.
    fn spatial(&self, node: &NodeProto, at: usize) -> Result<(View, Shape), Why> {
        let view = self.view(node, at)?;
        if view.flat {
            return Err(Why::Pattern("its input is flattened"));
        }
        Ok((view, self.graph.tensors[view.tensor].shape))
    }

    fn constant(&self, name: &str) -> Result<&'a TensorProto, Why> {
        let tensor = self.constants.get(name).copied();
        let tensor = tensor.filter(|tensor| tensor.data_type == DataType::Float as i32);
        tensor.ok_or_else(|| Why::tensor(name, "is no constant of 32-bit floats"))
    }

    fn sizes(&self, name: &str) -> Result<Vec<usize>, Why> {
        Ok(self.constant(name)?.dims.iter().map(|dim| *dim as usize).collect())
    }

    fn claim(&mut self, name: &str) -> Result<String, Why> {
        let name = self.constant(name)?.name.as_str();
        if self.claimed.insert(name) {
            return Ok(name.to_owned());
        }
        Err(Why::Shape(format!("two layers share `{name}`")))
    }
}
