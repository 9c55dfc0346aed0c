"""A page under JupyterHub: a real hub, its proxy, and a server of a user; skipped where they are not installed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import pytest
import requests
from helpers import free_port, wait_for, write_notebook

from nbexec.client import ApiError, Client

PROXY = shutil.which("configurable-http-proxy")
pytestmark = pytest.mark.skipif(
    PROXY is None or importlib.util.find_spec("jupyterhub") is None,
    reason="needs JupyterHub: pip install jupyterhub; npm install -g configurable-http-proxy")
CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{public}/base/"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r} + "/{{username}}"
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", "--NotebookApp.nbserver_extensions={{'nbexec': True}}", "--NbExec.spares=0",
                  "--HubOAuth.cache_max_age=1"]
c.Spawner.environment = {{"JUPYTERHUB_SINGLEUSER_APP": "notebook"}}
c.Spawner.env_keep = ["PATH", "PYTHONPATH", "LANG"]
c.Spawner.default_url = "/tree"
"""


CULLER = f"""
c.JupyterHub.load_roles = [{{"name": "culler", "services": ["culler"], "scopes": [
    "list:users", "read:users:activity", "read:servers", "delete:servers"]}}]
c.JupyterHub.services = [{{"name": "culler", "command": [
    {sys.executable!r}, "-m", "jupyterhub_idle_culler", "--timeout=30", "--cull-every=3"]}}]
"""
AUTHENTICATED = 'c.Spawner.args = [*c.Spawner.args, "--NotebookApp.authenticate_prometheus=True"]\n'


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tuple[str, Path]]:
    """Start a hub; return its URL and the home of the user Ann."""
    yield from started(tmp_path_factory.mktemp("hub"))


def started(folder: Path, more: str = "") -> Iterator[Tuple[str, Path]]:
    """Start a hub, with more configuration, and end it."""
    public = free_port()
    (folder / "conf.py").write_text(CONFIG.format(
        public=public, hub=free_port(), api=free_port(), proxy=PROXY, homes=str(folder), python=sys.executable) + more)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "jupyterhub", "-f", "conf.py"], cwd=folder, stdout=log,
                                   stderr=log, env={**os.environ, "CONFIGPROXY_AUTH_TOKEN": "for-tests"})
    url = f"http://127.0.0.1:{public}/base/"

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return requests.get(f"{url}hub/login", timeout=10).status_code == 200
        except requests.ConnectionError:
            return False

    try:
        wait_for(answers, 60, "the hub to start")
        yield url, folder / "ann"
    finally:
        process.terminate()  # it ends the proxy and the server of the user
        process.wait(30)


def xsrf(session: requests.Session, path: str) -> str:
    """Return the proof that belongs to a path."""
    cookies = [cookie for cookie in session.cookies if cookie.name == "_xsrf" and path.startswith(cookie.path)]
    return str(max(cookies, key=lambda cookie: len(cookie.path)).value)


def log_in(hub: Tuple[str, Path]) -> Tuple[requests.Session, str]:
    """Return what the browser of Ann has, and her tree page."""
    url, _ = hub
    session = requests.Session()
    session.get(f"{url}hub/login", timeout=60)
    session.post(f"{url}hub/login", data={"username": "ann", "password": "x", "_xsrf": xsrf(session, "/base/hub/")},
                 timeout=60)

    def page() -> str:
        response = session.get(f"{url}user/ann/tree", timeout=60)
        return response.text if response.url.endswith("/user/ann/tree") and "data-base-url" in response.text else ""

    return session, str(wait_for(page, 60, "the server of the user to start"))


def page_token_of(session: requests.Session, url: str) -> str:
    proof = {"X-XSRFToken": xsrf(session, "/base/user/ann/")}
    return str(session.post(f"{url}user/ann/nbexec/token", headers=proof, timeout=60).json()["token"])


def use(url: str, token: str, **kwargs: Any) -> requests.Response:
    method = kwargs.pop("method", "GET")
    return requests.request(method, f"{url}user/ann/api/executions", headers={"Authorization": f"token {token}"},
                            timeout=60, **kwargs)


def test_401_names_the_token_of_the_hub(hub: Tuple[str, Path]) -> None:
    log_in(hub)
    url = hub[0]
    for answer in (use(url, "wrong"), use(url, "a" * 15_000), use(url, ""),
                   requests.get(f"{url}user/ann/api/executions", timeout=60)):
        assert answer.status_code == 401
        assert "JupyterHub token" in answer.json()["message"]


def test_a_token_of_the_hub_lets_in_is_hidden_and_tells_the_user(hub: Tuple[str, Path]) -> None:
    session, _ = log_in(hub)
    url, home = hub
    session.get(f"{url}hub/token", timeout=60)
    made = session.post(f"{url}hub/api/users/ann/tokens", json={"note": "for tests"}, timeout=60,
                        headers={"X-XSRFToken": xsrf(session, "/base/hub/"), "Referer": f"{url}hub/token"})
    token = made.json()["token"]
    write_notebook(home / "b.ipynb", "1")
    started = use(url, token, method="POST", data={"notebook": "b.ipynb"})
    assert started.status_code == 202
    exec_id = started.json()["execution"]["exec_id"]
    spelled = "".join(f"%{byte:02x}" for byte in token.encode())
    for path in (f"api/executions/{token}", f"api/executions?x={spelled}", f"no/such/{spelled}",
                 f"files/{token}?x=%FF"):
        requests.get(f"{url}user/ann/{path}", timeout=60, headers={"Referer": f"http://localhost/{token}"})
    use(url, token, params={"notebook": token})
    page = page_token_of(session, url)
    use(url, page, method="DELETE")
    wait_for(lambda: '"action": "delete"' in (home.parent / "log").read_text())
    log = (home.parent / "log").read_text()
    own = [line for line in log.splitlines() if "/user/ann/" not in line or "HubAuth" not in line]
    shown = [line for line in own if re.search(r"[\[ ]SingleUser|NotebookApp| ann\]|audit", line)]
    assert [line for line in shown if token in line or spelled in line or page in line] == []
    lines = [json.loads(line.split("] audit ", 1)[1]) for line in log.splitlines() if "] audit {" in line]
    (start,) = [line for line in lines if line.get("exec_id") == exec_id]
    assert (start["action"], start["credential"], start["user"]) == ("start", "Hub token", "ann")
    (delete,) = [line for line in lines if exec_id in line.get("exec_ids", [])]
    assert (delete["credential"], delete["user"]) == ("page token", "ann")


@pytest.mark.parametrize("way", ["user/ann/logout", "hub/logout"])
def test_a_page_token_ends_with_the_logout(hub: Tuple[str, Path], way: str) -> None:
    session, _ = log_in(hub)
    other, _ = log_in(hub)
    url = hub[0]
    token, others = page_token_of(session, url), page_token_of(other, url)
    assert use(url, token).status_code == use(url, others).status_code == 200
    session.get(url + way, timeout=60)
    wait_for(lambda: use(url, token).status_code == 401)
    assert use(url, others).status_code == 200


def test_a_page_of_a_user_gets_a_token_and_follows_an_execution(hub: Tuple[str, Path]) -> None:
    url, home = hub
    session, text = log_in(hub)
    server = f"{url}user/ann/"
    assert not re.search('data-jupyter-api-token="[^"]', text)

    assert requests.post(f"{server}nbexec/token", timeout=60, allow_redirects=False).status_code == 403
    assert session.post(f"{server}nbexec/token", timeout=60, allow_redirects=False).status_code == 403
    proof = {"X-XSRFToken": xsrf(session, "/base/user/ann/")}
    answer = session.post(f"{server}nbexec/token", headers=proof, timeout=60)
    headers: Dict[str, Any] = {"Authorization": f"token {answer.json()['token']}"}

    assert requests.get(f"{server}metrics", timeout=60).status_code == 200  # as docs/records.rst warns of
    api = f"{server}api/executions"
    assert session.get(api, timeout=60).status_code == 401
    assert requests.get(f"{server}api/contents", headers=headers, timeout=60).status_code == 403
    write_notebook(home / "a.ipynb", "import time\nfor i in range(3):\n    print(i, flush=True); time.sleep(0.3)")
    started = requests.post(api, headers=headers, data={"notebook": "a.ipynb"}, timeout=60)
    exec_id = started.json()["execution"]["exec_id"]
    stream = requests.get(f"{api}/{exec_id}/events?outputs=1", headers=headers, stream=True, timeout=60)
    names = [json.loads(line)["event"] for line in stream.iter_lines(chunk_size=None) if line]
    assert [name for name in names if name != "output"] == ["notebook_start", "start", "end", "notebook_complete"]
    assert "output" in names


def hub_token(url: str, session: requests.Session) -> str:
    """Return a new token of the Hub for the user."""
    answer = session.post(f"{url}hub/api/users/ann/tokens", headers={"X-XSRFToken": xsrf(session, "/base/hub/")},
                          timeout=60)
    return str(answer.json()["token"])


def metrics_status(server: str, token: str = "") -> int:
    headers = {"Authorization": f"token {token}"} if token else {}
    return requests.get(f"{server}metrics", headers=headers, timeout=60, allow_redirects=False).status_code


@pytest.mark.skipif(importlib.util.find_spec("jupyterhub_idle_culler") is None, reason="needs jupyterhub-idle-culler")
def test_the_culler_of_idle_servers_waits_for_an_execution(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def culled() -> bool:
        return "Culling server ann" in log.read_text()

    for url, home in started(tmp_path, CULLER + AUTHENTICATED):
        done = home / "done"
        session, _ = log_in((url, home))
        server = f"{url}user/ann/"
        assert metrics_status(server) == 403
        assert metrics_status(server, hub_token(url, session)) == 200
        write_notebook(home / "a.ipynb", "import time; time.sleep(60); open('done', 'w').close()")
        use(url, page_token_of(session, url), method="POST", data={"notebook": "a.ipynb"})
        wait_for(lambda done=done: done.exists() or culled(), 120, "the end")
        assert done.exists()
        wait_for(culled, 120, "the server to be culled, now that it is idle")


def test_the_client_of_nbexec_works_with_a_token_of_the_hub(hub: Tuple[str, Path]) -> None:
    session, _ = log_in(hub)
    url, home = hub
    write_notebook(home / "c.ipynb", "# nbexec: params\nx = 1", "x")
    with Client(f"{url}user/ann/", hub_token(url, session)) as client:
        assert client.run("c.ipynb", {"x": 2}).cells[-1]["outputs"][0]["data"]["text/plain"] == "2"
    with Client(f"{url}user/ann/", "wrong") as client, pytest.raises(ApiError) as caught:
        client.run("c.ipynb")
    assert caught.value.status == 401
