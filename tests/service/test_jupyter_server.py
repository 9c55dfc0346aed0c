"""The other servers of an environment with notebook 6: those of jupyter_server 2, which load the extension too."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest
import requests
from browser import ONCE_MORE, open_notebook, open_tree, run_from_files
from helpers import TOKEN, Server, alive, begin, names, text_of, wait_for, write_notebook

pytest.importorskip("jupyter_server", "2.0", reason="needs jupyter_server 2")

PARAMETERS = "# nbexec: params\nregion = 'all'"


class JupyterServer(Server):
    """A server of jupyter_server 2: that of ``jupyter nbclassic`` or ``jupyter server``."""

    module = "nbclassic"

    def start(self) -> None:
        enabled = self.config_dir / "jupyter_notebook_config.d"
        enabled.mkdir(exist_ok=True)
        (enabled / "nbexec.json").write_text(json.dumps({"NotebookApp": {"nbserver_extensions": {"nbexec": True}}}))
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, "--no-browser", "--allow-root", "--ip=127.0.0.1",
                 f"--port={self.port}", f"--ServerApp.root_dir={self.root}", f"--IdentityProvider.token={TOKEN}",
                 "--NbExec.spares=0"],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment,
                start_new_session=True)
        wait_for(self._answers, 90, "the server to start")


class PlainServer(JupyterServer):
    module = "jupyter_server"


@pytest.fixture(scope="module", params=[JupyterServer, PlainServer], ids=["nbclassic", "server"])
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = request.param(tmp_path_factory.mktemp("other"))
    yield server
    if server.process.poll() is None:
        server.stop()


def test_a_notebook_is_run_with_parameters(other: Server) -> None:
    write_notebook(other.root / "a.ipynb", PARAMETERS, "print(region)")
    (region,) = other.get("/parameters", params={"notebook": "a.ipynb"}).json()["parameters"]
    assert (region["name"], region["default"]) == ("region", "all")
    events = other.run("a.ipynb", region="North")
    assert names(events)[0] == "notebook_start" and names(events)[-1] == "notebook_complete"
    output = other.output(events[-1]["execution"]["output_path"])
    assert text_of(output.cells[-1]) == "North\n"
    assert other.post(notebook="missing.ipynb").status_code == 404
    assert other.post(notebook="../a.ipynb").status_code == 404


def test_only_the_token_lets_in(other: Server) -> None:
    assert requests.get(other.api, timeout=60).status_code == 401
    assert requests.get(other.api, headers={"Authorization": "token wrong"}, timeout=60).status_code == 401
    assert requests.post(other.api, data={"token": TOKEN, "notebook": "x.ipynb"}, timeout=60).status_code == 404


def test_executions_are_listed_stopped_and_deleted(other: Server) -> None:
    folder = other.root / "stopped"
    folder.mkdir()
    begun = begin(other, folder, "import time; time.sleep(600)")
    assert begun.exec_id in [model["exec_id"] for model in other.get().json()["executions"]]
    assert other.post(f"/{begun.exec_id}", action="shutdown").status_code == 202
    assert list(begun.events)[-1]["event"] == "notebook_error"
    assert other.delete(f"/{begun.exec_id}").status_code == 202
    assert other.get(f"/{begun.exec_id}").status_code == 404
    other.wait_until_quiet()


@pytest.fixture(scope="module")
def classic(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = JupyterServer(tmp_path_factory.mktemp("classic"))
    yield server
    server.stop()


@ONCE_MORE
def test_the_pages_of_nbclassic_run_a_notebook(classic: Server, page: Any) -> None:
    write_notebook(classic.root / "a.ipynb", PARAMETERS)
    open_tree(page, classic)
    run_from_files(page)
    open_notebook(page, classic, "a.ipynb")
    page.wait_for_selector("#nbexec_buttons")


def test_the_end_of_the_server_ends_its_executions(tmp_path: Path) -> None:
    server = JupyterServer(tmp_path / "ended")
    folder = server.root / "running"
    folder.mkdir()
    begun = begin(server, folder, "import time; time.sleep(600)")
    processes = [begun.kernel, begun.runner, server.fork_server().pid]
    server.stop(signal.SIGTERM)
    wait_for(lambda: not any(map(alive, processes)), what="the processes to go")
