"""Rows of the tables ↔ facts of the model. Pure: no connection, no clock.

Facts that are compared or searched have columns of their own; whole user values (config, summary, info, tags) are JSON.
Python's JSON keeps NaN and infinities as they are.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import NotAStore
from ..model import Agent, Process, Run, RunId, RunState, Scope, Sweep, SweepId, SweepState, Token

RUN_COLUMNS = (
    "id, sweep, number, config, state, attempt, name, agent_id, summary, info, seed, created_at, started_at, ended_at, "
    "exit_code, error, stop_reason, stop_state, provenance, project, entity, run_group, job_type, notes, tags, deleted, "
    "config_version"
)
"""In the order of the fields of `Run`."""
SWEEP_COLUMNS = "id, config, state, reason, seed, project, entity, created_at, config_version"
"""In the order of the fields of `Sweep`."""
AGENT_COLUMNS = "id, sweep, process, backend, waiting, wanted, gone, provenance, started_at, crew, leaving"
"""In the order of the fields of `Agent`."""
GONE, LEFT = 1, 2
"""`agent.gone`: one that is merely gone may have been frozen, and come back; one that has left does not."""

_RUN_STATES = {state.value: state for state in RunState}
_SWEEP_STATES = {state.value: state for state in SweepState}
_ADJECTIVES = (  # noqa: SIM905
    "amber ample apt arid azure balmy bold brave breezy bright brisk calm candid celestial charmed clear clever comfy "
    "copper coral cosmic cozy crimson crisp curious daily dainty dandy dashing dauntless deep deft devoted divine dry "
    "dulcet eager early earnest easy effortless elated electric elated fair faithful fallen fancy fast feasible fiery "
    "fine firm flowing fluent fresh frosty gallant generous gentle giddy glad glamorous glorious golden good graceful "
    "grateful hardy hearty helpful honest hopeful icy jolly jumping keen kind laced lemon light likely lilac lively "
    "logical lucky lunar magic major mellow mild misty modest morning neat noble northern olive open orchid pious plain "
    "playful pleasant polar polished prime proud quick quiet radiant rare ready restful rich robust rose rosy royal ruby "
    "rural sage scarlet serene sharp silver skilled sleek smart smooth snowy soft solar sparkling splendid spring stately "
    "steady stellar still stoic summer sunny super sweet swept swift tender toasty treasured true trim twilight unique "
    "upbeat usual valiant vibrant visionary vivid volcanic warm wandering whole wild wise wobbly woven young zany zesty"
).split()


def run_of(row: Sequence[Any], sweep_id: SweepId | None) -> Run:
    stop_state = row[17]
    return Run(
        id=row[0],
        sweep_id=sweep_id,
        number=row[2],
        config=loads(row[3]),
        state=_RUN_STATES[row[4]],
        attempt=row[5],
        name=row[6],
        agent_id=row[7],
        summary=loads(row[8]),
        info=loads(row[9]),
        seed=row[10],
        created_at=row[11],
        started_at=row[12],
        ended_at=row[13],
        exit_code=row[14],
        error=row[15],
        stop_reason=row[16],
        stop_state=None if stop_state is None else _RUN_STATES[stop_state],
        provenance=row[18],
        project=row[19],
        entity=row[20],
        group=row[21],
        job_type=row[22],
        notes=row[23],
        tags=() if row[24] == "[]" else tuple(json.loads(row[24])),
        deleted=bool(row[25]),
        config_version=row[26],
    )


def row_of_run(run: Run, sweep: int) -> tuple[Any, ...]:
    return (
        run.id,
        sweep,
        run.number,
        dumps(run.config),
        run.state.value,
        run.attempt,
        clean(run.name),
        run.agent_id,
        dumps(run.summary),
        dumps(run.info),
        run.seed,
        run.created_at,
        run.started_at,
        run.ended_at,
        run.exit_code,
        clean(run.error),
        clean(run.stop_reason),
        run.stop_state.value if run.stop_state else None,
        clean(run.provenance),
        clean(run.project),
        clean(run.entity),
        clean(run.group),
        clean(run.job_type),
        clean(run.notes),
        dumps(run.tags) if run.tags else "[]",
        int(run.deleted),
        run.config_version,
    )


def sweep_of(row: Sequence[Any]) -> Sweep:
    return Sweep(row[0], loads(row[1]), _SWEEP_STATES[row[2]], *row[3:])


def agent_of(row: Sequence[Any], sweep_id: SweepId | None) -> Agent:
    return Agent(
        row[0],
        sweep_id or SweepId(""),
        process_of(row[2]),
        row[3],
        bool(row[4]),
        row[5],
        bool(row[6]),
        provenance=row[7],
        started_at=row[8],
        crew=row[9],
        leaving=bool(row[10]),
        lost=tuple(json.loads(row[11])) if row[6] == GONE else None,
    )


def token_of(row: Sequence[Any]) -> Token:
    return Token(row[0], row[1], Scope(row[2]), *row[3:])


def process_of(text: str) -> Process:
    return Process(*json.loads(text))


def text_of(process: Process) -> str:
    return json.dumps((process.host, process.pid, process.started, process.space))


# -- user values ------------------------------------------------------------------------------------------------

_decode = json.JSONDecoder().raw_decode  # half the time of json.loads: what is read here has no space around it


def loads(text: str) -> dict[str, Any]:
    if text == "{}":
        return {}
    try:
        value: dict[str, Any]
        value, end = _decode(text)
        if end != len(text):
            raise ValueError(f"{text[end : end + 50]!r} after its end")
    except ValueError as error:
        raise NotAStore(f"the store is damaged: it has {text[:50]!r} where JSON belongs") from error
    return value


def dumps(value: object) -> str:
    """JSON of a user's value. What JSON does not know is written as `str()` shows it; nothing makes this fail."""
    if type(value) is dict and not value:  # most of what a new run has
        return "{}"
    try:
        return json.dumps(value)
    except Exception:  # noqa: BLE001  (a mapping that is no dict, a numpy array, a cycle, a key that is a tuple …)
        return json.dumps(_plain(value))


def _plain(value: object, inside: tuple[int, ...] = ()) -> object:
    """The value in JSON's own types; `inside` are the containers it stands in."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    try:
        if id(value) in inside or len(inside) > 64:
            return "…"
        inside = (*inside, id(value))
        if isinstance(value, (np.generic, np.ndarray)):
            return value.tolist()
        if isinstance(value, Mapping):
            return {str(key): _plain(item, inside) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [_plain(item, inside) for item in value]
        return str(value)
    except Exception:  # noqa: BLE001  (whatever a `__str__` may raise: what is logged must not end the training)
        return f"<{type(value).__name__} that is not JSON>"


def clean(text: str) -> str:
    """Text that every database takes: lone surrogates and NUL become visible escapes."""
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


# -- ids --------------------------------------------------------------------------------------------------------


def new_run_id() -> RunId:
    """8 characters, base 36."""
    number = secrets.randbelow(36**8)
    digits = []
    for _ in range(8):
        number, digit = divmod(number, 36)
        digits.append("0123456789abcdefghijklmnopqrstuvwxyz"[digit])
    return RunId("".join(digits))


def run_name(run_id: str, number: int) -> str:
    """`<adjective>-sweep-<number>`, the same for the same run."""
    return f"{_ADJECTIVES[int(run_id, 36) % len(_ADJECTIVES)]}-sweep-{number}"
