"""The pure parts: how often, and by which name."""

import asyncio

import pytest
from hypothesis import given, strategies as st

from sweepwidget.errors import UsageError
from sweepwidget.hub import answers, app
from sweepwidget.hub.hosts import base_of, check_base_url, host_of, may_call
from sweepwidget.hub.limits import Buckets

pauses = st.lists(st.floats(0, 2), min_size=1, max_size=100)


@given(pauses=pauses, rate=st.floats(0.1, 10), burst=st.integers(1, 5))
def test_no_more_than_the_rate_and_the_burst(pauses, rate, burst):
    """However calls come, no more are let through than the burst and the rate times the time allow."""
    buckets, now, taken = Buckets(rate, burst), 0.0, 0
    for pause in pauses:
        now += pause
        taken += not buckets.take("key", now)
    assert taken <= burst + rate * now + 1e-6


@given(pauses=pauses, rate=st.floats(0.1, 10))
def test_who_waits_as_long_as_told_is_let_through(pauses, rate):
    """The time that is told is enough."""
    buckets, now = Buckets(rate, 1), 0.0
    for pause in pauses:
        now += pause
        wait_s = buckets.take("key", now)
        if wait_s:
            now += wait_s + 1e-6
            assert 0.0 == buckets.take("key", now)


def test_keys_do_not_share():
    """Each key has a bucket of its own, and those not used for long are forgotten."""
    buckets = Buckets(1.0, 1)
    assert [0.0] * 20_000 == [buckets.take(str(i), 0.0) for i in range(20_000)]
    assert len(buckets._levels) <= 10_000


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Hub.Example:8443", "hub.example"),
        ("[::1]:80", "::1"),
        ("hub.example.", "hub.example"),
        ("me@hub.example", ""),
        ("hub.example:port", ""),
        ("hub.example/path", ""),
        ("[::1", ""),
        ("", ""),
    ],
)
def test_hosts_are_read(header, name):
    """The name in a Host header, or nothing where it is none."""
    assert name == host_of(header)


@given(header=st.text())
def test_any_header_is_known_or_not(header):
    """No Host header breaks the check, and only a known name passes."""
    assert (host_of(header) == "hub.example") == may_call(header, {"hub.example"}, any_address=False)


def test_links_begin_with_what_others_reach():
    """Of a wildcard, an address of this machine; IPv6 in brackets; the scheme says TLS."""
    assert "http://127.0.0.1:8477" == base_of("127.0.0.1", 8477, None)
    assert "https://[::1]:1" == base_of("::1", 1, "cert.pem")
    assert "0.0.0.0" not in base_of("0.0.0.0", 8477, None)


@pytest.mark.parametrize(
    "url", ["hub.example.org", "ftp://hub.example.org", "https://", "https://h/?x", "https://h/#x"]
)
def test_what_is_no_base_is_refused(url):
    """A base_url is http or https, with a host, and ends before any query."""
    with pytest.raises(UsageError, match="base_url"):
        check_base_url(url)


def test_answers_that_come_too_late_take_no_room(monkeypatch):
    """One that was forgotten before it was found is not counted, or soon nothing would be remembered any more."""
    monkeypatch.setattr(answers, "KEPT", 2)

    async def crowd():
        known, open_ = answers.Answers(), asyncio.Event()

        async def find():
            await open_.wait()
            return b"answer"

        calls = [asyncio.ensure_future(known.first(number, find)) for number in range(5)]
        await asyncio.sleep(0)
        open_.set()
        assert [b"answer"] * 5 == await asyncio.gather(*calls)
        return known

    assert 2 * len(b"answer") == asyncio.run(crowd())._bytes


def test_what_is_remembered_is_bounded(monkeypatch):
    """However many runs a hub hears of, it remembers so many, and still knows the latest."""
    monkeypatch.setattr(app, "_REMEMBERED", 3)
    known = {}
    for i in range(10):
        app._keep(known, str(i), "sweep")
        assert (True, "sweep") == (len(known) <= 3, known[str(i)])
