"""Notebook servers of this user that run on this machine, as their runtime files announce them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator, List, NamedTuple, Optional, Tuple, Union
from urllib.parse import urlsplit, urlunsplit

from .api_error import ApiError
from .connection import Connection, body_of
from .peer import Peer, PeerError
from .runtime_file import RuntimeFile, RuntimeFileError, announced_files, read_runtime_file

_PROBE_TIMEOUT = 3.0
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "localhost"}


@dataclass(frozen=True)
class RunningServer:
    """A notebook server of this user, on this machine.

    Parameters
    ----------
    url : str
        Its URL, including its base URL.
    token : str
        Its token.
    root : Path
        Its root directory, without symbolic links.
    peer : Peer
        Its process.
    """

    url: str
    token: str = field(repr=False)
    root: Path
    peer: Peer

    def connection(self, timeout: float = 60.0, cacert: Optional[str] = None, retries: int = 3) -> Connection:
        """Return a connection that sends nothing to any other process."""
        return Connection(self.url, self.token, timeout, retries=retries, peer=self.peer, cacert=cacert)

    def api_path(self, file: Path) -> str:
        """Return the API path of a file below the root; its directory must be free of links."""
        return file.relative_to(self.root).as_posix()

    def local_path(self, api_path: str) -> Path:
        """Return the file that an API path names."""
        return self.root.joinpath(*api_path.split("/"))

    def serves(self, file: Path) -> bool:
        """Whether the file is below the root and not hidden."""
        try:
            parts = file.relative_to(self.root).parts
        except ValueError:
            return False
        return not any(part.startswith(".") for part in parts)


def real_path(path: Path) -> Path:
    """Return the absolute path without symbolic links; it need not exist."""
    return Path(os.path.realpath(path))


def find(notebook: Path, output: Optional[Path] = None, cacert: Optional[str] = None,
         passed_over: Callable[[RunningServer, ApiError], None] = lambda server, error: None,
         ) -> Optional[RunningServer]:
    """Return a running server of this user that has nbexec and serves the files, or None.

    If there are several, the one with the deepest root directory is chosen.

    Parameters
    ----------
    notebook, output : Path
        The files.
    cacert : str, optional
        The authorities to trust, as for `Client`.
    passed_over : callable
        Called with each server that serves the files but cannot be used, and the reason.
    """
    files = [file for file in (notebook, real_path(notebook), output) if file is not None]
    servers = [server for server in running() if all(server.serves(file) for file in files)]
    for server in sorted(servers, key=lambda server: len(server.root.parts), reverse=True):
        try:
            probe(server, cacert)
            return server
        except ApiError as error:
            passed_over(server, error)
    return None


def running() -> Iterator[RunningServer]:
    """Yield the classic notebook servers of this user that accept a token."""
    for _, found in announced():
        if isinstance(found, RunningServer):
            yield found


def announced() -> Iterator[Tuple[Path, Union[RunningServer, PeerError, RuntimeFileError]]]:
    """Yield each runtime file of this user, with the server that it announces or why that cannot be trusted."""
    for file in announced_files():
        try:
            content = read_runtime_file(file)
            if content is not None:
                yield file, server_of(content)
        except (PeerError, RuntimeFileError) as error:
            yield file, error
        except OSError:
            continue  # the file was removed in the meantime


def server_of(content: RuntimeFile) -> RunningServer:
    """Return the server that has written a runtime file.

    Raises
    ------
    PeerError
        The process in the file is not the one listening on its port.
    """
    peer = Peer(content.pid, before=content.written)
    peer.check_port(content.port)
    return RunningServer(_reachable(content.url), content.token, real_path(Path(content.notebook_dir)), peer)


def _reachable(url: str) -> str:
    """Return the URL with an address to connect to, even if the server listens on all addresses."""
    split = urlsplit(url)
    host, _, port = split.netloc.rpartition(":")
    host = _WILDCARDS.get(host.strip("[]"), host)
    netloc = f"[{host}]:{port}" if host == "::1" else f"{host}:{port}"
    return urlunsplit((split.scheme, netloc, split.path, "", ""))


class Engine(NamedTuple):
    """Where a server runs executions.

    Parameters
    ----------
    scheduler : str, optional
        The scheduler of a cluster; none if that is on the machine of the server.
    slots : int
        How many executions the cluster can run at once.
    problems : list of str
        What is wrong.
    """

    scheduler: Optional[str]
    slots: int
    problems: List[str]


def probe(server: RunningServer, cacert: Optional[str] = None) -> None:
    """Request the list of executions from a server, to see whether it has nbexec.

    Raises
    ------
    ApiError
        It does not respond, or does not have nbexec.
    """
    connection = server.connection(_PROBE_TIMEOUT, cacert, retries=0)
    try:
        connection.ask("executions", list, "GET")
    finally:
        connection.close()


def engine_of(server: RunningServer, cacert: Optional[str] = None) -> Engine:
    """Return where a server runs executions, and what is wrong there.

    Raises
    ------
    ApiError
        It does not respond, or does not tell.
    """
    connection = server.connection(_PROBE_TIMEOUT, cacert, retries=0)
    try:
        response = connection.request("GET", "engine")
        is_local = body_of(response, "engine", str) == "local"
        return Engine(None if is_local else body_of(response, "scheduler", str),
                      0 if is_local else body_of(response, "slots", int), body_of(response, "problems", list))
    finally:
        connection.close()
