"""Runs an automation by Home Assistant's own code: its schemas, its triggers, its scripts.

Reads {"automation": YAML, "entity": id, "happy": event, "other": event} from standard input. The entity is an event as a
kiosk's is; the lamp is one of this script. Ends with 1 and the reason where the automation is not taken, or does not do
what is told of it: it turns on the lamp for somebody happy, once while it waits, and for nobody else.
"""

import asyncio
import json
import logging
import pathlib
import sys
import tempfile
from datetime import timedelta

from homeassistant import config_entries, loader
from homeassistant.bootstrap import async_load_base_functionality
from homeassistant.components.automation.config import async_validate_config_item
from homeassistant.const import __version__
from homeassistant.core import CoreState, HomeAssistant, callback
from homeassistant.setup import async_setup_component
from homeassistant.util import dt
from homeassistant.util.yaml import load_yaml

# Turns of the event loop until everything has been done that can be; it takes some ten.
TURNS = 500


def refuse(reason):
    print(f"refused: {reason}", file=sys.stderr)
    sys.exit(1)


async def start(directory):
    """What Home Assistant has at its start, without its network."""
    hass = HomeAssistant(directory)
    hass.config.skip_pip = True
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    loader.async_setup(hass)
    # Older versions give nothing.
    if await async_load_base_functionality(hass) is False:
        refuse("Home Assistant does not start")
    return hass


async def main(directory):
    hass = await start(directory)
    given = json.load(sys.stdin)
    path = pathlib.Path(directory, "automation.yaml")
    path.write_text(given["automation"], encoding="utf-8")
    automation = {"id": "documents", "alias": "documents"} | load_yaml(str(path))
    lit = []

    @callback
    def turn_on(call):
        lit.append(call.data)

    hass.services.async_register("light", "turn_on", turn_on)
    checked = await async_validate_config_item(hass, "documents", automation)
    if checked is None or checked.validation_status != "ok":
        refuse(getattr(checked, "validation_error", "the automation as a whole"))
    # Automations wait for the end of the start.
    hass.set_state(CoreState.running)
    if not await async_setup_component(hass, "automation", {"automation": [automation]}):
        refuse("the automation cannot be set up")
    await hass.async_block_till_done()

    async def tell(number, event):
        # An event entity is in the state of its last event's time, with its kind as an attribute.
        time = dt.utcnow() + timedelta(seconds=number)
        hass.states.async_set(given["entity"], time.isoformat(timespec="milliseconds"), {"event_type": event})
        # All of it happens on this thread; the delay of the automation is not waited for.
        for _ in range(TURNS):
            await asyncio.sleep(0)

    for number, (event, expected) in enumerate([(given["other"], 0), (given["happy"], 1), (given["happy"], 1)]):
        await tell(number, event)
        if len(lit) != expected:
            refuse(f"after event {number}, {event}, the lamp was turned on {len(lit)} times, not {expected} times")
    print(f"run by Home Assistant {__version__}: {lit[0]}")


logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
with tempfile.TemporaryDirectory() as config:
    try:
        asyncio.run(asyncio.wait_for(main(config), 60))
    except Exception as error:  # whatever Home Assistant raises is a refusal
        refuse(repr(error))
