"""A receiver of webhooks that keeps the requests as they came: headers, and the body byte for byte."""

import gzip
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WAIT_SECONDS = 20


@dataclass(frozen=True)
class Delivery:
    """One request."""

    path: str
    headers: dict[str, str]
    #: As it came.
    sent: bytes

    @property
    def body(self) -> bytes:
        """As frameworks give it to a handler: inflated."""
        return gzip.decompress(self.sent) if self.headers.get("content-encoding") == "gzip" else self.sent

    @property
    def prediction(self) -> dict:
        return json.loads(self.body)


class Receiver:
    """Listens while the `with` block runs. Answers 200, or what `answers` says, one status for each request."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self._deliveries: list[Delivery] = []
        self._changed = threading.Condition()

    def __enter__(self) -> "Receiver":
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def deliveries(self, path: str) -> list[Delivery]:
        """What has come to a path so far, in the order of arrival."""
        with self._changed:
            return [delivery for delivery in self._deliveries if delivery.path == path]

    def wait(self, path: str, enough) -> list[Delivery]:
        """The deliveries to a path, as soon as `enough` is true for them."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: enough(self.deliveries(path)), WAIT_SECONDS)
        seen = [(delivery.headers.get("webhook-id"), delivery.prediction["status"]) for delivery in self.deliveries(path)]
        assert arrived, f"not enough webhooks came to {path}: {seen}"
        return self.deliveries(path)

    def wait_for_end(self, path: str) -> list[Delivery]:
        """The deliveries to a path up to one about a prediction that has ended."""
        return self.wait(path, lambda all: any(delivery.prediction["completed_at"] for delivery in all))

    def _record(self, delivery: Delivery) -> int:
        with self._changed:
            self._deliveries.append(delivery)
            self._changed.notify_all()
            return self.answers.pop(0) if self.answers else 200

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(receiver._record(Delivery(self.path, headers, body)))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
