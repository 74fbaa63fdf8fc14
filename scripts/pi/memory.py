"""Memory of the kiosk's program on a board of 512 MB without swap, over an hour and a change of its bundle:
memory.py KERNEL INITRAMFS. Run by scripts/test-pi, which puts the films of scripts/pi/film.py on the board.

The board's clock jumps wherever nothing is to be done, so that an hour of the board takes minutes here."""

import sys
import tempfile

from board import SLOW, Board, Failed, fail, say

# An hour, in seconds of the board, and the frames that its film has meanwhile, with some room for the start.
HOUR, FRAMES = 3600, 1760
# Most that the program may hold, in MiB.
MOST = 60


def memory(board, when):
    """What the program holds and has held at most, in MiB."""
    board.send("busybox grep -E 'VmRSS|VmHWM|VmSwap' /proc/$PID/status")
    found = [int(board.console.expect(rf"^{field}:\s+(\d+) kB", SLOW)[1]) / 1024 for field in ("VmHWM", "VmRSS", "VmSwap")]
    say(f"memory {when}: {found[1]:.1f} MiB, at most {found[0]:.1f} so far, {found[2]:.1f} swapped")
    return found


def wait(board, seconds):
    board.send(f"sleep {seconds}; echo === slept")
    board.console.expect("^=== slept", 20 * SLOW)


def check(board):
    board.send("busybox free -m")
    say("board: " + " ".join(board.console.expect(r"^Mem: +(\d+ .*)", SLOW)[1].split()[:2]) + " MiB in all and used")
    board.send("edge-runtime run --config /etc/kiosk/memory.toml & PID=$!")
    wait(board, 60)
    memory(board, "after a minute")
    wait(board, HOUR)
    before = memory(board, "after an hour")
    # A change of bundle loads the new networks while the old ones still run.
    board.send("busybox cp -r /bundle /other; sed -i 's,/bundle,/other,' /etc/kiosk/memory.toml; kill -HUP $PID")
    # The frames of a configuration are told when it ends.
    frames = int(board.console.expect(r"^frames in (\d+), judged", SLOW)[1])
    wait(board, 60)
    after = memory(board, "after a change of the bundle")
    board.send("kill -TERM $PID; wait $PID; echo === ended $?")
    board.expect_code("ended", 143)
    if frames < FRAMES:
        raise Failed(f"{frames} frames in an hour instead of {FRAMES}")
    if max(before[1], after[1]) > MOST:
        raise Failed(f"the program holds {max(before[1], after[1]):.1f} MiB, more than {MOST}")
    say(f"passed: {frames} frames; at most {max(before[1], after[1]):.1f} of {MOST} MiB were held")


def main():
    kernel, initramfs = sys.argv[1:3]
    machine = ["-M", "virt", "-cpu", "cortex-a53", "-smp", "1", "-m", "512", "-nic", "none"]
    machine += ["-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyAMA0 quiet"]
    try:
        with tempfile.TemporaryDirectory() as folder, Board(machine, folder, sleep="off") as board:
            board.console.expect("=== ready", SLOW)
            check(board)
    except Failed as error:
        fail(1, f"memory: {error}")


main()
