"""One training step of the original's networks in PyTorch: prints the median as a JSON line.

Needs torch; `bench-training` runs it. The networks are the Keras notebook's, the batch is random and fixed. With
--bfloat16, convolutions and dense layers compute in that form, as `torch.autocast` does it; weights stay 32-bit floats.
"""

import torch
from torch import nn
from training_step import CLASSES, COORDINATES, PARAMETERS, SIDE, options, tell



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
    parser = options(__doc__)
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

    tell(arguments, "pytorch-bfloat16" if arguments.bfloat16 else "pytorch", torch.__version__, step)


if __name__ == "__main__":
    main()
