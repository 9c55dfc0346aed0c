"""A real notebook server for the tests, and what they say to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Deque, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import nbformat
import psutil
import pytest
import requests
from nbformat import v4

TREE = Path(__file__).parent.parent
TOKEN = "a-token-for-tests"
STREAM = {"X-Response-Encoding": "chunked"}
PIDS = "import os; print(os.getpid(), os.getppid())"
ORDINARY = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
EARLY = {"PYTHONUNBUFFERED": "1"}  # a variable with which a kernel cannot be forked
Event = Dict[str, Any]
_held: Deque[socket.socket] = deque()
_MOST_HELD = 100


def free_port() -> int:
    """Return a port for a server that is started in a moment, which nobody else is given meanwhile (on Linux)."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        if sys.platform == "linux":  # where a bound socket hinders only those who want any port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _held.append(sock.dup())
            if len(_held) > _MOST_HELD:
                _held.popleft().close()
        return int(sock.getsockname()[1])


def wait_for(condition: Callable[[], Any], timeout: float = 30, what: str = "") -> Any:
    """Return what the condition gives as soon as that is true; fail at the deadline."""
    begun = time.monotonic()
    waited = 0.0
    while waited < timeout:
        result = condition()
        if result:
            return result
        waited = time.monotonic() - begun
        time.sleep(min(max(0.01, waited / 5), 0.2))  # what takes long is not asked so often
    raise AssertionError(f"not within {timeout} s: {what or condition}")


def write_notebook(path: Path, *cells: Any, metadata: Optional[Dict[str, Any]] = None) -> Path:
    """Write a notebook; a cell is the source of a code cell, or a cell of nbformat."""
    nodes = [v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    nbformat.write(v4.new_notebook(cells=nodes, metadata=metadata or {}), str(path))
    return path


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def as_user(user: int) -> List[str]:
    """Return what a command begins with that another user runs, who need not be known to the system.

    The interpreter may be in a folder that is closed to others, so that user can read everything.
    """
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can start a server as another user, and setpriv is needed for it")
    only = "-all,+dac_read_search"
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", f"--inh-caps={only}",
            f"--ambient-caps={only}", f"--bounding-set={only}"]


class Server:
    """A real ``jupyter notebook``, with folders of its own.

    Parameters
    ----------
    folder : Path
        An empty folder for everything that is the server's.
    options : str
        More command line options.
    token : str
        The token; empty for none.
    environment : dict
        More environment variables.
    stdin : int
        File descriptor of its standard input.
    user : int, optional
        The user that it runs as, who can read everything but write only what the server has to write.
    command : sequence of str
        What its command line begins with.
    config : str
        What its configuration file says, in Python.
    module : str
        What is started: ``notebook``, or a module that is the same and is up a second of processor time sooner.
    """

    def __init__(self, folder: Path, *options: str, token: str = TOKEN, base_url: str = "/",
                 environment: Optional[Dict[str, str]] = None, spares: bool = False,
                 stdin: int = subprocess.DEVNULL, user: Optional[int] = None,
                 command: Sequence[str] = (), config: str = "",
                 module: str = "nbexec.notebook_server") -> None:
        self.folder = folder
        self.root = folder / "root"
        self.runtime_dir = folder / "runtime"
        self.config_dir = folder / "config"
        self.temporary = Path(tempfile.mkdtemp(prefix="tests-"))  # short, because paths of sockets have to be
        weakref.finalize(self, shutil.rmtree, self.temporary, ignore_errors=True)
        self.token = token
        self.spares = spares
        self._stdin = stdin
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}{base_url}"
        self.api = self.url + "api/executions"
        self._command = [*command, *([] if user is None else as_user(user)), sys.executable, "-m", module]
        for directory in (self.root, self.runtime_dir, self.config_dir, self.temporary):
            directory.mkdir(parents=True, exist_ok=True)
            if user is not None and directory != self.config_dir:
                os.chown(directory, user, user)
        self._enable_pages()
        if config:
            (self.config_dir / "jupyter_notebook_config.py").write_text(config)
        self._options = [
            "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={self.port}", "--NotebookApp.port_retries=0",
            f"--notebook-dir={self.root}", f"--NotebookApp.token={token}", f"--NotebookApp.base_url={base_url}",
            "--NotebookApp.nbserver_extensions={'nbexec': True}", *options]
        if not spares:  # what is left of an execution is told by what there is
            self._options.append("--NbExec.spares=0")
        self._environment = {
            **os.environ, "JUPYTER_RUNTIME_DIR": str(self.runtime_dir), "JUPYTER_CONFIG_DIR": str(self.config_dir),
            "JUPYTER_DATA_DIR": str(folder / "data"), "IPYTHONDIR": str(folder / "ipython"),
            "TMPDIR": str(self.temporary), **(environment or {})}
        self._environment.pop("PYTEST_CURRENT_TEST", None)  # ipykernel captures less if it is set
        self.log_file = folder / "log"
        self.start()

    def _enable_pages(self) -> None:
        """Enable the nbextensions for this server alone, as an editable installation does not."""
        for page in ("notebook", "tree"):
            section = self.config_dir / "nbconfig" / f"{page}.d"
            section.mkdir(parents=True)
            (section / "nbexec.json").write_text(json.dumps({"load_extensions": {f"nbexec/{page}": True}}))

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def start(self) -> None:
        self._shared_kernel: Optional[str] = None
        with open(self.log_file, "ab") as log:
            # Not in the root of the tree, which "-m" would put on sys.path before what is installed.
            self.process = subprocess.Popen([*self._command, *self._options], cwd=self.folder, stdin=self._stdin,
                                            stdout=log, stderr=log, env=self._environment, start_new_session=True)
        try:
            wait_for(self._answers, 90, "the server to start")
        except AssertionError as error:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{error}: {self.log}") from error

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the server has ended"
        try:
            return requests.get(self.api, timeout=10).status_code == 401
        except requests.RequestException:
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    def share_kernel(self, path: str) -> None:
        """Start a session of a notebook with the one kernel that all such sessions have."""
        if self._shared_kernel is None:
            self._shared_kernel = self._post("api/kernels", {})["id"]
        kernel = {"id": self._shared_kernel}
        self._post("api/sessions", {"path": path, "type": "notebook", "name": "", "kernel": kernel})

    def _post(self, place: str, content: Dict[str, Any]) -> Any:
        response = requests.post(self.url + place, json=content, timeout=60,
                                 headers={"Authorization": f"token {self.token}"})
        response.raise_for_status()
        return response.json()

    # -- requests ---------------------------------------------------------------------------------

    def request(self, method: str, path: str = "", **kwargs: Any) -> requests.Response:
        """Send a request with the token in the header, unless headers are given."""
        kwargs.setdefault("timeout", 60)
        headers = {"Authorization": f"token {self.token}", "Connection": "close", **kwargs.pop("headers", {})}
        return requests.request(method, self.api + path, headers=headers, **kwargs)

    def get(self, path: str = "", **kwargs: Any) -> requests.Response:
        return self.request("GET", path, **kwargs)

    def post(self, path: str = "", **data: Any) -> requests.Response:
        return self.request("POST", path, data=data)

    def delete(self, path: str = "", **kwargs: Any) -> requests.Response:
        return self.request("DELETE", path, **kwargs)

    def raw(self, data: bytes, timeout: float = 60) -> bytes:
        """Send bytes over a connection of their own and return what comes back until the server closes it."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as connection:
            try:
                connection.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the server has heard enough
            try:
                for piece in iter(lambda: connection.recv(1 << 16), b""):
                    answer += piece
            except ConnectionResetError:
                pass  # it did not read all of it
        return answer

    def stream(self, timeout: float = 60, **data: Any) -> Iterator[Event]:
        """Execute a notebook and yield its events as they come, each within `timeout` seconds."""
        response = self.request("POST", data=data, headers=STREAM, stream=True, timeout=timeout)
        assert response.status_code == 202, response.text
        for line in response.iter_lines(chunk_size=None):
            yield json.loads(line)

    def run(self, notebook: Any, **data: Any) -> List[Event]:
        """Execute a notebook to its end and return all events."""
        return list(self.stream(notebook=path_of(self, notebook), **data))

    def start_run(self, notebook: Any, **data: Any) -> str:
        """Start an execution in the background and return its id."""
        response = self.post(notebook=path_of(self, notebook), **data)
        assert response.status_code == 202, response.text
        return str(response.json()["execution"]["exec_id"])

    def model(self, exec_id: str) -> Dict[str, Any]:
        return dict(self.get(f"/{exec_id}").json()["execution"])

    def wait_until_final(self, exec_id: str, timeout: float = 60) -> Dict[str, Any]:
        def final() -> Optional[Dict[str, Any]]:
            model = self.model(exec_id)
            return None if model["status"] in ("initializing", "executing") else model

        return dict(wait_for(final, timeout, f"execution {exec_id} to end"))

    # -- files and processes ----------------------------------------------------------------------

    def output(self, path: str) -> nbformat.NotebookNode:
        """Return an output notebook, which has to be valid."""
        content = json.loads((self.root / path).read_text("utf-8"))
        nbformat.validate(content)
        return v4.rwbase.rejoin_lines(nbformat.from_dict(content))

    def processes(self) -> List[psutil.Process]:
        """Return what runs below the server, the fork server excepted."""
        found: List[psutil.Process] = []
        for fork_server in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # it is going
                found += [child for child in fork_server.children(recursive=True) if alive(child.pid)]
        return found

    def fork_server(self) -> psutil.Process:
        """Return the fork server of the runners; there may be retired ones besides."""
        children = [child for child in psutil.Process(self.process.pid).children() if alive(child.pid)]
        return [child for child in children if "nbexec.runner.fork_server" in " ".join(child.cmdline())][-1]

    def wait_until_quiet(self, timeout: float = 30) -> None:
        """Wait until nothing of any execution is left."""
        wait_for(lambda: not self.processes(), timeout, f"processes to go: {self.processes()}")
        wait_for(lambda: not list(self.temporary.glob("nbexec-*/*[0-9]")), 15, "the folders of runners to go")


def spares_of(server: Server, number: int) -> List[psutil.Process]:
    """Wait until the server has so many runners, with a kernel each, and nothing is running; return the runners."""
    def runners() -> List[psutil.Process]:
        try:
            found = server.fork_server().children()
            return found if [len(runner.children()) for runner in found] == [1] * number else []
        except (psutil.NoSuchProcess, IndexError):
            return []  # it has just gone

    def ready() -> List[psutil.Process]:
        found = runners()
        time.sleep(0.3 if found else 0)  # one whose execution has just ended looks the same, but goes
        return found if found == runners() else []

    wait_for(lambda: all(model["completed_at"] is not None for model in server.get().json()["executions"]))
    return list(wait_for(ready, 60, f"{number} spares"))


def slowness(server: Server) -> float:
    """Return by how much to multiply what a promise allows in seconds: 1, or more on a machine that is busy now.

    It is told by an execution in the ordinary way, which takes less than half a second on a machine that is not.
    """
    source = write_notebook(server.root / "slowness.ipynb", "1")
    begun = time.monotonic()
    for _ in range(2):
        final = server.run(source, output_path="slowness-out.ipynb", overwrite="true")[-1]
        server.delete(f"/{final['exec_id']}")
    took = (time.monotonic() - begun) / 2
    for name in ("slowness.ipynb", "slowness-out.ipynb"):
        (server.root / name).unlink()
    return max(1.0, took / 0.5)


def in_time(server: Server, took: float, seconds: float) -> bool:
    """Return whether something took no longer than promised, or no longer than a busy machine makes of that."""
    return took < seconds or took < seconds * slowness(server)


def path_of(server: Server, path: Any) -> str:
    """Return the API path of a file below the root of a server; one that is an API path stays as it is."""
    return path.relative_to(server.root).as_posix() if isinstance(path, Path) else str(path)


def api_path(source: Path) -> str:
    """Return the API path of a notebook whose folder lies in the root of a server, as those of `folder` do."""
    return f"{source.parent.name}/{source.name}"


def add_kernel(server: Server, name: str, argv: List[str], **more: Any) -> str:
    """Give a server another kernel, and return its name."""
    folder = server.folder / "data" / "kernels" / name
    folder.mkdir(parents=True, exist_ok=True)
    spec = {"argv": argv, "display_name": name, "language": "python", **more}
    (folder / "kernel.json").write_text(json.dumps(spec))
    return name


class Begun(NamedTuple):
    """An execution whose second cell is running."""

    exec_id: str
    kernel: int
    runner: int
    output: str  # where its output notebook will be
    events: Iterator[Event]  # those that are still to come


def begin(server: Server, folder: Path, *cells: str, **data: Any) -> Begun:
    """Start an execution and return as soon as the first of `cells` runs."""
    source = write_notebook(folder / "a.ipynb", PIDS, *cells)
    path = path_of(server, source)
    stream = server.stream(notebook=path, **data)
    for event in stream:
        if event["event"] == "end":
            kernel, runner = map(int, text_of(event["cell"]).split())
        if event["event"] == "start" and event["progress"].startswith("2/"):
            assert alive(kernel) and alive(runner)
            return Begun(event["exec_id"], kernel, runner, path.replace(".ipynb", "-Executed1.ipynb"), stream)
    raise AssertionError("the execution ended before its second cell")


def text_of(cell: Dict[str, Any], name: str = "stdout") -> str:
    """Return what a cell printed."""
    return "".join(output["text"] for output in cell["outputs"]
                   if output["output_type"] == "stream" and output["name"] == name)


def names(events: List[Event]) -> List[str]:
    return [event["event"] for event in events]


def first_and_last(events: List[Event]) -> Tuple[Event, Event]:
    return events[0], events[-1]
