//! The cascade of a program that was built without it.

use image::GrayImage;

use super::{Detection, FaceError};

/// Cannot be made.
pub(super) enum Cascade {}

impl Cascade {
    pub(super) fn new(_: f32) -> Result<Self, FaceError> {
        Err(FaceError::NoCascade)
    }

    pub(super) fn search(&mut self, _: &GrayImage, _: u32, _: f64, _: u32) -> Vec<Detection> {
        match *self {}
    }
}
