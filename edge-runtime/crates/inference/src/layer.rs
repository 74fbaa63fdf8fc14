//! The layers of a network, for tables that say where its time goes.

/// One operation of a network that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The name of its node in the file.
    pub name: String,
    /// What it does, for example `conv 3x3/1`: rows and columns of the window, and its stride.
    pub operation: String,
    /// Rows, columns and channels of the result; as the engine has them, where it is tract.
    pub output: Vec<usize>,
    /// Multiply-accumulates that its definition needs, without those that fill up registers.
    pub macs: u64,
}
