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
c.Spawner.args = ["--allow-root", "--NotebookApp.nbserver_extensions={{'nbexec': True}}", "--NbExec.spares=0"]
c.Spawner.environment = {{"JUPYTERHUB_SINGLEUSER_APP": "notebook"}}
c.Spawner.env_keep = ["PATH", "PYTHONPATH", "LANG"]
c.Spawner.default_url = "/tree"
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tuple[str, Path]]:
    """Start a hub; return its URL and the home of the user Ann."""
    folder = tmp_path_factory.mktemp("hub")
    public = free_port()
    (folder / "conf.py").write_text(CONFIG.format(
        public=public, hub=free_port(), api=free_port(), proxy=PROXY, homes=str(folder), python=sys.executable))
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


def test_a_page_of_a_user_gets_a_token_and_follows_an_execution(hub: Tuple[str, Path]) -> None:
    url, home = hub
    session = requests.Session()
    session.get(f"{url}hub/login", timeout=60)
    session.post(f"{url}hub/login", data={"username": "ann", "password": "x", "_xsrf": xsrf(session, "/base/hub/")},
                 timeout=60)
    server = f"{url}user/ann/"

    def page() -> str:
        response = session.get(f"{server}tree", timeout=60)
        return response.text if response.url.endswith("/user/ann/tree") and "data-base-url" in response.text else ""

    text = wait_for(page, 60, "the server of the user to start")
    assert not re.search('data-jupyter-api-token="[^"]', text)

    assert requests.post(f"{server}nbexec/token", timeout=60, allow_redirects=False).status_code == 403
    assert session.post(f"{server}nbexec/token", timeout=60, allow_redirects=False).status_code == 403
    proof = {"X-XSRFToken": xsrf(session, "/base/user/ann/")}
    answer = session.post(f"{server}nbexec/token", headers=proof, timeout=60)
    headers: Dict[str, Any] = {"Authorization": f"token {answer.json()['token']}"}

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
