"""Runs all engines in turn and prints the table; see `scripts/bench-peers`."""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

import networks
from contestants import command, contestants

# Rounds that an engine runs before the next one has its turn, after one that is not counted.
TURN = 3
ROW = "{:9} {:20} {:>9} {:>9} {:>9} {:>7} {:>9} {:>7} {:>7} {:>9} {:>7}"


class Engine:
    """A child process that runs both networks of a set."""

    def __init__(self, title, command):
        self.title, self.times, self.processor, self.empty = title, ([], []), [], 0
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.load = None
        while self.load is None:
            word, value = self.answer().split()
            if word == "empty":
                self.empty = int(value)
            else:
                self.load = float(value)

    def answer(self):
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.title} ended early")
        return line

    def turn(self, rounds):
        before = self.on_processor()
        print(rounds + 1, file=self.child.stdin, flush=True)
        values = [float(value) for value in self.answer().split()]
        self.processor.append((self.on_processor() - before) / (rounds + 1))
        for at in (0, 1):
            self.times[at].extend(values[at + 2 :: 2])

    def on_processor(self):
        """Milliseconds that the child's threads had a core for themselves so far."""
        threads = Path(f"/proc/{self.child.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e6

    def memory(self, field):
        """MiB beyond what the interpreter of a scripting language takes by itself."""
        with open(f"/proc/{self.child.pid}/status") as status:
            value = next(int(line.split()[1]) for line in status if line.startswith(field))
        return (value - self.empty) / 1024

    def both(self):
        """Median of both networks, and of their time on the processor, which other programs on the machine disturb less."""
        sums = [a + b for a, b in zip(*self.times)]
        return statistics.median(sums), statistics.median(self.processor)

    def row(self, group, bases):
        medians = [f"{statistics.median(times):.3f}" for times in self.times]
        memory = [f"{self.memory(field):.1f}" for field in ("VmRSS", "VmHWM")]
        both = [text for time, base in zip(self.both(), bases) for text in (f"{time:.3f}", f"{time / base:.3f}")]
        return ROW.format(group, self.title, *medians, *both, f"{self.load:.3f}", *memory)

    def end(self):
        self.child.stdin.close()
        self.child.wait()


def compare(group, files, arguments):
    engines = []
    for title, engine, paths in contestants(files):
        try:
            engines.append(Engine(title, command(engine, paths, arguments.peer, arguments.rten, sys.executable)))
        except (RuntimeError, OSError) as error:
            print(f"bench-peers: {title} IS NOT COMPARED: {error}", file=sys.stderr)
    for _ in range(arguments.rounds):
        for engine in engines:
            engine.turn(TURN)
    bases = engines[0].both()
    for engine in engines:
        print(engine.row(group, bases), flush=True)
        engine.end()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", required=True)
    parser.add_argument("--rten", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    arguments = parser.parse_args()
    sets = networks.prepare(arguments.work)
    print("Medians in ms, one thread, batch 1; ratio of both networks to stock tract, for the time that passes and for the time")
    print("on the processor (CPU), which other programs disturb less; load in s; memory in MiB, of libraries for Python")
    print("without the interpreter's.")
    titles = ("keypoints", "emotion", "both", "ratio", "CPU", "ratio", "load", "resident", "peak")
    print(ROW.format("networks", "engine", *titles))
    for group, files in sets.items():
        compare(group, files, arguments)


if __name__ == "__main__":
    main()
