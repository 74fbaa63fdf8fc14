"""Gives what a kiosk tells to Home Assistant's own code: topic, schemas and templates.

Reads {"topic", "payload", "messages": {topic: [payload]}, "shown": {entity: text}} from standard input; ends with 1 and
the reason where Home Assistant would not take something, or an entity does not show at last what `shown` says.
"""

import asyncio
import importlib
import inspect
import json
import logging
import sys
import tempfile

from homeassistant.components.mqtt import discovery
from homeassistant.components.mqtt.update import MQTT_JSON_UPDATE_SCHEMA
from homeassistant.const import __version__
from homeassistant.core import HomeAssistant

PREFIX = "homeassistant/"


def refuse(reason):
    print(f"refused: {reason}", file=sys.stderr)
    sys.exit(1)


def render(template, payload):
    try:
        values = {"value": payload, "value_json": json.loads(payload)}
    except ValueError:
        values = {"value": payload}
    return template.async_render(values, parse_result=False, strict=True)


def check(config, topic, payload):
    """What an entity makes of a message on the topic of its state."""
    shown = render(config["value_template"], payload)
    if config["platform"] == "sensor" and config.get("options") and shown not in config["options"]:
        refuse(f"{shown} is none of the options")
    if config["platform"] == "sensor" and config.get("unit_of_measurement") and shown != "None":
        float(shown)
    if config["platform"] == "event" and json.loads(shown)["event_type"] not in config["event_types"]:
        refuse(f"{shown} is no event of its kind")
    if config["platform"] in ("binary_sensor", "switch") and shown not in ("ON", "OFF"):
        refuse(f"{shown} on {topic} is neither on nor off")
    if config["platform"] == "update":
        MQTT_JSON_UPDATE_SCHEMA(json.loads(shown))
    return shown


async def main(directory):
    # Schemas and templates look for the one that runs.
    hass = HomeAssistant(directory)
    heard = json.load(sys.stdin)
    match = discovery.TOPIC_MATCHER.match(heard["topic"].removeprefix(PREFIX))
    if not match or match["component"] != "device":
        refuse(f"{heard['topic']} is no topic of device discovery")
    # It says itself what it does not like.
    known = {"hass": hass, "payload": heard["payload"], "topic": heard["topic"]} | match.groupdict()
    wanted = inspect.signature(discovery._parse_device_payload).parameters  # the topic came later
    device = discovery._parse_device_payload(**{name: known[name] for name in wanted})
    if not device:
        refuse("the payload as a whole")
    for name, config in device["components"].items():
        platform = config.pop("platform")
        message = discovery.MQTTDiscoveryPayload(config)
        message["device"] = device["device"]
        message["origin"] = device.get("origin")
        discovery._merge_common_device_options(message, device)
        module = importlib.import_module(f"homeassistant.components.mqtt.{platform}")
        checked = module.DISCOVERY_SCHEMA(dict(message))
        if not checked.get("unique_id"):
            refuse(f"{name} has no unique_id")
        entity = checked.get("default_entity_id")  # older versions leave it out
        if entity and entity.partition(".")[0] != platform:
            refuse(f"{name} has the entity id {entity} of another platform")
        checked["platform"] = platform
        for payload in heard["messages"]["emotion/hall/availability"]:
            online = render(checked["availability_template"], payload)
            if online != ("online" if payload == "online" else "offline"):
                refuse(f"availability {payload} becomes {online}")
        topic = checked["state_topic"]
        shown = [check(checked, topic, payload) for payload in heard["messages"][topic]]
        wanted_text = heard.get("shown", {}).pop(name, shown[-1])
        if shown[-1] != wanted_text:
            refuse(f"{name} shows {shown[-1]} and not {wanted_text}")
        print(f"{platform} {name}: {shown[-1]}")
    if heard.get("shown"):
        refuse(f"{', '.join(heard['shown'])} is not there")
    if not device["origin"].get("support_url"):
        refuse("no address that helps")
    print(f"taken by Home Assistant {__version__}")


logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
with tempfile.TemporaryDirectory() as config:
    try:
        asyncio.run(main(config))
    except Exception as error:  # whatever Home Assistant raises is a refusal
        refuse(repr(error))
