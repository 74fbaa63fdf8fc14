//! The messages of ONNX files, as Protocol Buffers.
//!
//! Names and numbers of fields are those of `onnx.proto3` of the ONNX project, IR version 10
//! (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3>). Left out is what no network of this project has: training
//! information, quantisation annotations, and types other than tensors. Reading a file passes over such fields.
#![forbid(unsafe_code)]

use prost::Message;

/// A file: one graph, and what it asks of whoever runs it.
#[derive(Clone, PartialEq, Message)]
pub struct ModelProto {
    /// Version of the format that the file is written in.
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// Program that wrote the file.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// Version of that program, as it names it.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// Name space of the model, a reversed domain name.
    #[prost(string, tag = "4")]
    pub domain: String,
    /// Version of the model, counted by its makers.
    #[prost(int64, tag = "5")]
    pub model_version: i64,
    /// What people may want to know of it.
    #[prost(string, tag = "6")]
    pub doc_string: String,
    /// The network itself: its nodes and constants.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    /// Sets of operators that the nodes come from.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
    /// Pairs of names and values for people and programs.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
    /// Functions that nodes may call.
    #[prost(message, repeated, tag = "25")]
    pub functions: Vec<FunctionProto>,
}

/// A set of operators, in one of its versions.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct OperatorSetIdProto {
    /// Name of the set; empty for ONNX's own.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Version of the set, from 1.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// A function; only that there is one can be told.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct FunctionProto {
    /// Name of the function, as nodes call it.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// A name and the text that belongs to it.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct StringStringEntryProto {
    /// The name, which comes first in the pair.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The text that belongs to the name.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// Nodes in an order in which they can run.
#[derive(Clone, PartialEq, Message)]
pub struct GraphProto {
    /// The nodes; each uses only values of those before it.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    /// Name of the graph, for people.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Constants that nodes use, such as weights.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    /// What people may want to know of it.
    #[prost(string, tag = "10")]
    pub doc_string: String,
    /// Values that are given to the graph.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    /// Values that the graph gives.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
    /// Types of values in between.
    #[prost(message, repeated, tag = "13")]
    pub value_info: Vec<ValueInfoProto>,
    /// Constants that are mostly zero.
    #[prost(message, repeated, tag = "15")]
    pub sparse_initializer: Vec<SparseTensorProto>,
}

/// One operation, with what it takes and gives.
#[derive(Clone, PartialEq, Message)]
pub struct NodeProto {
    /// Names of the values that it takes; empty for one that is left out.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of the values that it gives.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Name of the node; may be empty.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Name of its operator, such as `Conv`.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// Set of the operator; empty for ONNX's own.
    #[prost(string, tag = "7")]
    pub domain: String,
    /// Settings of the operation, such as strides.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    /// What people may want to know of it.
    #[prost(string, tag = "6")]
    pub doc_string: String,
}

/// One setting of a node; `type` says which field holds its value.
#[derive(Clone, PartialEq, Message)]
pub struct AttributeProto {
    /// Name of the setting, such as `strides`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Name of a function's own setting, in place of a value.
    #[prost(string, tag = "21")]
    pub ref_attr_name: String,
    /// What people may want to know of it.
    #[prost(string, tag = "13")]
    pub doc_string: String,
    /// Which of the fields below holds the value.
    #[prost(enumeration = "attribute_proto::AttributeType", tag = "20")]
    pub r#type: i32,
    /// The value of a setting that is a number.
    #[prost(float, tag = "2")]
    pub f: f32,
    /// The value of a setting that is a whole number.
    #[prost(int64, tag = "3")]
    pub i: i64,
    /// The value of a setting that is a text, as bytes.
    #[prost(bytes = "vec", tag = "4")]
    pub s: Vec<u8>,
    /// The value of a setting that is a constant.
    #[prost(message, optional, tag = "5")]
    pub t: Option<TensorProto>,
    /// The value of a setting that is a graph within the node.
    #[prost(message, optional, tag = "6")]
    pub g: Option<GraphProto>,
    /// A constant that is mostly zero.
    #[prost(message, optional, tag = "22")]
    pub sparse_tensor: Option<SparseTensorProto>,
    /// The value of a setting that is a list of numbers.
    #[prost(float, repeated, tag = "7")]
    pub floats: Vec<f32>,
    /// The value of a setting that is a list of whole numbers.
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
    /// The value of a setting that is a list of texts, as bytes.
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    /// The value of a setting that is a list of constants.
    #[prost(message, repeated, tag = "10")]
    pub tensors: Vec<TensorProto>,
    /// The value of a setting that is a list of graphs within the node.
    #[prost(message, repeated, tag = "11")]
    pub graphs: Vec<GraphProto>,
}

/// What belongs to an attribute.
pub mod attribute_proto {
    /// Which field of an attribute holds its value.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
    #[repr(i32)]
    pub enum AttributeType {
        /// None does.
        Undefined = 0,
        /// The field `f`.
        Float = 1,
        /// The field `i`.
        Int = 2,
        /// The field `s`.
        String = 3,
        /// The field `t`.
        Tensor = 4,
        /// The field `g`.
        Graph = 5,
        /// The field `floats`.
        Floats = 6,
        /// The field `ints`.
        Ints = 7,
        /// The field `strings`.
        Strings = 8,
        /// The field `tensors`.
        Tensors = 9,
        /// The field `graphs`.
        Graphs = 10,
        /// The field `sparse_tensor`.
        SparseTensor = 11,
        /// A field that is passed over.
        SparseTensors = 12,
    }
}

/// Name and type of a value.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfoProto {
    /// Name of the value, as nodes use it.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Type of the value, where it is known.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
    /// What people may want to know of it.
    #[prost(string, tag = "3")]
    pub doc_string: String,
}

/// Type of a value, where it is a tensor.
#[derive(Clone, PartialEq, Message)]
pub struct TypeProto {
    /// What the value means, by one of ONNX's own words.
    #[prost(string, tag = "6")]
    pub denotation: String,
    /// The type itself; `None` for one that is no tensor.
    #[prost(oneof = "type_proto::Value", tags = "1")]
    pub value: Option<type_proto::Value>,
}

/// What belongs to a type.
pub mod type_proto {
    /// Type of a tensor: elements and shape.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Tensor {
        /// Type of its elements, a number of `DataType`.
        #[prost(enumeration = "super::tensor_proto::DataType", tag = "1")]
        pub elem_type: i32,
        /// Its shape, where that is known.
        #[prost(message, optional, tag = "2")]
        pub shape: Option<super::TensorShapeProto>,
    }

    /// The type itself, which may be a tensor alone here.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        /// A tensor.
        #[prost(message, tag = "1")]
        TensorType(Tensor),
    }
}

/// Shape of a tensor, as far as it is known.
#[derive(Clone, PartialEq, Message)]
pub struct TensorShapeProto {
    /// Its sizes, the outermost first.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<tensor_shape_proto::Dimension>,
}

/// What belongs to a shape.
pub mod tensor_shape_proto {
    /// One size of a shape.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Dimension {
        /// What the size means, by one of ONNX's own words.
        #[prost(string, tag = "3")]
        pub denotation: String,
        /// The size; `None` where it is open.
        #[prost(oneof = "dimension::Value", tags = "1, 2")]
        pub value: Option<dimension::Value>,
    }

    /// What belongs to a size.
    pub mod dimension {
        /// A size, fixed or open.
        #[derive(Clone, PartialEq, prost::Oneof)]
        pub enum Value {
            /// The value of a setting that is a number.
            #[prost(int64, tag = "1")]
            DimValue(i64),
            /// A name, for a size that the caller chooses.
            #[prost(string, tag = "2")]
            DimParam(String),
        }
    }
}

/// A constant. Its elements lie in `raw_data`, or in the field for their type.
#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    /// Its sizes, the outermost first.
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    /// Type of its elements, a number of `DataType`.
    #[prost(enumeration = "tensor_proto::DataType", tag = "2")]
    pub data_type: i32,
    /// Part of a larger tensor that this is.
    #[prost(message, optional, tag = "3")]
    pub segment: Option<tensor_proto::Segment>,
    /// Elements that are 32-bit floats.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Elements of at most 32 bits that are whole numbers, and 16-bit floats.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// Elements that are texts, as bytes.
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub string_data: Vec<Vec<u8>>,
    /// Elements that are 64-bit whole numbers.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// Name of the value, as nodes use it.
    #[prost(string, tag = "8")]
    pub name: String,
    /// What people may want to know of it.
    #[prost(string, tag = "12")]
    pub doc_string: String,
    /// Elements as bytes, little endian.
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    /// Elements that are 64-bit floats.
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    /// Elements that are whole numbers without a sign, of 32 or 64 bits.
    #[prost(uint64, repeated, tag = "11")]
    pub uint64_data: Vec<u64>,
    /// Whether the elements lie in this file.
    #[prost(enumeration = "tensor_proto::DataLocation", optional, tag = "14")]
    pub data_location: Option<i32>,
    /// Where the elements lie if in another file.
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<StringStringEntryProto>,
}

/// What belongs to a constant.
pub mod tensor_proto {
    /// Part of a larger tensor.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
    pub struct Segment {
        /// Place of the first element, from 0.
        #[prost(int64, tag = "1")]
        pub begin: i64,
        /// Place behind the last element.
        #[prost(int64, tag = "2")]
        pub end: i64,
    }

    /// Type of the elements of a tensor.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
    #[repr(i32)]
    pub enum DataType {
        /// Not told.
        Undefined = 0,
        /// 32-bit floats, IEEE 754 binary32.
        Float = 1,
        /// 8 bits, without a sign.
        Uint8 = 2,
        /// 8 bits, with a sign.
        Int8 = 3,
        /// 16 bits, without a sign.
        Uint16 = 4,
        /// 16 bits, with a sign.
        Int16 = 5,
        /// 32 bits, with a sign.
        Int32 = 6,
        /// 64 bits, with a sign.
        Int64 = 7,
        /// Texts.
        String = 8,
        /// True or false.
        Bool = 9,
        /// 16-bit floats, IEEE 754 binary16.
        Float16 = 10,
        /// 64-bit floats, IEEE 754 binary64.
        Double = 11,
        /// 32 bits, without a sign.
        Uint32 = 12,
        /// 64 bits, without a sign.
        Uint64 = 13,
        /// Pairs of 32-bit floats.
        Complex64 = 14,
        /// Pairs of 64-bit floats.
        Complex128 = 15,
        /// 16-bit floats with the exponent of 32-bit ones.
        Bfloat16 = 16,
    }

    /// Where the elements of a constant lie.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
    #[repr(i32)]
    pub enum DataLocation {
        /// In this file.
        Default = 0,
        /// In another file.
        External = 1,
    }
}

/// A constant that is mostly zero.
#[derive(Clone, PartialEq, Message)]
pub struct SparseTensorProto {
    /// The elements that are not zero.
    #[prost(message, optional, tag = "1")]
    pub values: Option<TensorProto>,
    /// Places of these elements in the whole.
    #[prost(message, optional, tag = "2")]
    pub indices: Option<TensorProto>,
    /// The sizes of the whole, the outermost first.
    #[prost(int64, repeated, tag = "3")]
    pub dims: Vec<i64>,
}
