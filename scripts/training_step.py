"""What `bench-tensorflow.py` and `bench-pytorch.py` share: the original's sizes, their options, and how a step is timed."""

import argparse
import json
import resource
import statistics
import time

SIDE, CLASSES, COORDINATES = 96, 5, 30
PARAMETERS = {"keypoints": 18_016_286, "emotion": 1_174_021}


def options(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("task", choices=sorted(PARAMETERS))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=3)
    return parser


def tell(arguments, stack, version, step):
    """Runs the step, and prints its median as a JSON line."""
    times = []
    for _ in range(arguments.warm_up + arguments.steps):
        begun = time.perf_counter()
        step()
        times.append(time.perf_counter() - begun)
    median = statistics.median(times[arguments.warm_up :])
    line = {
        "stack": stack,
        "task": arguments.task,
        "version": version,
        "batch": arguments.batch,
        "step_ms": median * 1e3,
        "images_per_second": arguments.batch / median,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(line))
