//! The constants of a file, by name.

use std::collections::HashMap;

use onnx::TensorProto;
use onnx::tensor_proto::DataType;

use super::Why;

/// Initialisers that have been checked to be as long as their shapes say.
pub(crate) struct Constants(HashMap<String, TensorProto>);

impl Constants {
    pub(crate) fn new(tensors: Vec<TensorProto>) -> Self {
        Self(
            tensors
                .into_iter()
                .map(|tensor| (tensor.name.clone(), tensor))
                .collect(),
        )
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The sizes of all axes.
    pub(crate) fn shape(&self, name: &str) -> Result<Vec<usize>, Why> {
        Ok(self.tensor(name)?.dims.iter().map(|dim| *dim as usize).collect())
    }

    /// A constant of 32-bit floats.
    pub(crate) fn floats(&self, name: &str) -> Result<Vec<f32>, Why> {
        let tensor = self.typed(name, DataType::Float)?;
        let raw = words(&tensor.raw_data).map(f32::from_le_bytes);
        Ok(if tensor.raw_data.is_empty() {
            tensor.float_data.clone()
        } else {
            raw.collect()
        })
    }

    /// A constant of 32-bit integers.
    pub(crate) fn integers(&self, name: &str) -> Result<Vec<i32>, Why> {
        let tensor = self.typed(name, DataType::Int32)?;
        let raw = words(&tensor.raw_data).map(i32::from_le_bytes);
        Ok(if tensor.raw_data.is_empty() {
            tensor.int32_data.clone()
        } else {
            raw.collect()
        })
    }

    /// A constant of unsigned 8-bit integers.
    pub(crate) fn unsigned(&self, name: &str) -> Result<Vec<u8>, Why> {
        Ok(bytes(self.typed(name, DataType::Uint8)?))
    }

    /// A constant of signed 8-bit integers, in two's complement.
    pub(crate) fn signed(&self, name: &str) -> Result<Vec<u8>, Why> {
        Ok(bytes(self.typed(name, DataType::Int8)?))
    }

    /// Like [`Constants::signed`] without a copy: the constant is removed.
    pub(crate) fn take_signed(&mut self, name: &str) -> Result<Vec<u8>, Why> {
        self.typed(name, DataType::Int8)?;
        let tensor = self.0.remove(name).unwrap_or_default();
        Ok(if tensor.raw_data.is_empty() {
            bytes(&tensor)
        } else {
            tensor.raw_data
        })
    }

    /// 32-bit floats as bytes, little-endian, without a copy: the constant is removed.
    pub(crate) fn take_floats(&mut self, name: &str) -> Result<Vec<u8>, Why> {
        self.typed(name, DataType::Float)?;
        let tensor = self.0.remove(name).unwrap_or_default();
        Ok(if tensor.raw_data.is_empty() {
            tensor.float_data.iter().flat_map(|value| value.to_le_bytes()).collect()
        } else {
            tensor.raw_data
        })
    }

    fn typed(&self, name: &str, expected: DataType) -> Result<&TensorProto, Why> {
        let tensor = self.tensor(name)?;
        if tensor.data_type == expected as i32 {
            return Ok(tensor);
        }
        Err(Why::tensor(
            name,
            format!("is a constant, but not of type {expected:?}"),
        ))
    }

    fn tensor(&self, name: &str) -> Result<&TensorProto, Why> {
        self.0
            .get(name)
            .ok_or_else(|| Why::tensor(name, "is no constant, or is used twice"))
    }
}

fn bytes(tensor: &TensorProto) -> Vec<u8> {
    if tensor.raw_data.is_empty() {
        return tensor.int32_data.iter().map(|value| *value as u8).collect();
    }
    tensor.raw_data.clone()
}

fn words(raw: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    raw.as_chunks::<4>().0.iter().copied()
}
