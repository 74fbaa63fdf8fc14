"""The kiosk's program on an emulated 64-bit board with a camera (vivid) and eight GPIO lines (PL061), against a real
broker on this machine: virt.py KERNEL INITRAMFS. Run by scripts/test-pi."""

import json
import os
import socket
import subprocess
import sys
import tempfile

from board import Board, Failed, Lines, fail, say

# Registers of the PL061 (ARM DDI 0190B, table 3-1) on QEMU's board: levels of all eight lines, and their directions.
LEVELS, DIRECTIONS = 0x9030000 + 0x3FC, 0x9030000 + 0x400
# As in the configurations that scripts/test-pi writes.
EMOTIONS = ["Angry", "Disgust", "Sad", "Happy", "Surprise"]
LAMP = 1 << 5
ALL = 0x3F
# An emulated processor is some twenty times slower than a real one.
SLOW = 180


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start_broker(folder, port):
    config = os.path.join(folder, "broker.conf")
    with open(config, "w") as file:
        file.write(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    broker = subprocess.Popen(["mosquitto", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subscribe = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-t", "emotion/#", "-t", "homeassistant/#", "-v"]
    for _ in range(50):
        subscriber = subprocess.Popen(subscribe, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            # It ends at once where nobody listens yet.
            subscriber.wait(0.2)
        except subprocess.TimeoutExpired:
            return broker, subscriber
    broker.kill()
    raise Failed("the broker does not start")


def emotion_of(broker, seconds, wanted):
    """The first published state whose word `wanted` accepts."""
    while True:
        state = json.loads(broker.expect(r"^emotion/board/state (\{.*\})", seconds)[1])
        if wanted(state["emotion"]):
            return state["emotion"]


def camera(board, broker):
    board.send("edge-runtime run --config /etc/camera.toml & PID=$!")
    broker.expect(r"^emotion/board/availability online", SLOW)
    broker.expect(r"^homeassistant/device/board/config \{.*unique_id", SLOW)
    emotion_of(broker, SLOW, lambda word: word == "no_face")
    board.wait_word(LEVELS, ALL, LAMP, 20, "the lamp while the camera runs")
    assert board.word(DIRECTIONS) & ALL == ALL, "the lines are outputs"
    say("camera: frames of /dev/video0 were judged, state and discovery reached the broker, the lamp is lit")
    board.send("kill -TERM $PID; wait $PID; echo === ended $?")
    took = board.wait_word(LEVELS, ALL, 0, 20, "lines after SIGTERM")
    broker.expect(r"^emotion/board/availability stopped", SLOW)
    code = board.console.expect(r"=== ended (\d+)", SLOW)[1]
    assert code == "143", f"ended with {code} instead of 143"
    say(f"SIGTERM: lines safe after {took:.2f} s of this machine's time, 'stopped' published, exit code 143")


def clip(board, broker):
    board.send("edge-runtime run --config /etc/clip.toml & PID=$!")
    emotion = emotion_of(broker, SLOW, lambda word: word in EMOTIONS)
    line = 1 << EMOTIONS.index(emotion)
    board.wait_word(LEVELS, ALL & ~LAMP, line, 20, f"the line of {emotion}")
    say(f"clip: {emotion} was published, and its line alone is high")
    board.send("kill -KILL $PID; wait $PID; edge-runtime safe --config /etc/clip.toml; echo === safe $?")
    broker.expect(r"^emotion/board/availability offline", SLOW)
    code = board.console.expect(r"=== safe (\d+)", SLOW)[1]
    assert code == "0", f"edge-runtime safe ended with {code}"
    board.wait_word(LEVELS, ALL, 0, 20, "lines after SIGKILL and `edge-runtime safe`")
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
                board.send(f"sed -i s/BROKER_PORT/{port}/ /etc/*.toml")
                messages = Lines("broker", subscriber)
                camera(board, messages)
                clip(board, messages)
        except (Failed, AssertionError) as error:
            fail(1, f"virt: {error}")
        finally:
            subscriber.kill()
            broker.kill()
    say("virt: passed")


main()
