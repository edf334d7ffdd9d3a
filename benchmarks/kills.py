"""What faults cost: processes are killed, frozen and cut off, ours beside the peers', and ledgers outside every store judge.

python -m benchmarks kills                            all of it, in about three minutes on a quiet machine
python -m benchmarks kills agents --kills 1000        some of it, longer
python -m benchmarks kills --record                   as many as the aims say: an hour or more
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

from attrs import evolve, fields_dict, frozen

from .faults import agents, controllers, creations, executions, logged_rows, outages, requeues, suspends
from .measure import Row


@frozen
class Sizes:
    kills: int = 12
    """Of agents of ours."""
    peer_kills: int = 12
    controller_kills: int = 5
    """Of controllers, and as many of hubs."""
    requeues: int = 3
    lease_s: float = 5.0
    """Of agents on another machine that are killed."""
    logger_kills: int = 3
    creations: int = 3
    executions: int = 150
    suspends: int = 2
    frozen_s: float = 6.0
    away_s: float = 5.0
    patience_s: float = 6.0
    """How long whoever is left may take after the last fault."""


RECORD = Sizes(
    kills=1000,
    peer_kills=100,
    controller_kills=100,
    requeues=20,
    lease_s=30.0,
    logger_kills=10,
    creations=6,
    suspends=6,
    away_s=600.0,
    patience_s=60.0,
)
"""What the aims ask for."""

KINDS: Mapping[str, Callable[[Sizes], list[Row]]] = {
    "agents": lambda n: agents.rows(n.kills, n.peer_kills, n.patience_s),
    "controllers": lambda n: controllers.rows(n.controller_kills, n.patience_s),
    "requeues": lambda n: requeues.rows(n.requeues, n.lease_s),
    "logged_rows": lambda n: logged_rows.rows(n.logger_kills),
    "creations": lambda n: creations.rows(n.creations),
    "executions": lambda n: executions.rows(n.executions, 10 * n.patience_s),
    "suspends": lambda n: suspends.rows(n.suspends, n.frozen_s, n.patience_s),
    "outages": lambda n: outages.rows(n.away_s, n.patience_s),
}


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    kinds, sizes = _asked(sys.argv[1:] if arguments is None else arguments)
    rows = []
    for kind in kinds:
        print(f"\n### {kind}\n", flush=True)
        rows += KINDS[kind](sizes)
    return rows


def _asked(arguments: Sequence[str]) -> tuple[Sequence[str], Sizes]:
    parser = argparse.ArgumentParser(prog="kills", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(KINDS)}; all, if none is named")
    parser.add_argument("--record", action="store_true", help="as long as the aims say; what is given besides counts")
    for name, field in fields_dict(Sizes).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(field.default), help=f"usually {field.default}")
    asked = vars(parser.parse_args(arguments))
    if unknown := set(asked["kinds"]) - KINDS.keys():
        parser.error(f"no such kind: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    given = {name: asked[name] for name in fields_dict(Sizes) if asked[name] is not None}
    return asked["kinds"] or list(KINDS), evolve(RECORD if asked["record"] else Sizes(), **given)


if __name__ == "__main__":
    main()
