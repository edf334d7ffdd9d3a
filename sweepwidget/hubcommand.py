"""`sweepwidget hub`: a hub by itself, on any box that others can reach, and the links to it."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from .errors import Error, UsageError
from .hub.hosts import PORT, base_of, check_base_url
from .hub.tokens import WEEK_S, find, issue, seconds_of
from .links import Link, make_link, parse_link
from .model import Scope, SweepId, Token
from .sharing import Listening, serve, shareable
from .stores import current_store, locate
from .term import termlog

if TYPE_CHECKING:
    from .hub.app import SharedStore

_ORDERS = ("serve", "link", "links", "revoke")
_HEADING = ("TOKEN", "FOR", "SCOPE", "EXPIRES", "LABEL")
_EPILOG = """\
examples:
  sweepwidget hub                                 serve this user's sweeps to this machine, behind a proxy or ssh -L
  sweepwidget hub --host 0.0.0.0 --certfile c.pem --keyfile k.pem --base-url https://hub.example.org:8477
  sweepwidget hub link 3k9x0q2a                   a link with which others run trials of this sweep
  sweepwidget hub link --base-url https://…       a link to the whole store: use_store(link) may create sweeps
  sweepwidget hub links                           which links there are
  sweepwidget hub revoke 1f2e3d4c                 make a link worthless, by its token's first digits or its sweep's id

A link holds a secret: whoever has it may do what it says. The store knows only its SHA-256, so it is shown only once.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.epilog, parser.formatter_class = _EPILOG, argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "order", nargs="?", default="serve", action=_Order, help=f"{', '.join(_ORDERS)} (default: serve)"
    )
    parser.add_argument(
        "what", nargs="?", metavar="ID", help="link: the sweep (none: the whole store); revoke: a token or a sweep"
    )
    where = parser.add_argument_group("where it listens")
    where.add_argument("--host", default="127.0.0.1", help="the address (default: 127.0.0.1, this machine alone)")
    where.add_argument("--port", type=_port, default=0, help=f"the port (default: {PORT}, or the next free one)")
    where.add_argument("--base-url", metavar="URL", help="how others reach it, if not by host and port")
    where.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="a name it may be called by")
    where.add_argument("--certfile", metavar="PEM", help="the certificate for TLS, with its chain")
    where.add_argument("--keyfile", metavar="PEM", help="its key, if it is not in the same file")
    where.add_argument("--insecure", action="store_true", help="listen to other machines without TLS")
    links = parser.add_argument_group("links")
    links.add_argument("--share", metavar="ID", help="serve: print a new link to this sweep first")
    links.add_argument(
        "--token-file", metavar="FILE", help="serve: keep a link to the whole store there, for its owner to read"
    )
    links.add_argument("--scope", choices=[scope.value for scope in Scope], help="(default: run; whole store: control)")
    links.add_argument("--expires", type=_term, default=WEEK_S, metavar="7d", help="in 12h, 7d, 4w, or never")
    links.add_argument("--label", default="", help="what it is for, as `hub links` shows it")


class _Order(argparse.Action):
    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, order: Any, option: str | None = None
    ) -> None:
        if order not in _ORDERS:
            parser.error(f"there is no `{parser.prog} {order}`: it is one of {', '.join(_ORDERS)}")
        namespace.order = order


def run(args: argparse.Namespace) -> int:
    """Do what the command says; the exit status."""
    store = shareable(current_store())
    return {"serve": _serve, "link": _link, "links": _links, "revoke": _revoke}[args.order](store, args)


# -- serving ------------------------------------------------------------------------------------------------------------


def _serve(store: SharedStore, args: argparse.Namespace) -> int:
    if args.what:
        raise UsageError(f"`sweepwidget hub serve` serves the whole store: did you mean --share {args.what}?")
    sweep_id = locate(args.share)[1].id if args.share else None
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    with _until_signalled() as over:
        server = serve(store, _listening(args), args.base_url)
        try:
            termlog(f"Serving {store.url} at {server.base}. Ctrl + C ends it; its links stay good.")
            if args.token_file:
                _keep_link(store, server.base, Path(args.token_file), args)
            if sweep_id is not None:
                print(_new_link(store, server.base, sweep_id, args), flush=True)
            elif not args.token_file and not store.tokens():
                termlog("Nobody has a link to it yet. Make one with: sweepwidget hub link")
            over.wait()
        finally:
            server.stop()
    termlog("The hub has ended.")
    return 0


@contextlib.contextmanager
def _until_signalled() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set."""
    over = threading.Event()

    def end(signum: int, frame: FrameType | None) -> None:
        over.set()

    before = {signum: signal.signal(signum, end) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield over
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _keep_link(store: SharedStore, base: str, path: Path, args: argparse.Namespace) -> None:
    """Have a link to the whole store in a file: the one that is there, as long as it is good."""
    with contextlib.suppress(FileNotFoundError):
        kept = parse_link(path.read_text(encoding="utf-8"))
        token = find(store, kept.token)
        if token is not None and kept.base == base and (token.expires_at is None or time.time() < token.expires_at):
            return
    link = _new_link(store, base, None, args)
    draft = path.with_name(f"{path.name}.new")
    with open(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
        print(link, file=file)
    draft.replace(path)
    termlog(f"A link to the whole store is in {path}.")


def _listening(args: argparse.Namespace) -> Listening:
    return Listening(args.host, args.port, args.certfile, args.keyfile, args.insecure, tuple(args.allow_host))


# -- links --------------------------------------------------------------------------------------------------------------


def _link(store: SharedStore, args: argparse.Namespace) -> int:
    sweep_id = locate(args.what)[1].id if args.what else None
    print(_new_link(store, _base(args), sweep_id, args))
    return 0


def _new_link(store: SharedStore, base: str, sweep_id: SweepId | None, args: argparse.Namespace) -> Link:
    scope = Scope(args.scope or ("control" if sweep_id is None else "run"))
    return make_link(base, sweep_id, issue(store, sweep_id, scope, args.expires, args.label))


def _base(args: argparse.Namespace) -> str:
    """Where a hub with these options is reached."""
    return check_base_url(args.base_url) if args.base_url else base_of(args.host, args.port or PORT, args.certfile)


def _links(store: SharedStore, args: argparse.Namespace) -> int:
    rows = [_HEADING, *(_row(token, time.time()) for token in store.tokens())]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADING))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _row(token: Token, now: float) -> tuple[str, ...]:
    if token.expires_at is None:
        expires = "never"
    elif token.expires_at <= now:
        expires = "expired"
    else:
        expires = time.strftime("%Y-%m-%d %H:%M", time.localtime(token.expires_at))
    return token.digest[:12], token.sweep_id or "all sweeps", token.scope.value, expires, token.label or "-"


def _revoke(store: SharedStore, args: argparse.Namespace) -> int:
    if not args.what:
        raise UsageError("revoke which links? A token as `sweepwidget hub links` shows it, a sweep's id, or: all")
    found = _meant(store.tokens(), args.what)
    if not found:
        raise Error(f"no link {args.what!r}: see `sweepwidget hub links`")
    for token in found:
        store.revoke(token.digest)
    print(f"{len(found)} revoked; a hub that runs knows it within a second.")
    return 0


def _meant(tokens: Sequence[Token], what: str) -> Sequence[Token]:
    """The tokens of a sweep or, where none is of that id, the one whose digest begins so."""
    if what == "all":
        return tokens
    if of_sweep := [token for token in tokens if token.sweep_id == what]:
        return of_sweep
    found = [token for token in tokens if len(what) >= 4 and token.digest.startswith(what.lower())]
    if len(found) > 1:
        raise UsageError(f"{len(found)} tokens begin with {what}: give more of its digits")
    return found


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port, not {text!r}")
    return int(text)


def _term(text: str) -> float | None:
    try:
        return seconds_of(text)
    except UsageError:
        raise argparse.ArgumentTypeError(f"expected a time such as 12h, 7d, 4w, or never, not {text!r}") from None
