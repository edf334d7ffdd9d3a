"""What a hub and its clients say to each other: which calls of a store may travel, and how they look as bytes.

A call is `POST <base>/v1/<verb>` with the body of `encode_call`, the token in the header `X-Sweep-Token`, and in
`X-Sweep-Request` a number of the call's own: it is the same when the call is sent again because its answer got lost.
Nothing here opens a connection or a store, and nothing is ever unpickled.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from attrs import frozen

from . import errors
from .errors import ConfigError, Error, StoreError, UsageError
from .message import MAX_HEAD, Reader, WireError, Writer, check_depth, kind_of, pack, unpack
from .model import (
    Agent,
    AgentId,
    Changes,
    Column,
    Cursor,
    Lease,
    Outcome,
    Points,
    Process,
    Run,
    RunId,
    RunState,
    Scope,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
)

PROTOCOL = 1
"""In the path of every call. Optional fields may come without a new number."""
CONTENT_TYPE = "application/vnd.sweepwidget"
TOKEN_HEADER = "X-Sweep-Token"  # noqa: S105
REQUEST_HEADER = "X-Sweep-Request"
GIVEN_UP_HEADER = "X-Sweep-Given-Up"
"""Numbers of calls that their sender waits for no more: one that has not come yet must not count when it does."""
GIVEN_UP = 32
"""So many of them at most."""
MAX_BODY = 8 << 20
"""Bytes of a call; a spool's deliveries are smaller."""
MAX_NAMES = 10_000
"""Metrics of one call."""
WAIT_S = 25.0
"""The longest `wait`: proxies close what is silent for 30 to 60 seconds."""
ANSWERS_S = 300.0
"""So long a hub keeps the answers of `once` verbs: no client sends a call again later."""

__all__ = [
    "ANSWERS_S",
    "CONTENT_TYPE",
    "GIVEN_UP",
    "GIVEN_UP_HEADER",
    "MAX_BODY",
    "MAX_NAMES",
    "PROTOCOL",
    "REQUEST_HEADER",
    "TOKEN_HEADER",
    "VERBS",
    "WAIT_S",
    "Concern",
    "Denied",
    "Scope",
    "Verb",
    "WireError",
    "decode_call",
    "decode_error",
    "decode_reply",
    "encode_call",
    "encode_error",
    "encode_reply",
]


class Denied(UsageError):  # noqa: N818
    """The token is unknown or has expired (status 401), or may not do this (403)."""

    def __init__(self, message: str, status: int = 401) -> None:
        super().__init__(message)
        self.status = status


@frozen
class Concern:
    """Whose a call is: a token of one sweep may make it only if all of these belong to that sweep."""

    sweeps: tuple[SweepId, ...] = ()
    runs: tuple[RunId, ...] = ()
    agents: tuple[AgentId, ...] = ()
    everything: bool = False
    """Only a token of the whole store may."""


@frozen
class Verb:
    """A call that may travel."""

    name: str
    scope: Scope
    """The least that a token must allow."""
    concern: Callable[[Mapping[str, Any]], Concern]
    """Whose the call with these arguments is."""
    needs: Mapping[str, Any]
    """Arguments → types."""
    options: Mapping[str, Any]
    """Those that may be left out."""
    result: Any
    mutates: bool
    once: bool
    """Making it twice would harm (a straggler undoes what came after it, a repeat adds again): a hub answers a
    `X-Sweep-Request` that it knows with its first answer, also while that is still being found. The other verbs are
    idempotent in the store itself.
    """


# -- whose calls are -------------------------------------------------------------------------------------------------


def _sweeps(*ids: SweepId | None) -> Concern:
    found = tuple(one for one in ids if one)
    return Concern(sweeps=found, everything=not found)


def _of_sweep(args: Mapping[str, Any]) -> Concern:
    lease: Lease | None = args.get("lease")
    return _sweeps(args.get("sweep_id"), lease.sweep_id if lease is not None else None)


def _of_run(args: Mapping[str, Any]) -> Concern:
    return Concern(runs=(args["run_id"],))


def _of_nobody(_: Mapping[str, Any]) -> Concern:
    return Concern()


def _of_everybody(_: Mapping[str, Any]) -> Concern:
    return Concern(everything=True)


def _of_finish(args: Mapping[str, Any]) -> Concern:
    points: Points | None = args.get("points")
    return Concern(runs=(args["run_id"],) if points is None else (args["run_id"], points.run_id))


# -- the allow-list --------------------------------------------------------------------------------------------------


def _verb(
    name: str,
    scope: Scope,
    concern: Callable[[Mapping[str, Any]], Concern],
    needs: Mapping[str, Any],
    result: Any = None,
    *,
    options: Mapping[str, Any] | None = None,
    mutates: bool = True,
    once: bool = False,
) -> Verb:
    return Verb(name, scope, concern, needs, options or {}, result, mutates, once)


def _reads(
    name: str,
    concern: Callable[[Mapping[str, Any]], Concern],
    needs: Mapping[str, Any],
    result: Any,
    **options: Any,
) -> Verb:
    return _verb(name, Scope.observe, concern, needs, result, options=options, mutates=False)


_RUN, _CONTROL = Scope.run, Scope.control

VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        # whoever looks
        _reads("sweep", _of_sweep, {"sweep_id": SweepId}, Sweep),
        _reads("sweeps", _of_everybody, {}, Sequence[Sweep]),
        _reads(
            "changes",
            _of_sweep,
            {"sweep_id": SweepId, "cursor": Cursor},
            Changes,
            keys=Collection[str] | None,
        ),
        _reads("run", _of_run, {"run_id": RunId}, Run),
        _reads("runs", _of_sweep, {}, Sequence[Run], sweep_id=SweepId | None, project=str | None),
        _reads("configs", _of_sweep, {"sweep_id": SweepId}, Sequence[tuple[int, Mapping[str, Any]]]),
        _reads("agents", _of_sweep, {"sweep_id": SweepId}, Sequence[Agent]),
        _reads("columns", _of_run, {"run_id": RunId}, Mapping[str, Column], attempt=int | None),
        _reads(
            "records",
            _of_run,
            {"run_id": RunId},
            Sequence[tuple[int, Mapping[str, Any]]],
            attempt=int | None,
        ),
        _reads("known_offsets", _of_run, {"run_id": RunId, "attempt": int}, Mapping[str, int]),
        # A key is the SHA-256 of its text: who knows it has seen the text.
        _reads("recall", _of_nobody, {"key": AgentId}, str),
        # agents
        _verb("join", _RUN, lambda args: _sweeps(args["agent"].sweep_id), {"agent": Agent, "ttl_s": float}, once=True),
        _verb("leave", _RUN, lambda args: Concern(agents=(args["agent_id"],)), {"agent_id": AgentId}),
        _verb(
            "allow",
            _RUN,
            _of_sweep,
            {"crew": AgentId, "sweep_id": SweepId, "runs": int | None},
            once=True,
        ),
        _verb(
            "dismiss",
            _RUN,
            lambda args: Concern(agents=tuple(args["agent_ids"])),
            {"agent_ids": Collection[AgentId]},
        ),
        _verb(
            "claim",
            _RUN,
            lambda args: Concern(agents=(args["agent_id"],)),
            {"agent_id": AgentId, "request_id": AgentId},
            Run | None,
            options={"wanted": int | None},
        ),
        _verb(
            "heartbeat",
            _RUN,
            lambda args: Concern(agents=tuple(args["agent_ids"])),
            {"agent_ids": Collection[AgentId], "ttl_s": float},
            Mapping[RunId, Run],
        ),
        _verb("log", _RUN, lambda args: Concern(runs=(args["points"].run_id,)), {"points": Points}),
        _verb(
            "finish",
            _RUN,
            _of_finish,
            {"run_id": RunId, "attempt": int, "outcome": Outcome},
            Run,
            options={"points": Points | None},
        ),
        _verb(
            "stop",
            _RUN,
            lambda args: Concern(runs=tuple(args["run_ids"])),
            {"run_ids": Collection[RunId], "reason": str},
            options={"state": RunState},
        ),
        _verb(
            "update_run",
            _RUN,
            _of_run,
            {"run_id": RunId},
            Run,
            options={
                "name": str,
                "notes": str,
                "tags": Sequence[str],
                "group": str,
                "job_type": str,
                "config": Mapping[str, Any],
                "summary": Mapping[str, Any],
            },
            once=True,
        ),
        _verb("remember", _RUN, _of_nobody, {"key": AgentId, "text": str}),
        # whoever steers
        _verb(
            "set_state",
            _CONTROL,
            _of_sweep,
            {"sweep_id": SweepId, "state": SweepState},
            Sweep,
            options={"reason": str, "lease": Lease | None},
            once=True,
        ),
        _verb(
            "update_config",
            _CONTROL,
            _of_sweep,
            {"sweep_id": SweepId, "config": Mapping[str, Any]},
            Sweep,
            once=True,
        ),
        _verb(
            "enqueue",
            _CONTROL,
            _of_sweep,
            {"sweep_id": SweepId, "suggestion": Suggestion, "seed": int},
            Run,
            once=True,
        ),
        _verb(
            "acquire",
            _CONTROL,
            _of_sweep,
            {"sweep_id": SweepId, "owner": AgentId, "process": Process, "ttl_s": float},
            Lease | None,
            options={"force": bool},
            once=True,
        ),
        _verb("release", _CONTROL, _of_sweep, {"lease": Lease}),
        _verb(
            "add_runs",
            _CONTROL,
            _of_sweep,
            {"lease": Lease, "suggestions": Sequence[Suggestion], "seeds": Sequence[int]},
            Sequence[Run],
            once=True,
        ),
        _verb("withdraw", _CONTROL, _of_sweep, {"lease": Lease, "run_ids": Collection[RunId]}),
        _verb(
            "expire",
            _CONTROL,
            _of_sweep,
            {"lease": Lease | None},
            Sequence[Run],
            options={"max_attempts": int},
        ),
        _verb("delete_run", _CONTROL, _of_run, {"run_id": RunId}),
        # with a token of the whole store
        _verb("create_sweep", _CONTROL, _of_everybody, {"sweep": Sweep}, Sweep, once=True),
        _verb("start_run", _RUN, _of_everybody, {"run": Run, "agent": Agent, "ttl_s": float}, Run),
        # The hub's own: returns once the sweep is at another version than this, or the time is over; its version then.
        # Without `progress` it sleeps through what running runs log: agents need to hear of the sweep itself, of runs that
        # wait, and of runs that were told to stop. A hub may hold it a while longer when many wait.
        _reads("wait", _of_sweep, {"sweep_id": SweepId, "version": int, "timeout_s": float}, int, progress=bool),
    )
}
"""Every verb of `Store` that may travel, and `wait`. Listening (`subscribe`) and closing are everyone's own business."""


# -- calls and replies -----------------------------------------------------------------------------------------------


def encode_call(
    verb: str, args: Mapping[str, Any], plain: Callable[[Mapping[str, Any]], dict[str, Any]] = dict
) -> bytes:
    """The body of a call. TypeError or ValueError if a user's value in it is not JSON, unless `plain` makes it so."""
    kinds, writer = _kinds(verb), Writer(plain)
    written = {name: kinds[name].write(value, writer) for name, value in args.items()}
    return pack(writer.message({"verb": verb, "args": written}))


def decode_call(body: bytes) -> tuple[str, dict[str, Any]]:
    """(verb, its arguments). WireError, which says where, for anything that `encode_call` would not have written."""
    message = unpack(body, MAX_HEAD)
    check_depth(message.head, body)
    name, args = message.head.get("verb"), message.head.get("args")
    verb = VERBS.get(name) if isinstance(name, str) else None
    if verb is None:
        raise WireError(f"there is no call {str(name)[:40]!r}")
    if not isinstance(args, dict):
        raise WireError("args: expected an object")
    columns = message.head.get("columns")
    if isinstance(columns, list) and len(columns) > MAX_NAMES:
        raise WireError(f"columns: at most {MAX_NAMES} in one call")
    kinds, reader = _kinds(verb.name), Reader(message)
    if unknown := args.keys() - kinds.keys():
        raise WireError(f"{verb.name} has no argument {min(unknown)[:40]!r}")
    if missing := verb.needs.keys() - args.keys():
        raise WireError(f"{verb.name} needs the argument {min(missing)!r}")
    return verb.name, {key: kinds[key].read(value, reader, key) for key, value in args.items()}


def encode_reply(verb: str, result: Any) -> bytes:
    """The body of the answer to a call."""
    writer = Writer()
    return pack(writer.message({"result": kind_of(VERBS[verb].result).write(result, writer)}))


def decode_reply(verb: str, body: bytes) -> Any:
    """What the call returned. WireError for anything else."""
    message = unpack(body)
    if "result" not in message.head:
        raise WireError("the answer has no result")
    return kind_of(VERBS[verb].result).read(message.head["result"], Reader(message), "result")


@functools.cache
def _kinds(verb: str) -> Mapping[str, Any]:
    """The arguments of a verb → their kinds."""
    arguments = {**VERBS[verb].needs, **VERBS[verb].options}
    return {name: kind_of(annotation) for name, annotation in arguments.items()}


# -- errors ----------------------------------------------------------------------------------------------------------

_STATUS: Sequence[tuple[type[Exception], int]] = (
    (WireError, 400),
    (errors.SweepNotFound, 404),
    (errors.TransitionError, 409),
    (errors.Fenced, 409),
    (errors.Dismissed, 409),
    (errors.UsageError, 422),
    (errors.ConfigError, 422),
    (errors.ControllerError, 422),
    (errors.StoreVersion, 426),
    (errors.StoreUnavailable, 503),
)
_KINDS: Mapping[str, type[Error]] = {
    kind.__name__: kind
    for kind in (*vars(errors).values(), WireError, Denied)
    if isinstance(kind, type) and issubclass(kind, Error)
}
_HERE = "{this store}"


def encode_error(error: BaseException, hide: Sequence[str] = ()) -> tuple[int, bytes]:
    """(status, JSON) of an error. Of those that are not ours nothing is told but that the hub failed.

    `hide` are the names by which the hub knows its store (a path, a URL): the client puts its own in their place.
    """
    if not isinstance(error, Error):
        error = StoreError("the hub failed at this call; its log says why")
    status = getattr(error, "status", 0) or next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    problems = list(error.problems) if isinstance(error, ConfigError) else None
    text = str(error)
    for name in hide:
        text = text.replace(name, _HERE)
    kind = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KINDS)
    told = {"kind": kind, "message": text} | ({"problems": problems} if problems else {})
    return int(status), json.dumps({"protocol": PROTOCOL, "error": told}).encode()


def decode_error(status: int, body: bytes, store: str = "the hub") -> Exception | None:
    """The error that `encode_error` wrote; None if the body is not from a hub. Kinds that are not known are StoreErrors."""
    try:
        told = json.loads(body)["error"]
        kind, text = told["kind"], str(told["message"]).replace(_HERE, store)
        problems = [str(problem) for problem in told.get("problems", ())]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if status in (401, 403):
        return Denied(text, status)
    if kind == ConfigError.__name__ and problems:
        return ConfigError(problems)
    return _KINDS.get(kind, StoreError)(text)
