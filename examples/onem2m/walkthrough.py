#!/usr/bin/env python3
"""The identity correlation service through a oneM2M platform, step by step; each step checks what it got.

    walkthrough.py PLATFORM SANDBOX_ENV

PLATFORM is the URL of the platform's CSE (`/id-in`, CSEBase `cse-in`), SANDBOX_ENV the file that
`ics-gateway sandbox --onem2m PLATFORM` wrote. Standard library and openssl alone.
"""

import base64
import hashlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer

MAP, INQ, PND, DMP = (f"/id-ics/ics/{name}" for name in ("map", "inq", "pnd", "dmp"))
CREATE, UPDATE = 1, 3
ACP, AE, MGMT, NODE, SUB, ICS = 1, 2, 13, 14, 23, 28
DEVICE_INFO = 1007
OWNER = "CAdmin"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def canonical(value):
    """RFC 8785, for whole numbers and ASCII names."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class PointOfAccess:
    """Where an AE is told: notifications wait in a queue."""

    def __init__(self):
        told = self.told = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers.get("Content-Length") or 0)
                told.put(json.loads(self.rfile.read(length) or b"{}"))
                self.send_response(200)
                self.send_header("X-M2M-RSC", "2000")
                self.send_header("X-M2M-RI", self.headers.get("X-M2M-RI", ""))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def wait(self, fits):
        """The first notification about a row that fits."""
        while True:
            told = self.told.get(timeout=60).get("m2m:sgn", {})
            row = told.get("nev", {}).get("rep", {}).get("ics:idmap")
            if row and fits(row):
                return row


class Ae:
    """A service provider's AE at the platform, and the key it signs with."""

    def __init__(self, platform, env, prefix):
        self.platform = platform
        self.ae = env[f"{prefix}_AE"]
        self.key = env[f"{prefix}_TOK_KEY"]
        self.stem = self.ae.rsplit("/", 1)[1]
        self.point = PointOfAccess()

    def ask(self, method, to, content=None, ty=None, rsc=2000, origin=None):
        path = f"/~{to}" if to.startswith("/") else f"/{to}"
        headers = {
            "X-M2M-Origin": origin or self.stem,
            "X-M2M-RI": str(uuid.uuid4()),
            "X-M2M-RVI": "4",
            "Content-Type": "application/json" + (f";ty={ty}" if ty else ""),
        }
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self.platform + path, body, headers, method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as refused:
            answer = refused
        got, said = int(answer.headers["X-M2M-RSC"]), answer.read()
        if got != rsc:
            sys.exit(f"{method} {to}: {got} instead of {rsc}: {said.decode()}")
        return json.loads(said or b"{}")

    def sign(self, operation, to, content):
        """`content` with `tok` in its one member: a JWS over the request and the member's hash."""
        ((name, member),) = content.items()
        now = int(time.time())
        claims = {
            "fr": self.ae, "op": operation, "to": to, "aud": "/id-ics", "jti": str(uuid.uuid4()),
            "iat": now, "exp": now + 60,
            "cth": base64url(hashlib.sha256(canonical(member)).digest()),
        }
        signed = ".".join(base64url(canonical(part)) for part in ({"alg": "EdDSA"}, claims))
        with tempfile.NamedTemporaryFile() as message:
            message.write(signed.encode())
            message.flush()
            sign = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.key, "-in", message.name]
            signature = subprocess.run(sign, check=True, capture_output=True).stdout
        return {name: {**member, "tok": f"{signed}.{base64url(signature)}"}}

    def create(self, to, content, ty=ICS, rsc=2001):
        return self.ask("POST", to, self.sign(CREATE, to, content), ty, rsc)

    def register(self):
        """An AE that lets the service notify it (acop 16)."""
        ae = {"rn": self.stem, "api": "N.org.example", "rr": True, "srv": ["4"], "poa": [self.point.url]}
        self.ask("POST", "cse-in", {"m2m:ae": ae}, AE, 2001)
        rules = [{"acor": ["/id-ics"], "acop": 16}, {"acor": [self.stem], "acop": 63}]
        own = {"acr": rules[1:]}
        acp = self.ask("POST", "cse-in", {"m2m:acp": {"pv": {"acr": rules}, "pvs": own}}, ACP, 2001)
        policed = {"m2m:ae": {"acpi": [acp["m2m:acp"]["ri"]]}}
        self.ask("PUT", f"cse-in/{self.stem}", policed, rsc=2004)


class Inventory:
    """The devices of an IoT service provider, as its platform has them: a <node> each, with a [deviceInfo].

    A serial number is unique for one manufacturer and model, no further: all three are the key. `did` is
    drawn, and kept here; nothing of the platform can be read from it.
    """

    def __init__(self, ae):
        self.ae = ae
        self.devices = {}
        # Nodes are the platform owner's; the service provider reads those of its devices.
        rules = [{"acor": [ae.stem], "acop": 2 | 32}, {"acor": [OWNER], "acop": 63}]
        policy = {"pv": {"acr": rules}, "pvs": {"acr": rules[1:]}}
        made = ae.ask("POST", "cse-in", {"m2m:acp": policy}, ACP, 2001, OWNER)
        self.policy = [made["m2m:acp"]["ri"]]

    def add(self, key, device_ae):
        maker, model, serial = key
        node = {"ni": str(uuid.uuid4()), "hael": [device_ae], "acpi": self.policy}
        made = self.ae.ask("POST", "cse-in", {"m2m:nod": node}, NODE, 2001, OWNER)["m2m:nod"]
        info = {
            "mgd": DEVICE_INFO, "man": maker, "mod": model, "dlb": f"|serialNumber:{serial}",
            "dty": "bulb", "lbl": [f"dlb:{serial}"], "acpi": self.policy,
        }
        self.ae.ask("POST", made["ri"], {"m2m:dvi": info}, MGMT, 2001, OWNER)
        self.devices[device_ae] = str(uuid.uuid4())

    def find(self, key):
        """Serial number to <node> to AE to `did`."""
        label = urllib.parse.quote(f"dlb:{key[2]}", safe="")
        for found in self.ae.ask("GET", f"cse-in?fu=1&ty={MGMT}&lbl={label}")["m2m:uril"]:
            info = self.ae.ask("GET", found)["m2m:dvi"]
            if (info["man"], info["mod"], info["dlb"]) == (*key[:2], f"|serialNumber:{key[2]}"):
                node = self.ae.ask("GET", info["pi"])["m2m:nod"]
                return self.devices[node["hael"][0]]
        return None


def say(number, what):
    print(f"{number}. {what}", flush=True)


def main(platform, file):
    with open(file, encoding="utf-8") as lines:
        env = dict(line.rstrip("\n").split("=", 1) for line in lines)
    env = {name: value.strip("'") for name, value in env.items()}
    shop, bolt = Ae(platform, env, "ICS_3P"), Ae(platform, env, "ICS_IOT2")
    shop.register()
    bolt.register()
    say(1, f"{shop.ae} and {bolt.ae} are at the platform, and let the service notify them")

    service, uti = f"{env['ICS_3P_SERVICE']}/eggs", str(uuid.uuid4())
    serial = f"{env['ICS_IOT2_SERIAL_PREFIX']}77"
    inventory = Inventory(bolt)
    inventory.add(("Bolt", "X1", serial), "Cbulb")
    inventory.add(("Other", "X1", serial), "Clock")
    wanted = {"ics:idmap": {
        "cnd": "org.example.ics.identityMapping", "svu": service, "uti": uti, "dsn": serial,
        "ucid": "c-81", "ucgt": "20260101T000000", "ucpu": "dpv:RequestedServiceProvision",
    }}
    shop.ask("POST", MAP, wanted, ICS, 4103)
    say(2, "without tok nobody is believed (4103)")
    made = shop.create(MAP, wanted)["ics:idmap"]
    assert made["msta"] == 1 and "dsn" not in made, made
    say(3, "a mapping is asked for, and pending")

    offer = bolt.point.wait(lambda row: row["uti"] == uti)
    assert offer["dsn"] == serial, offer
    say(4, f"the IoT service provider is offered {offer['dsn']}")
    device = inventory.find(("Bolt", "X1", offer["dsn"]))
    assert device == inventory.devices["Cbulb"], device
    pending = f"{PND}/{offer['rn']}"
    named = {"ics:idmap": {"did": device}}
    bolt.ask("PUT", pending, bolt.sign(UPDATE, pending, named), rsc=2004)
    shop.point.wait(lambda row: row["uti"] == uti and row["msta"] == 2)
    say(5, "it finds the device in its own tree and names it, and both are told that they are mapped")

    pair = {"svu": service, "uti": uti}
    found = shop.create(INQ, {"ics:inq": pair})["ics:inq"]
    assert found["did"] == device, found
    found = bolt.create(INQ, {"ics:inq": {"did": device}})
    assert uti in json.dumps(found), found
    say(6, "each finds the other's identifier by its own")

    watch = {"m2m:sub": {"nu": [bolt.ae], "nct": 1, "enc": {"net": [3]}}}
    own = "/id-ics/" + bolt.create(PND, watch, SUB)["m2m:sub"]["ri"]
    bolt.ask("GET", own)
    bolt.ask("DELETE", own, rsc=2002)
    say(7, "a subscription at the service is made, read and ended")

    cause = {"mcau": "USER_AUTHORIZATION_WITHDRAWN"}
    shop.create(DMP, {"ics:dmp": {**pair, **cause}})
    bolt.point.wait(lambda row: row["uti"] == uti and row["msta"] == 3)
    shop.create(INQ, {"ics:inq": pair}, rsc=4004)
    say(8, "the user withdrew: both are told, and nothing is found any more")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
