"""`share()`: a sweep of this notebook is worked on from elsewhere, by nothing but a link."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from sweepwidget import sharing
from sweepwidget.errors import SweepNotFound, UsageError
from sweepwidget.hub import calls, server
from sweepwidget.hub.hosts import PORT, PORTS
from sweepwidget.hub.tokens import check_term
from sweepwidget.links import parse_link
from sweepwidget.loop import spawn
from sweepwidget.model import Scope
from sweepwidget.sharing import share, unshare
from sweepwidget.store import open_store
from sweepwidget.stores import current_store

SWEEP = {
    "method": "random",
    "metric": {"name": "loss"},
    "run_cap": 12,
    "parameters": {"x": {"min": 0.0, "max": 1.0}},
}
AGENT = """
import sys
import sweepwidget as wandb

def train():
    with wandb.init() as run:
        for step in range(20):
            run.log({"loss": run.config.x * step})

wandb.agent(sys.argv[1], function=train)
"""


@pytest.fixture
def notebook(wandb):
    """A store with a sweep, shared by nobody yet."""
    wandb.sweep_id = wandb.sweep(SWEEP)
    yield wandb
    unshare()


def elsewhere(code, *arguments, **options):
    """A Python process that knows nothing but its arguments, in a home of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "SWEEPWIDGET_"))}
    env |= {"XDG_DATA_HOME": os.path.abspath("elsewhere"), "SWEEPWIDGET_SILENT": "1"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_agents_elsewhere_do_the_sweep(notebook):
    """Two processes that have only the link run the whole sweep: each run once, with all it logged, steered from here."""
    link = share(notebook.sweep_id)
    agents = [elsewhere(AGENT, str(link)) for _ in range(2)]
    for agent in agents:
        _, errors = agent.communicate(timeout=60)
        assert (0, "") == (agent.returncode, errors), errors
    runs = notebook.Api().sweep(notebook.sweep_id).runs
    assert ["finished"] * 12 == [run.state for run in runs]
    assert [20] * 12 == [len(run.history(pandas=False)) for run in runs]


def test_a_notebook_keeps_no_token(notebook, capsys):
    """Neither what share() says nor the link's display has the token; print(link) has."""
    link = share(notebook.sweep_id)
    said = "".join(capsys.readouterr())
    token = parse_link(link).token
    assert token not in said + repr(link) + repr(link._repr_mimebundle_())
    assert notebook.sweep_id in said
    print(link)
    assert token in capsys.readouterr().out
    assert token not in repr(current_store().tokens())


def test_sharing_again_gives_the_same_link(notebook):
    """A cell that is run twice neither opens another port nor makes another token; other terms make another link."""
    first = share(notebook.sweep_id)
    assert first == share(notebook.sweep_id)
    other = notebook.sweep(SWEEP)
    links = [first, share(notebook.sweep_id, scope="observe"), share(other), share(other, expires_s=None)]
    assert 4 == len(set(links))
    assert 1 == len({parse_link(link).base for link in links})
    assert PORT <= int(parse_link(first).base.rpartition(":")[2]) < PORT + PORTS


def test_a_link_that_is_half_over_is_made_anew(notebook, monkeypatch):
    """A cell run again late in a link's life gives a fresh one, and one that was revoked is not given again."""
    first = share(notebook.sweep_id, expires_s=100.0)
    later = sharing.time.time() + 51
    monkeypatch.setattr(sharing.time, "time", lambda: later)
    second = share(notebook.sweep_id, expires_s=100.0)
    assert first != second
    for token in current_store().tokens():
        current_store().revoke(token.digest)
    assert share(notebook.sweep_id, expires_s=100.0) not in (first, second)


def test_a_base_url_is_what_the_link_begins_with(notebook):
    """Behind a proxy the link names the proxy, and the hub knows that name."""
    plain = share(notebook.sweep_id)
    proxied = share(notebook.sweep_id, base_url="https://hub.example.org/user/me/proxy/8477/")
    assert f"https://hub.example.org/user/me/proxy/8477/{notebook.sweep_id}" == proxied.partition("#")[0]
    names = sharing._sharing[current_store().link].server._traffic.names
    assert "hub.example.org" in names
    assert plain == share(notebook.sweep_id)


def test_unsharing_ends_it(notebook):
    """After unshare() no link works; for one sweep, those to the others still do."""
    other = notebook.sweep(SWEEP)
    share(notebook.sweep_id), share(other)
    unshare(notebook.sweep_id)
    assert [other] == [token.sweep_id for token in current_store().tokens()]
    assert sharing._sharing
    unshare()
    assert ([], {}) == (list(current_store().tokens()), sharing._sharing)
    unshare()


def test_an_interrupted_unshare_ends_it_all_the_same(notebook, monkeypatch):
    """The sweeps are let go of, and the next share() gives a link that somebody answers."""
    share(notebook.sweep_id)
    helm = sharing._sharing[current_store().link].server._traffic.calls.helm
    helm.steer(notebook.sweep_id)
    steered = helm._steered[notebook.sweep_id]
    ends = []
    with monkeypatch.context() as patch:
        patch.setattr(server, "spawn", lambda end: (ends.append(spawn(end)), signal.raise_signal(signal.SIGINT)))
        with pytest.raises(KeyboardInterrupt):
            unshare()
    ends[0].result(30)
    assert not steered.at_work
    with contextlib.closing(open_store(str(share(notebook.sweep_id)))) as remote:
        assert notebook.sweep_id == remote.sweep(notebook.sweep_id).id


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"scope": "admin"}, "observe, run, control"),
        ({"expires_s": 0}, "expires_s"),
        ({"expires_s": "soon"}, "'12h' or '7d'"),
        ({"host": "0.0.0.0"}, "certfile"),
        ({"certfile": "missing.pem"}, "missing.pem"),
        ({"keyfile": "key.pem"}, "certfile"),
        ({"base_url": "hub.example.org"}, "https://hub.example.org/sweeps"),
        ({"host": "192.0.2.1", "insecure": True}, "address of this machine"),
    ],
)
def test_what_cannot_be_shared_so_says_how(notebook, options, text):
    """Each wrong option is an error that says what to give instead, and nothing is left open."""
    with pytest.raises(UsageError, match=text):
        share(notebook.sweep_id, **options)
    assert [] == list(current_store().tokens())


REVOKED = """
import sys, threading, traceback
import sweepwidget as wandb

def train():
    run = wandb.init()
    sys.__stdout__.write("at work\\n")  # whole, whoever else does
    sys.__stdout__.flush()
    while True:
        run.log({"loss": 1.0})
        threading.Event().wait(0.02)

try:
    wandb.agent(sys.argv[1], function=train, agents=2)
except wandb.Error as error:
    inner = [frame.name for frame in traceback.extract_tb(error.__traceback__)][3:]
    print(inner, error.__context__, type(error).__name__, error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["unshare one", "unshare all", "expiry"])
def test_a_link_that_ends_in_mid_run(notebook, monkeypatch, how):
    """The agents end in order: one error, which says what it was and where the rest waits, without what went on inside."""
    link = share(notebook.sweep_id, expires_s="1h")
    joiner = elsewhere(REVOKED, str(link))
    try:
        assert ["at work\n"] * 2 == [joiner.stdout.readline() for _ in range(2)]
        if how == "expiry":  # it is an hour later
            monkeypatch.setattr(calls, "check_term", lambda token, now: check_term(token, now + 3600.0))
        else:
            unshare(notebook.sweep_id if how == "unshare one" else None)
        said, errors = joiner.communicate(timeout=60)
    finally:
        joiner.kill()
        joiner.communicate()
    assert (0, "") == (joiner.returncode, errors), errors
    assert said.startswith("['raise_error', 'raise_bare'] None Denied the link to "), said
    assert "was revoked or has expired: ask for a new one. What the hub has not taken yet waits in " in said
    assert 1 == said.count("\n")


@pytest.mark.parametrize(("term", "seconds"), [("1h", 3600.0), ("7d", 604800.0), (90, 90.0)])
def test_terms_are_said_as_on_the_command_line(notebook, term, seconds):
    """A number is seconds."""
    share(notebook.sweep_id, expires_s=term)
    (token,) = current_store().tokens()
    assert seconds == pytest.approx(token.expires_at - token.created_at)


def test_another_address_needs_an_end_first(notebook):
    """One store has one hub here: to have it elsewhere, unshare() comes first."""
    share(notebook.sweep_id)
    with pytest.raises(UsageError, match="unshare"):
        share(notebook.sweep_id, host="0.0.0.0", insecure=True)


def test_a_sweep_that_is_not_cannot_be_shared(notebook):
    """An unknown sweep is not found, and no port is opened for it."""
    with pytest.raises(SweepNotFound):
        share("nowhere")
    assert {} == sharing._sharing


def test_what_is_behind_a_hub_is_not_shared_again(notebook):
    """The store of a hub cannot be shared by whoever has a link to it."""
    mine = current_store()
    remote = notebook.use_store(str(share(notebook.sweep_id, scope="control")))
    try:
        with pytest.raises(UsageError, match="pass on the link"):
            share(notebook.sweep_id)
    finally:
        remote.close()
        notebook.use_store(mine.link)


def test_scopes_are_the_links(notebook):
    """What a link allows is what its token says in the store."""
    for scope in Scope:
        share(notebook.sweep_id, scope=scope.value)
    assert set(Scope) == {token.scope for token in current_store().tokens()}
