"""The networks that are compared, as ONNX files: the original architectures and the shipped ones, in floats and in 8 bits.

Both share a trunk, so the original keypoint network is the shipped one's trunk with the original dense layers and random
weights: how long a network runs does not depend on its weights.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

BUNDLE = Path("edge-runtime/models/default")
# Inputs and outputs of the original dense layers.
DENSE = (2048, 4096, 2048, 30)


def original_keypoints(shipped, path):
    """Replaces what follows the last residual block."""
    model = onnx.load(shipped)
    graph = model.graph
    end = max(at for at, node in enumerate(graph.node) if node.op_type == "Add") + 2
    nodes = list(graph.node)[:end]
    used = {name for node in nodes for name in node.input}
    tensors = [tensor for tensor in graph.initializer if tensor.name in used]
    nodes.append(helper.make_node("AveragePool", [nodes[-1].output[0]], ["mean"], "mean", kernel_shape=[2, 2], strides=[2, 2]))
    nodes.append(helper.make_node("Flatten", ["mean"], ["flat"], "flat", axis=1))
    random = np.random.default_rng(1)
    last = "flat"
    for at, (inputs, outputs) in enumerate(zip(DENSE, DENSE[1:])):
        weights = random.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)
        biases = random.standard_normal(outputs) * 0.1
        tensors.append(numpy_helper.from_array(weights.astype(np.float32), f"dense{at}.weight"))
        tensors.append(numpy_helper.from_array(biases.astype(np.float32), f"dense{at}.bias"))
        final = at == len(DENSE) - 2
        output = "keypoints" if final else f"dense{at}"
        nodes.append(helper.make_node("Gemm", [last, f"dense{at}.weight", f"dense{at}.bias"], [output], f"dense{at}"))
        if not final:
            nodes.append(helper.make_node("Relu", [output], [f"{output}.relu"], f"{output}.relu"))
            last = f"{output}.relu"
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def smooth_pictures(count):
    """Smooth random pictures, to calibrate with."""
    random = np.random.default_rng(7)
    for _ in range(count):
        picture = np.kron(random.standard_normal((12, 12)), np.ones((8, 8)))
        for axis in (0, 1):
            picture = sum(np.roll(picture, shift, axis) for shift in range(-4, 5)) / 9
        yield (picture / picture.std()).astype(np.float32)[None, None]


class Calibration(CalibrationDataReader):
    def __init__(self):
        self.pictures = smooth_pictures(16)

    def get_next(self):
        picture = next(self.pictures, None)
        return None if picture is None else {"input": picture}


def quantise(floats, path):
    """The interchange form of the project, made by ONNX Runtime."""
    quantize_static(floats, path, Calibration(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


def copy(source, path):
    """The same network as ONNX's own library writes it: rten reads no lists of numbers that are packed into one field."""
    onnx.save(onnx.load(source), path)


def prepare(work):
    """Writes what is missing; gives `{set: {precision: (keypoints file, emotion file)}}`."""
    work.mkdir(parents=True, exist_ok=True)
    floats = {name: work / f"{name}.onnx" for name in ("original", "keypoints", "emotion")}
    original_keypoints(BUNDLE / "keypoints.onnx", floats["original"])
    for name in ("keypoints", "emotion"):
        copy(BUNDLE / f"{name}.onnx", floats[name])
    integers = {name: work / f"{name}-int8.onnx" for name in floats}
    for name, path in integers.items():
        shipped = BUNDLE / path.name
        if shipped.exists():
            copy(shipped, path)
        else:
            quantise(floats[name], path)
    sets = {"original": ("original", "emotion"), "shipped": ("keypoints", "emotion")}
    return {
        title: {"f32": tuple(floats[name] for name in names), "int8": tuple(integers[name] for name in names)}
        for title, names in sets.items()
    }
