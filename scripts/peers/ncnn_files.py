"""ONNX to ncnn's `.param` and `.bin`, for the operators of these networks; floats only.

ncnn's own converter needs PyTorch. The formats are those of ncnn's wiki ("param and model file structure"): one line a
layer with its numbered parameters, and the weights one after the other, each preceded by a flag of zeros where a layer
may hold them in other types.
"""

import numpy as np
import onnx
from onnx import numpy_helper

POOLS = {"MaxPool": 0, "AveragePool": 1}


class Writer:
    def __init__(self, path):
        model = onnx.load(path)
        self.graph = model.graph
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
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

    def write_weights(self, weights, biases):
        self.weights += np.zeros(1, "<u4").tobytes() + weights.astype("<f4").tobytes() + biases.astype("<f4").tobytes()

    def node(self, node):
        attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        inputs = [self.free[name].pop() for name in node.input if name not in self.constants]
        output = "output" if node.output[0] == self.graph.output[0].name else node.output[0]
        kind, parameters = node.op_type, ""
        constants = [self.constants[name] for name in node.input if name in self.constants]
        if kind == "Conv":
            kind, (outputs, _, size, _) = "Convolution", constants[0].shape
            parameters = f"0={outputs} 1={size} 3={attributes['strides'][0]} 4={attributes['pads'][0]} 5=1 6={constants[0].size}"
            self.write_weights(*constants)
        elif kind == "Gemm":
            kind = "InnerProduct"
            weights = constants[0] if attributes.get("transB") else constants[0].T
            parameters = f"0={weights.shape[0]} 1=1 2={weights.size}"
            self.write_weights(weights, constants[1])
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
        self.layer(kind, node.output[0], inputs, [output], parameters)
        self.publish(output)

    def convert(self, path):
        self.layer("Input", "input", [], ["input"], "0=96 1=96 2=1")
        self.publish("input")
        for node in self.graph.node:
            self.node(node)
        text = "\n".join(["7767517", f"{len(self.lines)} {self.blobs}", *self.lines])
        path.write_text(text + "\n")
        path.with_suffix(".bin").write_bytes(self.weights)
        return path


def convert(files):
    return {"f32": tuple(Writer(path).convert(path.with_suffix(".param")) for path in files["f32"])}
