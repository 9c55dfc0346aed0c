"""Finds what runs a notebook, a server or this process, and the paths of the notebook and its output there."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, ContextManager, Iterator, Optional, Union

import click

from ..client import ApiError
from ..client.runtime_file import announced_files
from ..printable import printable
from .server_options import VARIABLE, client_of
from .stop_signals import StopSignals

if TYPE_CHECKING:
    from ..client import Client
    from ..client.running_servers import RunningServer
    from ..serverless.local_client import LocalClient

    Runner = Union[Client, LocalClient]


@dataclass(frozen=True)
class ServerChoice:
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
    """What runs a notebook, and the paths of the notebook and its output there.

    Parameters
    ----------
    client : Client or LocalClient
        The client of a server, or what runs notebooks in this process.
    notebook, output : str
        Their paths there; `output` is None if the name is chosen there.
    show : callable
        Turns such a path into the path that is shown to the user.
    """

    client: Runner
    notebook: str
    output: Optional[str]
    show: Callable[[str], str]


def find_target(notebook: str, output: Optional[str], choice: ServerChoice,
                signals: StopSignals) -> ContextManager[Target]:
    """Provide what runs the notebook, and say what it is."""
    if choice.server is not None:
        return _remote_target(notebook, output, choice)
    source = existing_notebook(notebook)
    copy = None if output is None else _output_file(output)
    running = None if choice.private else _running_server(source, copy, choice.cacert)
    signals.check()
    if running is not None:
        return _target_on(running, source, copy, choice.cacert)
    return _private_target(source, copy, signals) if choice.private else _serverless_target(source, copy)


@contextmanager
def _remote_target(notebook: str, output: Optional[str], choice: ServerChoice) -> Iterator[Target]:
    with remote_client(choice) as client:
        named = f" ({VARIABLE})" if choice.server == os.environ.get(VARIABLE) else ""
        _say(f"Running on {client.url}{named}")
        yield Target(client, notebook, output, str)


@contextmanager
def _target_on(server: RunningServer, source: Path, copy: Optional[Path], cacert: Optional[str]) -> Iterator[Target]:
    """Provide a server on this machine."""
    from ..client import Client

    with Client.on(server, cacert=cacert) as client:
        yield Target(client, server.api_path(source), None if copy is None else server.api_path(copy),
                     lambda path: _shown_path(server.local_path(path)))


@contextmanager
def _private_target(source: Path, copy: Optional[Path], signals: StopSignals) -> Iterator[Target]:
    from .servers import PrivateServer

    _say(f"Running on a private server ({sys.executable})")
    with PrivateServer(_common_directory(source, copy), signals.check) as server:
        with _target_on(server, source, copy, None) as target:
            yield target


@contextmanager
def _serverless_target(source: Path, copy: Optional[Path]) -> Iterator[Target]:
    """Provide this process; what it needs to run notebooks stays for the next one, until the command ends."""
    _say(f"Running without a server ({sys.executable})")
    from ..serverless.local_client import LocalClient

    yield Target(LocalClient(), str(source), None if copy is None else str(copy), lambda path: _shown_path(Path(path)))


@contextmanager
def end_of_runs() -> Iterator[None]:
    """End what runs notebooks in this process, if anything does, when the block ends; for a whole command."""
    try:
        yield
    finally:
        engine = sys.modules.get("nbexec.serverless.engine")
        if engine is not None:
            engine.close_engine()


def remote_client(choice: ServerChoice) -> Client:
    """Return a client of the requested server."""
    from ..client import NoServerError

    try:
        return client_of(choice.server, choice.token, choice.cacert)
    except NoServerError as error:
        raise click.UsageError(f"{error}: pass --token or set NBEXEC_TOKEN") from error


def _running_server(source: Path, copy: Optional[Path], cacert: Optional[str]) -> Optional[RunningServer]:
    """Return a running server whose root contains both files, and say which one it is."""
    if not announced_files():
        return None  # what would look for them takes a while to import
    from ..client.running_servers import find

    running = find(source, copy, cacert, _say_passed_over)
    if running is not None:
        _say(f"Running on {running.url}{_interpreter_of(running)}")
    return running


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


def _real_path(path: Path) -> Path:
    return Path(os.path.realpath(path))


def existing_notebook(notebook: str) -> Path:
    """Return the path of a notebook file in its real directory; the file may be a link, and runs where the link is."""
    path = Path(notebook)
    if not path.is_file():
        problem = "is not a file" if path.exists() else "does not exist"
        raise click.BadParameter(f"{notebook} {problem}", param_hint="NOTEBOOK")
    return _real_path(path.parent) / path.name


def _output_file(output: str) -> Path:
    """Return the path of the output file in its real directory; the file need not exist."""
    path = Path(output)
    if not path.parent.is_dir():
        raise click.BadParameter(f"the directory {path.parent} does not exist", param_hint="--output")
    return _real_path(path.parent) / path.name


def _common_directory(source: Path, copy: Optional[Path]) -> Path:
    """Return the directory that contains both files, and the target of the notebook if it is a link."""
    directories = {source.parent, _real_path(source).parent, (copy or source).parent}
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
