"""A real kernel for tests: run code in it, talk to its comms as a front end would, read everything it says.

    with Kernel() as kernel:
        assert kernel.run("print(6 * 7)").stdout == "42\n"

The fixture `kernel` (conftest.py) is one per module. `SWEEPWIDGET_TEST_KERNEL` names the Python of another environment to
run it in: the way to test against an older ipykernel.
"""

from __future__ import annotations

import os
import queue
import sys
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import define, field
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parent.parent
PYTHON = os.environ.get("SWEEPWIDGET_TEST_KERNEL", sys.executable)


@define
class Cell:
    """What came of one execute request: the reply and every message of the io channel, in order."""

    messages: list[dict[str, Any]]
    reply: dict[str, Any] = field(repr=False)

    @property
    def status(self) -> str:
        """ok, error or aborted."""
        return self.reply["content"]["status"]

    @property
    def error(self) -> str:
        """`ZeroDivisionError: division by zero`, or ''."""
        content = self.reply["content"]
        return f"{content['ename']}: {content['evalue']}" if "ename" in content else ""

    @property
    def stdout(self) -> str:
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        return self._stream("stderr")

    @property
    def displays(self) -> list[dict[str, Any]]:
        """Mime bundles of what was displayed, as the saved notebook holds them: updates replace."""
        shown: dict[Any, dict[str, Any]] = {}
        for message in self.messages:
            if message["msg_type"] in {"display_data", "update_display_data"}:
                shown[message["content"].get("transient", {}).get("display_id", id(message))] = message["content"][
                    "data"
                ]
        return list(shown.values())

    @property
    def result(self) -> str:
        """repr of the last expression, or ''."""
        texts = [m["content"]["data"]["text/plain"] for m in self.messages if m["msg_type"] == "execute_result"]
        return texts[-1] if texts else ""

    def _stream(self, name: str) -> str:
        return "".join(
            m["content"]["text"] for m in self.messages if m["msg_type"] == "stream" and m["content"]["name"] == name
        )


class Kernel:
    """A running kernel, in an empty folder of its own, and one client of it. Use as a context manager."""

    def __init__(self, python: str = PYTHON, **environment: str) -> None:
        self.manager = KernelManager(transport="ipc" if os.name == "posix" else "tcp")
        self.manager._kernel_spec = KernelSpec(
            argv=[python, "-m", "ipykernel_launcher", "-f", "{connection_file}"], display_name="test", language="python"
        )
        environment = {"PYTHONPATH": str(ROOT), **environment}
        self.folder = TemporaryDirectory(prefix="kernel-")
        # Sockets of its own: by default their paths are relative, and two test processes would share them.
        self.manager.connection_file = f"{self.folder.name}/kernel.json"
        if os.name == "posix":
            self.manager.ip = f"{self.folder.name}/ipc"
        self.manager.start_kernel(env={**os.environ, **environment})
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self._heard: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._replies: dict[str, dict[str, Any]] = {}
        self._aborting = False
        self.run(f"__import__('os').chdir({self.folder.name!r})")

    def __enter__(self) -> Kernel:  # noqa: PYI034
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.context.destroy(linger=0)
        self.folder.cleanup()

    def run(self, code: str, timeout: float = 30) -> Cell:
        """Execute and wait for the end. A kernel whose cell has just failed aborts what comes at once: it is waited for."""
        while self._aborting:
            self.finish(self.start(""))
        return self.finish(self.start(code), timeout)

    def start(self, code: str) -> str:
        """Execute without waiting; the id goes to `finish` and `wait_for`."""
        return self.client.execute(code, stop_on_error=True)

    def finish(self, cell: str, timeout: float = 30) -> Cell:
        """Wait until a started cell has replied and gone idle."""
        end = time.monotonic() + timeout
        while not _idle(self._heard[cell]):
            self._listen(end)
        ended = Cell(self._heard[cell], self.reply(cell, end - time.monotonic()))
        self._aborting = ended.status != "ok"
        return ended

    def wait_for(self, cell: str, text: str, timeout: float = 30) -> None:
        """Wait until a started cell has printed (or displayed, or sent) `text`."""
        end = time.monotonic() + timeout
        while not any(text in str(m["content"]) for m in self._heard[cell] if m["msg_type"] != "execute_input"):
            self._listen(end)

    def messages(self, parent: str) -> list[dict[str, Any]]:
        """What the kernel has said so far on behalf of a request."""
        return self._heard[parent]

    def idle(self, parent: str, timeout: float = 30) -> float:
        """Wait until a request is reported idle; the seconds it took from now."""
        begin = time.monotonic()
        while not _idle(self._heard[parent]):
            self._listen(begin + timeout)
        return time.monotonic() - begin

    def reply(self, request: str, timeout: float = 30) -> dict[str, Any]:
        """The shell channel's reply to a request."""
        end = time.monotonic() + timeout
        while request not in self._replies:
            message = self.client.get_shell_msg(timeout=max(end - time.monotonic(), 0.01))
            self._replies[message["parent_header"]["msg_id"]] = message
        return self._replies.pop(request)

    def send(self, msg_type: str, content: dict[str, Any], **header: str) -> str:
        """Send any message on the shell channel: `send("comm_msg", {"comm_id": …, "data": {}}, subshell_id=…)`."""
        message = self.client.session.msg(msg_type, content)
        message["header"].update(header)
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def kill(self) -> None:
        """SIGKILL, as an out-of-memory killer would."""
        self.manager.provisioner.process.kill()

    def interrupt(self) -> None:
        """What the ■ button does."""
        self.manager.interrupt_kernel()

    def _listen(self, end: float) -> None:
        try:
            message = self.client.get_iopub_msg(timeout=max(end - time.monotonic(), 0.01))
        except queue.Empty:
            heard = "\n".join(f"{m['msg_type']}: {m['content']}" for said in self._heard.values() for m in said[-8:])
            raise TimeoutError(f"the kernel fell silent; last heard:\n{heard}") from None
        self._heard[message["parent_header"].get("msg_id", "")].append(message)


def _idle(messages: list[dict[str, Any]]) -> bool:
    return any(m["msg_type"] == "status" and m["content"]["execution_state"] == "idle" for m in messages)
