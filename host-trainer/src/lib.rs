//! Training on the host: from CSV files of faces to a bundle that a kiosk runs.
#![forbid(unsafe_code)]

pub mod augment;
pub mod bundle;
pub mod calibrate;
pub mod compare;
pub mod config;
pub mod crop;
pub mod data;
pub mod detector;
pub mod device;
pub mod early_stop;
pub mod engine;
pub mod evaluate;
pub mod files;
pub mod fingerprint;
pub mod framing;
pub mod golden;
pub mod measure;
pub mod model;
mod one_or_more;
pub mod onnx;
pub mod panel;
pub mod plateau;
pub mod portraits;
pub mod predict;
pub mod report;
pub mod sign;
pub mod suspects;
pub mod tables;
pub mod target;
pub mod train;
