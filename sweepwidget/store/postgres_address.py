"""Where a PostgreSQL store is: a URL taken apart by libpq's own rules, and put together again with or without its secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlencode

import psycopg
from attrs import evolve, field, frozen
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ..errors import UsageError

SCHEMA = "sweepwidget"
"""Our tables stand in a schema of their own, apart from the user's."""

_DEFAULTS = {
    "fallback_application_name": "sweepwidget",
    "connect_timeout": "5",
    # A peer that is gone without a word is noticed after some 20 s, not two hours.
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
_FORM = "postgresql://user:password@host:port/database"
_NAME = re.compile(r"(?!pg_)[A-Za-z_][A-Za-z0-9_]{0,62}").fullmatch


@frozen
class Address:
    """A database and a schema in it.

    >>> Address.parse("postgresql://ann:secret@db.example.org/lab?schema=sweeps").url      # doctest: +SKIP
    'postgresql://ann@db.example.org/lab?schema=sweeps'
    """

    parameters: Mapping[str, str] = field(repr=False)
    """libpq's, as given: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS"""
    schema: str = SCHEMA
    prepare: bool = True
    """Whether statements may be prepared; poolers in transaction mode that do not know how to (pgbouncer before 1.21,
    Supabase's) need ?prepare=no.
    """

    @classmethod
    def parse(cls, url: str) -> Address:
        """UsageError, without a word of the URL, for one that cannot be understood."""
        place, _, query = url.partition("?")
        host, _, path = place.partition("://")[2].partition("/")
        options = [option.partition("=") for option in query.split("&") if option]
        ours = {name: unquote(value) for name, _, value in options if name in ("schema", "prepare")}
        theirs = "&".join("".join(option) for option in options if option[0] not in ours)
        # What stands behind a second @ would be taken for a host, and shown in messages.
        if host.count("@") > 1 or "@" in path or "@" in query:
            raise UsageError(_unclear("an @"))
        try:
            found = conninfo_to_dict(f"{place}?{theirs}")
        except psycopg.ProgrammingError:
            raise UsageError(_unclear("a character or an option")) from None
        schema, prepare = ours.get("schema", SCHEMA), ours.get("prepare", "yes")
        if not _NAME(schema):
            raise UsageError(f"?schema={schema}: a schema is named by letters, digits and _, and not pg_…")
        if prepare not in ("yes", "no"):
            raise UsageError(f"?prepare={prepare}: write ?prepare=no for a pooler that cannot prepare statements")
        return cls({name: str(value) for name, value in found.items()}, schema, prepare == "yes")

    @property
    def conninfo(self) -> str:
        """What libpq connects with."""
        return make_conninfo(**{**_DEFAULTS, **self.parameters, "client_encoding": "utf8"})

    @property
    def url(self) -> str:
        """For people: without passwords."""
        hidden = {option.keyword.decode() for option in pq.Conninfo.get_defaults() if option.dispchar == b"*"}
        return evolve(self, parameters={name: self.parameters[name] for name in self.parameters.keys() - hidden}).link

    @property
    def link(self) -> str:
        """All that another process needs."""
        rest = dict(sorted(self.parameters.items()))
        user, password = rest.pop("user", ""), rest.pop("password", "")
        database = rest.pop("dbname", "")
        place = ""
        if re.fullmatch(r"[\w.-]+", rest.get("host", "")):  # neither a folder, several hosts, nor IPv6
            place = rest.pop("host") + (f":{rest.pop('port')}" if rest.get("port") else "")
        if user:
            place = _quoted(user) + (f":{_quoted(password)}" if password else "") + f"@{place}"
        elif password:
            rest["password"] = password
        if self.schema != SCHEMA:
            rest["schema"] = self.schema
        if not self.prepare:
            rest["prepare"] = "no"
        query = f"?{urlencode(rest, quote_via=quote)}" if rest else ""
        return f"postgresql://{place}/{_quoted(database)}{query}"

    def resolved(self, connection: psycopg.Connection[object]) -> Address:
        """With what a connection took from the environment, a service file or a password file, so that it can be used
        elsewhere.
        """
        info = connection.info
        surroundings = {
            option.keyword.decode(): option.val.decode()
            for option in pq.Conninfo.get_defaults()
            if option.val not in (None, option.compiled) and option.keyword != b"passfile"
        }
        used = {"host": info.host, "port": str(info.port), "dbname": info.dbname, **surroundings, **self.parameters}
        if info.password:
            used["password"] = info.password
        return evolve(self, parameters=used)


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _unclear(what: str) -> str:
    return (
        f"the URL of the store (not shown, as it may hold a password) has {what} where none belongs: write {_FORM}, "
        "with special characters of the password as urllib.parse.quote(password, safe='') gives them"
    )
