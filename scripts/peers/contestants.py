"""The engines that are compared, with what each runs, and how a contestant is started."""

import importlib
import json
import sys
from pathlib import Path

WORKER = Path(__file__).with_name("worker.py")
MANIFEST = Path("edge-runtime/models/default/manifest.json")
# Values that each network gives.
LENGTHS = {"keypoints": 30, "emotion": len(json.loads(MANIFEST.read_text())["classes"])}
# Name of an engine, the library that it is, and the module that writes networks in its form.
CONVERTED = (("ncnn", "ncnn", "ncnn_files"), ("LiteRT", "ai_edge_litert.interpreter", "litert_files"))


def contestants(files):
    """Title, engine and files of every engine whose networks can be written here. The first is what others are measured by."""
    yield "tract f32 (stock)", "tract", files["f32"]
    for precision in ("f32", "int8"):
        yield f"edge-runtime {precision}", "edge-runtime", files[precision]
        yield f"ONNX Runtime {precision}", "onnxruntime", files[precision]
        yield f"OpenVINO {precision}", "openvino", files[precision]
        yield f"rten {precision}", "rten", files[precision]
    for name, module, converter in CONVERTED:
        try:
            importlib.import_module(module)
            converted = importlib.import_module(converter).convert(files)
        except Exception as error:  # Whatever a library raises: the others are still compared.
            print(f"bench-peers: {name} IS NOT COMPARED: {error!r}", file=sys.stderr)
            continue
        for precision, paths in converted.items():
            yield f"{name} {precision}", converter.removesuffix("_files"), paths


def command(engine, paths, peer, rten, python, worker=WORKER):
    """What starts a contestant: programs for the engines in Rust, the worker for libraries of Python."""
    if engine == "rten":
        return [str(rten), *map(str, paths)]
    if engine in ("tract", "edge-runtime"):
        named = (f"{name}:{length}:{path}" for (name, length), path in zip(LENGTHS.items(), paths))
        return [str(peer), engine, *named]
    return [str(python), str(worker), engine, *map(str, paths)]
