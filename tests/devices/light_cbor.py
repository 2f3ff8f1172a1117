"""A light that speaks CBOR: paho-mqtt, and cbor2 to read and write.

It waits for its document, acknowledges it, asks for its pairs, says to the first of them that it is
on, and prints what it was told. Arguments: settings as those of `device_paho.py`, and its ID.
"""

import json
import queue
import ssl
import sys

import cbor2
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

LIMIT = 60  # seconds; far beyond what anything takes

settings, device = json.loads(sys.argv[1]), sys.argv[2]
own = f"ics/v1/d/{device}"
messages = queue.Queue()


def publish(topic, payload, properties=None):
    sent = light.publish(f"{own}/{topic}", cbor2.dumps(payload), qos=1, properties=properties)
    sent.wait_for_publish(LIMIT)


def shown(value):
    """Bytes as digits, for JSON has none."""
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shown(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value


light = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
light.tls_set(settings["ca"], settings["certificate"], settings["key"], cert_reqs=ssl.CERT_REQUIRED)
light.on_connect = lambda *_: light.subscribe([(f"{own}/doc/cbor", 1), (f"{own}/answers", 1)])
light.on_message = lambda _, __, message: messages.put(message)
light.connect(settings["host"], settings["port"])
light.loop_start()

offered = messages.get(timeout=LIMIT)
document = cbor2.loads(offered.payload)
publish("doc/ack", {"v": document["v"]})

asking = Properties(PacketTypes.PUBLISH)
asking.ResponseTopic = f"{own}/answers"
asking.CorrelationData = b"1"
publish("inq", {}, asking)
answered = messages.get(timeout=LIMIT)
answer = cbor2.loads(answered.payload)

publish("evt", {"id": answer["m"][0]["id"], "data": b"\x00\xffon"})
light.disconnect()
print(
    json.dumps(
        {
            "document": shown(document),
            "answer": shown(answer),
            "contentTypes": [m.properties.ContentType for m in (offered, answered)],
        }
    )
)
