"""ONNX to LiteRT's flatbuffers, in floats and in 8 bits, for the operators of these networks.

Channels move to the last axis. In 8 bits activations have a sign, so zero points of the ONNX file move by 128; scales stay,
and weights are rounded from the floats as the file's were. A mean keeps the scale of its input, as LiteRT demands.
"""

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import numpy_helper

Op = schema.BuiltinOperator
Options = schema.BuiltinOptions
FLOATS, BYTES, INTS = schema.TensorType.FLOAT32, schema.TensorType.INT8, schema.TensorType.INT32
TYPES = {np.dtype(np.float32): FLOATS, np.dtype(np.int8): BYTES, np.dtype(np.int32): INTS}


def scales_of(path):
    """Scale and zero point of every activation of a quantised file, by the name of what is quantised."""
    graph = onnx.load(path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = (node for node in graph.node if node.op_type == "QuantizeLinear")
    return {node.input[0]: [float(constants[node.input[1]]), int(constants[node.input[2]]) - 128] for node in nodes}


class Writer:
    def __init__(self, floats, integers=None):
        self.graph = onnx.load(floats).graph
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in self.graph.initializer}
        self.scales = scales_of(integers) if integers else None
        self.buffers, self.tensors, self.operators, self.codes = [schema.BufferT()], [], [], []
        # Name of an activation: its tensor, shape (rows, columns, channels) and scale.
        self.known = {}

    def tensor(self, shape, kind, data=None, scale=None, zero=None):
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name, tensor.buffer = list(shape), kind, f"t{len(self.tensors)}", 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        if scale is not None:
            quantisation = schema.QuantizationParametersT()
            quantisation.scale = np.atleast_1d(np.float32(scale))
            quantisation.zeroPoint = np.broadcast_to(np.int64(zero), quantisation.scale.shape).copy()
            quantisation.quantizedDimension = 0
            tensor.quantization = quantisation
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, data, scale=None):
        return self.tensor(data.shape, TYPES[data.dtype], data, scale, None if scale is None else 0)

    def activation(self, shape, scale):
        return self.tensor((1, *shape), FLOATS, None) if scale is None else self.tensor((1, *shape), BYTES, None, *scale)

    def operator(self, code, inputs, output, name=None, **values):
        operator = schema.OperatorT()
        if code not in self.codes:
            self.codes.append(code)
        operator.opcodeIndex, operator.inputs, operator.outputs = self.codes.index(code), inputs, [output]
        if name:
            options = getattr(schema, f"{name}T")()
            for key, value in values.items():
                setattr(options, key, value)
            operator.builtinOptionsType, operator.builtinOptions = getattr(Options, name), options
        self.operators.append(operator)

    def filter(self, weights, biases, scale):
        if scale is None:
            return [self.constant(weights), self.constant(biases)]
        own = np.abs(weights.reshape(len(weights), -1)).max(1).clip(1e-8) / 127
        rounded = np.rint(weights / own.reshape(-1, *[1] * (weights.ndim - 1))).astype(np.int8)
        sums = own * scale[0]
        return [self.constant(rounded, own), self.constant(np.rint(biases / sums).astype(np.int32), sums)]

    def padded(self, tensor, shape, scale, pad):
        rows, columns, channels = shape
        shape = (rows + 2 * pad, columns + 2 * pad, channels)
        result = self.activation(shape, scale)
        amounts = np.array([[0, 0], [pad, pad], [pad, pad], [0, 0]], np.int32)
        self.operator(Op.PAD, [tensor, self.constant(amounts)], result, "PadOptions")
        return result, shape

    def convolution(self, node, attributes, relu, scale):
        tensor, shape, own = self.known[node.input[0]]
        weights, biases = (self.constants[name] for name in node.input[1:])
        size, stride, pad = weights.shape[2], attributes["strides"][0], attributes["pads"][0]
        same = stride == 1 and size == 2 * pad + 1
        if pad and not same:
            tensor, shape = self.padded(tensor, shape, own, pad)
        side = shape[0] if same else (shape[0] - size) // stride + 1
        shape = (side, side, weights.shape[0])
        filters = self.filter(weights.transpose(0, 2, 3, 1), biases, own)
        result = self.activation(shape, scale)
        self.operator(Op.CONV_2D, [tensor, *filters], result, "Conv2DOptions", padding=0 if same else 1, strideW=stride,
                      strideH=stride, dilationWFactor=1, dilationHFactor=1, fusedActivationFunction=relu)
        return result, shape, scale

    def dense(self, node, attributes, relu, scale):
        tensor, shape, own = self.known[node.input[0]]
        weights, biases = (self.constants[name] for name in node.input[1:])
        weights = weights if attributes.get("transB") else weights.T
        rows, columns, channels = shape
        # What ONNX flattens by channel lies by row here.
        weights = weights.reshape(-1, channels, rows, columns).transpose(0, 2, 3, 1).reshape(len(weights), -1)
        flat = self.tensor((1, rows * columns * channels), FLOATS if own is None else BYTES, None, *(own or ()))
        self.operator(Op.RESHAPE, [tensor, self.constant(np.array([1, weights.shape[1]], np.int32))], flat, "ReshapeOptions")
        result = self.tensor((1, len(weights)), FLOATS if scale is None else BYTES, None, *(scale or ()))
        self.operator(Op.FULLY_CONNECTED, [flat, *self.filter(weights, biases, own)], result, "FullyConnectedOptions",
                      fusedActivationFunction=relu)
        return result, (1, 1, len(weights)), scale

    def pool(self, code, node, attributes):
        tensor, shape, scale = self.known[node.input[0]]
        size, stride = attributes["kernel_shape"][0], attributes["strides"][0]
        side = (shape[0] - size) // stride + 1
        shape = (side, side, shape[2])
        result = self.activation(shape, scale)
        self.operator(code, [tensor], result, "Pool2DOptions", padding=1, strideW=stride, strideH=stride, filterWidth=size,
                      filterHeight=size, fusedActivationFunction=0)
        return result, shape, scale

    def node(self, node, relu, output):
        attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        # An output that the file leaves in floats has no scale: one that holds keypoints and logits.
        scale = self.scales and self.scales.get(output, [0.8, 0])
        if node.op_type == "Conv":
            return self.convolution(node, attributes, relu, scale)
        if node.op_type == "Gemm":
            return self.dense(node, attributes, relu, scale)
        if node.op_type == "Add":
            sides = [self.known[name] for name in node.input]
            result = self.activation(sides[0][1], scale)
            self.operator(Op.ADD, [side[0] for side in sides], result, "AddOptions", fusedActivationFunction=relu)
            return result, sides[0][1], scale
        pools = {"MaxPool": Op.MAX_POOL_2D, "AveragePool": Op.AVERAGE_POOL_2D}
        return self.pool(pools[node.op_type], node, attributes)

    def convert(self, path):
        source = self.tensor((1, 96, 96, 1), FLOATS)
        first, scale = source, self.scales and self.scales["input"]
        if scale:
            first = self.activation((96, 96, 1), scale)
            self.operator(Op.QUANTIZE, [source], first)
        self.known["input"] = first, (96, 96, 1), scale
        relus = {node.input[0]: node.output[0] for node in self.graph.node if node.op_type == "Relu"}
        for node in self.graph.node:
            name = node.output[0]
            if node.op_type == "Flatten":
                self.known[name] = self.known[node.input[0]]
            elif node.op_type != "Relu":
                output = relus.get(name, name)
                self.known[output] = self.node(node, int(name in relus), output)
        last, (_, _, length), scale = self.known[self.graph.output[0].name]
        result = last
        if scale:
            result = self.tensor((1, length), FLOATS)
            self.operator(Op.DEQUANTIZE, [last], result)
        path.write_bytes(self.pack(source, result))
        return path

    def pack(self, source, result):
        graph = schema.SubGraphT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = self.tensors, self.operators, [source], [result]
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], self.buffers, []
        for value in self.codes:
            code = schema.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = value
            # The versions that know 8 bits with one scale a channel.
            code.version = {Op.CONV_2D: 3, Op.FULLY_CONNECTED: 4, Op.RESHAPE: 1}.get(value, 2) if self.scales else 1
            model.operatorCodes.append(code)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def convert(files):
    pairs = list(zip(files["f32"], files["int8"]))
    return {
        "f32": tuple(Writer(floats).convert(floats.with_suffix(".tflite")) for floats, _ in pairs),
        "int8": tuple(Writer(*pair).convert(pair[1].with_suffix(".tflite")) for pair in pairs),
    }
