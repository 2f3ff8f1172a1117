"""A device of the sandbox over CoAP and DTLS, with aiocoap (pip install aiocoap==0.4.17 DTLSSocket==0.2.3).

    . sandbox/sandbox.env; export ICS_COAPS_URL ICS_DEV_PSK_ID ICS_DEV_PSK
    python3 ics_coap_device.py copy.json

It holds the pairs of its mapping document in copy.json and acknowledges what it stored. Typed in:

    event ID JSON     something for the service behind that pair
    give-up ID        its user does not want that pair any more
    inquire           what does the service say this device has?
"""

import asyncio
import json
import os
import sys

from aiocoap import GET, POST, Context, Message
from aiocoap.error import Error as CoapError

from copy_file import load, store

JSON = 50
# An observation can be lost without anybody's fault: then the document is asked for again.
POLL = float(os.environ.get("ICS_DEV_POLL", "900"))


class Device:
    def __init__(self, context, url, file):
        self.context, self.url, self.file = context, url, file
        self.copy = load(file)

    async def ask(self, path, payload=None):
        """One request and its answer; None where the line is down."""
        code = GET if payload is None else POST
        message = Message(code=code, uri=f"{self.url}/ics/v1/{path}")
        if payload is None:
            message.opt.accept = JSON
        else:
            message.payload, message.opt.content_format = payload.encode(), JSON
        try:
            return await self.context.request(message).response
        except CoapError as error:
            print(f"disconnected: {error}", flush=True)
            return None

    async def take(self, answer):
        if not answer.code.is_successful():
            print(f"refused: {answer.code}", flush=True)
            return
        is_newer, said = self.copy.take(answer.payload)
        if is_newer:
            store(self.file, self.copy)
            print(f"holds version {self.copy.v}: {[pair['id'] for pair in self.copy.m]}", flush=True)
        if said is not None:
            await self.ask("doc/ack", json.dumps(said))

    async def observe(self):
        """For ever: observes the document, and begins anew when nothing was heard for long."""
        pause = 1
        while True:
            message = Message(code=GET, uri=f"{self.url}/ics/v1/doc", observe=0)
            message.opt.accept = JSON
            request = self.context.request(message)
            try:
                answer = await request.response
                print("connected", flush=True)
                pause = 1
                await self.take(answer)
                news = aiter(request.observation)
                while True:
                    await self.take(await asyncio.wait_for(anext(news), POLL))
            except (TimeoutError, StopAsyncIteration):
                pass
            except CoapError as error:
                print(f"disconnected: {error}", flush=True)
            await asyncio.sleep(pause)
            pause = min(2 * pause, 60)

    async def obey(self):
        while line := await asyncio.to_thread(sys.stdin.readline):
            match line.split(maxsplit=2):
                case ["event", mapping, data]:
                    # `data` reaches the service byte by byte.
                    event = f'{{"id":{json.dumps(mapping)},"data":{data.strip()}}}'
                    tell(await self.ask("evt", event))
                case ["give-up", mapping]:
                    tell(await self.ask("rev", json.dumps({"id": mapping})))
                case ["inquire"]:
                    tell(await self.ask("inq"))
                case []:
                    pass
                case _:
                    print("event ID JSON, give-up ID, inquire", file=sys.stderr)
        await asyncio.Event().wait()  # Standard input has ended; the device goes on.


def tell(answer):
    if answer is not None and answer.payload:
        print(answer.payload.decode(), flush=True)
    elif answer is not None and not answer.code.is_successful():
        print(f"refused: {answer.code}", flush=True)


async def main():
    url = os.environ["ICS_COAPS_URL"].rstrip("/")
    context = await Context.create_client_context()
    key = {"psk": {"hex": os.environ["ICS_DEV_PSK"]}, "client-identity": {"ascii": os.environ["ICS_DEV_PSK_ID"]}}
    context.client_credentials.load_from_dict({f"{url}/*": {"dtls": key}})
    device = Device(context, url, sys.argv[1])
    await asyncio.gather(device.observe(), device.obey())


if __name__ == "__main__":
    asyncio.run(main())
