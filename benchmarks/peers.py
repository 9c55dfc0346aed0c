"""nbexec and the other ways to run a notebook, all called in the same way.

Each peer runs a notebook to its end and returns when the result is in a file or in memory, as its users have it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, Iterator

import nbformat
import requests

Times = Dict[str, float]
_TOKEN = "benchmark"


class NbExecServer:
    """nbexec on a real notebook server of its own.

    Parameters
    ----------
    root : Path
        The root directory of the server.
    options : str
        More options for its command line.
    """

    name = "nbexec (POST to notebook_complete)"

    def __init__(self, root: Path, *options: str) -> None:
        self.root = root
        self._folder = tempfile.TemporaryDirectory()
        environment = {**os.environ, "JUPYTER_RUNTIME_DIR": self._folder.name, "JUPYTER_TOKEN": _TOKEN}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "notebook", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=8765",
             f"--notebook-dir={root}", "--NotebookApp.nbserver_extensions={'nbexec': True}", *options],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"Authorization": f"token {_TOKEN}"})
        self.url = self._await_url()
        self.run(self._warm_up_notebook())

    def _await_url(self) -> str:
        """Return the URL as soon as the server answers; the port may have been taken."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            for file in Path(self._folder.name).glob("nbserver-*.json"):
                url = json.loads(file.read_text())["url"]
                try:
                    if self._session.get(url + "api/executions").ok:
                        return str(url)
                except requests.ConnectionError:
                    pass
            time.sleep(0.1)
        raise SystemExit("the notebook server did not start")

    def _warm_up_notebook(self) -> Path:
        path = self.root / "warm-up.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), str(path))
        return path

    def events(self, notebook: Path) -> Iterator[Dict[str, Any]]:
        """Run a notebook and yield its events as they come."""
        response = self._session.post(
            self.url + "api/executions", data={"notebook": notebook.name}, stream=True,
            headers={"X-Response-Encoding": "chunked"})
        response.raise_for_status()
        for line in response.iter_lines(chunk_size=None):
            yield json.loads(line)

    def run(self, notebook: Path) -> Times:
        """Run a notebook and return when what happened, in seconds after the request."""
        begin = time.perf_counter()
        times: Times = {}
        for event in self.events(notebook):
            times.setdefault(event["event"], time.perf_counter() - begin)
        if "notebook_complete" not in times:
            raise SystemExit(f"nbexec did not complete {notebook}")
        return times

    def close(self) -> None:
        """Stop the server."""
        self.process.terminate()
        self.process.wait()
        self._folder.cleanup()


def papermill(notebook: Path) -> float:
    """Run a notebook by papermill's command line; return seconds."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-m", "papermill", "--no-progress-bar", str(notebook),
                    str(notebook.with_suffix(".papermill.ipynb"))], check=True, capture_output=True,
                   cwd=notebook.parent)
    return time.perf_counter() - begin


def nbclient(notebook: Path) -> Times:
    """Run a notebook by nbclient in this process; return when its first cell started and when it ended, in seconds."""
    from nbclient import NotebookClient

    begin = time.perf_counter()
    times: Times = {}
    nb = nbformat.read(str(notebook), as_version=4)
    client = NotebookClient(nb, resources={"metadata": {"path": str(notebook.parent)}})
    client.on_cell_start = lambda cell, cell_index: times.setdefault("start", time.perf_counter() - begin)
    client.execute()
    nbformat.write(nb, str(notebook.with_suffix(".nbclient.ipynb")))
    times["end"] = time.perf_counter() - begin
    return times
