"""The hub's rules in HTTP (reliability: hostile or careless requests), each on a real socket."""

import contextlib
import gzip
import json
import logging
import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
import time
import types
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from ports import free_port
from profiles import examples

from sweepwidget.columns import column
from sweepwidget.errors import StoreUnavailable, StoreVersion, SweepNotFound, UsageError
from sweepwidget.hub import calls, limits
from sweepwidget.hub.server import HubServer
from sweepwidget.model import AgentId, Column, RunId, Scope, Sweep, SweepId
from sweepwidget.wire import CONTENT_TYPE, MAX_BODY, TOKEN_HEADER, VERBS, WireError, decode_error, encode_call

SWEEP = encode_call("sweep", {"sweep_id": "mine"})


def refusal(answer):
    """(status, message) of an answer that is no reply."""
    return answer.status_code, str(decode_error(answer.status_code, answer.content))


# -- who may ------------------------------------------------------------------------------------------------------------


def test_a_token_lets_in(hub):
    """With a token, a call gets what the store says."""
    assert hub.store.sweep(SweepId("mine")) == hub.caller("mine", Scope.observe).call("sweep", sweep_id="mine")


@pytest.mark.parametrize("token", [None, "", "no-token-of-this-hub-at-all-0123456789", "x" * 5000, "\u00e9" * 40])
def test_a_wrong_token_is_401(open_hub, token):
    """Without a token, and with one that nobody issued, nothing is served."""
    caller = open_hub().caller("mine")
    header = None if token is None else token.encode("latin-1")
    answer = caller.post("sweep", SWEEP, X_Sweep_Token=header)
    assert (401, True) == (answer.status_code, "does not know the token" in answer.text)


def test_a_token_travels_in_its_header_only(open_hub):
    """A token in the query or in other headers counts for nothing: those end up in logs."""
    hub = open_hub()
    caller = hub.caller()
    answers = [
        caller.post(f"sweeps?token={caller.token}", b"", X_Sweep_Token=None),
        caller.post("sweeps", b"", X_Sweep_Token=None, Authorization=f"Bearer {caller.token}"),
        caller.post("sweeps", b"", X_Sweep_Token=None, Cookie=f"token={caller.token}"),
    ]
    assert [401] * 3 == [answer.status_code for answer in answers]


def test_an_expired_token_says_so(hub):
    """A token whose time is over is answered with 401 and "expired", not as if it were unknown."""
    stranger = hub.stranger(hub.token("mine", expires_s=1e-6))
    status, message = refusal(stranger.post("sweep", SWEEP))
    assert (401, True) == (status, "expired" in message)


@pytest.mark.parametrize(
    ("scope", "verb", "args"),
    [
        (Scope.observe, "remember", {"key": "k", "text": "t"}),
        (Scope.observe, "claim", {"agent_id": "a", "request_id": "r"}),
        (Scope.run, "delete_run", {"run_id": "r"}),
        (Scope.run, "update_config", {"sweep_id": "mine", "config": {}}),
    ],
)
def test_a_narrow_token_is_told_which_scope_it_needs(hub, scope, verb, args):
    """A call beyond a token's scope is 403, and names the scope that would do."""
    status, message = refusal(hub.caller("mine", scope).post(verb, encode_call(verb, args)))
    assert (403, True) == (status, f"scope='{VERBS[verb].scope.value}'" in message)


def test_a_revoked_token_is_worth_nothing(open_hub, monkeypatch):
    """A token that was revoked, perhaps by another process, is soon refused."""
    monkeypatch.setattr(calls, "FRESH_S", 0.0)
    hub = open_hub()
    caller = hub.caller()
    assert [] == list(caller.call("sweeps"))
    (token,) = hub.store.tokens()
    hub.store.revoke(token.digest)
    assert 401 == caller.post("sweeps", encode_call("sweeps", {})).status_code


def test_wrong_tokens_are_throttled_and_good_ones_are_not(open_hub):
    """After ten wrong tokens in a minute an address gets 429 with a time to wait; a good token from there still works."""
    hub = open_hub()
    wrong, good = hub.stranger("w" * 43), hub.caller()
    answers = [wrong.post("sweeps", b"") for _ in range(limits.BAD_TOKENS + 1)]
    assert [401] * limits.BAD_TOKENS + [429] == [answer.status_code for answer in answers]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= limits.BAD_TOKENS_S
    assert [] == list(good.call("sweeps"))


def test_a_token_has_so_many_calls_per_second(open_hub, monkeypatch):
    """More calls than its share get 429 and are told when to come again; another token is not concerned."""
    monkeypatch.setattr(limits, "REQUESTS_S", 0.01)
    monkeypatch.setattr(limits, "BURST", 3.0)
    hub = open_hub()
    greedy, other = hub.caller(), hub.caller()
    answers = [greedy.post("sweeps", encode_call("sweeps", {})) for _ in range(4)]
    assert [200, 200, 200, 429] == [answer.status_code for answer in answers]
    assert 90 <= int(answers[-1].headers["Retry-After"]) <= 100
    assert [] == list(other.call("sweeps"))


# -- pages, proxies and other names ----------------------------------------------------------------------------------------


def test_the_page_says_what_this_is_and_nothing_else(hub):
    """GET anywhere shows a page that tells what a link is for, and no data."""
    http = hub.caller("mine").http
    pages = {http.get(f"{hub.base}{path}").text for path in ("", "/", "/prefix/", "/mine", "/prefix/mine?x=1")}
    (page,) = pages
    assert page.startswith("A sweepwidget hub, version ")
    assert "protocol 1" in page
    assert "mine" not in page
    assert hub.store.url not in page


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_a_call_is_a_post(hub, method):
    """Any other method is 405, also with a good token: nothing has side effects that a link could cause."""
    caller = hub.caller("mine")
    answer = caller.http.request(method, f"{hub.base}/v1/sweep", headers={TOKEN_HEADER: caller.token})
    assert (405, "POST") == (answer.status_code, answer.headers["Allow"])


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8477", "", "localhost.evil.example", "x@localhost", "[::2]"]
)
def test_unknown_hosts_are_refused(hub, host):
    """A request that calls the hub by a name it does not have (DNS rebinding) is 403, for calls and the page."""
    caller = hub.caller("mine")
    assert 403 == caller.post("sweep", SWEEP, Host=host).status_code
    assert 403 == caller.http.get(hub.base, headers={"Host": host}).status_code


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8477", "[::1]:9", "localhost."])
def test_names_of_this_machine_are_known(hub, host):
    """The loopback's names are allowed with any port: tunnels and proxies change it."""
    assert 200 == hub.caller("mine").post("sweep", SWEEP, Host=host).status_code


def test_given_names_are_known(open_hub):
    """The host of base_url and the names of allow_hosts are the hub's, and no others."""
    hub = open_hub(base_url="https://hub.example.org:8443/sweeps/", allow_hosts=["Other.Example"])
    assert "https://hub.example.org:8443/sweeps" == hub.base
    caller = hub.caller()
    caller.base = f"http://127.0.0.1:{hub.server.port}"
    answers = [
        caller.post("sweeps", encode_call("sweeps", {}), Host=name).status_code
        for name in ("hub.example.org", "other.example:80", "third.example")
    ]
    assert [200, 200, 403] == answers


def test_only_an_open_hub_is_called_by_any_address(open_hub):
    """On every interface any literal address will do (rebinding needs a name); on one, only its own."""
    body = encode_call("sweeps", {})
    wide, narrow = open_hub(host="0.0.0.0", insecure=True), open_hub()
    for hub, statuses in ((wide, [200, 403]), (narrow, [403, 403])):
        caller = hub.caller()
        caller.base = f"http://127.0.0.1:{hub.server.port}"
        hosts = ("10.1.2.3:80", "name.example")
        assert statuses == [caller.post("sweeps", body, Host=host).status_code for host in hosts]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8477"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_pages_may_not_call(hub, headers):
    """Whatever a browser sends for a page is 403, with a good token, too; no answer has CORS headers."""
    answer = hub.caller("mine").post("sweep", SWEEP, **headers)
    assert 403 == answer.status_code
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_answer_forbids_caching_sniffing_and_framing(hub):
    """Replies, errors and the page carry the same three headers."""
    caller = hub.caller("mine")
    for answer in (caller.post("sweep", SWEEP), caller.post("nothing"), caller.http.get(hub.base)):
        headers = answer.headers
        expected = ("no-store", "nosniff", "DENY")
        assert expected == tuple(
            headers[name] for name in ("Cache-Control", "X-Content-Type-Options", "X-Frame-Options")
        )


def test_what_stands_before_the_call_is_a_proxys(hub):
    """A path prefix that a proxy did not take away does not matter."""
    caller = hub.caller("mine")
    assert 200 == caller.post("sweep", SWEEP, path="/user/me/proxy/8477/v1/").status_code


# -- what is malformed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_other_content_types_are_415(hub, content_type):
    """What a form or a page could send without asking is not read."""
    assert 415 == hub.caller("mine").post("sweep", SWEEP, Content_Type=content_type).status_code


def test_compressed_bodies_are_415(hub):
    """Nothing is decompressed, so nothing can swell."""
    answer = hub.caller("mine").post("sweep", gzip.compress(SWEEP), Content_Encoding="gzip")
    assert 415 == answer.status_code


def test_unknown_calls_are_404(hub):
    """Only the verbs of the wire exist; those that are the store's own business do not."""
    caller = hub.caller()
    verbs = ("tokens", "keep_token", "revoke", "close", "subscribe", "__class__", "x" * 500, "sweep/x")
    assert {404} == {caller.post(verb).status_code for verb in verbs}


def test_another_protocol_is_told_who_should_upgrade(hub):
    """A call of a newer or older protocol is 426, with what to do."""
    caller = hub.caller("mine")
    for path, whose in (("/v2/", "the hub's"), ("/v0/", "the caller's")):
        answer = caller.post("sweep", SWEEP, path=path)
        error = decode_error(answer.status_code, answer.content)
        assert (426, StoreVersion) == (answer.status_code, type(error))
        assert f"upgrade {whose} sweepwidget" in str(error)


def test_path_and_body_agree(hub):
    """A body for another call than the path's, which had its scope checked, is 400."""
    body = encode_call("delete_run", {"run_id": hub.mine.run.id})
    with pytest.raises(WireError, match="the path says sweep, and the body delete_run"):
        answer = hub.caller("mine", Scope.observe).post("sweep", body)
        raise decode_error(answer.status_code, answer.content)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_413_and_its_sender_reads_why(hub, chunked):
    """More than 8 MiB are refused, announced or in chunks, and the connection is good for the next call."""
    caller = hub.caller("mine")
    body = b"x" * (MAX_BODY + 1)
    content = (body[i : i + 65536] for i in range(0, len(body), 65536)) if chunked else body
    status, message = refusal(caller.post("log", content))
    assert (413, True) == (status, "send it in pieces" in message)
    assert 200 == caller.post("sweep", SWEEP).status_code


def test_a_huge_body_is_not_read(hub):
    """A gigabyte that is only announced is refused at once, before any of it has come."""
    caller, connection = hub.caller("mine"), hub.raw()
    head = f"POST /v1/log HTTP/1.1\r\nHost: localhost\r\nContent-Type: {CONTENT_TYPE}\r\n{TOKEN_HEADER}: {caller.token}\r\n"
    connection.sendall(f"{head}Content-Length: {10**9}\r\n\r\n".encode())
    assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_the_body_of_a_stranger_is_not_kept(hub):
    """Who has no token cannot fill the hub's memory: the body is thrown away as it comes."""
    kept = []
    connection = hub.raw()
    head = f"POST /v1/log HTTP/1.1\r\nHost: localhost\r\nContent-Type: {CONTENT_TYPE}\r\n{TOKEN_HEADER}: {'n' * 43}\r\n"
    connection.sendall(f"{head}Content-Length: {MAX_BODY}\r\n\r\n".encode())
    for _ in range(MAX_BODY // 65536):
        connection.sendall(b"x" * 65536)
        kept.append(hub.server._traffic.bodies)
    assert b" 401 " in connection.recv(4096).partition(b"\r\n")[0]
    assert 0 == max(kept)


def test_all_bodies_together_are_bounded(open_hub, monkeypatch):
    """Where too many large bodies arrive at once, the latest is told to come again."""
    monkeypatch.setattr(limits, "BODIES", 100_000)
    hub = open_hub()
    answer = hub.caller().post("log", b"x" * 200_000)
    assert (503, "1") == (answer.status_code, answer.headers["Retry-After"])
    assert 0 == hub.server._traffic.bodies


@pytest.mark.parametrize(
    "sent", ["GET / HTTP/1.1\r\nHost: loc", "POST /v1/sweep HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"]
)
def test_slow_requests_are_cut_off(open_hub, monkeypatch, sent):
    """Headers or a body that do not come are not waited for (slowloris)."""
    monkeypatch.setattr(limits, "READ_S", 0.2)
    connection = open_hub().raw()
    connection.sendall(sent.encode())
    assert b"" == connection.recv(4096)


def test_half_open_connections_leave_room(open_hub, monkeypatch):
    """Only so many connections are kept; a newcomer is turned away, and served when there is room again."""
    monkeypatch.setattr(limits, "connections", lambda: 3)
    hub = open_hub()
    caller = hub.caller(transport=httpx.HTTPTransport(retries=0))
    held = [hub.raw() for _ in range(3)]
    for connection in held:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    with pytest.raises(httpx.TransportError):
        caller.post("sweeps", encode_call("sweeps", {}))
    for connection in held:
        connection.close()
    wait_for(lambda: not hub.server._http._connections)
    assert 200 == caller.post("sweeps", encode_call("sweeps", {})).status_code


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"GARBAGE\r\n\r\n",
        b"POST /v1/sweep HTTP/1.1\r\nHost: localhost\r\nContent-Length: nine\r\n\r\n",
        b"POST /v1/sweep HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/sweep HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /v1/sweep HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_garbage_gets_a_4xx_or_the_door(hub, sent):
    """What is no request is answered with 4xx or the end of the connection, and never disturbs the hub."""
    connection = hub.raw()
    connection.sendall(sent)
    connection.shutdown(socket.SHUT_WR)
    answer = connection.recv(4096)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4",))
    assert 200 == hub.caller("mine").post("sweep", SWEEP).status_code


# -- what fails -----------------------------------------------------------------------------------------------------------


def test_what_fails_here_is_for_the_log_only(open_hub, monkeypatch, caplog):
    """An unexpected error is 500 with a number; the traceback stands in the log under that number."""
    hub = open_hub()
    monkeypatch.setattr(hub.store, "sweeps", lambda: 1 / 0)
    caller = hub.caller()
    status, message = refusal(caller.post("sweeps", encode_call("sweeps", {})))
    number = message.rpartition(" ")[2]
    assert (500, False) == (status, "ZeroDivision" in message)
    assert 1 == len([record for record in caplog.records if number in record.getMessage()])
    assert "ZeroDivisionError" in caplog.text
    assert caller.token not in caplog.text


def test_a_store_that_is_away_does_not_fill_the_log(open_hub, monkeypatch, caplog):
    """While it is, every call of every agent fails: that is said once in a while."""
    hub = open_hub()

    def away():
        raise StoreUnavailable("no database")

    monkeypatch.setattr(hub.store, "sweeps", away)
    caller = hub.caller()
    answers = [caller.post("sweeps", encode_call("sweeps", {})).status_code for _ in range(5)]
    assert [503] * 5 == answers
    assert 1 == caplog.text.count("no database")


def test_nothing_logs_a_token(open_hub, caplog):
    """With all logs at their loudest, no request leaves its token in them: neither a good one, nor one that is over, nor one
    of some other hub.
    """
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    hub = open_hub()
    caller, others = hub.caller(), "another-hubs-token-" + "0123456789" * 2
    over = hub.token(expires_s=1e-6)
    caller.call("sweeps")
    assert [401, 401] == [hub.stranger(token).post("sweeps", b"").status_code for token in (over, others)]
    caller.post("sweep", b"garbage")
    caller.post("sweep", SWEEP, Host="evil.example")
    hub.raw().sendall(f"BROKEN {TOKEN_HEADER}: {caller.token}\r\n\r\n".encode())
    caller.call("sweeps")
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not [line for line in ours for token in (caller.token, over, others) if token in line]


def test_errors_do_not_tell_where_the_store_is(hub):
    """A message names no path of the hub's machine."""
    with pytest.raises(SweepNotFound) as raised:
        hub.caller().call("sweep", sweep_id="nowhere")
    assert str(hub.store.path) not in str(raised.value)
    assert "nowhere" in str(raised.value)


def test_a_repeated_call_gets_its_first_answer(open_hub):
    """Creating a sweep again under the same number, its answer lost, is the same creation; under another it is another."""
    caller = open_hub().caller()
    sweep = Sweep(SweepId("new"), {"method": "random"})
    first = caller.call("create_sweep", request="number 1", sweep=sweep)
    assert first == caller.call("create_sweep", request="number 1", sweep=sweep)
    with pytest.raises(UsageError, match="already"):
        caller.call("create_sweep", request="number 2", sweep=sweep)


def test_a_call_that_is_repeated_too_early_is_made_once(open_hub, monkeypatch):
    """A call that comes again while the first is still being answered waits for that answer."""
    hub = open_hub()
    made, go, create = [], threading.Event(), hub.store.create_sweep

    def slow(sweep):
        made.append(sweep.id)
        assert go.wait(10)
        return create(sweep)

    monkeypatch.setattr(hub.store, "create_sweep", slow)
    caller, again, found = hub.caller(), None, []
    again = hub.stranger(caller.token)
    sweep = Sweep(SweepId("new"), {})
    threads = [
        threading.Thread(target=lambda who=who: found.append(who.call("create_sweep", request="1", sweep=sweep)))
        for who in (caller, again)
    ]
    for thread in threads:
        thread.start()
    wait_for(lambda: made and len(hub.server._traffic.open) == 2)
    go.set()
    for thread in threads:
        thread.join(10)
    assert [SweepId("new")] == made
    assert found[0] == found[1]


def test_the_store_away_is_503(open_hub, monkeypatch):
    """While the store cannot be used, callers are told to try again, and not where it is."""
    hub = open_hub()

    def away():
        raise StoreUnavailable(f"{hub.store.path} is full")

    monkeypatch.setattr(hub.store, "sweeps", away)
    answer = hub.caller().post("sweeps", encode_call("sweeps", {}))
    assert (503, "1", False) == (answer.status_code, answer.headers["Retry-After"], str(hub.store.path) in answer.text)


# -- where it listens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.0.2.1", "hub.example.org"])
def test_nothing_but_this_machine_without_tls(open_hub, host):
    """To listen to others takes TLS, or the word that nobody listens in."""
    with pytest.raises(UsageError, match="unencrypted"):
        open_hub(host=host)


def test_a_free_port_is_found_and_a_given_one_is_kept(open_hub):
    """Without a port the next free one is taken; one that was asked for is had or is an error."""
    first, second = open_hub(), open_hub()
    assert first.server.port != second.server.port
    with pytest.raises(UsageError, match=f"port {first.server.port}: .*in use"):
        open_hub(port=first.server.port)


def test_the_port_is_the_same_after_a_restart(open_hub):
    """A hub that is started anew where it was finds its old links good."""
    hub = open_hub(port=free_port())
    caller = hub.caller()
    hub.server.stop()
    hub.server = HubServer(hub.store, port=hub.server.port)
    hub.server.start()
    assert [] == list(caller.call("sweeps"))


def test_stopping_answers_those_who_wait(open_hub):
    """A hub that ends does not leave long-polls hanging, and takes no connection afterwards."""
    hub = open_hub(port=free_port())
    hub.store.create_sweep(Sweep(SweepId("a"), {}))
    caller, answers = hub.caller(), []
    version = caller.call("wait", sweep_id="a", version=0, timeout_s=5.0)
    body = encode_call("wait", {"sweep_id": "a", "version": version, "timeout_s": 20.0})
    waiting = threading.Thread(target=lambda: answers.append(caller.post("wait", body).status_code))
    waiting.start()
    wait_for(lambda: hub.server._traffic.calls._watches[SweepId("a")]._waiting)  # the call before has been answered
    begun = time.monotonic()
    hub.server.stop()
    waiting.join(10)
    assert [503] == answers
    assert time.monotonic() - begun < 10
    with pytest.raises(OSError, match="refused"):
        hub.raw()
    hub.server = HubServer(hub.store)  # for the fixture to stop
    hub.server.start()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_holds_no_socket(tmp_path):
    """When the process that serves has died, its port is free, although a fork of it lives on."""
    code = """
    import os, sys, time
    from pathlib import Path
    from sweepwidget.store.sqlite import SqliteStore
    from sweepwidget.hub.server import HubServer
    server = HubServer(SqliteStore(Path(sys.argv[1])), port=int(sys.argv[2]))
    server.start()
    if not os.fork():
        print(server.port, flush=True)  # the fork is complete: what it closes is closed
        sys.stdin.read()  # until the test lets go
    os._exit(0)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "sweeps.db"), str(free_port())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = int(process.stdout.readline())
        process.wait(10)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)


# -- anything at all ----------------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.just("mine"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(sorted({name for verb in VERBS.values() for name in (*verb.needs, *verb.options)}))


def packed(head):
    text = json.dumps(head).encode()
    text += b" " * (-(4 + len(text)) % 8)
    return len(text).to_bytes(4, "little") + text


heads = st.builds(
    lambda verb, args, extra: (verb, packed({"verb": verb, "args": args} | extra)),
    st.sampled_from(sorted(set(VERBS) - {"wait"})),
    st.dictionaries(names, json_values, max_size=5),
    st.dictionaries(st.sampled_from(["columns", "buffers", "x"]), json_values, max_size=2),
)
damaged = st.builds(
    lambda body, cut, at, byte: ("sweep", (body[:at] + bytes([byte]) + body[at + 1 :])[: len(body) - cut]),
    st.just(SWEEP),
    st.integers(0, 20),
    st.integers(0, len(SWEEP) - 1),
    st.integers(0, 255),
)
anything = st.tuples(st.sampled_from(sorted(set(VERBS) - {"wait"})), st.binary(max_size=200))


@pytest.fixture(scope="module")
def fuzzed(hub):
    return hub.caller("mine", transport=httpx.HTTPTransport(retries=0))


@given(call=heads | damaged | anything)
@settings(max_examples=examples(400))
def test_no_body_makes_the_hub_fail(fuzzed, call):
    """Whatever a body holds, the answer is a reply or a 4xx, and it comes."""
    verb, body = call
    answer = fuzzed.post(verb, body)
    assert answer.status_code < 500 or answer.status_code == 429, (verb, body, answer.text)


ids = st.sampled_from(["mine", "agent-of-mine", "crew-of-mine", "first of mine", "other", "", "x", "a/../b", "é" * 9])
texts = st.sampled_from(["", "x", "\0", "\ud800", "'; DROP TABLE run; --", "<img onerror=alert(1)>", "y" * 5000])
integers = st.sampled_from([-(2**63), -1, 0, 1, 2, 2**31, 2**53 + 1, 2**63 - 1])
floats = st.sampled_from([-1.0, 0.0, 1e-300, 0.01, 30.0, 1e300, 2.0**53])
objects = st.dictionaries(texts, json_values, max_size=3)
columns = st.lists(st.tuples(integers, st.floats()), max_size=4).map(
    lambda points: column([step for step, _ in points], [value for _, value in points])
)


def values(annotation):
    """Values of a type that travels: all well formed, few sensible."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in (SweepId, RunId, AgentId):
        return ids
    plain = {str: texts, int: integers, float: floats, bool: st.booleans(), Column: columns, Mapping[str, Any]: objects}
    if annotation in plain:
        return plain[annotation]
    if origin in (Union, types.UnionType):
        return st.none() | values(next(one for one in inner if one is not type(None)))
    if origin is Mapping:
        return st.dictionaries(values(inner[0]), values(inner[1]), max_size=2)
    if origin is tuple and inner[-1] is not Ellipsis:
        return st.tuples(integers, st.just('{"text": "x"}'))
    if origin in (Sequence, Collection, tuple):
        return st.lists(values(inner[0]), max_size=2).map(tuple)
    if issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    hints = get_type_hints(annotation)
    return st.builds(annotation, **{name: values(hint) for name, hint in hints.items()})


def calls_of(verb):
    args = {name: values(annotation) for name, annotation in verb.needs.items()}
    options = {name: values(annotation) for name, annotation in verb.options.items()}
    return st.tuples(st.just(verb.name), st.fixed_dictionaries(args, optional=options))


@pytest.fixture(scope="module")
def battered(hub):
    """Callers with every right, to one sweep and to the whole store; their runs are in a sweep that nobody else looks at."""
    return [hub.caller("mine"), hub.caller()]


@given(
    call=st.sampled_from(sorted(set(VERBS) - {"wait"})).flatmap(lambda name: calls_of(VERBS[name])), whole=st.booleans()
)
@settings(max_examples=examples(600), suppress_health_check=[HealthCheck.too_slow])
def test_no_call_makes_the_hub_fail(battered, hub, call, whole):
    """Well-formed calls with absurd values are answered, done or refused, and never fail inside."""
    verb, args = call
    if args.get("run_id") == "mine":
        args["run_id"] = hub.mine.run.id
    try:
        body = encode_call(verb, args)
    except (ValueError, TypeError, OverflowError):
        return  # not even a client can say it
    answer = battered[whole].post(verb, body)
    assert answer.status_code < 500, (verb, args, answer.text)


METHODS = ["GET", "PUT", "OPTIONS", "HEAD", "TRACE", "CONNECT", "PRI", "post", "PO ST", ""]
PATHS = ["/v1/claim", "/v1/wait", "/x/v1/sweeps", "/", "*", "//", "/v0/sweep", "/v999999999999/x", "/v1/__init__",
                         "/v1/../etc/passwd", "http://evil.example/v1/sweep", "/v1/sweep?token=x", "/%00", "/v1/sweep%2f"]  # fmt: skip
methods = st.sampled_from(METHODS)
paths = st.sampled_from(PATHS) | st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs"]), max_size=8).map(
    lambda text: f"/{text}"
)
header_names = st.sampled_from([
    "Host", "Origin", "X-Sweep-Token", "X-Sweep-Request", "X-Sweep-Given-Up", "Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding",
    "Connection", "Expect", "Upgrade", "Sec-Fetch-Site", "Cookie", "Authorization", "X-Forwarded-For", "Range", "", "X y", "\x00",
])  # fmt: skip
header_values = st.sampled_from([
    "localhost", "evil.example", "null", "application/vnd.sweepwidget", "0", "-1", "3", "1e9", "999999999999999999999", "chunked", "gzip",
    "chunked, chunked", "close", "keep-alive", "100-continue", "h2c", "cross-site", "\u0663", "a" * 300, "", "é", "\x7f", "a\r\n b",
])  # fmt: skip


parts = ["method", "path", "version", "body", "one header less", "more headers"]


@st.composite
def requests(draw):
    """What a socket is sent: a request in which one or two things are not as they should be."""
    odd = draw(st.sets(st.sampled_from(parts), min_size=1, max_size=2))
    headers = {"Host": "localhost", "X-Sweep-Token": "{token}", "Content-Type": CONTENT_TYPE}
    body = draw(st.sampled_from([b"", SWEEP[:9]]) | st.binary(max_size=60)) if "body" in odd else SWEEP
    headers["Content-Length"] = str(len(body))
    if "one header less" in odd:
        del headers[draw(st.sampled_from(sorted(headers)))]
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if "more headers" in odd:
        more = draw(st.lists(st.tuples(header_names, header_values), min_size=1, max_size=3))
        lines += [f"{name}: {value}" for name, value in more]
    method = draw(methods) if "method" in odd else "POST"
    path = draw(paths) if "path" in odd else "/v1/sweep"
    version = draw(st.sampled_from(["HTTP/1.0", "HTTP/2", "HTTP/9.9", "", "X"])) if "version" in odd else "HTTP/1.1"
    head = "\r\n".join([f"{method} {path} {version}".strip(), *lines, "", ""])
    return head.encode("utf-8", "surrogatepass"), body


def each_alone(test):
    """Every odd method and path, all else as it should be."""
    for start in [*(f"{method} /v1/sweep" for method in METHODS), *(f"POST {path}" for path in PATHS)]:
        head = f"{start} HTTP/1.1\r\nHost: localhost\r\nX-Sweep-Token: {{token}}\r\nContent-Type: {CONTENT_TYPE}\r\n"
        test = example(request=(f"{head}Content-Length: {len(SWEEP)}\r\n\r\n".encode(), SWEEP))(test)
    return test


@each_alone
@given(request=requests())
@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_request_makes_the_hub_fail(hub, request, fuzzed):
    """Whatever method, path, version, headers and body a socket is sent: an answer below 500, or the end of the connection,
    at once; and never the door open for who has no token.
    """
    head, body = request
    has_token = b"{token}" in head
    with socket.create_connection(("127.0.0.1", hub.server.port), 20) as connection:
        answer = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(head.replace(b"{token}", fuzzed.token.encode()) + body)
            connection.settimeout(0.05)
            with contextlib.suppress(TimeoutError):  # it is no whole request
                answer = connection.recv(65536)
            connection.settimeout(20)
            connection.shutdown(socket.SHUT_WR)  # not before: whoever has gone is not answered
            while piece := connection.recv(65536):
                answer += piece
    for status in re.findall(rb"^HTTP/1\.1 (\d+)", answer, re.MULTILINE):
        assert int(status) < 500, (request, answer)
    assert has_token or b"mine" not in answer, (request, answer)


def wait_for(condition, timeout_s=10.0):
    """Until something that cannot be waited for by an event has happened."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)
