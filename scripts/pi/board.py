"""An emulated board: its console, its machine monitor, its signals. Used by scripts/test-pi."""

import json
import os
import queue
import re
import socket
import subprocess
import sys
import threading
import time


# Most seconds for a step: an emulated processor is some twenty times slower than a real one, and this machine may be busy.
SLOW = 300


class Failed(Exception):
    """What was expected did not come."""


class Lines:
    """The lines that a process prints, with the power to wait for one."""

    def __init__(self, name, process):
        self.name, self.process, self.seen = name, process, []
        self.queue = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.queue.put(line.decode(errors="replace").rstrip())
        self.queue.put(None)

    def expect(self, pattern, seconds):
        """The match of the first line from now on that has `pattern`."""
        end = time.monotonic() + seconds
        while True:
            try:
                line = self.queue.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise Failed(f"{self.name}: no line with {pattern!r} in {seconds} s; last lines:\n  " + "\n  ".join(self.seen[-15:])) from None
            if line is None:
                raise Failed(f"{self.name} ended before {pattern!r}; last lines:\n  " + "\n  ".join(self.seen[-15:]))
            self.seen.append(line)
            match = re.search(pattern, line)
            if match:
                return match

    def drain(self):
        """Takes in what was printed and not waited for."""
        while not self.queue.empty():
            self.seen.append(self.queue.get() or "(end)")


class Board:
    """QEMU with a console on its standard output."""

    def __init__(self, arguments, folder, sleep="on"):
        self.monitor_path = os.path.join(folder, "monitor")
        # A nanosecond of the board's time for each instruction, and as much as passes here while it waits: a busy machine
        # makes the board slow, but never late by its own clock.
        command = ["qemu-system-aarch64", "-nographic", "-no-reboot", "-icount", f"shift=0,sleep={sleep}"]
        command += ["-qmp", f"unix:{self.monitor_path},server,nowait", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.console = Lines("board", self.process)
        self.monitor = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def send(self, line):
        """Types a line on the console."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def expect_code(self, step, code):
        """Waits for the exit code that `echo === STEP $?` prints."""
        found = int(self.console.expect(rf"^=== {step} (\d+)", SLOW)[1])
        if found != code:
            raise Failed(f"{step}: exit code {found} instead of {code}; last lines:\n  " + "\n  ".join(self.console.seen[-15:]))

    def _command(self, name, **arguments):
        if self.monitor is None:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(10)
            connection.connect(self.monitor_path)
            self.monitor = connection.makefile("rw")
            self.monitor.readline()
            self._command("qmp_capabilities")
        self.monitor.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.monitor.flush()
        while True:
            reply = json.loads(self.monitor.readline())
            if "return" in reply:
                return reply["return"]
            if "error" in reply:
                raise Failed(f"machine monitor: {reply['error']}")

    def word(self, address):
        """The 32-bit word at a physical address."""
        text = self._command("human-monitor-command", **{"command-line": f"xp /1wx {address:#x}"})
        return int(text.split()[-1], 16)

    def wait_word(self, address, mask, value, seconds, what):
        """Waits until the masked word has the value; gives the seconds that it took."""
        start = time.monotonic()
        while True:
            found = self.word(address) & mask
            if found == value:
                return time.monotonic() - start
            if time.monotonic() - start > seconds:
                raise Failed(f"{what}: {found:#x} instead of {value:#x} after {seconds} s")
            time.sleep(0.05)


def say(text):
    print(text, flush=True)


def fail(code, text):
    print(f"test-pi: {text}", file=sys.stderr)
    sys.exit(code)
