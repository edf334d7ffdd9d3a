"""Through what stands between real machines: TLS of its own, nginx with TLS and a path prefix, jupyter-server-proxy."""

import importlib.util
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from ports import free_port

from sweepwidget.hub import limits
from sweepwidget.hub.server import tls_context
from sweepwidget.links import make_link
from sweepwidget.model import Scope, Sweep, SweepId
from sweepwidget.wire import CONTENT_TYPE, MAX_BODY, TOKEN_HEADER, encode_call

AGENT = """
import sys
import sweepwidget as wandb

def train():
    with wandb.init() as run:
        for step in range(5):
            run.log({"loss": run.config.x * step})

wandb.agent(sys.argv[1], function=train)
"""
SWEEP = {"method": "grid", "metric": {"name": "loss"}, "parameters": {"x": {"values": [1, 2, 3]}}}
NGINX = shutil.which("nginx") or (Path("/usr/sbin/nginx").exists() and "/usr/sbin/nginx") or None
NGINX_CONF = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name localhost;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        location /lab/sweeps/ {{
            proxy_pass http://127.0.0.1:{hub}/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_request_buffering off;
            client_max_body_size 16m;
        }}
        location /whole/ {{
            proxy_pass http://127.0.0.1:{hub};
        }}
    }}
}}
"""


def until_listening(port, process):
    until = time.monotonic() + 60
    while True:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            time.sleep(0.02)
        else:
            return


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(certificate, key) of localhost, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", cert, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.fixture
def nginx(open_hub, certificate, tmp_path):
    """A hub behind nginx; `.base` is the outer one."""
    if not NGINX:
        pytest.skip("nginx is not installed")
    port, folder = free_port(), tmp_path / "nginx"
    folder.mkdir()
    hub = open_hub(base_url=f"https://localhost:{port}/lab/sweeps")
    cert, key = certificate
    user = "user root;" if os.geteuid() == 0 else ""
    conf = NGINX_CONF.format(folder=folder, port=port, cert=cert, key=key, hub=hub.server.port, user=user)
    (folder / "nginx.conf").write_text(conf)
    argv = [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        until_listening(port, process)
        yield hub
    finally:
        process.terminate()
        process.communicate(timeout=20)


def agent(link, folder, **env):
    """Run a sweep through a link, in a process that has nothing else; what it says when it fails."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "SWEEPWIDGET_"))}
    mine |= {"XDG_DATA_HOME": str(folder), "SWEEPWIDGET_SILENT": "1"} | {
        name: str(value) for name, value in env.items()
    }
    argv = [sys.executable, "-W", "error", "-c", AGENT, str(link)]
    done = subprocess.run(argv, env=mine, capture_output=True, text=True, timeout=90, check=False)
    assert (0, "") == (done.returncode, done.stderr), done.stderr


def ended(hub):
    return [(run.config["x"], run.state.value) for run in hub.store.runs(SweepId("mine"))]


DONE = [(1, "finished"), (2, "finished"), (3, "finished")]


def test_with_tls_of_its_own(open_hub, certificate, tmp_path):
    """With a certificate the hub speaks TLS, agents check it, and plain HTTP gets no answer."""
    hub = open_hub(tls=tls_context(*certificate))
    assert hub.base.startswith("https://127.0.0.1:")
    hub.store.create_sweep(Sweep(SweepId("mine"), SWEEP))
    agent(make_link(hub.base, "mine", hub.token("mine", Scope.run)), tmp_path / "home", SSL_CERT_FILE=certificate[0])
    assert ended(hub) == DONE
    with pytest.raises(httpx.ConnectError, match="certificate"):
        hub.caller().call("sweeps")
    with pytest.raises(httpx.TransportError):
        httpx.get(hub.base.replace("https", "http"), trust_env=False)


def test_a_handshake_that_does_not_come_is_cut_off(open_hub, certificate, monkeypatch):
    """A connection that never begins its TLS is not kept."""
    monkeypatch.setattr(limits, "READ_S", 0.2)
    assert b"" == open_hub(tls=tls_context(*certificate)).raw().recv(100)


def test_through_nginx(nginx, certificate, tmp_path):
    """An agent does a sweep through nginx, with TLS and a path prefix that nginx takes away."""
    nginx.store.create_sweep(Sweep(SweepId("mine"), SWEEP))
    agent(
        make_link(nginx.base, "mine", nginx.token("mine", Scope.run)), tmp_path / "home", SSL_CERT_FILE=certificate[0]
    )
    assert ended(nginx) == DONE


def test_nginx_passes_refusals_on(nginx, certificate):
    """What the hub refuses, its caller hears through nginx, too: a large body, a page's call, a wrong token."""
    caller = nginx.caller(verify=ssl.create_default_context(cafile=certificate[0]))
    statuses = [
        caller.post("log", b"x" * (MAX_BODY + 1)).status_code,
        caller.post("sweeps", b"", Origin="https://evil.example").status_code,
        caller.post("sweeps", b"", X_Sweep_Token="w" * 43).status_code,
        caller.post("sweeps", encode_call("sweeps", {})).status_code,
    ]
    assert [413, 403, 401, 200] == statuses
    assert "A sweepwidget hub" in caller.http.get(f"{nginx.base}/").text


def test_nginx_without_a_setting(nginx, certificate):
    """A location that sets nothing but proxy_pass works, and the prefix may be passed on."""
    caller = nginx.caller(verify=ssl.create_default_context(cafile=certificate[0]))
    caller.base = nginx.base.replace("/lab/sweeps", "/whole")
    assert [] == list(caller.call("sweeps"))


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("jupyter_server_proxy") is None, reason="jupyter-server-proxy is not installed"
)
def test_through_jupyter(open_hub, tmp_path):
    """An agent does a sweep through a Jupyter server, whose own token it has in SWEEPWIDGET_HUB_AUTHORIZATION."""
    port, password = free_port(), secrets.token_hex(16)
    hub = open_hub()
    base = f"http://127.0.0.1:{port}/base/proxy/{hub.server.port}"
    home = {"HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path / "run")}
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0",
         f"--IdentityProvider.token={password}", "--ServerApp.base_url=/base/", f"--ServerApp.root_dir={tmp_path}",
         "--ServerApp.jpserver_extensions={'jupyter_server_proxy': True}"],
        env=os.environ | home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until_listening(port, process)
        stranger = httpx.post(
            f"{base}/v1/sweeps",
            content=encode_call("sweeps", {}),
            headers={TOKEN_HEADER: hub.token(), "Content-Type": CONTENT_TYPE},
            trust_env=False,
        )
        assert 403 == stranger.status_code
        hub.store.create_sweep(Sweep(SweepId("mine"), SWEEP))
        link = make_link(base, "mine", hub.token("mine", Scope.run))
        agent(link, tmp_path / "home", SWEEPWIDGET_HUB_AUTHORIZATION=f"token {password}")
        assert ended(hub) == DONE
    finally:
        process.terminate()
        process.wait(20)
