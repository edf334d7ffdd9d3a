"""Links: one line that people paste, whose token no saved notebook holds."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given, strategies as st

from sweepwidget.errors import UsageError
from sweepwidget.links import Link, Place, is_exposed, is_link, is_local, make_link, parse_link

TOKEN = "k3Jx_-" * 7
HUB = "https://hub.example.org"


def test_a_link_is_masked_where_notebooks_look(capsys):
    """Its repr, its display and those of what holds it; print() and str() give it whole."""
    link = make_link(HUB, "3k9x0q2a", TOKEN)
    whole = f"{HUB}/3k9x0q2a#{TOKEN}"
    print(link)
    assert (whole, whole, f"{whole}\n") == (str(link), f"{link}", capsys.readouterr().out)
    assert "Link('https://hub.example.org/3k9x0q2a#****')" == repr(link)
    for shown in (
        repr([link]),
        f"{link!r}",
        str({"link": link}),
        str(link._repr_mimebundle_()),
        link.masked,
        repr(parse_link(link)),
    ):
        assert TOKEN not in shown
        assert "3k9x0q2a" in shown


def test_a_link_is_displayed_masked_by_ipython():
    """Under every type that a front end may choose."""
    from IPython.core.formatters import DisplayFormatter

    data, metadata = DisplayFormatter().format(make_link(HUB, "3k9x0q2a", TOKEN))
    assert "3k9x0q2a#****" in data["text/plain"]
    assert TOKEN not in f"{data}{metadata}"


def test_a_link_reaches_other_processes_whole():
    """An agent on a cluster gets it with its function."""
    link = make_link(HUB, "s", TOKEN)
    for other in (pickle.loads(pickle.dumps(link)), copy.deepcopy(link)):
        assert (Link, str(link)) == (type(other), str(other))


@given(
    base=st.sampled_from([HUB, "http://127.0.0.1:8477", "https://h/user/me/proxy/8477", "http://[::1]:80/a"]),
    sweep_id=st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
    token=st.from_regex(r"[A-Za-z0-9_-]{16,60}", fullmatch=True),
)
def test_what_was_linked_is_read(base, sweep_id, token):
    """Base, sweep and token come back, whatever the sweep is called."""
    link = make_link(base + "/", sweep_id, token)
    assert Place(base, sweep_id, token) == parse_link(link)
    assert parse_link(link) == parse_link(f"  '{link}'\n")
    assert is_link(link)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{HUB}/s", "has no token"),
        (f"{HUB}/s#", "has no token"),
        (f"{HUB}/s%23{TOKEN}", "has no token"),
        (f"{HUB}/s#****", "is masked: print"),
        (f"{HUB}/s#{TOKEN[:9]}", "not whole"),
        (f"{HUB}/s#{TOKEN} and more", "not whole"),
        (f"{HUB}/s#{TOKEN}#{TOKEN}", "not whole"),
        (f"ws://hub/s#{TOKEN}", "not by ws://"),
        (f"hub.example.org/s#{TOKEN}", "not by nothing://"),
        (f"https://me:secret@hub/s#{TOKEN}", "no user and password"),
        (f"https://me@hub/s#{TOKEN}", "no user and password"),
        (f"https:///s#{TOKEN}", "no proper host"),
        (f"https://a b/s#{TOKEN}", "no proper host"),
        (f"https://hub:port/s#{TOKEN}", "no link to a hub: Port"),
        (f"https://hub:99999/s#{TOKEN}", "no link to a hub: Port"),
        (f"https://[::1/s#{TOKEN}", "no link to a hub: Invalid"),
        (f"https://hub/s?token=secret#{TOKEN}", "has a '\\?'"),
        ("", "not by nothing://"),
    ],
)
def test_what_is_no_link_is_explained(text, why):
    """Each mistake by its name, with what a link looks like; no secret is repeated."""
    with pytest.raises(UsageError, match=why) as caught:
        parse_link(text)
    assert "https://host/sweep_id#token" in str(caught.value) or "print(link)" in str(caught.value)
    assert TOKEN[:9] not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", [f"https//hub/s#{TOKEN}", f"hub/s#{TOKEN}", "postgresql://me:hunter2@db/lab"])
def test_a_torn_link_is_not_repeated_as_the_id_of_a_sweep(wandb, text):
    """Where a sweep is asked for, what may hold a secret is refused without being shown."""
    with pytest.raises(UsageError, match="not shown") as caught:
        wandb.agent(text, function=print)
    assert not [word for word in (TOKEN, "hunter2") if word in str(caught.value)]


@pytest.mark.parametrize("text", ["sweeps.db", "sqlite:///a.db", "postgresql://u@h/d", "3k9x0q2a", "httpd.db"])
def test_paths_and_other_urls_are_no_links(text):
    """They name stores of their own."""
    assert not is_link(text)


@pytest.mark.parametrize(
    ("base", "local", "exposed"),
    [
        ("https://hub.example.org", False, False),
        ("http://hub.example.org", False, True),
        ("http://8.8.8.8:80", False, True),
        ("http://[2001:4860::1]", False, True),
        ("http://127.0.0.1:8477", True, False),
        ("http://[::1]:8477", True, False),
        ("http://localhost:8477/a", True, False),
        ("http://10.1.2.3", False, False),
        ("http://login-node:8477", False, False),
        ("http://box.local", False, False),
    ],
)
def test_where_a_hub_is(base, local, exposed):
    """On this machine; or where tokens would go unencrypted through the open internet."""
    assert (local, exposed) == (is_local(base), is_exposed(base))
