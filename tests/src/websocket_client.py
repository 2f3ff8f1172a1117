"""A service provider's end of a websocket, with the client of python-websockets.

Says on standard output: `open`, `frame <text>`, `closed <code>`, `refused <status>`, `failed`.
Hears on standard input: `send <text>`, `close`, `drop` (ends without a word), `declare <length>`
(sends the head of a text frame of that length, and payload for it until the connection ends).
"""

import asyncio
import os
import ssl
import sys

import websockets
from websockets.asyncio.client import connect


def say(text):
    print(text, flush=True)


async def declare(socket, length):
    transport = socket.transport
    transport.write(bytes([0x81, 0x80 | 127]) + length.to_bytes(8, "big") + bytes(4))
    left = min(length, 1 << 28)
    while left > 0 and not transport.is_closing():
        if transport.get_write_buffer_size() < 1 << 20:
            transport.write(bytes(1 << 16))
            left -= 1 << 16
        await asyncio.sleep(0)


async def speak(socket):
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        word, _, text = line.rstrip("\n").partition(" ")
        if word == "send":
            await socket.send(text)
        elif word == "declare":
            loop.create_task(declare(socket, int(text)))
        elif word == "drop":
            os._exit(0)
        else:
            await socket.close()
    os._exit(0)


async def main(uri, authority, certificate, key, token):
    tls = ssl.create_default_context(cafile=authority)
    if certificate:
        tls.load_cert_chain(certificate, key)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        socket = await connect(uri, ssl=tls, additional_headers=headers, compression=None, proxy=None)
    except websockets.InvalidStatus as refusal:
        return say(f"refused {refusal.response.status_code}")
    except (OSError, EOFError, websockets.WebSocketException):
        return say("failed")
    say("open")
    asyncio.get_running_loop().create_task(speak(socket))
    try:
        while True:
            say(f"frame {await socket.recv()}")
    except websockets.ConnectionClosed as end:
        say(f"closed {end.rcvd.code if end.rcvd else 1006}")


asyncio.run(main(*sys.argv[1:]))
os._exit(0)
