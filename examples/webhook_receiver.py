"""A receiver of alerts: print the message of each webhook, once, and check its signature if there is a secret.

Run it with a port, and with the secret of the target if it has one:
WEBHOOK_SECRET=whsec_... python3 examples/webhook_receiver.py 8765
"""

import base64
import hashlib
import hmac
import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = os.environ.get("WEBHOOK_SECRET", "")
# Seconds by which the time of a webhook may differ from ours.
TOLERANCE = 300

seen: set[str] = set()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if SECRET and not self.is_signed(body):
            self.answer(401)
            return
        # A webhook that is sent again has the same id.
        if self.headers["webhook-id"] not in seen:
            seen.add(self.headers["webhook-id"])
            event = json.loads(body)
            # A digest, and the news that rules are held, have no message.
            print(event["type"], event["data"].get("message") or json.dumps(event["data"]), flush=True)
        self.answer(204)

    def is_signed(self, body: bytes) -> bool:
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        message_id, timestamp, signatures = (self.headers.get(name, "") for name in names)
        if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE:
            return False
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
        # The secret of a target may be changed: then a webhook has a signature for each.
        expected = f"v1,{base64.b64encode(digest).decode()}"
        return any(hmac.compare_digest(each, expected) for each in signatures.split())

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Print no line per request."""


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8765
    with HTTPServer(("127.0.0.1", port), Receiver) as server:
        print(f"listening on http://127.0.0.1:{port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
