"""The command line, with W&B's commands and texts: `sweepwidget sweep FILE`, `agent ID`, `controller ID`, `ls`, `demo`."""

from __future__ import annotations

import argparse
import io
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import api, hiring, listing
from .entrypoint import function_at
from .errors import ConfigError, Error
from .links import Link, is_link
from .model import Sweep, SweepState
from .sources import read
from .stores import current_store, locate, use_store
from .sweepconfig import SweepConfig
from .term import termlog

_ORDERS = {
    "stop": "no new runs; those running end by themselves, and the sweep is finished",
    "cancel": "the sweep is over, and its runs are killed",
    "pause": "no new runs for now; those running go on",
    "resume": "go on with a paused sweep",
}
_EXAMPLES = """\
examples:
  sweepwidget sweep sweep.yaml              keep a new sweep; prints its id
  sweepwidget agent 3k9x0q2a --agents 2     run its program, two runs at a time
  sweepwidget agent 3k9x0q2a --count 10     run ten more and end
  sweepwidget sweep --pause 3k9x0q2a        no new runs for now; go on with --resume
  sweepwidget ls                            which sweeps there are, and how they stand

Any number of agents, here and in other terminals and notebooks, may work on one sweep.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 failed, 2 called wrongly, 130 interrupted."""
    parser = _parser()
    args = parser.parse_args(argv, argparse.Namespace(run=None, store=None))
    command = args.run or (_order_of_top if args.top_order else None)
    if command is None:
        parser.print_help()
        return 2
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name in another script must not end a listing
    try:
        if args.store:
            use_store(args.store)
        status: int = command(args)
        sys.stdout.flush()
    except BrokenPipeError:  # `sweepwidget ls | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Error, OSError) as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _complain(text: str) -> None:
    """Also when silence was asked for: whoever only sees an exit status must be able to find out why."""
    for line in text.splitlines():
        print(f"sweepwidget: ERROR {line}", file=sys.stderr)


# -- what is understood -------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    everywhere = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    everywhere.add_argument(
        "--store", metavar="PATH", help="where sweeps are kept (default: SWEEPWIDGET_STORE, else the user's own store)"
    )
    parser = argparse.ArgumentParser(
        prog="sweepwidget",
        parents=[everywhere],
        description="Hyperparameter sweeps on this machine: W&B's sweep commands, without an account or a server.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sweepwidget {_version()}")
    short = parser.add_mutually_exclusive_group()
    for order in _ORDERS:
        short.add_argument(
            f"--{order}", metavar="ID", dest="top_order", type=_ordered(order), help=f"short for: sweep --{order} ID"
        )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name, parents=[everywhere], help=about, description=f"{about[0].upper()}{about[1:]}."
        )
        made.set_defaults(run=run)
        return made

    _add_sweep(command("sweep", _sweep, "keep a new sweep, or stop, cancel, pause or resume one"))
    _add_agent(command("agent", _agent, "run the program of a sweep, one configuration after another"))
    controller = command("controller", _controller, "steer a sweep whose controller is local, until it ends")
    controller.add_argument("sweep_id", metavar="ID")
    controller.add_argument("--verbose", action="store_true", help="say what is scheduled and stopped, and why")
    controller.add_argument("--agents", type=_whole(0), default=0, metavar="N", help="start N agents, too (default: 0)")
    _add_hub(command("hub", _hub, "serve the sweeps to other machines and notebooks, and make links to them"))
    ls = command("ls", _ls, "list the sweeps, newest first: state, runs, best value")
    ls.add_argument("--all", action="store_true", help=f"all of them (default: the {listing.NEWEST} newest)")
    command("schema", _schema, "print the JSON Schema of sweep files, for editors")
    demo = command("demo", _demo, "a real sweep on real data, in under a minute")
    demo.add_argument("--runs", type=_whole(1), default=20, metavar="N", help="how many runs (default: 20)")
    demo.add_argument("--agents", type=_whole(1), default=2, metavar="N", help="how many at a time (default: 2)")
    return parser


def _add_sweep(sweep: argparse.ArgumentParser) -> None:
    sweep.usage = "sweepwidget sweep [options] FILE\n       sweepwidget sweep --stop | --cancel | --pause | --resume ID"
    sweep.add_argument(
        "target", metavar="FILE | ID", help="a sweep configuration (YAML or JSON); with --stop and its like, a sweep id"
    )
    _add_where(sweep)
    sweep.add_argument("--name", help="the name of the sweep, over the file's")
    sweep.add_argument("--program", help="the program to run, over the file's")
    sweep.add_argument("-R", "--prior_run", action="append", metavar="RUN", help="a run that the search should know of")
    sweep.add_argument("--update", metavar="ID", help="give the sweep ID, not yet started, the configuration in FILE")
    sweep.add_argument("--controller", action="store_true", help="with a local controller, which is started here")
    sweep.add_argument("--verbose", action="store_true", help="with --controller: say what is scheduled and stopped")
    orders = sweep.add_mutually_exclusive_group()
    for order, meaning in _ORDERS.items():
        orders.add_argument(f"--{order}", dest="order", action="store_const", const=order, help=meaning)


def _add_agent(agent: argparse.ArgumentParser) -> None:
    agent.add_argument(
        "sweep_id", metavar="ID", help="a sweep id, as `sweepwidget sweep` printed it, or a link from elsewhere"
    )
    agent.add_argument(
        "--function", metavar="FILE:NAME", help="call a Python function instead of running the program: train.py:train"
    )
    agent.add_argument(
        "--backend",
        choices=["thread", "kernel", "inline"],
        default="thread",
        help="with --function, where it runs (default: thread)",
    )
    _add_where(agent)
    agent.add_argument("--count", type=_whole(0), metavar="N", help="begin N runs and end (default: no limit)")
    agent.add_argument("--agents", type=_whole(1), default=1, metavar="N", help="N runs at a time (default: 1)")
    agent.add_argument(
        "-f", "--forward-signals", action="store_true", help="pass SIGINT and SIGTERM on to the program, then end"
    )
    agent.add_argument(
        "-t",
        "--term-timeout",
        type=_seconds,
        metavar="S",
        help="seconds that a program which is told to stop has between SIGTERM and SIGKILL "
        f"(default: WANDB_AGENT_KILL_DELAY, else {hiring.KILL_DELAY_S:.0f})",
    )
    agent.add_argument(
        "--max-consecutive-failed-runs", type=_whole(1), metavar="N", help="end after N failed runs in a row"
    )


def _add_hub(hub: argparse.ArgumentParser) -> None:
    from . import hubcommand

    hubcommand.add_arguments(hub)


def _add_where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-p", "--project", help="the project of the sweep (a label)")
    parser.add_argument("-e", "--entity", help="the user or team of the sweep (a label)")


def _whole(least: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} on, not {text!r}")
        return number

    return whole


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds, not {text!r}")
    return number


def _ordered(order: str) -> Callable[[str], tuple[str, str]]:
    return lambda sweep_id: (order, sweep_id)


def _version() -> str:
    from importlib.metadata import version

    return version("sweepwidget")


# -- what is done -------------------------------------------------------------------------------------------------------


def _sweep(args: argparse.Namespace) -> int:
    if args.order:
        return _order(args.order, args.target)
    config = _read(args)
    if args.update:
        return _update(args, config)
    print(f"Creating sweep from: {args.target}")
    sweep_id = api._create(config, args.entity, args.project, args.prior_run)
    print(f"Creating sweep with ID: {sweep_id}")
    print(f"Run sweep agent with: {_command(f'agent {sweep_id}', args)}", flush=True)
    if args.controller:
        return _steer(sweep_id, args.verbose, agents=0)
    return 0


def _read(args: argparse.Namespace) -> SweepConfig:
    """The file's configuration under the command's own settings."""
    path = Path(args.target)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Error(f"Couldn't open sweep file: {args.target} ({why})") from error
    if not text.strip():
        raise Error(f"Configuration file is empty: {args.target}")
    try:
        given: dict[str, Any] = read(path)
        given |= {key: value for key in ("name", "program") if (value := getattr(args, key))}
        if args.controller:
            given["controller"] = {"type": "local"}
        return SweepConfig.parse(given)
    except ConfigError as error:
        raise Error(f"Error in sweep file: {args.target}: {str(error).removeprefix(f'{path}: ')}") from error


def _update(args: argparse.Namespace, config: SweepConfig) -> int:
    store, row = locate(args.update)
    if row.state is not SweepState.PENDING:
        raise Error(f"cannot reconfigure sweep which has already started: {row.id} is {row.state.value}")
    print(f"Updating sweep from: {args.target}")
    api._warn_of(config)
    store.update_config(row.id, config.to_dict())
    print(f"Updating sweep with ID: {row.id}")
    return 0


def _order(order: str, sweep_id: str) -> int:
    getattr(api, order)(sweep_id)
    _, row = locate(sweep_id)
    print(f"Sweep {row.id} is {row.state.value}: {_ORDERS[order]}.")
    return 0


def _order_of_top(args: argparse.Namespace) -> int:
    return _order(*args.top_order)


def _agent(args: argparse.Namespace) -> int:
    termlog("Starting sweepwidget agent")
    store, row = locate(args.sweep_id)
    terms = hiring.Terms(
        function_at(args.function) if args.function else None,
        backend=args.backend,
        count=args.count,
        agents=args.agents,
        term_timeout=args.term_timeout,
        max_consecutive_failed_runs=args.max_consecutive_failed_runs,
    )
    at_work = hiring.hire(store, row, terms)
    _say_what_it_waits_for(row, args)
    hiring.work(at_work, args.agents, args.forward_signals)
    if not at_work.failure:
        return 0
    termlog(f"What its runs printed is in {store.folder / 'runs'}")
    return 1


def _say_what_it_waits_for(row: Sweep, args: argparse.Namespace) -> None:
    if row.state is SweepState.PAUSED:
        termlog(f"Sweep {row.id} is paused ({row.reason}). Go on with: {_command(f'sweep --resume {row.id}', args)}")
    elif SweepConfig.parse(row.config).controller == "local":
        termlog(f"Sweep {row.id} has a local controller. Where none runs yet: {_command(f'controller {row.id}', args)}")


def _controller(args: argparse.Namespace) -> int:
    _, row = locate(args.sweep_id)
    if not args.agents:
        termlog(f"Run sweep agent with: {_command(f'agent {row.id}', args)}")
    return _steer(row.id, args.verbose, args.agents)


def _steer(sweep_id: str, verbose: bool, agents: int) -> int:
    termlog("Starting sweepwidget controller")
    api.controller(sweep_id).run(verbose=verbose, agents=agents)
    return 0


def _command(command: str, args: argparse.Namespace) -> str:
    """What to type, for this store; an id comes last (scripts take the last word). A password or token is left out."""
    if not args.store:
        return f"sweepwidget {command}"
    shown = args.store
    if is_link(shown):
        shown = Link(shown).masked
    elif "://" in shown and not shown.startswith("sqlite:"):
        shown = current_store().url
    return f"sweepwidget --store {shlex.quote(shown)} {command}"


def _hub(args: argparse.Namespace) -> int:
    from . import hubcommand

    return hubcommand.run(args)


def _ls(args: argparse.Namespace) -> int:
    print("\n".join(listing.lines(current_store(), everything=args.all)))
    return 0


def _schema(args: argparse.Namespace) -> int:
    import json

    from .configschema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def _demo(args: argparse.Namespace) -> int:
    from . import demo

    demo.main(args.runs, args.agents, again=_command("ls", args))
    return 0
