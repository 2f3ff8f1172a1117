#!/usr/bin/env python3
"""An AE's point of access: takes every notification (2000), and prints it as a line of JSON.

    ae.py PORT
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class PointOfAccess(BaseHTTPRequestHandler):
    """Answers notifications (TS-0009)."""

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        told = json.loads(self.rfile.read(length) or b"{}")
        print(json.dumps(told), flush=True)
        self.send_response(200)
        self.send_header("X-M2M-RSC", "2000")
        for name in ("X-M2M-RI", "X-M2M-RVI"):
            if self.headers.get(name):
                self.send_header(name, self.headers[name])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Standard error is for errors."""


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1])), PointOfAccess).serve_forever()
