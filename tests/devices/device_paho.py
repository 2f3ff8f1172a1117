"""A device that does what it is told on standard input, with paho-mqtt.

One argument, JSON: version (4 is 3.1.1, or 5), host, port, ca, and what else `tests/src/device.rs`
tells of; that file also tells the lines that are read and written. Nothing is done to the library:
what it does on the wire is what every program with it does.
"""

import json
import sys
import threading

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

settings = json.loads(sys.argv[1])
is_v5 = settings["version"] == 5
speaking = threading.Lock()
asked = {}  # what the library calls a request -> what the test calls it
over = threading.Event()


def say(**words):
    with speaking:
        print(json.dumps(words), flush=True)


def on_connect(client, userdata, flags, reason, properties):
    if reason.is_failure:
        say(refused=reason.value)
    else:
        say(connected=True, properties=properties.json() if properties else {})


def on_disconnect(client, userdata, flags, reason, properties):
    told = reason.value if flags.is_disconnect_packet_from_server else None
    say(disconnected=told)
    over.set()


def on_message(client, userdata, message):
    properties = message.properties
    correlation = getattr(properties, "CorrelationData", None)
    say(
        topic=message.topic,
        payload=message.payload.hex(),
        qos=message.qos,
        retained=message.retain,
        contentType=getattr(properties, "ContentType", None),
        correlation=correlation.hex() if correlation is not None else None,
    )


def answer(mid, reason):
    # The library may be told before it has told what it calls the request.
    with speaking:
        if mid in asked:
            print(json.dumps({"n": asked.pop(mid), "reason": reason}), flush=True)
        else:
            asked[mid] = reason


def request(n, mid):
    with speaking:
        if mid in asked:
            print(json.dumps({"n": n, "reason": asked.pop(mid)}), flush=True)
        else:
            asked[mid] = n


def publish(client, order):
    properties = None
    if is_v5:
        properties = Properties(PacketTypes.PUBLISH)
        if "response" in order:
            properties.ResponseTopic = order["response"]
        if "correlation" in order:
            properties.CorrelationData = bytes.fromhex(order["correlation"])
    payload = bytes.fromhex(order["payload"])
    qos, retain = order.get("qos", 1), order.get("retain", False)
    sent = client.publish(order["topic"], payload, qos, retain, properties)
    request(order["n"], sent.mid)


client = mqtt.Client(
    CallbackAPIVersion.VERSION2,
    client_id=settings.get("clientId", ""),
    protocol=mqtt.MQTTv5 if is_v5 else mqtt.MQTTv311,
    reconnect_on_failure=False,
)
client.tls_set(settings["ca"], settings.get("certificate"), settings.get("key"))
if "user" in settings:
    client.username_pw_set(settings["user"], settings["password"])
if "will" in settings:
    client.will_set(settings["will"], b"gone", qos=1)
client.on_connect = on_connect
client.on_disconnect = on_disconnect
client.on_message = on_message
client.on_publish = lambda c, u, mid, reason, p: answer(mid, reason.value)
client.on_subscribe = lambda c, u, mid, reasons, p: answer(mid, reasons[0].value)
try:
    client.connect(settings["host"], settings["port"], keepalive=settings.get("keepAlive", 60))
except OSError as error:
    say(failed=str(error))
    sys.exit()
client.loop_start()
for line in sys.stdin:
    order = json.loads(line)
    if order["do"] == "publish":
        publish(client, order)
    elif order["do"] == "subscribe":
        _, mid = client.subscribe(order["topic"], order.get("qos", 1))
        request(order["n"], mid)
    elif order["do"] == "close":
        client.disconnect()
        over.wait(5)
        break
