"""nbexec and the other ways to run a notebook, all called in the same way.

Each peer runs a notebook to its end, and returns when the result is in a file, as its users have it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List

import nbformat
import psutil
import requests

Times = Dict[str, float]
_TOKEN = "benchmark"
_LONGEST_JOB = 120.0  # seconds


def write_notebook(folder: Path, name: str, *sources: str) -> Path:
    """Write a notebook with one code cell for each source."""
    path = folder / name
    kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}  # papermill insists on one
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources],
                                  metadata={"kernelspec": kernelspec})
    nbformat.write(nb, str(path))
    return path


class NbExecServer:
    """nbexec on a real notebook server of its own.

    Parameters
    ----------
    root : Path
        The root directory of the server.
    options : str
        More options for its command line.
    port : int
        Its port, or one after that if it is taken.
    warm_up : bool
        Whether to run a notebook first.
    """

    def __init__(self, root: Path, *options: str, port: int = 8765, warm_up: bool = True) -> None:
        self.root = root
        self._folder = tempfile.TemporaryDirectory()
        environment = {**os.environ, "JUPYTER_RUNTIME_DIR": self._folder.name, "JUPYTER_TOKEN": _TOKEN}
        process = subprocess.Popen(
            [sys.executable, "-m", "notebook", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
             f"--notebook-dir={root}", "--NotebookApp.nbserver_extensions={'nbexec': True}", *options],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._popen = process
        self.process = psutil.Process(process.pid)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update({"Authorization": f"token {_TOKEN}"})
        self.url = self._await_url()
        if warm_up:
            self.run(write_notebook(root, "warm-up.ipynb", "1"))
        time.sleep(2)  # as a server that is there does: it has its spares

    def _await_url(self) -> str:
        """Return the URL as soon as the server answers; the port may have been taken."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            for file in Path(self._folder.name).glob("nbserver-*.json"):
                url = json.loads(file.read_text())["url"]
                try:
                    if self.session.get(url + "api/executions").ok:
                        return str(url)
                except requests.ConnectionError:
                    pass
            time.sleep(0.1)
        raise SystemExit("the notebook server did not start")

    def start(self, notebook: Path) -> str:
        """Start a notebook in the background and return its id."""
        answer = self.session.post(self.url + "api/executions", data={"notebook": notebook.name})
        answer.raise_for_status()
        return str(answer.json()["exec_id"])

    def events(self, notebook: Path) -> Iterator[Dict[str, Any]]:
        """Run a notebook and yield its events as they come."""
        response = requests.post(
            self.url + "api/executions", data={"notebook": notebook.name}, stream=True,
            headers={"X-Response-Encoding": "chunked", "Authorization": f"token {_TOKEN}"})
        response.raise_for_status()
        rest = b""
        for chunk in response.iter_content(chunk_size=None):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from map(json.loads, lines)

    def run(self, notebook: Path) -> Times:
        """Run a notebook and return when what happened for the first time, in seconds after the request."""
        begin = time.perf_counter()
        times: Times = {}
        for event in self.events(notebook):
            times.setdefault(event["event"], time.perf_counter() - begin)
        if "notebook_complete" not in times:
            raise SystemExit(f"nbexec did not complete {notebook}")
        return times

    def cpu_seconds(self) -> float:
        """Return the CPU time of the server, its fork server and all runners and kernels that have ended."""
        total = sum(self.process.cpu_times()[:2])
        for fork_server in self.process.children():
            total += sum(fork_server.cpu_times()[:4])
        return total

    def pss(self) -> int:
        """Return the memory of the fork server, the runners and the kernels in bytes, what they share counted once."""
        return sum(process.memory_full_info().pss for process in [*self.process.children(), *self.runs()])

    def runs(self) -> List[psutil.Process]:
        """Return the runners and kernels."""
        return [process for fork_server in self.process.children()
                for process in fork_server.children(recursive=True)]

    def close(self) -> None:
        """Stop the server."""
        self._popen.terminate()
        self._popen.wait()
        self._folder.cleanup()


def _command_line(*arguments: str, cwd: Path) -> Times:
    """Run a command; return its seconds and its CPU seconds."""
    begin, cpu = time.perf_counter(), _children_cpu()
    subprocess.run([sys.executable, "-m", *arguments], check=True, capture_output=True, cwd=cwd)
    return {"end": time.perf_counter() - begin, "cpu": _children_cpu() - cpu}


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def papermill(notebook: Path) -> Times:
    """Run a notebook by papermill's command line."""
    return _command_line("papermill", "--no-progress-bar", notebook.name, notebook.stem + "-papermill.out",
                         cwd=notebook.parent)


def nbexec(notebook: Path) -> Times:
    """Run a notebook by nbexec's command line, without a server."""
    return _command_line("nbexec", "run", notebook.name, "--output", notebook.stem + "-nbexec.ipynb", "--overwrite",
                         cwd=notebook.parent)


def nbexec_many(notebook: Path, number: int, at_once: int) -> Times:
    """Run a notebook many times by a Python program, without a server."""
    program = ("import sys; from nbexec import LocalClient; "
               f"ends = LocalClient().map(sys.argv[1], [{{}}] * {number}, jobs={at_once}).results(); "
               "sys.exit(not all(end.completed for end in ends))")
    begin, cpu = time.perf_counter(), _children_cpu()
    subprocess.run([sys.executable, "-c", program, notebook.name], check=True, capture_output=True,
                   cwd=notebook.parent)
    return {"end": time.perf_counter() - begin, "cpu": _children_cpu() - cpu}


def nbconvert(notebook: Path) -> Times:
    """Run a notebook by ``jupyter nbconvert --execute``."""
    return _command_line("nbconvert", "--to", "notebook", "--execute", notebook.name,
                         "--output", notebook.stem + "-nbconvert.out", cwd=notebook.parent)


def nbclient(notebook: Path) -> Times:
    """Run a notebook by nbclient in this process, which has it imported."""
    from nbclient import NotebookClient

    begin = time.perf_counter()
    times: Times = {}
    nb = nbformat.read(str(notebook), as_version=4)
    client = NotebookClient(nb, resources={"metadata": {"path": str(notebook.parent)}})
    client.on_cell_start = lambda cell, cell_index: times.setdefault("start", time.perf_counter() - begin)
    client.execute()
    nbformat.write(nb, str(notebook.with_suffix(".nbclient.out")))
    times["end"] = time.perf_counter() - begin
    return times


class RawKernel:
    """A bare jupyter_client loop on a kernel that is ready: what is left when nothing is kept."""

    def __init__(self, folder: Path) -> None:
        from jupyter_client.manager import start_new_kernel

        self._manager, self._client = start_new_kernel(cwd=str(folder))

    def run(self, notebook: Path) -> Times:
        """Execute the cells one by one, each to its reply and its idle status."""
        cells = nbformat.read(str(notebook), as_version=4).cells
        begin = time.perf_counter()
        for cell in cells:
            msg_id = self._client.execute(cell.source)
            self._wait(msg_id)
        return {"end": time.perf_counter() - begin}

    def _wait(self, msg_id: str) -> None:
        while True:
            message = self._client.get_iopub_msg()
            if (message["parent_header"].get("msg_id") == msg_id and message["msg_type"] == "status"
                    and message["content"]["execution_state"] == "idle"):
                break
        while self._client.get_shell_msg()["parent_header"].get("msg_id") != msg_id:
            pass

    def close(self) -> None:
        """End the kernel."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


class JupyterScheduler:
    """Jupyter Scheduler on a Jupyter server of its own, in an environment of its own: it does not go with notebook 6.

    Parameters
    ----------
    folder : Path
        Where the environment goes.
    root : Path
        The root directory of the server.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        venv = folder / "scheduler"
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "jupyter_scheduler", "ipykernel"], check=True, capture_output=True)
        environment = {**os.environ, "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
                       "JUPYTER_DATA_DIR": str(folder / "scheduler-data"), "JUPYTER_TOKEN": _TOKEN}
        self._process = subprocess.Popen(
            [str(venv / "bin" / "jupyter"), "server", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=8766",
             "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}",
             "--ServerApp.jpserver_extensions={'jupyter_scheduler': True}"],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._url = "http://127.0.0.1:8766/scheduler/"
        self._session = requests.Session()
        self._session.headers.update({"Authorization": f"token {_TOKEN}"})
        self._environment = self._await_environment()

    def _await_environment(self) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                answer = self._session.get(self._url + "runtime_environments")
                if answer.ok:
                    return str(answer.json()[0]["name"])
            except requests.ConnectionError:
                pass
            time.sleep(0.2)
        self.close()
        raise RuntimeError("the Jupyter server did not start")

    def run(self, notebook: Path) -> Times:
        """Run a notebook; the job is asked for often, so that the time is that of the job."""
        begin = time.perf_counter()
        answer = self._session.post(self._url + "jobs", json={
            "name": notebook.stem, "input_uri": notebook.name, "output_formats": ["ipynb"],
            "runtime_environment_name": self._environment})
        answer.raise_for_status()
        job = self._url + "jobs/" + answer.json()["job_id"]
        status = "CREATED"
        # A job is STOPPED also before it has started.
        while status not in ("COMPLETED", "FAILED") and time.perf_counter() < begin + _LONGEST_JOB:
            time.sleep(0.02)
            status = self._session.get(job).json()["status"]
        if status != "COMPLETED":
            self.close()
            raise RuntimeError(f"its job ended as {status}")
        return {"end": time.perf_counter() - begin}

    def close(self) -> None:
        """Stop the server."""
        self._process.terminate()
        self._process.wait()
