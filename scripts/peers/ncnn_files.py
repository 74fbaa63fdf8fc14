"""ONNX to ncnn's `.param` and `.bin`, for the operators of these networks, in floats and in 8 bits.

ncnn's own converter needs PyTorch. The formats are those of ncnn's wiki ("param and model file structure"): one line a
layer with its numbered parameters, and the weights one after the other, each preceded by a flag of zeros where a layer
may hold them in other types.
"""

import numpy as np
import onnx
from onnx import numpy_helper

POOLS = {"MaxPool": 0, "AveragePool": 1}
# What precedes weights of 8 bits.
BYTES = np.array([0x000D4B38], "<u4").tobytes()


def scales_of(path):
    """What each quantised activation is multiplied with, by the name of what is quantised."""
    graph = onnx.load(path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    scales = {}
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero = (float(constants[name]) for name in node.input[1:])
            scales[node.input[0]] = 127 / (scale * max(255 - zero, zero))
    return scales


class Writer:
    def __init__(self, floats, integers=None):
        model = onnx.load(floats)
        self.graph = model.graph
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.scales = scales_of(integers) if integers else None
        self.relus = {node.input[0]: node.output[0] for node in self.graph.node if node.op_type == "Relu"}
        self.lines, self.blobs, self.weights, self.free = [], 0, b"", {}

    def layer(self, kind, name, inputs, outputs, parameters=""):
        self.blobs += len(outputs)
        self.lines.append(f"{kind} {name} {len(inputs)} {len(outputs)} {' '.join((*inputs, *outputs))} {parameters}")

    def publish(self, name):
        """A blob has one reader in ncnn; more need a copy each."""
        readers = sum(name in node.input for node in self.graph.node)
        copies = [name] if readers < 2 else [f"{name}.{at}" for at in range(readers)]
        if readers > 1:
            self.layer("Split", f"split.{name}", [name], copies)
        self.free[name] = copies

    def feeds_convolutions(self, name):
        """Whether convolutions alone read it: then it need not become floats in between."""
        readers = [node.op_type for node in self.graph.node if name in node.input]
        return bool(readers) and set(readers) == {"Conv"}

    def write_weights(self, weights, biases, source, output):
        """Gives the layer's parameter that says in which form they are."""
        if self.scales is None:
            self.weights += np.zeros(1, "<u4").tobytes() + weights.astype("<f4").tobytes() + biases.astype("<f4").tobytes()
            return ""
        own = 127 / np.abs(weights.reshape(len(weights), -1)).max(1).clip(1e-8)
        rounded = np.rint(weights * own.reshape(-1, *[1] * (weights.ndim - 1))).astype(np.int8).tobytes()
        scales = [*own, self.scales[source]]
        stays = weights.ndim == 4 and self.feeds_convolutions(output)
        if stays:
            scales.append(self.scales[output])
        self.weights += BYTES + rounded + bytes(-len(rounded) % 4) + biases.astype("<f4").tobytes() + np.array(scales, "<f4").tobytes()
        return " 8=102" if stays else " 8=2"

    def node(self, node):
        attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        inputs = [self.free[name].pop() for name in node.input if name not in self.constants]
        kind, result = node.op_type, node.output[0]
        fused = kind in ("Conv", "Gemm") and result in self.relus
        if fused:
            result = self.relus[result]
        output = "output" if result == self.graph.output[0].name else result
        parameters, relu = "", " 9=1" if fused else ""
        constants = [self.constants[name] for name in node.input if name in self.constants]
        if kind == "Conv":
            kind, (outputs, _, size, _) = "Convolution", constants[0].shape
            form = self.write_weights(*constants, node.input[0], result)
            parameters = f"0={outputs} 1={size} 3={attributes['strides'][0]} 4={attributes['pads'][0]} 5=1 6={constants[0].size}{form}{relu}"
        elif kind == "Gemm":
            kind = "InnerProduct"
            weights = constants[0] if attributes.get("transB") else constants[0].T
            form = self.write_weights(weights, constants[1], self.flattened.get(node.input[0], node.input[0]), result)
            parameters = f"0={weights.shape[0]} 1=1 2={weights.size}{form}{relu}"
        elif kind in POOLS:
            size, stride = attributes["kernel_shape"][0], attributes["strides"][0]
            # 5=1: without padding at the end, as ONNX's floor.
            kind, parameters = "Pooling", f"0={POOLS[kind]} 1={size} 2={stride} 5=1"
        elif kind == "Add":
            kind, parameters = "BinaryOp", "0=0"
        elif kind == "Relu":
            kind = "ReLU"
        elif kind != "Flatten":
            raise ValueError(f"{kind} is not known")
        self.layer(kind, node.name or node.output[0], inputs, [output], parameters)
        self.publish(output)

    def convert(self, path):
        self.layer("Input", "input", [], ["input"], "0=96 1=96 2=1")
        self.publish("input")
        self.flattened = {node.output[0]: node.input[0] for node in self.graph.node if node.op_type == "Flatten"}
        fused = {self.relus[node.output[0]] for node in self.graph.node if node.op_type in ("Conv", "Gemm") and node.output[0] in self.relus}
        for node in self.graph.node:
            if node.output[0] not in fused:
                self.node(node)
        text = "\n".join(["7767517", f"{len(self.lines)} {self.blobs}", *self.lines])
        path.write_text(text + "\n")
        path.with_suffix(".bin").write_bytes(self.weights)
        return path


def convert(files):
    pairs = list(zip(files["f32"], files["int8"]))
    return {
        "f32": tuple(Writer(floats).convert(floats.with_suffix(".param")) for floats, _ in pairs),
        "int8": tuple(Writer(*pair).convert(pair[1].with_suffix(".param")) for pair in pairs),
    }
