"""Finds notebook servers on this machine, and starts private ones.

The token of a private server is in a file that only this user can read: a command line is visible to everybody, and
the environment is passed on to the notebook, which might print it.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, List, Optional, Type

from jupyter_core.paths import jupyter_config_path

from ..client import ApiError, CertificateError, Client
from ..client.peer import PeerError
from ..client.running_servers import RunningServer, announced, engine_of, find, probe, real_path, running, server_of
from ..client.runtime_file import read_runtime_file
from ..environment import without_secrets
from ..errors import NbExecError
from ..files.private_files import PrivateFolder, make_temporary_folder, remove_if_dead
from ..notebook_version import unfitness

__all__ = ["ApiError", "CertificateError", "PeerError", "PrivateServer", "RunningServer", "announced", "engine_of",
           "find", "probe", "running"]

_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 10.0
_POLL = 0.05
# Idle seconds after which a private server exits by itself if the command that started it was killed.
_ORPHAN_TIMEOUT = 300
_LOG_LINES = 20
_CONFIG = "jupyter_notebook_config"


class ServerStartError(NbExecError):
    """A private server did not start.

    Parameters
    ----------
    problem : str
        What happened.
    log : str
        The end of the server's log.
    """

    def __init__(self, problem: str, log: str = "") -> None:
        super().__init__(f"the private notebook server {problem}" + (f". The end of its log:\n{log}" if log else ""))
        self.log = log


class PrivateServer:
    """A private notebook server for a ``with`` block, on a free local port.

    Parameters
    ----------
    root : Path
        Its root directory.
    check : callable
        Called repeatedly while the server starts; raises to stop it.

    Raises
    ------
    ServerStartError
        On entering: the server does not start.
    """

    def __init__(self, root: Path, check: Callable[[], None] = lambda: None) -> None:
        self._root = real_path(root)
        self._check = check
        self._home: Path  # its files; created on entering
        self._folder: PrivateFolder  # created on entering
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._server: Optional[RunningServer] = None

    def __enter__(self) -> RunningServer:
        reason = unfitness()
        if reason:
            raise ServerStartError(f"cannot be started: {reason}")
        try:
            self._folder = make_temporary_folder()
        except OSError as error:
            raise ServerStartError(f"cannot be started: {error}. Set TMPDIR to a writable folder"
                                   ) from error
        self._home = Path(self._folder.path)
        try:
            self._start()
            self._server = self._wait()
        except OSError as error:
            self._end()
            raise ServerStartError(f"cannot be started: {error}") from error
        except BaseException:
            self._end()
            raise
        return self._server

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self._end()

    def _start(self) -> None:
        """Start the process in its own session, so that Ctrl-C in the terminal only reaches the command."""
        with open(self._folder.create_file(f"{_CONFIG}.json"), "w", encoding="utf-8") as stream:
            json.dump({"NotebookApp": {"token": secrets.token_hex(32)}}, stream)
        with open(self._folder.create_file("log"), "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nbexec.notebook_server", *_options(self._root)],
                # "-m" looks in the working directory first, which must not contain a notebook.py
                cwd=self._folder.sure_path, env=_environment(self._folder), start_new_session=True,
                pass_fds=[self._folder.descriptor],  # keeps the folder locked, so that it is not taken for a dead one
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def _wait(self) -> RunningServer:
        """Return the server as soon as it responds."""
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline:
            server = self._announced()
            if server is not None and self._answers(server):
                return server
            self._check_alive()
            self._check()
        raise self._failure(f"did not respond within {_START_TIMEOUT:.0f} seconds")

    def _announced(self) -> Optional[RunningServer]:
        """Return the server that the runtime file announces, None while the file is missing or incomplete."""
        assert self._process is not None
        if not self._folder.is_intact():  # the file may belong to somebody else
            raise ServerStartError(f"lost its folder {self._home}", "")
        try:
            content = read_runtime_file(self._home / "runtime" / f"nbserver-{self._process.pid}.json")
            return None if content is None else server_of(content)
        except (OSError, PeerError):
            return None

    def _answers(self, server: RunningServer) -> bool:
        """Whether the server responds; an error in its response is final."""
        try:
            probe(server)
        except ApiError as error:
            if error.status is None:
                return False
            raise self._failure(f"does not have nbexec: {error}") from error
        return True

    def _check_alive(self) -> None:
        """Wait a moment; raise at once if the process exits meanwhile."""
        assert self._process is not None
        try:
            code = self._process.wait(_POLL)
        except subprocess.TimeoutExpired:
            return
        raise self._failure(f"exited with code {code}")

    def _failure(self, problem: str) -> ServerStartError:
        with open(self._folder.open_file("log"), encoding="utf-8", errors="replace") as file:
            text = file.read()
        return ServerStartError(problem, "\n".join(text.splitlines()[-_LOG_LINES:]))

    def _end(self) -> None:
        """Stop the server and remove its files."""
        try:
            self._settle()
        finally:
            try:
                self._terminate()
            finally:
                _remove(self._folder)

    def _settle(self) -> None:
        """Wait for kernels that still run their `atexit` handlers: their files are in the server's folder."""
        if self._server is None:
            return
        try:
            with Client.on(self._server, timeout=_STOP_TIMEOUT) as client:
                client.delete_all()
        except ApiError:
            pass  # the server is stopped anyway

    def _terminate(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            process.terminate()
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()
            process.wait()


def _options(root: Path) -> List[str]:
    """Return the arguments of the server, which override the user's configuration."""
    app: Dict[str, Any] = {
        "ip": "127.0.0.1", "port": _free_port(), "port_retries": 50, "sock": "", "base_url": "/",
        "certfile": "", "keyfile": "", "client_ca": "", "password": "", "password_required": False,
        "notebook_dir": root, "file_to_run": "", "server_extensions": [], "nbserver_extensions": _extensions(),
        "contents_manager_class": "notebook.services.contents.largefilemanager.LargeFileManager",
        "shutdown_no_activity_timeout": _ORPHAN_TIMEOUT,
    }
    root_flag = ["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    return ["--no-browser", *root_flag, f"--FileContentsManager.root_dir={root}",
            "--ContentsManager.allow_hidden=True",
            *(f"--NotebookApp.{name}={value}" for name, value in app.items())]


def _free_port() -> int:
    """Return a port that is free now; the server tries others if it is taken meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _extensions() -> Dict[str, bool]:
    """Return nbexec as the only extension: notebook loads all that some file enables unless they are disabled here."""
    extensions: Dict[str, bool] = {}
    for directory in map(Path, jupyter_config_path()):
        for file in [directory / f"{_CONFIG}.json", *directory.glob(f"{_CONFIG}.d/*.json")]:
            try:
                names = json.loads(file.read_bytes())["NotebookApp"]["nbserver_extensions"]
                extensions.update(dict.fromkeys(names, False))
            except (OSError, ValueError, LookupError, TypeError):
                continue  # the file does not exist, or enables nothing
    return {**extensions, "nbexec": True}


def _environment(home: PrivateFolder) -> Dict[str, str]:
    """Return the environment of the server, which reads its token from `home` and writes its runtime file there.

    Variables of JupyterHub are kept: the configuration decides which of them notebooks get.
    """
    # Configuration is code: it must not be read from a path that somebody else could have taken over.
    paths = [home.sure_path, *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    hub = [name for name in os.environ if name.startswith(("JUPYTERHUB_", "JPY_"))]
    return {**without_secrets(os.environ, but=hub), "JUPYTER_CONFIG_PATH": os.pathsep.join(paths),
            "JUPYTER_RUNTIME_DIR": os.path.join(home.path, "runtime")}


def _remove(home: PrivateFolder) -> None:
    """Remove a folder in which a process that is just exiting may still create files."""
    deadline = time.monotonic() + _STOP_TIMEOUT
    home.end()
    while os.path.exists(home.path) and time.monotonic() < deadline:
        time.sleep(_POLL)
        remove_if_dead(home.path)
