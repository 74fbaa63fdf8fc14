"""One contestant: loads networks with a Python library, then times them whenever it is told to.

Speaks as `edge-runtime/examples/peer.rs` does: `ready SECONDS`, then for every line with a number of rounds one line with
the milliseconds of each network in each round. First it says `empty KIB`, its memory before it loads the library.
"""

import sys
import time

import numpy as np


def resident():
    with open("/proc/self/status") as status:
        return next(line.split()[1] for line in status if line.startswith("VmRSS"))


def picture():
    side = np.arange(96, dtype=np.float32)
    return (np.outer(side, side) / 96**2)[None, None]


def onnxruntime(path):
    import onnxruntime as library

    options = library.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = library.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = {"input": picture()}
    return lambda: session.run(None, inputs)


def litert(path):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    index = interpreter.get_input_details()[0]["index"]
    output = interpreter.get_output_details()[0]["index"]
    image = picture().reshape(1, 96, 96, 1)

    def run():
        interpreter.set_tensor(index, image)
        interpreter.invoke()
        return interpreter.get_tensor(output)

    return run


def ncnn(path):
    import ncnn as library

    net = library.Net()
    net.opt.num_threads = 1
    net.load_param(path)
    net.load_model(path.removesuffix(".param") + ".bin")
    image = picture()[0]

    def run():
        extractor = net.create_extractor()
        extractor.input("input", library.Mat(image))
        return np.array(extractor.extract("output")[1])

    return run


def openvino(path):
    import openvino as library

    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = library.Core().compile_model(path, "CPU", settings).create_infer_request()
    image = picture()

    def run():
        return request.infer({0: image})

    return run


def main():
    engine, *paths = sys.argv[1:]
    print("empty", resident(), flush=True)
    load = {"onnxruntime": onnxruntime, "litert": litert, "ncnn": ncnn, "openvino": openvino}[engine]
    start = time.perf_counter()
    networks = [load(path) for path in paths]
    print("ready", time.perf_counter() - start, flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            for run in networks:
                start = time.perf_counter()
                run()
                times.append((time.perf_counter() - start) * 1e3)
        print(*times, flush=True)


if __name__ == "__main__":
    main()
