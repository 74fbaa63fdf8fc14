"""One training step of the original's networks in PyTorch: prints the median as a JSON line.

Needs torch; `bench-training` runs it. The networks are the Keras notebook's, the batch is random and fixed. With
--bfloat16, convolutions and dense layers compute in that form, as `torch.autocast` does it; weights stay 32-bit floats.
"""

import argparse
import json
import resource
import statistics
import time

import torch
from torch import nn

SIDE, CLASSES, COORDINATES = 96, 5, 30
PARAMETERS = {"keypoints": 18_016_286, "emotion": 1_174_021}


def conv_norm(inputs, filters, kernel, pool=False):
    layers = [nn.Conv2d(inputs, filters, kernel, padding=kernel // 2)]
    if pool:
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.BatchNorm2d(filters))


class Block(nn.Module):
    """The three layers of a residual block; a shrinking one also narrows its shortcut."""

    def __init__(self, inputs, inner, outer, shrink):
        super().__init__()
        self.shortcut = conv_norm(inputs, outer, 1, pool=True) if shrink else nn.Identity()
        self.path = nn.Sequential(
            conv_norm(inputs, inner, 1, pool=shrink),
            nn.ReLU(),
            conv_norm(inner, inner, 3),
            nn.ReLU(),
            conv_norm(inner, outer, 1),
        )

    def forward(self, x):
        return torch.relu(self.path(x) + self.shortcut(x))


def network(task):
    layers = [nn.Conv2d(1, 64, 7, stride=2, padding=3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, stride=2)]
    channels = 64
    for inner, outer in ((64, 256), (128, 512)):
        for shrink in (True, False, False):
            layers.append(Block(channels, inner, outer, shrink))
            channels = outer
    if task == "keypoints":
        layers += [nn.AvgPool2d(2), nn.Flatten(), nn.LazyLinear(4096), nn.ReLU(), nn.Dropout(0.2)]
        layers += [nn.Linear(4096, 2048), nn.ReLU(), nn.Dropout(0.1), nn.Linear(2048, COORDINATES), nn.ReLU()]
    else:
        layers += [nn.AvgPool2d(4), nn.Flatten(), nn.LazyLinear(CLASSES)]
    model = nn.Sequential(*layers)
    with torch.no_grad():
        model.eval()(torch.zeros(1, 1, SIDE, SIDE))
    values = [*model.parameters(), *(buffer for name, buffer in model.named_buffers() if "running" in name)]
    count = sum(value.numel() for value in values)
    assert count == PARAMETERS[task], count
    return model.train()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=sorted(PARAMETERS))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--bfloat16", action="store_true")
    arguments = parser.parse_args()
    torch.manual_seed(42)
    faces = torch.rand(arguments.batch, 1, SIDE, SIDE)
    if arguments.task == "keypoints":
        loss = nn.MSELoss()
        target = torch.rand(arguments.batch, COORDINATES) * SIDE
    else:
        loss = nn.CrossEntropyLoss()
        target = torch.randint(CLASSES, (arguments.batch,))
    model = network(arguments.task)
    optimiser = torch.optim.Adam(model.parameters(), lr=8e-4)

    def step():
        optimiser.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=arguments.bfloat16):
            outputs = model(faces)
        value = loss(outputs.float(), target)
        value.backward()
        optimiser.step()
        return value.item()

    times = []
    for _ in range(arguments.warm_up + arguments.steps):
        begun = time.perf_counter()
        step()
        times.append(time.perf_counter() - begun)
    median = statistics.median(times[arguments.warm_up :])
    print(
        json.dumps(
            {
                "stack": "pytorch-bfloat16" if arguments.bfloat16 else "pytorch",
                "task": arguments.task,
                "version": torch.__version__,
                "batch": arguments.batch,
                "step_ms": median * 1e3,
                "images_per_second": arguments.batch / median,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
