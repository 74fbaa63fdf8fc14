"""What a 64-bit ARM processor needs for a whole frame, from the film to the verdict, and to start:
frames.py KERNEL INITRAMFS PLUGIN. Run by scripts/test-pi, which puts the films of scripts/pi/film.py on the board.

A plugin of the emulator counts the blocks of code that run meanwhile, all threads and the system included. The difference
of a longer and a shorter run is what its further frames cost. Cycles are an estimate: see scripts/peers/arm/throughput.py."""

import collections
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "peers" / "arm"))

import throughput
from board import SLOW, Board, Failed, fail, say
from dump import Dump

HEADER = len("YUV4MPEG2 W640 H480 F15:1 Cmono\n")
FRAME = len("FRAME\n") + 640 * 480
# What a film of so many frames shows: of the first number to the second. Forty-five are three seconds, after which a
# picture that stays the same is judged again.
SPANS = {
    "nobody in view": ("room", 15, 45),
    "somebody followed": ("visitor", 15, 45),
    "somebody, nothing moves": ("still", 15, 60),
    "such a frame by itself": ("still", 15, 30),
}
FOLLOWED, IDLE, STILL, TOLD = "somebody followed", "nobody in view", "somebody, nothing moves", "such a frame by itself"
# Programs that do one part of a frame, as often as they are told.
PARTS = {"finding": "/bin/find /bundle int8", "networks": "/bin/judge /bundle"}
ROUNDS = (2, 12)
# Most that frames may cost, as a share of those with somebody who moves. Of the still ones, one in 45 is such a frame.
LIMITS = {IDLE: 0.15, STILL: 0.05, TOLD: 0.05}
# Frames of the film of a visitor until a face has a verdict, 400 ms of its time.
VERDICT = 7
# These of a Raspberry Pi compute no SHA-2 by themselves, unlike the emulated ones.
WITHOUT_CRYPTO = ("cortex-a53", "cortex-a72")
# The slowest board: a Zero 2 W's Cortex-A53 has 1 GHz. Seconds that it may take from its start to a face's first verdict.
CLOCK, TOLD_AFTER = 1e9, 0.5
ROW = "{:12}{:26}{:>14}{:>8}{:>10}{:>8}"


class Bench:
    """A board, and what its programs cost."""

    def __init__(self, board, dump, processor, tools):
        self.board, self.dump, self.processor, self.tools = board, Dump(dump), processor, tools
        self.known = {}
        self.before = "LD_PRELOAD=/lib/no_crypto.so " if processor in WITHOUT_CRYPTO else ""
        board.console.expect("=== ready", SLOW)

    def blocks(self, command, subject=""):
        """How often each block ran while a command did, on a subject if the command does not name it."""
        key = command, subject
        if key not in self.known:
            self.board.send(f"mark; {{ {command}; }} >/tmp/out 2>/tmp/said; echo === ran $?; mark; echo === marked")
            self.board.expect_code("ran", 0)
            self.board.console.expect("^=== marked", SLOW)
            blocks = collections.Counter()
            for runs, words in self.dump.section():
                blocks[words] += runs
            self.known[key] = blocks
        return self.known[key]

    def film(self, name, frames):
        """The blocks of `run` over the first frames of a film."""
        self.board.send(f"busybox head -c {HEADER + frames * FRAME} /films/{name}.y4m >/tmp/film.y4m")
        return self.blocks(f"{self.before}edge-runtime run --config /etc/kiosk/frames.toml", (name, frames))

    def cost(self, longer, shorter, times):
        """Millions of instructions and of cycles of what one run does more than another, so many times."""
        blocks = [(runs - shorter[words], words) for words, runs in longer.items() if runs > shorter[words]]
        instructions = sum(runs * len(words) for runs, words in blocks)
        cycles = throughput.cycles(self.tools, self.processor, blocks) if self.tools else float("nan")
        return [value / times / 1e6 for value in (instructions, cycles)]

    def tell(self, what, cost, whole):
        shares = [value / all for value, all in zip(cost, whole)]
        texts = [text for pair in zip(cost, shares) for text in (f"{pair[0]:.2f}", f"{pair[1]:.3f}")]
        say(ROW.format(self.processor, what, *texts))
        return shares


def count(bench):
    spans = {
        what: bench.cost(bench.film(film, last), bench.film(film, first), last - first)
        for what, (film, first, last) in SPANS.items()
    }
    whole = spans[FOLLOWED]
    shares = {what: bench.tell(what, cost, whole) for what, cost in spans.items()}
    rest = whole
    few, many = ROUNDS
    for what, command in PARTS.items():
        longer, shorter = (bench.blocks(f"echo {rounds} | {command}") for rounds in (many, few))
        cost = bench.cost(longer, shorter, many - few)
        rest = [left - part for left, part in zip(rest, cost)]
        bench.tell(f"  of that, {what}", cost, whole)
    bench.tell("  of that, the rest", rest, whole)
    if any(left < 0 for left in rest):
        raise Failed(f"{bench.processor}: finding and networks cost more than the frame that they are parts of")
    for what, limit in LIMITS.items():
        # What is not weighed is no number, and not larger.
        for share in shares[what]:
            if share > limit:
                raise Failed(f"{bench.processor}: {what} costs {share:.4f} of {FOLLOWED}, more than {limit}")
    return whole


def load(bench, whole):
    none = collections.Counter()
    first = bench.cost(bench.film("visitor", 1), none, 1)
    bench.tell("start and first frame", first, whole)
    verdict = bench.cost(bench.film("visitor", VERDICT), none, 1)
    bench.board.send("echo === faces $(busybox grep -c '\"face\":true' /tmp/out)")
    bench.board.expect_code("faces", 1)
    bench.tell("until a face has a verdict", verdict, whole)
    seconds = verdict[1] * 1e6 / CLOCK
    if bench.processor == "cortex-a53" and seconds > TOLD_AFTER:
        raise Failed(f"a verdict takes {seconds:.2f} s from the start at {CLOCK / 1e9:.1f} GHz, more than {TOLD_AFTER}")


def main():
    kernel, initramfs, plugin = sys.argv[1:4]
    tools = throughput.tools()
    if not tools:
        say("frames: llvm-mca of LLVM 19 or newer IS MISSING, instructions are not weighed: run 'sudo apt-get install llvm-19'")
    say(ROW.format("", "millions", "instructions", "share", "cycles", "share"))
    try:
        for processor in throughput.MODELS:
            with tempfile.TemporaryDirectory() as folder:
                dump = Path(folder) / "blocks"
                machine = ["-M", "virt", "-cpu", processor, "-smp", "1", "-m", "1024", "-nic", "none"]
                machine += ["-plugin", f"{plugin},out={dump}"]
                machine += ["-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyAMA0 quiet"]
                with Board(machine, folder, sleep="off") as board:
                    bench = Bench(board, dump, processor, tools)
                    load(bench, count(bench))
    except Failed as error:
        fail(1, f"frames: {error}")


main()
