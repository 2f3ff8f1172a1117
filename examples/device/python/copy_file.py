"""The copy of a mapping document in a file, where it outlives a loss of power."""

import json
import os

from mapping_document import Copy


def load(file):
    try:
        with open(file, encoding="utf-8") as opened:
            return Copy(json.load(opened))
    except FileNotFoundError:
        return Copy()


def store(file, copy):
    """Whole or not at all, and on the disk when this returns: only then it is acknowledged."""
    with open(f"{file}.new", "w", encoding="utf-8") as opened:
        json.dump(copy.to_store(), opened)
        opened.flush()
        os.fsync(opened.fileno())
    os.replace(f"{file}.new", file)
    directory = os.open(os.path.dirname(os.path.abspath(file)), os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
