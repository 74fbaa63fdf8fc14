//! Rewrites that change no result.
//!
//! [`fuse_residual_adds`] makes every residual addition the end of the convolution before it, which then adds while its
//! results are still in registers. [`drop_dead_nodes`] drops the nodes that no output depends on, [`shrink_tensors`] the
//! rows and columns: a 2x2 pool reads 22 of 23 rows, so nothing has to compute the last one.

use std::collections::HashSet;

use super::{Graph, Node, Op, ResidualAdd, Shape, Subject, Target, TensorId, Unsupported, Values, Why, Window};

/// Every `Add` becomes the end of a convolution; the error names the first one where that cannot be.
pub(crate) fn fuse_residual_adds<V: Values>(graph: &mut Graph<V>) -> Result<(), Unsupported> {
    while let Some(at) = graph.nodes.iter().position(|node| matches!(node.op, Op::Add { .. })) {
        let subject = Subject::Node {
            name: graph.nodes[at].name.clone(),
            operator: "Add".to_owned(),
        };
        fuse_residual_add(graph, at)
            .ok_or_else(|| subject.because(Why::Pattern("neither side is a convolution's alone")))?;
    }
    Ok(())
}

fn fuse_residual_add<V: Values>(graph: &mut Graph<V>, at: usize) -> Option<()> {
    let sides: Vec<TensorId> = graph.nodes[at].inputs().collect();
    let [first, second] = sides[..] else { return None };
    let (producer, inner, other) = [(first, second), (second, first)]
        .into_iter()
        .find_map(|(inner, other)| Some((fusible(graph, inner)?, inner, other)))?;
    let add = graph.nodes.remove(at);
    let mut node = graph.nodes.remove(producer);
    if let Op::Convolution { residual, .. } = &mut node.op {
        let conv_quantisation = graph.tensors[inner].quantisation;
        *residual = Some(ResidualAdd {
            other,
            conv_quantisation,
            conv_relu: node.relu,
        });
    }
    node.output = add.output;
    node.relu = add.relu;
    // Both sides of the sum are known where it stood; one node before it is gone.
    graph.nodes.insert(at - 1, node);
    Some(())
}

/// The convolution that computes a tensor, if nobody else reads the tensor.
fn fusible<V: Values>(graph: &Graph<V>, tensor: TensorId) -> Option<usize> {
    let readers = graph
        .nodes
        .iter()
        .flat_map(Node::inputs)
        .filter(|id| *id == tensor)
        .count();
    let output = graph.results.iter().any(|(id, _)| *id == tensor);
    let producer = graph
        .nodes
        .iter()
        .position(|node| node.output == Target::Tensor(tensor))?;
    let plain = matches!(
        graph.nodes[producer].op,
        Op::Convolution {
            residual: None,
            pool: None,
            ..
        }
    );
    (readers == 1 && !output && plain).then_some(producer)
}

/// Keeps only the nodes that an output depends on.
pub(crate) fn drop_dead_nodes<V: Values>(graph: &mut Graph<V>) {
    let mut used: HashSet<TensorId> = graph.results.iter().map(|(tensor, _)| *tensor).collect();
    let mut kept: Vec<Node<V>> = Vec::with_capacity(graph.nodes.len());
    for node in graph.nodes.drain(..).rev() {
        if matches!(node.output, Target::Tensor(tensor) if !used.contains(&tensor)) {
            continue;
        }
        used.extend(node.inputs());
        kept.push(node);
    }
    kept.reverse();
    graph.nodes = kept;
}

/// Every maximum over windows of 2x2 pixels becomes the end of the convolution before it, which then compares while its
/// results are still in registers: where nobody else reads them, no residual is added, and the convolution's window `fits`.
/// Runs after [`shrink_tensors`], which looks at no window of two operations.
pub(crate) fn fuse_max_pools<V: Values>(graph: &mut Graph<V>, fits: impl Fn(&Window) -> bool) {
    for at in (0..graph.nodes.len()).rev() {
        fuse_max_pool(graph, at, &fits);
    }
}

fn fuse_max_pool<V: Values>(graph: &mut Graph<V>, at: usize, fits: impl Fn(&Window) -> bool) -> Option<()> {
    let node = &graph.nodes[at];
    let Op::MaxPool(pooled) = node.op else { return None };
    let (inner, output) = (node.input, node.output);
    let producer = fusible(graph, inner)?;
    let Op::Convolution { window, pool, .. } = &mut graph.nodes[producer].op else {
        return None;
    };
    if !(fits(window) && pooled.size == [2, 2] && pooled.stride == [2, 2] && pooled.pads == [0; 4]) {
        return None;
    }
    *pool = Some(pooled);
    graph.nodes[producer].output = output;
    graph.nodes.remove(at);
    // Nothing writes it, and its buffer takes no room.
    graph.tensors[inner].shape = [0; 3];
    Some(())
}

/// Shrinks every tensor to the rows and columns that matter; they are always the first ones.
///
/// What a window reads beyond a shrunk tensor would be padding: it reads so far only where the tensor is whole.
pub(crate) fn shrink_tensors<V: Values>(graph: &mut Graph<V>) {
    let mut needed = vec![[0, 0]; graph.tensors.len()];
    let mut need = |tensor: TensorId, size: [usize; 2], shape: Shape| {
        for axis in 0..2 {
            needed[tensor][axis] = needed[tensor][axis].max(size[axis]).min(shape[axis]);
        }
        needed[tensor]
    };
    for (tensor, _) in &graph.results {
        let shape = graph.tensors[*tensor].shape;
        need(*tensor, [shape[0], shape[1]], shape);
    }
    for node in graph.nodes.iter().rev() {
        let size = match node.output {
            Target::Tensor(tensor) => need(tensor, [0, 0], graph.tensors[tensor].shape),
            Target::Output(_) => graph.size(node),
        };
        if let Op::Convolution {
            residual: Some(residual),
            ..
        } = &node.op
        {
            need(residual.other, size, graph.tensors[residual.other].shape);
        }
        need(node.input, read_by(&node.op, size), graph.tensors[node.input].shape);
    }
    for (tensor, size) in graph.tensors.iter_mut().zip(needed) {
        tensor.shape = [size[0], size[1], tensor.shape[2]];
    }
}

/// Rows and columns of the input that the first `size` outputs depend on, if the input has them.
fn read_by<V: Values>(op: &Op<V>, size: [usize; 2]) -> [usize; 2] {
    let read = |window: &Window, axis: usize| {
        let last = size[axis].saturating_sub(1) * window.stride[axis] + window.size[axis];
        last.saturating_sub(window.pads[axis])
    };
    match op {
        Op::Convolution { window, .. } | Op::MaxPool(window) | Op::AveragePool(window) => {
            [read(window, 0), read(window, 1)]
        }
        Op::Add { .. } => size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Tensor;

    #[derive(Debug, Clone, Default)]
    struct Nothing;

    impl Values for Nothing {
        type Quantisation = ();
        type Filter = ();

        fn channels((): &()) -> usize {
            0
        }
    }

    fn tensor(shape: Shape) -> Tensor<Nothing> {
        Tensor {
            shape,
            quantisation: (),
        }
    }

    fn window(size: usize, stride: usize, pad: usize) -> Window {
        Window {
            size: [size; 2],
            stride: [stride; 2],
            pads: [pad; 4],
        }
    }

    fn node(name: &str, op: Op<Nothing>, input: TensorId, output: TensorId) -> Node<Nothing> {
        Node {
            name: name.into(),
            op,
            input,
            output: Target::Tensor(output),
            relu: false,
        }
    }

    fn convolution(window: Window) -> Op<Nothing> {
        Op::Convolution {
            window,
            filter: (),
            residual: None,
            pool: None,
        }
    }

    /// A convolution with a pooled shortcut around it.
    fn residual() -> Graph<Nothing> {
        Graph {
            tensors: vec![
                tensor([23, 23, 16]),
                tensor([11, 11, 16]),
                tensor([11, 11, 16]),
                tensor([11, 11, 16]),
                tensor([2, 2, 16]),
            ],
            nodes: vec![
                node("pool", Op::MaxPool(window(2, 2, 0)), 0, 1),
                node("conv", convolution(window(3, 1, 1)), 1, 2),
                node("add", Op::Add { other: 1 }, 2, 3),
                node("average", Op::AveragePool(window(5, 5, 0)), 3, 4),
            ],
            input: Some(0),
            results: vec![(4, 0)],
        }
    }

    #[test]
    fn sums_become_the_end_of_a_convolution() {
        let mut graph = residual();
        fuse_residual_adds(&mut graph).unwrap();
        assert_eq!(
            graph.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(),
            ["pool", "conv", "average"]
        );
        let Op::Convolution {
            residual: Some(residual),
            ..
        } = &graph.nodes[1].op
        else {
            panic!("no sum")
        };
        assert_eq!((residual.other, graph.nodes[1].output), (1, Target::Tensor(3)));
    }

    #[test]
    fn sums_of_what_others_read_are_refused() {
        let mut graph = residual();
        graph.results.push((2, 1));
        assert!(fuse_residual_adds(&mut graph).unwrap_err().to_string().contains("add"));
    }

    #[test]
    fn nodes_that_no_output_depends_on_are_dropped() {
        let mut graph = residual();
        graph.results = vec![(2, 0)];
        drop_dead_nodes(&mut graph);
        assert_eq!(
            graph.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(),
            ["pool", "conv"]
        );
    }

    /// A convolution and the largest of 2x2 of its results.
    fn pooled() -> Graph<Nothing> {
        Graph {
            tensors: vec![tensor([4, 6, 16]), tensor([4, 6, 32]), tensor([2, 3, 32])],
            nodes: vec![
                node("conv", convolution(window(1, 1, 0)), 0, 1),
                node("pool", Op::MaxPool(window(2, 2, 0)), 1, 2),
            ],
            input: Some(0),
            results: vec![(2, 0)],
        }
    }

    #[test]
    fn pools_become_the_end_of_a_convolution() {
        let mut graph = pooled();
        let macs = graph.layer(&graph.nodes[0]).macs;
        fuse_max_pools(&mut graph, |_| true);
        let [node] = &graph.nodes[..] else {
            panic!("{:?}", graph.nodes)
        };
        assert_eq!((node.input, node.output), (0, Target::Tensor(2)));
        assert_eq!(graph.tensors[1].shape, [0; 3]);
        let layer = graph.layer(node);
        assert_eq!((layer.operation.as_str(), layer.macs), ("conv 1x1/1 + max", macs));
    }

    #[test]
    fn pools_stay_where_others_read_or_windows_do_not_fit() {
        type Change = fn(&mut Graph<Nothing>);
        let changes: [Change; 5] = [
            |graph| {
                let sum = ResidualAdd {
                    other: 1,
                    conv_quantisation: (),
                    conv_relu: false,
                };
                if let Op::Convolution { residual, .. } = &mut graph.nodes[0].op {
                    *residual = Some(sum);
                }
            },
            |graph| graph.results.push((1, 1)),
            |graph| graph.nodes[1].op = Op::MaxPool(window(3, 2, 0)),
            |graph| graph.nodes[1].op = Op::MaxPool(window(2, 2, 1)),
            |graph| graph.nodes[1].op = Op::AveragePool(window(2, 2, 0)),
        ];
        for change in changes {
            let mut graph = pooled();
            change(&mut graph);
            fuse_max_pools(&mut graph, |_| true);
            assert_eq!(graph.nodes.len(), 2);
        }
        let mut graph = pooled();
        fuse_max_pools(&mut graph, |window| window.size == [3, 3]);
        assert_eq!(graph.nodes.len(), 2);
    }

    #[test]
    fn rows_that_nothing_depends_on_are_dropped() {
        let mut graph = residual();
        fuse_residual_adds(&mut graph).unwrap();
        shrink_tensors(&mut graph);
        // Ten rows are averaged; the window of the tenth reads the eleventh, which pools rows 21 and 22.
        let rows: Vec<_> = graph.tensors.iter().map(|tensor| tensor.shape[0]).collect();
        assert_eq!([rows[4], rows[3], rows[1], rows[0]], [2, 10, 11, 22]);
    }
}
