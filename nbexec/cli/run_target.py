"""Finds the server that runs a notebook, and the paths of the notebook and its output on it."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, ContextManager, Iterator, Optional

import click

from ..client import ApiError, Client, token_in
from ..client.running_servers import RunningServer, find, real_path
from ..printable import printable
from .servers import PrivateServer
from .stop_signals import StopSignals


@dataclass(frozen=True)
class Place:
    """The options of a command that choose the server.

    Parameters
    ----------
    server, token : str, optional
        URL of the requested server, and its token.
    cacert : str, optional
        File with the certificate of its authority.
    private : bool
        Whether to start a private server even if one is running.
    """

    server: Optional[str] = None
    token: Optional[str] = None
    cacert: Optional[str] = None
    private: bool = False


@dataclass(frozen=True)
class Target:
    """A server, and the paths of the notebook and its output on it.

    Parameters
    ----------
    client : Client
        The client of the server.
    notebook, output : str
        API paths; `output` is None if the server chooses the name.
    show : callable
        Turns an API path into the path that is shown to the user.
    """

    client: Client
    notebook: str
    output: Optional[str]
    show: Callable[[str], str]


def find_target(notebook: str, output: Optional[str], place: Place, signals: StopSignals) -> ContextManager[Target]:
    """Provide the server that runs the notebook, and say which one it is."""
    if place.server is not None:
        return _remote_target(notebook, output, place)
    return _local_target(notebook, output, place, signals)


@contextmanager
def _remote_target(notebook: str, output: Optional[str], place: Place) -> Iterator[Target]:
    with remote_client(place) as client:
        _say(f"Running on {client.url}")
        yield Target(client, notebook, output, str)


@contextmanager
def _local_target(notebook: str, output: Optional[str], place: Place, signals: StopSignals) -> Iterator[Target]:
    source = existing_notebook(notebook)
    copy = None if output is None else _output_file(output)
    with _local_server(source, copy, place, signals) as server, Client.on(server, cacert=place.cacert) as client:
        yield Target(client, server.api_path(source), None if copy is None else server.api_path(copy),
                     lambda path: _shown_path(server.local_path(path)))


def remote_client(place: Place) -> Client:
    """Return a client of the requested server."""
    assert place.server is not None
    token = token_in(place.server) or place.token
    if not token:
        raise click.UsageError("--server needs a token: pass --token or set NBEXEC_TOKEN")
    try:
        return Client(place.server, token, cacert=place.cacert)
    except ValueError as error:
        raise click.UsageError(f"--server: {error}") from error


@contextmanager
def _local_server(source: Path, copy: Optional[Path], place: Place, signals: StopSignals) -> Iterator[RunningServer]:
    """Provide a running server whose root contains both files, or a private one."""
    running = None if place.private else find(source, copy, place.cacert, _say_passed_over)
    signals.check()
    if running is not None:
        _say(f"Running on {running.url}{_interpreter_of(running)}")
        yield running
        return
    _say(f"Running on a private server ({sys.executable})")
    with PrivateServer(_common_directory(source, copy), signals.check) as server:
        yield server


def _say_passed_over(server: RunningServer, error: ApiError) -> None:
    _say(f"Skipping {server.url}, which serves this directory: {error}")


def _interpreter_of(server: RunningServer) -> str:
    """Return the Python of a server, for display: it has its own packages, and usually its own kernels."""
    program = server.peer.program()
    if program is None:
        return ""
    other = "" if program == sys.executable else "; --private uses the Python of this command"
    return f" ({program}{other})"


def _say(text: str) -> None:
    click.echo(printable(text), err=True)


# -- paths ----------------------------------------------------------------------------------------


def existing_notebook(notebook: str) -> Path:
    """Return the path of a notebook file in its real directory; the file may be a link, and runs where the link is."""
    path = Path(notebook)
    if not path.is_file():
        problem = "is not a file" if path.exists() else "does not exist"
        raise click.BadParameter(f"{notebook} {problem}", param_hint="NOTEBOOK")
    return real_path(path.parent) / path.name


def _output_file(output: str) -> Path:
    """Return the path of the output file in its real directory; the file need not exist."""
    path = Path(output)
    if not path.parent.is_dir():
        raise click.BadParameter(f"the directory {path.parent} does not exist", param_hint="--output")
    return real_path(path.parent) / path.name


def _common_directory(source: Path, copy: Optional[Path]) -> Path:
    """Return the directory that contains both files, and the target of the notebook if it is a link."""
    directories = {source.parent, real_path(source).parent, (copy or source).parent}
    try:
        return Path(os.path.commonpath(directories))
    except ValueError as error:
        raise click.BadParameter("expected a path on the same drive as the notebook", param_hint="--output") from error


def _shown_path(path: Path) -> str:
    """Return the path relative to the working directory if possible."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (OSError, ValueError):
        return str(path)
