"""A device of the sandbox over MQTT, with paho-mqtt (pip install paho-mqtt==2.2.0).

    . sandbox/sandbox.env; export ICS_MQTT_HOST ICS_MQTT_PORT ICS_DEV_ID ICS_DEV_CERT ICS_DEV_KEY ICS_CA
    python3 ics_device.py copy.json

It holds the pairs of its mapping document in copy.json and acknowledges what it stored. Typed in:

    event ID JSON     something for the service behind that pair
    give-up ID        its user does not want that pair any more
    inquire           what does the service say this device has?
"""

import json
import os
import sys
import threading
import uuid

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from copy_file import load, store


def main():
    file = sys.argv[1]
    copy = load(file)
    own = f"ics/v1/d/{os.environ['ICS_DEV_ID']}"

    def on_connect(client, _userdata, _flags, reason, _properties):
        print("connected" if reason == 0 else f"refused: {reason}", flush=True)
        # The gateway keeps no subscriptions; on this one it sends the newest document.
        client.subscribe([(f"{own}/doc", 1), (f"{own}/inq/+", 1)])

    def on_message(client, _userdata, message):
        if message.topic != f"{own}/doc":
            print(message.payload.decode(), flush=True)
            return
        is_newer, said = copy.take(message.payload)
        if is_newer:
            store(file, copy)
            print(f"holds version {copy.v}: {[pair['id'] for pair in copy.m]}", flush=True)
        if said is not None:
            client.publish(f"{own}/doc/ack", json.dumps(said), qos=1)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, os.environ["ICS_DEV_ID"], protocol=mqtt.MQTTv5)
    client.on_connect, client.on_message = on_connect, on_message
    if "ICS_DEV_CERT" in os.environ:  # Else in plain, towards a lossy_proxy, which has it.
        client.tls_set(os.environ["ICS_CA"], os.environ["ICS_DEV_CERT"], os.environ["ICS_DEV_KEY"])
    client.reconnect_delay_set(min_delay=1, max_delay=60)
    client.connect_async(os.environ["ICS_MQTT_HOST"], int(os.environ["ICS_MQTT_PORT"]), keepalive=60)
    client.loop_start()
    for line in sys.stdin:
        obey(client, own, line.split(maxsplit=2))
    threading.Event().wait()  # Standard input has ended; the device goes on.


def obey(client, own, words):
    match words:
        case ["event", mapping, data]:
            event = f'{{"id":{json.dumps(mapping)},"data":{data.strip()}}}'
            client.publish(f"{own}/evt", event, qos=1)
        case ["give-up", mapping]:
            client.publish(f"{own}/rev", json.dumps({"id": mapping}), qos=1)
        case ["inquire"]:
            asked = Properties(PacketTypes.PUBLISH)
            asked.ResponseTopic, asked.CorrelationData = f"{own}/inq/answer", uuid.uuid4().bytes
            client.publish(f"{own}/inq", b"", qos=1, properties=asked)
        case []:
            pass
        case _:
            print("event ID JSON, give-up ID, inquire", file=sys.stderr)


if __name__ == "__main__":
    main()
