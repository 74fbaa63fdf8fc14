//! Why this program does not compute a network itself.

use std::fmt;

use kernels::KernelError;
use onnx::NodeProto;

/// Something in a graph that the readers do not know, or that contradicts itself.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{node}{why}")]
pub struct Unsupported {
    /// The part of the graph that it is about.
    pub node: Subject,
    /// What is wrong with it.
    pub why: Why,
}

/// The part of a graph that an error is about. As text, it ends with a colon and a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The graph as a whole.
    Graph,
    /// A node, by its name, or that of its output where it has none.
    Node {
        /// The name in the file.
        name: String,
        /// The ONNX operator; empty where several were fused into one.
        operator: String,
    },
    /// An output of the network, by its name.
    Output(String),
}

/// What a graph reader, a rewrite or a kernel refuses.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Why {
    /// This processor has no vector instructions that the kernels use.
    #[error("this processor has no vector instructions that this program knows")]
    Isa,
    /// An operator that this reader does not implement.
    #[error("it is not known{0}")]
    Operator(&'static str),
    /// An attribute of a node, and the rule that its value breaks.
    #[error("attribute `{name}` {rule}")]
    Attribute {
        /// The name in the ONNX specification.
        name: &'static str,
        /// The rule, with the value that was found.
        rule: String,
    },
    /// A tensor, and what it is not.
    #[error("`{name}` {rule}")]
    Tensor {
        /// The name in the file.
        name: String,
        /// What it would have to be.
        rule: String,
    },
    /// Sizes that do not fit each other.
    #[error("{0}")]
    Shape(String),
    /// Scales or zero points that the integer kernels cannot use.
    #[error("{0}")]
    Quantisation(String),
    /// Operations in an order or a number that is not implemented.
    #[error("{0}")]
    Pattern(&'static str),
    /// The packed operation is refused.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Graph => Ok(()),
            Self::Node { name, operator } if operator.is_empty() => write!(f, "node `{name}`: "),
            Self::Node { name, operator } => write!(f, "node `{name}` ({operator}): "),
            Self::Output(name) => write!(f, "output `{name}`: "),
        }
    }
}

impl Subject {
    /// A node of the file.
    pub(crate) fn of(node: &NodeProto) -> Self {
        Self::Node {
            name: name(node),
            operator: node.op_type.clone(),
        }
    }

    /// A node of the plan, into which nodes of the file may be fused.
    pub(crate) fn fused(name: &str) -> Self {
        Self::Node {
            name: name.to_owned(),
            operator: String::new(),
        }
    }

    /// The error that is about this part.
    pub(crate) fn because(self, why: impl Into<Why>) -> Unsupported {
        Unsupported {
            node: self,
            why: why.into(),
        }
    }
}

impl Why {
    /// The rule that an attribute breaks.
    pub(crate) fn attribute(name: &'static str, rule: impl Into<String>) -> Self {
        Self::Attribute {
            name,
            rule: rule.into(),
        }
    }

    /// What a tensor is not.
    pub(crate) fn tensor(name: &str, rule: impl Into<String>) -> Self {
        Self::Tensor {
            name: name.to_owned(),
            rule: rule.into(),
        }
    }
}

/// Name of a node, for messages and tables.
pub(crate) fn name(node: &NodeProto) -> String {
    if node.name.is_empty() {
        return node.output.first().cloned().unwrap_or_default();
    }
    node.name.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_part_and_the_reason() {
        let node = |operator: &str| Subject::Node {
            name: "a".into(),
            operator: operator.into(),
        };
        let cases = [
            (
                node("Conv").because(Why::attribute("group", "is 2")),
                "node `a` (Conv): attribute `group` is 2",
            ),
            (
                node("").because(KernelError::Depth(1 << 20)),
                "node `a`: dot products of",
            ),
            (
                Subject::Output("o".into()).because(Why::tensor("t", "is a constant")),
                "output `o`: `t` is a constant",
            ),
            (
                Subject::Graph.because(Why::Pattern("there is no input")),
                "there is no input",
            ),
        ];
        for (error, expected) in cases {
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }
}
