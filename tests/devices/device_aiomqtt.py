"""A device that does what it is told on standard input, with aiomqtt.

Settings and lines as those of `device_paho.py`; `tests/src/device.rs` tells them.
"""

import asyncio
import json
import sys

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

settings = json.loads(sys.argv[1])
is_v5 = settings["version"] == 5


def say(**words):
    print(json.dumps(words), flush=True)


async def listen(client):
    async for message in client.messages:
        correlation = getattr(message.properties, "CorrelationData", None)
        say(
            topic=message.topic.value,
            payload=message.payload.hex(),
            qos=message.qos,
            retained=message.retain,
            contentType=getattr(message.properties, "ContentType", None),
            correlation=correlation.hex() if correlation is not None else None,
        )


async def publish(client, order):
    properties = None
    if is_v5:
        properties = Properties(PacketTypes.PUBLISH)
        if "response" in order:
            properties.ResponseTopic = order["response"]
        if "correlation" in order:
            properties.CorrelationData = bytes.fromhex(order["correlation"])
    payload = bytes.fromhex(order["payload"])
    await client.publish(order["topic"], payload, qos=order.get("qos", 1), properties=properties)
    # It returns when it is acknowledged, and tells no reason.
    say(n=order["n"], reason=0)


async def obey(client):
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        if order["do"] == "publish":
            await publish(client, order)
        elif order["do"] == "subscribe":
            granted = await client.subscribe(order["topic"], qos=order.get("qos", 1))
            say(n=order["n"], reason=getattr(granted[0], "value", granted[0]))
        elif order["do"] == "close":
            return


async def main():
    version = aiomqtt.ProtocolVersion.V5 if is_v5 else aiomqtt.ProtocolVersion.V311
    tls = aiomqtt.TLSParameters(
        ca_certs=settings["ca"], certfile=settings.get("certificate"), keyfile=settings.get("key")
    )
    client = aiomqtt.Client(
        settings["host"],
        settings["port"],
        identifier=settings.get("clientId"),
        protocol=version,
        tls_params=tls,
    )
    try:
        async with client:
            say(connected=True, properties={})
            listening = asyncio.create_task(listen(client))
            obeying = asyncio.create_task(obey(client))
            done, _ = await asyncio.wait(
                [listening, obeying], return_when=asyncio.FIRST_COMPLETED
            )
            listening.cancel()
            for task in done:
                task.result()
        say(disconnected=None)
    except aiomqtt.MqttError as error:
        reason = getattr(error, "rc", None)
        say(disconnected=getattr(reason, "value", None), error=str(error))


asyncio.run(main())
