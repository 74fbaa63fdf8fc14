"""The kiosk's program on an emulated 64-bit board with a camera (vivid) and eight GPIO lines (PL061), against a real
broker on this machine: virt.py KERNEL INITRAMFS. Run by scripts/test-pi."""

import json
import sys
import tempfile

from board import SLOW, Board, Failed, Lines, fail, say
from broker import free_port, start_broker

# Registers of the PL061 (ARM DDI 0190B, table 3-1) on QEMU's board: levels of all eight lines, and their directions.
LEVELS, DIRECTIONS = 0x9030000 + 0x3FC, 0x9030000 + 0x400
# As in the configurations that scripts/test-pi writes.
LINES = {"Angry": 0, "Disgust": 1, "Sad": 2, "Happy": 3, "Surprise": 4, "Neutral": 6}
LAMP = 1 << 5
ALL = 0x7F


def state(broker, emotion):
    """Waits until this emotion is published."""
    while json.loads(broker.expect(r"^emotion/board/state (\{.*\})", SLOW)[1])["emotion"] != emotion:
        pass


def stop(board, broker):
    """Ends the program as a service manager does."""
    board.send("kill -TERM $PID; wait $PID; echo === ended $?")
    took = board.wait_word(LEVELS, ALL, 0, 30, "lines after SIGTERM")
    broker.expect(r"^emotion/board/availability stopped", SLOW)
    board.expect_code("ended", 143)
    say(f"SIGTERM: lines safe after {took:.2f} s of this machine's time, 'stopped' published, exit code 143")


def doctor(board):
    """Camera, lines and broker are as the configuration wants them; nobody keeps this board's clock."""
    board.send("edge-runtime doctor --config /etc/kiosk/camera.toml; echo === doctor $?")
    board.console.expect(r'"check":"gpio","ok":true', SLOW)
    offers = board.console.expect(r'"check":"camera","ok":true,"found":"/dev/video0: (\w+ 320x180 at 5 a second is among them: .*)"', SLOW)[1]
    board.console.expect(r'"check":"broker","ok":true', SLOW)
    board.expect_code("doctor", 69)
    say(f"doctor: {offers[:200]}")


def camera(board, broker):
    board.send("edge-runtime run --config /etc/kiosk/camera.toml & PID=$!")
    broker.expect(r"^emotion/board/availability online", SLOW)
    broker.expect(r"^homeassistant/device/board/config \{.*unique_id", SLOW)
    state(broker, "no_face")
    board.wait_word(LEVELS, ALL, LAMP, 30, "the lamp while the camera runs")
    if board.word(DIRECTIONS) & ALL != ALL:
        raise Failed("not all lines are outputs")
    say("camera: frames of /dev/video0 were judged, state and discovery reached the broker, the lamp is lit")
    stop(board, broker)


def show(board, broker, emotion):
    """Replays the clip of an emotion until its line is active."""
    board.send(f"edge-runtime run --config /etc/kiosk/{emotion}.toml & PID=$!")
    state(broker, emotion)
    board.wait_word(LEVELS, ALL, LAMP | 1 << LINES[emotion], 30, f"the line of {emotion}, and the lamp")
    say(f"clip: {emotion} was published, its line and the lamp alone are high")


def kill(board, broker):
    """Ends the program where it cannot say a word; then the service manager calls `edge-runtime safe`."""
    board.send("kill -KILL $PID; wait $PID; echo === ended $?")
    board.expect_code("ended", 137)
    broker.expect(r"^emotion/board/availability offline", SLOW)
    board.send("edge-runtime safe --config /etc/kiosk/Happy.toml; echo === safe $?")
    board.expect_code("safe", 0)
    board.wait_word(LEVELS, ALL, 0, 30, "lines after SIGKILL and `edge-runtime safe`")
    say("SIGKILL: the broker tells 'offline', and `edge-runtime safe` leaves the lines low")


def main():
    kernel, initramfs = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        broker, subscriber = start_broker(folder, port)
        machine = ["-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "512", "-kernel", kernel, "-initrd", initramfs]
        machine += ["-append", "console=ttyAMA0 quiet", "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,romfile="]
        try:
            with Board(machine, folder) as board:
                board.console.expect("=== ready", SLOW)
                board.send(f"sed -i s/BROKER_PORT/{port}/ /etc/kiosk/*.toml")
                messages = Lines("broker", subscriber)
                doctor(board)
                camera(board, messages)
                show(board, messages, "Neutral")
                stop(board, messages)
                show(board, messages, "Happy")
                kill(board, messages)
        except Failed as error:
            fail(1, f"virt: {error}")
        finally:
            subscriber.kill()
            broker.kill()
    say("passed")


main()
