"""Hears a kiosk by python-osc until it has sent all that a chapter tells: osc.py PORT CHAPTER

The table of addresses in CHAPTER says what arguments each message has. Ends with 1 where one comes otherwise; waits for all.
"""

import re
import sys

from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer

KINDS = {"int": int, "float": float, "string": str}


def told(chapter):
    """Kinds of arguments by address, as patterns of their first letters."""
    text = open(chapter, encoding="utf-8").read()
    rows = re.findall(r"^\| (`/[^|]*`) \| ([^|]*) \|", text, re.MULTILINE)
    return {address: pattern(arguments) for names, arguments in rows for address in re.findall(r"`(/[^`]*)`", names)}


def pattern(arguments):
    parts = [re.fullmatch(r"(?:(\d+) )?(int|float|string)(s?)", part.strip()) for part in arguments.split(",")]
    if not all(parts):
        sys.exit(f"what arguments are these? {arguments}")
    return "".join(kind[0] + (f"{{{count}}}" if count else "+" if many else "") for count, kind, many in (it.groups() for it in parts))


def main(port, chapter):
    wanted = told(chapter)
    if len(wanted) < 10:
        sys.exit(f"{chapter} names {len(wanted)} addresses")
    missing = set(wanted)

    def hear(address, *arguments):
        kinds = "".join(next((name[0] for name, kind in KINDS.items() if type(it) is kind), "?") for it in arguments)
        if address not in wanted or not re.fullmatch(wanted[address], kinds):
            sys.exit(f"{address} has the arguments {arguments}, and the table tells {wanted.get(address)}")
        if address in missing:
            missing.discard(address)
            print(address, *arguments[:4], flush=True)

    dispatcher = Dispatcher()
    dispatcher.set_default_handler(hear)
    with BlockingOSCUDPServer(("127.0.0.1", port), dispatcher) as server:
        print("listening", flush=True)
        while missing:
            server.handle_request()
    print("heard all", flush=True)


main(int(sys.argv[1]), sys.argv[2])
