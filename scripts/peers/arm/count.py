"""Counts the instructions that the engines need for a face on emulated 64-bit boards; see `scripts/bench-peers --arm`.

The emulated processor takes a nanosecond for each instruction, so what the contestants measure as time is the number of
instructions. A plugin of the emulator counts the blocks of code that ran meanwhile; `throughput.py` weighs them."""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "pi")]

import networks
import throughput
from board import SLOW, Board, Failed, say
from contestants import command, contestants
from dump import Dump

WARM_UP = 2
# What is compared on ARM. OpenVINO is not: its counts in 8 bits are not plausible, and nobody has found out why.
ENGINES = ("tract", "edge-runtime", "onnxruntime", "litert", "ncnn", "rten")
# A library that is not installed on the board ends within this time, in seconds.
LOADING = 4 * SLOW
ROW = "{:11} {:9} {:20} {:>10} {:>10} {:>10} {:>6} {:>8} {:>10} {:>6}"
SETUP = (
    "mount -t proc proc /peers/proc",
    "mount -t sysfs sys /peers/sys",
    "mount -t devtmpfs dev /peers/dev",
    "export PYTHONPATH=/site PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1",
    "busybox mkfifo /tmp/rounds",
)


class Bench:
    """A board that runs one contestant after the other, and what the plugin writes of it."""

    def __init__(self, board, dump):
        self.board, self.dump = board, Dump(dump)
        board.console.expect("=== ready", SLOW)
        for step in SETUP:
            board.send(step)

    def rounds(self, number):
        """Millions of instructions of both networks in each round."""
        self.board.send(f"echo {number} >&3")
        match = self.board.console.expect(r"^([0-9.e-]+(?: [0-9.e-]+){%d}) ?$|^=== ended" % (2 * number - 1), LOADING)
        if not match[1]:
            raise Failed("it ended early")
        values = [float(value) for value in match[1].split()]
        return list(zip(values[::2], values[1::2]))

    def measure(self, line, number):
        """What a contestant needs in each round, and the blocks that ran meanwhile."""
        try:
            self.board.send(f"(busybox chroot /peers {line} </tmp/rounds; echo === ended $?) & exec 3>/tmp/rounds")
            if not self.board.console.expect(r"^(?:(ready )|=== ended)", LOADING)[1]:
                raise Failed("it does not load; last lines:\n  " + "\n  ".join(self.board.console.seen[-5:]))
            self.rounds(WARM_UP)
            self.board.send("mark")
            values = self.rounds(number)
            self.board.send("mark")
        except Failed:
            self.board.send("exec 3>&-")
            raise
        self.board.send("exec 3>&-")
        self.board.console.expect("^=== ended", SLOW)
        return values, self.dump.section()


def place(root, paths):
    """Copies a contestant's files to the board's root, weights of ncnn beside them; gives their names there."""
    for path in paths:
        for file in (path, path.with_suffix(".bin")):
            if file.exists():
                shutil.copyfile(file, root / "networks" / file.name)
    return [f"/networks/{path.name}" for path in paths]


def pack(root, initramfs, out):
    """Appends the root of the other engines to what the board boots, as it is: unpacking would take the board minutes."""
    names = [f"./{path.relative_to(root.parent)}" for path in (root, *sorted(root.rglob("*")))]
    with open(out, "wb") as archive:
        archive.write(initramfs.read_bytes())
        archive.write(bytes(-archive.tell() % 512))
        archive.flush()
        cpio = ["cpio", "--create", "--format", "newc", "--quiet"]
        subprocess.run(cpio, input="\n".join(names).encode(), cwd=root.parent, stdout=archive, check=True)


def machine(processor, arguments, dump):
    line = ["-M", "virt", "-cpu", processor, "-smp", "1", "-m", "3072", "-nic", "none", "-plugin", f"{arguments.plugin},out={dump}"]
    return [*line, "-kernel", arguments.kernel, "-initrd", arguments.packed, "-append", "console=ttyAMA0 quiet"]


class Table:
    """Rows of a processor and a set; ratios are to the first."""

    def __init__(self, processor, group, found):
        self.processor, self.group, self.found, self.bases = processor, group, found, None

    def tell(self, title, values, blocks):
        networks = [statistics.median(column) for column in zip(*values)]
        sums = [sum(pair) for pair in values]
        both = statistics.median(sums)
        weighed = throughput.cycles(self.found, self.processor, blocks) / len(values) / 1e6 if self.found else float("nan")
        self.bases = self.bases or (both, weighed)
        spread = (max(sums) - min(sums)) / both * 100
        texts = [*(f"{value:.2f}" for value in (*networks, both)), f"{both / self.bases[0]:.3f}", f"{spread:.2f}"]
        say(ROW.format(self.processor, self.group, title, *texts, f"{weighed:.2f}", f"{weighed / self.bases[1]:.3f}"))


def count(lines, arguments, table):
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "blocks"
        with Board(machine(table.processor, arguments, dump), folder, sleep="off") as board:
            bench = Bench(board, dump)
            for title, line in lines.items():
                try:
                    table.tell(title, *bench.measure(line, arguments.rounds))
                except Failed as error:
                    print(f"bench-peers: {title} IS NOT COMPARED on {table.processor}: {error}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser()
    for name in ("work", "root", "plugin", "peer", "rten", "kernel", "initramfs"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processors", nargs="+", default=list(throughput.MODELS))
    parser.add_argument("--engines", nargs="+", default=ENGINES)
    parser.add_argument("--sets", nargs="+", default=["shipped", "original"])
    arguments = parser.parse_args()
    root = Path(arguments.root)
    for name, path in (("peer", arguments.peer), ("rten", arguments.rten), ("worker.py", Path(__file__).parents[1] / "worker.py")):
        if Path(path).exists():
            shutil.copy(path, root / name)
    found = throughput.tools()
    if not found:
        print("bench-peers: llvm-mca of LLVM 19 or newer IS MISSING, instructions are not weighed: run 'sudo apt-get install llvm-19'", file=sys.stderr)
    say("Millions of instructions for a face, one thread, batch 1; ratio of both networks to stock tract; spread of the rounds in %;")
    say("millions of cycles that they take at least by LLVM's tables of the processor's units, and their ratio")
    say(ROW.format("processor", "networks", "engine", "keypoints", "emotion", "both", "ratio", "spread", "cycles", "ratio"))
    sets = {}
    for group, files in networks.prepare(Path(arguments.work)).items():
        if group in arguments.sets:
            sets[group] = {
                title: " ".join(command(engine, place(root, paths), "/peer", "/rten", "/usr/bin/python3", "/worker.py"))
                for title, engine, paths in contestants(files)
                if engine in arguments.engines
            }
    arguments.packed = f"{arguments.work}/board.cpio"
    pack(root, Path(arguments.initramfs), arguments.packed)
    for group, lines in sets.items():
        for processor in arguments.processors:
            count(lines, arguments, Table(processor, group, found))


if __name__ == "__main__":
    main()
