"""The device's side of the mapping document: no I/O, standard library only.

The same state machine as examples/src/device.rs; examples/device/vectors.json holds both to it:

    python3 mapping_document.py ../vectors.json
"""

import json

HIGHEST_VERSION = 2**53 - 1


class Copy:
    """What this device holds, and keeps through a loss of power. A new one holds nothing.

    It may outlive the device ID: a device that is registered anew is sent versions above these.
    """

    def __init__(self, stored=None):
        stored = stored or {}
        self.v = stored.get("v", 0)
        self.m = stored.get("m", [])
        self.no = stored.get("no", [])

    def to_store(self):
        """As JSON, to be stored durably before it is acknowledged."""
        return {"v": self.v, "m": self.m, **({"no": self.no} if self.no else {})}

    def take(self, payload, room=16, is_refused=lambda pair: False):
        """Takes a document as it came.

        Returns (is it to be stored, what to acknowledge or None).
        """
        document = parse(payload)
        if document is None or document["v"] < self.v:
            return False, None
        is_newer = document["v"] > self.v
        if is_newer:
            self._replace(document, room, is_refused)
        return is_newer, {"v": self.v, **({"no": self.no} if self.no else {})}

    def _replace(self, document, room, is_refused):
        known = {pair["id"] for pair in self.m}
        kept = [pair for pair in document["m"] if pair["id"] in known]
        no = []
        for pair in document["m"]:
            if pair["id"] in known:
                continue
            if len(kept) < room and not is_refused(pair):
                kept.append(pair)
            else:
                no.append(pair["id"])
        self.v, self.m, self.no = document["v"], kept, no


def parse(payload):
    """The document, or None. Members of later versions are not looked at."""
    try:
        document = json.loads(payload)
        v, m = document["v"], document["m"]
        pairs = [{name: pair[name] for name in ("id", "svc", "uti", "e2e") if name in pair} for pair in m]
    except (ValueError, TypeError, KeyError):
        return None
    is_version = type(v) is int and 1 <= v <= HIGHEST_VERSION
    is_pair = lambda pair: {"id", "svc", "uti"} <= pair.keys() and all(isinstance(x, str) for x in pair.values())
    if not is_version or not isinstance(m, list) or not all(map(is_pair, pairs)):
        return None
    return {"v": v, "m": pairs}


def check(file):
    """Plays the vectors; raises where one does not hold."""
    with open(file, encoding="utf-8") as opened:
        vectors = json.load(opened)
    pairs = vectors["pairs"]
    ids = lambda names: [pairs[name]["id"] for name in names]
    for vector in vectors["vectors"]:
        copy = Copy()
        refused = ids(vector.get("refuses", []))
        for n, step in enumerate(vector["steps"]):
            said = None
            payload = step.get("raw")
            if "send" in step:
                sent = step["send"]
                payload = json.dumps({"v": sent["v"], "m": [pairs[name] for name in sent["m"]]})
            if payload is not None:
                room = vector.get("room", 16)
                _, said = copy.take(payload, room, lambda pair: pair["id"] in refused)
            if step.get("restart"):
                copy = Copy(json.loads(json.dumps(copy.to_store())))
            expected = step.get("acknowledged")
            if expected and "no" in expected:
                expected = {**expected, "no": ids(expected["no"])}
            held = sorted(pair["id"] for pair in copy.m)
            at = f"{vector['name']} step {n}"
            assert said == expected, f"{at}: said {said}, not {expected}"
            assert held == sorted(ids(step["held"])), f"{at}: holds {held}"
    return len(vectors["vectors"])


if __name__ == "__main__":
    import sys

    print(check(sys.argv[1]), "vectors hold")
