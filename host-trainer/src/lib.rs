//! Training on the host: from CSV files of faces to measured networks.

pub mod augment;
pub mod data;
pub mod early_stop;
pub mod evaluate;
pub mod plateau;
