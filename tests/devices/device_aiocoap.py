"""A device that does what it is told on standard input, with aiocoap over DTLSSocket (tinydtls).

Its argument is a JSON text: `{"url":..,"identity":..,"key":HEX}`. It observes its document and tells
each that comes: `{"document":TEXT}`. A line to it: `{"method":"GET","path":..,"payload":TEXT}`; it
answers `{"code":"2.05","payload":TEXT}`.
"""

import asyncio
import json
import sys

import aiocoap
from aiocoap import Context, Message

settings = json.loads(sys.argv[1])
JSON = 50


def say(**words):
    print(json.dumps(words), flush=True)


def message(method, path, **options):
    code = getattr(aiocoap, method)
    return Message(code=code, uri=f"{settings['url']}/ics/v1/{path}", accept=JSON, **options)


async def observe(context):
    request = context.request(message("GET", "doc", observe=0))
    say(document=(await request.response).payload.decode())
    async for news in request.observation:
        say(document=news.payload.decode())


async def obey(context):
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        asked = message(order["method"], order["path"])
        if order["payload"]:
            asked.payload, asked.opt.content_format = order["payload"].encode(), JSON
        answer = await context.request(asked).response
        say(code=answer.code.dotted, payload=answer.payload.decode())


async def main():
    context = await Context.create_client_context()
    key = {"psk": {"hex": settings["key"]}, "client-identity": {"ascii": settings["identity"]}}
    context.client_credentials.load_from_dict({f"{settings['url']}/*": {"dtls": key}})
    observing = asyncio.create_task(observe(context))
    await obey(context)
    observing.cancel()
    await context.shutdown()


asyncio.run(main())
