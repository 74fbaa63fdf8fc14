//! Training on the host: from CSV files of faces to a bundle that a kiosk runs.

pub mod augment;
pub mod data;
pub mod device;
pub mod early_stop;
pub mod engine;
pub mod evaluate;
pub mod model;
pub mod plateau;
