"""A page in headless Chromium under measurement: what its main thread does, what comes over its sockets."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from collections.abc import Iterator

from playwright.sync_api import Page

SHOWN = ("comm_open", "comm_msg", "comm_close", "display_data", "update_display_data")
"""Messages that carry what a notebook shows; the rest is the kernel's own talk."""


class MainThread:
    """The page's main thread, from here on.

    >>> thread = MainThread(page)      # doctest: +SKIP
    >>> thread.busy_ms()      # doctest: +SKIP
    """

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy_ms(self) -> float:
        """What it has computed so far, in milliseconds; while others have the processor it does not count."""
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return next(1e3 * metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


class Received:
    """Bytes that came over the page's websockets to be shown, while it is open.

    Counting costs the page time, so this and `MainThread` are not for the same seconds.
    """

    def __init__(self) -> None:
        self.n = 0

    @classmethod
    @contextlib.contextmanager
    def by(cls, page: Page) -> Iterator[Received]:
        received = cls()
        session = page.context.new_cdp_session(page)
        session.on("Network.webSocketFrameReceived", lambda event: received._count(event["response"]))
        session.send("Network.enable", {"maxTotalBufferSize": 1, "maxResourceBufferSize": 1})
        yield received
        page.wait_for_timeout(500)  # frames are told of in their turn
        session.detach()

    def _count(self, frame: dict) -> None:
        binary = frame["opcode"] == 2
        data = base64.b64decode(frame["payloadData"]) if binary else frame["payloadData"].encode()
        header = _header(data) if binary else json.loads(data).get("header", {})
        if header.get("msg_type") in SHOWN:
            self.n += len(data)


def _header(data: bytes) -> dict:
    """Of a frame in Jupyter's v1 protocol: a count of offsets, the offsets, the channel, the header, and so on."""
    (n,) = struct.unpack_from("<Q", data)
    offsets = struct.unpack_from(f"<{n}Q", data, 8)
    return dict(json.loads(data[offsets[1] : offsets[2]]))
