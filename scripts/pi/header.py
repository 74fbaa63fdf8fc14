"""The kiosk's program on an emulated Raspberry Pi, driving the lines of its header by the registers of the processor:
header.py raspi3b|raspi4b KERNEL INITRAMFS DEVICE_TREE. Run by scripts/test-pi."""

import json
import sys
import tempfile

from board import SLOW, Board, Failed, fail, say

# Of the GPIO controller (BCM2835 ARM Peripherals, section 6.1): where it lies, functions of ten lines each, levels.
CONTROLLERS = {"raspi3b": 0x3F200000, "raspi4b": 0xFE200000}
FUNCTIONS, LEVELS = 0x00, 0x34
OUTPUT = 0b001
# As in the configuration that scripts/test-pi writes. The line of Disgust is active low.
LINES = {"Angry": 17, "Disgust": 27, "Sad": 22, "Happy": 23, "Surprise": 24, "Neutral": 5}
LAMP = 1 << 25
SAFE = 1 << LINES["Disgust"]
ALL = sum(1 << line for line in LINES.values()) | LAMP


class Header:
    """The lines of the board's header, as its registers show them."""

    def __init__(self, board, controller):
        self.board, self.controller = board, controller

    def wait(self, levels, what):
        return self.board.wait_word(self.controller + LEVELS, ALL, levels, 30, what)

    def check_outputs(self):
        for line in (number for number in range(28) if ALL >> number & 1):
            word = self.board.word(self.controller + FUNCTIONS + line // 10 * 4)
            if word >> line % 10 * 3 & 0b111 != OUTPUT:
                raise Failed(f"line {line} is no output: function select register {word:#010x}")


def show(board, header, emotion):
    """Replays the clip of an emotion until its line is active."""
    board.send(f"edge-runtime run --config /etc/kiosk/{emotion}.toml & PID=$!")
    while json.loads(board.console.expect(r"^(\{.*\"emotion\".*\})$", SLOW)[1])["emotion"] != emotion:
        pass
    header.wait(LAMP | SAFE | 1 << LINES[emotion], f"the line of {emotion}, and the lamp")
    header.check_outputs()
    say(f"clip: {emotion} was told, its line and the lamp alone are active, all are outputs")


def check(board, header):
    show(board, header, "Neutral")
    board.send("kill -TERM $PID; wait $PID; echo === ended $?")
    board.expect_code("ended", 143)
    header.wait(SAFE, "lines after SIGTERM")
    header.check_outputs()
    say("SIGTERM: exit code 143, lines safe and still driven")
    show(board, header, "Happy")
    board.send("kill -KILL $PID; wait $PID; echo === ended $?")
    board.expect_code("ended", 137)
    board.send("edge-runtime safe --config /etc/kiosk/Happy.toml; echo === safe $?")
    board.expect_code("safe", 0)
    header.wait(SAFE, "lines after SIGKILL and `edge-runtime safe`")
    header.check_outputs()
    say("SIGKILL: `edge-runtime safe` leaves the lines safe and driven")


def main():
    name, kernel, initramfs, tree = sys.argv[1:5]
    machine = ["-M", name, "-kernel", kernel, "-initrd", initramfs, "-dtb", tree]
    # /dev/mem gives the registers to the program although the kernel's driver has them too.
    machine += ["-append", "console=ttyAMA0,115200 iomem=relaxed quiet"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            with Board(machine, folder) as board:
                board.console.expect("=== ready", SLOW)
                check(board, Header(board, CONTROLLERS[name]))
        except Failed as error:
            fail(1, f"{name}: {error}")
    say("passed")


main()
