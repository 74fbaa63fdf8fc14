"""Instructions that a 64-bit ARM processor needs for the default bundle's networks, those that stock tract needs for
their floats, and those of finding the faces of a frame: instructions.py KERNEL INITRAMFS. Run by scripts/test-pi.

The emulated processor takes a nanosecond for each instruction, so whatever measures time on it counts instructions,
and nothing else on this machine disturbs that."""

import json
import statistics
import sys
import tempfile
from pathlib import Path

from board import SLOW, Board, Failed, fail, say

RUNS = 3
MANIFEST = Path("edge-runtime/models/default/manifest.json")
# Values that each network gives.
NETWORKS = {"keypoints": 30, "emotion": len(json.loads(MANIFEST.read_text())["classes"])}
ENGINES = {"stock tract, floats": ("tract", ""), "own, floats": ("edge-runtime", ""), "own, 8 bits": ("edge-runtime", "-int8")}
# By the precision of the detector, the row whose networks run beside it.
FINDERS = {"f32": "own, floats", "int8": "own, 8 bits"}


def medians(board, command, columns):
    """The median of a few runs of each of the numbers that a program prints for a round, without the first round."""
    board.send(f"echo {RUNS + 1} | {command}")
    board.console.expect(r"^ready", SLOW)
    numbers = board.console.expect(r"^([0-9.e-]+(?: [0-9.e-]+){%d})$" % (columns * (RUNS + 1) - 1), SLOW)[1]
    values = [float(value) for value in numbers.split()][columns:]
    return [statistics.median(values[at::columns]) for at in range(columns)]


def count(board, engine, suffix):
    """Millions of instructions of each network."""
    networks = " ".join(f"{name}:{length}:/bundle/{name}{suffix}.onnx" for name, length in NETWORKS.items())
    return medians(board, f"peer {engine} {networks}", len(NETWORKS))


def main():
    kernel, initramfs = sys.argv[1:3]
    machine = ["-M", "virt", "-cpu", "cortex-a72", "-smp", "1", "-m", "1024", "-nic", "none"]
    machine += ["-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyAMA0 quiet"]
    row = "{:22}" + "{:>12}" * (len(NETWORKS) + 2)
    with tempfile.TemporaryDirectory() as folder:
        try:
            with Board(machine, folder, sleep="off") as board:
                board.console.expect("=== ready", SLOW)
                say(row.format("million instructions", *NETWORKS, "both", "share"))
                base, sums = None, {}
                for title, (engine, suffix) in ENGINES.items():
                    counts = count(board, engine, suffix)
                    base = base or sum(counts)
                    sums[title] = sum(counts)
                    say(row.format(title, *(f"{value:.2f}" for value in [*counts, sum(counts)]), f"{sum(counts) / base:.3f}"))
                say("finding the faces of a frame of 640x480, reduced to 160x120, and then the networks")
                for precision, title in FINDERS.items():
                    [found] = medians(board, f"/bin/find /bundle {precision}", 1)
                    say(f"{title:22}{found:>12.2f}{(found + sums[title]) / sums[title]:>12.2f} times the networks")
        except Failed as error:
            fail(1, f"instructions: {error}")


main()
