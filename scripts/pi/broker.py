"""A broker on this machine's loopback, and a client that prints what it is told."""

import os
import socket
import subprocess

from board import Failed


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start_broker(folder, port):
    """The broker's process and that of a subscriber to all that a kiosk says."""
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
