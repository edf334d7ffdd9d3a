"""What the errors of PostgreSQL mean: which error of ours, and what to do."""

from __future__ import annotations

import re

import psycopg

from ..errors import NotAStore, StoreError, StoreUnavailable
from .postgres_address import Address

BUSY_S = 30
"""How long to wait for the lock of a sweep that somebody else holds."""


_LATER = "nothing that was stored is lost, and the store works again once it is back"
_SERVER = f"is the server running, and can it be reached from here (host, port, firewall)? {_LATER}"
_GRANT = (
    "name a schema that is yours (?schema=…), or have its owner `GRANT USAGE ON SCHEMA {schema} TO {user}` and `GRANT ALL ON "
    "ALL TABLES IN SCHEMA {schema} TO {user}`; making one needs `GRANT CREATE ON DATABASE {database} TO {user}`"
)
_NO_TABLES = "its tables are missing, or another program's: restore them, or use another schema: ?schema=…"
_STATES: tuple[tuple[str, type[StoreError], str], ...] = (
    ("53100", StoreUnavailable, "free some space on the server and go on; nothing that was stored is lost"),
    ("53300", StoreUnavailable, "close idle notebooks, raise max_connections, or put pgbouncer before the server"),
    ("53", StoreUnavailable, "the server is short of resources: give it more, or wait"),
    ("25006", StoreUnavailable, "this server only reads (a standby): give the primary's address, or ?target_session_attrs=read-write"),
    ("55P03", StoreUnavailable, f"another program has kept the sweep locked for {BUSY_S} s: see pg_stat_activity for who"),
    ("57014", StoreUnavailable, "the server cut a statement short: it is overloaded, or somebody keeps a table locked"),
    ("57P", StoreUnavailable, _LATER),
    ("25P", StoreUnavailable, "this machine said nothing for too long in mid-transaction, which was rolled back: go on"),
    ("40", StoreUnavailable, "transactions came across each other: try again"),
    ("08", StoreUnavailable, _SERVER),
    ("42501", StoreError, _GRANT),
    ("42P01", NotAStore, _NO_TABLES),
    ("42703", NotAStore, _NO_TABLES),
    ("3F000", NotAStore, _NO_TABLES),
)  # fmt: skip
"""The beginning of an SQLSTATE → which error, and what to do."""
_MEANINGS = (
    ("no encryption", "the server wants TLS: add ?sslmode=require to the URL"),
    ("pg_hba.conf", "pg_hba.conf of the server has to let this user in from this machine"),
    ("does not support SSL", "the server has no TLS: use ?sslmode=prefer, or turn TLS on there"),
    ("certificate", "give the server's certificate authority: ?sslrootcert=/path/to/ca.pem"),
    ("too many", "close idle notebooks, raise the limit of connections, or put pgbouncer before the server"),
    ("connection slots", "close idle notebooks, raise max_connections, or put pgbouncer before the server"),
    ("password", "check user and password (special characters have to be percent-encoded), or keep it in ~/.pgpass"),
    ("the database system", _LATER),
    ('database "', "check the name of the database, or make it: `createdb NAME`"),
    ('role "', "check the user in the URL, or make it: `createuser NAME`"),
    ("invalid ", "check the options in the URL"),
)
"""Part of the message of a refused connection (which has no SQLSTATE) → what to do."""


_ATTEMPT = re.compile(r"connection (failed|is bad): (connection to server .*? failed: )?(FATAL: )?")
"""What libpq says before the point; the URL says it too."""


def meaning_of(error: psycopg.Error, address: Address) -> StoreError:
    """Names the place (without a password), the reason and the next step."""
    state = error.sqlstate or ""
    text = _ATTEMPT.sub("", " ".join(str(error).split("\n", 1)[0].split()))
    for beginning, kind, advice in _STATES:
        if state.startswith(beginning):
            given = address.parameters
            names = {"user": given.get("user"), "database": given.get("dbname"), "schema": address.schema}
            return kind(f"{address.url}: {text}: {advice.format(**names)}")
    for part, advice in () if state else _MEANINGS:
        if part in text:
            return StoreUnavailable(f"{address.url}: {text}: {advice}")
    if isinstance(error, psycopg.OperationalError):
        return StoreUnavailable(f"{address.url}: {text}: {_SERVER}")
    return StoreError(f"{address.url}: {text}: this is a fault in sweepwidget or in the database; please report it")


def is_loss(error: psycopg.Error) -> bool:
    """Whether the connection is gone: said by libpq, or as the server's last word."""
    return error.sqlstate is None or error.sqlstate.startswith(("57P", "08"))
