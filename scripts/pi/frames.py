"""Instructions that a 64-bit ARM processor needs for a whole frame, from its picture to what is known of the faces in it:
frames.py KERNEL INITRAMFS. Run by scripts/test-pi, which puts the films of scripts/pi/film.py on the board.

The emulated processor takes a nanosecond for each instruction, so the processor's time that `track` prints counts them."""

import json
import sys
import tempfile

from board import SLOW, Board, Failed, fail, say

PROCESSORS = ("cortex-a53", "cortex-a72", "cortex-a76")
# The film, what it shows, and the field of the last line that has the cost of its frames.
FILMS = (("room", "nobody in view", "search_ms"), ("visitor", "somebody followed", "frame_ms"), ("still", "somebody, nothing moves", "frame_ms"))
# Most that a frame with nobody in view may cost, as a share of one with somebody.
IDLE = 0.15
ROW = "{:12}{:26}{:>10}{:>10}{:>8}"


def cost(board, film, field):
    """Millions of instructions of a frame, and of its networks."""
    board.send(f"edge-runtime track --quiet --policy largest --min-face 80 --bundle /bundle --truth /films/{film}.jsonl /films/{film}.y4m")
    found = json.loads(board.console.expect(r'^(\{"frames".*\})', 4 * SLOW)[1])
    return found[field], found["networks_ms"] if field == "frame_ms" else 0.0


def count(processor, kernel, initramfs):
    machine = ["-M", "virt", "-cpu", processor, "-smp", "1", "-m", "1024", "-nic", "none"]
    machine += ["-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyAMA0 quiet"]
    costs = {}
    with tempfile.TemporaryDirectory() as folder, Board(machine, folder, sleep="off") as board:
        board.console.expect("=== ready", SLOW)
        for film, what, field in FILMS:
            whole, networks = cost(board, film, field)
            costs[film] = whole
            share = whole / costs["visitor"] if "visitor" in costs else float("nan")
            say(ROW.format(processor, what, f"{whole:.2f}", f"{networks:.2f}", f"{share:.3f}"))
    idle = costs["room"] / costs["visitor"]
    if idle > IDLE:
        raise Failed(f"{processor}: a frame with nobody in view costs {idle:.3f} of one with somebody, more than {IDLE}")
    say(f"{processor}: nobody in view costs {idle:.3f} of somebody followed")


def main():
    kernel, initramfs = sys.argv[1:3]
    say(ROW.format("", "million instructions", "frame", "networks", "share"))
    try:
        for processor in PROCESSORS:
            count(processor, kernel, initramfs)
    except Failed as error:
        fail(1, f"frames: {error}")


main()
