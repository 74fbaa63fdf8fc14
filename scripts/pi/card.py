"""Prepares a card image with scripts/flash and boots it: card.py RELEASE DEB IMAGE SSH_KEY KERNEL INITRAMFS.
Run by scripts/test-image from the repository's root. IMAGE has only a root= on its kernel's command line; the board's
console is added here, as a Raspberry Pi's firmware adds its own."""

import json
import os
import subprocess
import sys
import tempfile
import time

from board import Board, Failed, Lines, say
from broker import free_port, start_broker

HOST, USER = "hall", "visitor"
# Seconds for a boot with all that is done in it, on an emulated and busy processor.
BOOT = 1500
CONFIG = """schema = 1
bundle = "/usr/share/edge-runtime/models/default"
[source]
uri = "v4l2:/dev/video0"
width = 640
height = 360
fps = 5
[sink]
stdout = "states"
[sink.mqtt]
host = "10.0.2.2"
port = {port}
device = "card"
[sink.mqtt.outbox]
dir = "/var/lib/edge-runtime/outbox"
"""


def run(*command, seconds=BOOT):
    """What a command prints; it has to succeed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=seconds)
    text = done.stdout.decode(errors="replace").strip()
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit code {done.returncode}\n{text}")
    return text


class Card:
    """The prepared image."""

    def __init__(self, path):
        self.path = path
        partitions = json.loads(run("sfdisk", "--json", path))["partitiontable"]["partitions"]
        self.boot = f"{path}@@{partitions[0]['start'] * 512}"

    def read(self, name):
        """Text of a file on the boot partition."""
        return run("mtype", "-i", self.boot, f"::{name}")

    def has(self, name):
        return subprocess.run(["mdir", "-i", self.boot, f"::{name}"], capture_output=True).returncode == 0


class Kiosk:
    """The booted board, as its owner reaches it."""

    def __init__(self, key, port):
        self.options = ["-p", str(port), "-i", key]
        for option in ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=60"]:
            self.options += ["-o", option]

    def reach(self):
        """Waits until its owner can log in."""
        end = time.monotonic() + BOOT
        while subprocess.run(["ssh", "-o", "BatchMode=yes", *self.options, f"{USER}@127.0.0.1", "true"], capture_output=True).returncode != 0:
            if time.monotonic() > end:
                raise Failed(f"{USER} cannot log in by ssh")
            time.sleep(2)

    def ask(self, command):
        return run("ssh", "-o", "BatchMode=yes", *self.options, f"{USER}@127.0.0.1", command)

    def says(self, command, expected):
        answer = self.ask(command)
        if answer != expected:
            raise Failed(f"{command}: {answer!r} instead of {expected!r}")


def prepare(release, package, image, key, folder, port):
    """The image as its owner's call of scripts/flash makes it."""
    config, card = os.path.join(folder, "config.toml"), os.path.join(folder, "card.img")
    with open(config, "w") as file:
        file.write(CONFIG.format(port=port))
    say(run("scripts/flash", "--package", package, "--config", config, "--hostname", HOST, "--user", USER, "--ssh-key", f"{key}.pub", image, card))
    return Card(card)


def boot(card, kernel, initramfs, ssh, folder):
    line = f"console=ttyAMA0 {card.read('cmdline.txt')}"
    machine = ["-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1024", "-kernel", kernel, "-initrd", initramfs]
    machine += ["-append", line, "-drive", f"file={card.path},if=virtio,format=raw"]
    machine += ["-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{ssh}-:22", "-device", "virtio-net-pci,netdev=n0,romfile="]
    return Board(machine, folder)


def first_run(card, kernel, initramfs, ssh, folder):
    """Bookworm's first boot, which ends with a restart."""
    start = time.monotonic()
    with boot(card, kernel, initramfs, ssh, folder) as board:
        try:
            board.process.wait(BOOT)
        except subprocess.TimeoutExpired:
            board.console.drain()
            raise Failed("the first boot does not end; last lines:\n  " + "\n  ".join(board.console.seen[-30:])) from None
        board.console.drain()
    if card.has("firstrun.sh") or "systemd.run" in card.read("cmdline.txt"):
        raise Failed("firstrun.sh would run again; last lines:\n  " + "\n  ".join(board.console.seen[-30:]))
    say(f"first boot: firstrun.sh ran once, {time.monotonic() - start:.0f} s")


def check(release, kiosk):
    """What the owner asked for is there."""
    kiosk.reach()
    if release == "trixie":
        # "degraded" would be a warning: stock cloud-init knows nothing of Raspberry Pi OS's `enable_ssh`.
        status = json.loads(kiosk.ask("cloud-init status --wait --format json || true"))
        if status["status"] != "done" or status["errors"]:
            raise Failed(f"cloud-init: {status}\n" + kiosk.ask("sudo -n grep -E -A8 'WARNING|ERROR|Traceback' /var/log/cloud-init.log || true"))
        say(f"cloud-init: {status['extended_status']}")
    kiosk.says("hostname", HOST)
    kiosk.says("systemctl is-active edge-runtime", "active")
    kiosk.says("systemctl is-enabled edge-runtime", "enabled")
    kiosk.says("grep -c '^device = \"card\"$' /etc/edge-runtime/config.toml", "1")
    kiosk.says("sudo -n id -u", "0")
    say(f"{USER}@{HOST} can log in by key; edge-runtime.service is active and enabled: " + kiosk.ask("edge-runtime --version"))


def deploy(package, kiosk, messages):
    # Here is no time server, which the doctor finds wrong.
    text = run("scripts/deploy", "--anyway", "--package", package, f"{USER}@127.0.0.1", *kiosk.options)
    messages.expect(r"^emotion/card/availability stopped", BOOT)
    messages.expect(r"^emotion/card/availability online", BOOT)
    say("scripts/deploy, after which the service published again:\n  " + text.replace("\n", "\n  "))


def test(release, package, image, key, kernel, initramfs, folder):
    port, ssh = free_port(), free_port()
    card = prepare(release, package, image, key, folder, port)
    broker, subscriber = start_broker(folder, port)
    try:
        messages = Lines("broker", subscriber)
        if release == "bookworm":
            first_run(card, kernel, initramfs, ssh, folder)
        start = time.monotonic()
        with boot(card, kernel, initramfs, ssh, folder) as board:
            try:
                messages.expect(r"^emotion/card/availability online", BOOT)
                messages.expect(r"^emotion/card/state .*no_face", BOOT)
                say(f"boot: the service published the camera's state after {time.monotonic() - start:.0f} s")
                kiosk = Kiosk(key, ssh)
                check(release, kiosk)
                deploy(package, kiosk, messages)
                kiosk.ask("sudo -n systemctl --no-block poweroff")
                messages.expect(r"^emotion/card/availability stopped", BOOT)
            except Failed:
                board.console.drain()
                print("console:\n  " + "\n  ".join(board.console.seen[-60:]), file=sys.stderr)
                raise
    finally:
        subscriber.kill()
        broker.kill()


def main():
    release, *files = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        try:
            test(release, *files, folder)
        except (Failed, subprocess.TimeoutExpired) as error:
            print(f"test-image: {release}: {error}", file=sys.stderr)
            sys.exit(1)
    say(f"{release}: passed")


main()
