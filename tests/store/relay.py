"""A relay between a client and a hub that loses, repeats, delays and tears what passes: as networks and proxies do."""

from __future__ import annotations

import http.client
import http.server
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

Fault = Any
"""None: pass on. A text: see `Relay._answer`. (status, headers, body): an answer of the relay's own. A number: lose the call
for now, and pass it on after so many others.
"""


class Relay:
    """`with Relay(hub_port) as relay:` then `relay.faults = [...]`: one for each of the next calls; later ones pass."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self.faults: deque[Fault] = deque()
        self.choose: Callable[[str], Fault] = lambda verb: None
        """The fault that a call of a verb meets when none is planned."""
        self.seen: list[tuple[str, int]] = []
        """(verb, bytes) of every call that came."""
        self.met: list[tuple[str, Fault]] = []
        """(verb, fault) of every call that met one."""
        self.limit: int | None = None
        """Bytes of a body; larger ones are refused with 413, as nginx does."""
        self._late: list[tuple[int, Callable[[], Any]]] = []
        self._lock = threading.Lock()
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = relay._answer(self.path, dict(self.headers), body)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, text, torn = answer
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text[: len(text) // 2] if torn else text)
                self.close_connection = torn

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                pass  # the client went away

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]

    def __enter__(self) -> Relay:  # noqa: PYI034  (Self needs Python 3.11)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def plan(self, faults: Iterable[Fault]) -> None:
        with self._lock:
            self.faults = deque(faults)

    def deliver_late_ones(self) -> None:
        """Whatever was held back arrives now."""
        with self._lock:
            late, self._late = self._late, []
        for _, send in late:
            send()

    def _answer(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes, bool] | None:
        verb = path.rpartition("/")[2]
        with self._lock:
            self.seen.append((verb, len(body)))
            fault = None if verb == "wait" else self.faults.popleft() if self.faults else self.choose(verb)
            if fault is not None:
                self.met.append((verb, fault))
            due = [send for n, send in self._late if n <= 1]
            self._late = [(n - 1, send) for n, send in self._late if n > 1]
        for send in due:
            send()
        if self.limit is not None and len(body) > self.limit:
            return 413, {"Content-Type": "text/html"}, b"<html>413 Request Entity Too Large</html>", False

        def send() -> tuple[int, dict[str, str], bytes]:
            return self._pass_on(path, headers, body)

        if isinstance(fault, tuple):
            return (*fault, False)
        if isinstance(fault, int):
            with self._lock:
                self._late.append((fault, send))
            return None
        if fault == "lost call":
            return None
        if fault == "lost answer":
            send()
            return None
        if fault == "bad gateway":
            return 502, {"Content-Type": "text/html"}, b"<html>502 Bad Gateway</html>", False
        if fault == "twice":  # at the same time; the answer of the one that is ready last counts
            other = threading.Thread(target=send)
            other.start()
            answer = send()
            other.join()
            return (*answer, False)
        if fault == "twice in a row":
            send()
        return (*send(), fault == "torn answer")

    def _pass_on(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._upstream, timeout=60)
        try:
            connection.request(
                "POST", path, body, {**headers, "Host": f"127.0.0.1:{self._upstream}", "Connection": "close"}
            )
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()
