"""The command line: ``nbexec run``, ``nbexec params`` and ``nbexec doctor``.

Whatever takes time to import is imported where it is used, and standard output carries the result alone, so that a
script can use it: everything else goes to standard error.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Callable, ContextManager, Dict, Iterator, List, Optional, Tuple, Type

import click

from ._version import __version__
from .command_group import CommandGroup
from .errors import NbExecError
from .printable import printable, printable_lines

if TYPE_CHECKING:
    from rich.table import Table

    from .client import Client, Event
    from .servers import RunningServer

_COMPLETED, _FAILED, _REFUSED, _SIGNALLED = 0, 1, 2, 128
_STOP_TIMEOUT = 10.0  # seconds that the last event may take after Ctrl-C
_LINE_WIDTH = 200  # characters of a line about a cell
_NO_PARAMETERS = """This notebook has no parameter cell, so it takes no parameters.
To define some, assign their defaults in a code cell and tag it "parameters", or begin it with this comment:

    # nbexec: params
    name = "value"
"""


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nbexec")
def main() -> None:
    """Run Jupyter notebooks with parameters."""


# -- nbexec run -----------------------------------------------------------------------------------


def _check_params(context: click.Context, option: click.Parameter,
                  pairs: Tuple[Tuple[str, str], ...]) -> Dict[str, str]:
    """Return the pairs of --param as a dictionary."""
    params: Dict[str, str] = {}
    for name, value in pairs:
        if name in params:
            raise click.BadParameter(f"{name} is given twice.", context, option)
        params[name] = value
    _refuse_reserved(context, option, params)
    return params


def _refuse_reserved(context: click.Context, option: click.Parameter, params: Dict[str, str]) -> None:
    from .client import RESERVED

    for name in RESERVED:
        if name in params:
            raise click.BadParameter(f"{name} is reserved and cannot be the name of a notebook parameter.",
                                     context, option)


_server_option = click.option(
    "--server", metavar="URL", help="Use this server, given with its base URL; paths are then paths on the server.")
_token_option = click.option(
    "--token", metavar="TOKEN", envvar="NBEXEC_TOKEN", show_envvar=True,
    help="The token of --server. One in the URL (?token=…) goes first.")


@main.command()
@click.argument("notebook")
@click.option("-p", "--param", "params", type=(str, str), multiple=True, metavar="NAME VALUE", callback=_check_params,
              help="Set a parameter of the notebook; may be given many times.")
@click.option("--output", metavar="PATH", help="The executed notebook; by default NOTEBOOK-Executed<N>.ipynb.")
@click.option("--overwrite", is_flag=True, help="Replace --output if it exists, instead of numbering it.")
@click.option("--kernel", metavar="NAME", help="The kernel to use; it must be an IPython kernel.")
@click.option("--timeout", type=click.IntRange(min=1), metavar="SECONDS", help="How long a single cell may take.")
@_server_option
@_token_option
@click.pass_context
def run(context: click.Context, notebook: str, params: Dict[str, str], output: Optional[str], overwrite: bool,
        kernel: Optional[str], timeout: Optional[int], server: Optional[str], token: Optional[str]) -> None:
    """Run NOTEBOOK and print the path of the executed notebook.

    Without --server, a notebook server of yours that has NOTEBOOK below its root directory runs it; if there is
    none, one is started for as long as the run takes.

    Exit code: 0 the notebook completed, 1 it failed, 2 it was not run, 130 interrupted by Ctrl-C.
    """
    if overwrite and output is None:
        raise click.UsageError("--overwrite needs --output.", context)
    options = {"params": params, "overwrite": overwrite, "jupyter_kernel": kernel, "cell_timeout": timeout}
    with _signals(context), _errors(), _target(notebook, output, server, token) as target:
        code = _run(target, options)
    context.exit(code)


def _run(target: _Target, options: Dict[str, Any]) -> int:
    """Run the notebook on its server, show how it goes, and return the exit code."""
    events = target.client.run(target.notebook, output_path=target.output, **options)
    execution = _Execution(target.client, events)
    try:
        with _view() as view:
            final = execution.follow(view)
    except KeyboardInterrupt:
        click.echo("Interrupted: shutting the execution down.", err=True)
        _report(execution.stop(), target)
        raise
    return _report(final, target)


def _report(final: Optional[Event], target: _Target) -> int:
    """Show the last event of a run, and return the exit code that stands for it."""
    if final is None:
        click.echo("The execution did not end in time.", err=True)
        return _FAILED
    output = _output_path(final)
    if final["event"] == "notebook_error":
        _report_error(final)
        if output is not None:
            click.echo(f"The output so far is in {printable(target.show(output))}", err=True)
    if output is not None:
        click.echo(printable(target.show(output)))
    return _FAILED if final["event"] == "notebook_error" else _COMPLETED


def _output_path(final: Event) -> Optional[str]:
    path: Optional[str] = final.get("output_path") or final.get("execution", {}).get("output_path")
    return path


def _report_error(final: Event) -> None:
    click.echo(printable_lines(str(final.get("error", ""))).rstrip("\n"), err=True)
    traceback = final.get("traceback")
    if traceback:
        click.echo("\n" + printable_lines("\n".join(traceback)), err=True)


class _Execution:
    """An execution as its events tell it.

    A thread reads the stream, so that Ctrl-C interrupts the waiting for an event and not the stream itself: the
    last event can still be had.
    """

    def __init__(self, client: Client, events: Iterator[Event]) -> None:
        self._client = client
        self._queue: queue.Queue[Any] = queue.Queue()
        self._exec_id: Optional[str] = None
        self._final: Optional[Event] = None
        self._stopping = False
        threading.Thread(target=self._read, args=(events,), daemon=True).start()

    def follow(self, view: _View) -> Event:
        """Show each event, and return the last."""
        while self._final is None:
            view.show(self._next())
        return self._final

    def stop(self) -> Optional[Event]:
        """Shut the execution down, and return its last event; None if it does not come in time."""
        deadline = time.monotonic() + _STOP_TIMEOUT
        try:
            while self._final is None:
                self._request_stop()
                self._next(deadline)
        except (queue.Empty, NbExecError):
            return None
        return self._final

    def _request_stop(self) -> None:
        """Ask the server once, as soon as its first event has told the id."""
        if self._exec_id is None or self._stopping:
            return
        self._stopping = True
        threading.Thread(target=self._shutdown, args=(self._exec_id,), daemon=True).start()

    def _read(self, events: Iterator[Event]) -> None:
        try:
            for event in events:
                self._queue.put(event)
        except Exception as error:  # whatever it is, the main thread is the one to know
            self._queue.put(error)

    def _shutdown(self, exec_id: str) -> None:
        try:
            self._client.shutdown(exec_id)
        except NbExecError as error:
            self._queue.put(error)

    def _next(self, deadline: Optional[float] = None) -> Event:
        """Return the next event, or raise what ended the stream."""
        from .client import FINAL_EVENTS

        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        item = self._queue.get(timeout=timeout)
        if isinstance(item, Exception):
            raise item
        event: Event = item
        self._exec_id = event.get("exec_id", self._exec_id)
        if event["event"] in FINAL_EVENTS:
            self._final = event
        return event


# -- how a run is shown ---------------------------------------------------------------------------


class _View:
    """Shows the events of a run: here as one line for each cell that starts."""

    def __enter__(self) -> _View:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        pass

    def show(self, event: Event) -> None:
        """Show an event, if it is one about a cell."""
        if event["event"] in ("start", "end"):
            number, total = (int(part) for part in event["progress"].split("/"))
            self.cell(event["event"] == "end", number, total, _first_line(event["cell"]["source"]))

    def cell(self, ended: bool, number: int, total: int, line: str) -> None:
        """Show that a cell started or ended."""
        if not ended:
            click.echo(f"[{number}/{total}] {line}", err=True)


class _Bar(_View):
    """Shows them as a bar that moves, for terminals."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.table import Column

        source = TextColumn("{task.fields[line]}", markup=False,
                            table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
        self._progress = Progress(
            BarColumn(bar_width=20), TextColumn("{task.fields[cell]}", markup=False), TimeElapsedColumn(), source,
            console=Console(stderr=True), expand=True)
        self._task = self._progress.add_task("", total=1, cell="starting", line="")

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self._progress.stop()

    def cell(self, ended: bool, number: int, total: int, line: str) -> None:
        """Move the bar."""
        self._progress.update(self._task, total=total, completed=number if ended else number - 1,
                              cell=f"cell {number} of {total}", line=line)


def _view() -> _View:
    return _Bar() if sys.stderr.isatty() else _View()


def _first_line(source: str) -> str:
    """Return the first line of a cell that says something."""
    line = next(filter(None, map(str.strip, source.split("\n"))), "")
    return printable(line[:_LINE_WIDTH].replace("\t", " "))


# -- where a run takes place ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Target:
    """A server, and the paths of a run on it."""

    client: Client
    notebook: str
    output: Optional[str]
    show: Callable[[str], str]  # API path -> what the user gets to see


def _target(notebook: str, output: Optional[str], server: Optional[str],
            token: Optional[str]) -> ContextManager[_Target]:
    if server is not None:
        return _remote_target(notebook, output, server, token)
    return _local_target(notebook, output)


@contextmanager
def _remote_target(notebook: str, output: Optional[str], server: str, token: Optional[str]) -> Iterator[_Target]:
    with _remote_client(server, token) as client:
        yield _Target(client, notebook, output, str)


@contextmanager
def _local_target(notebook: str, output: Optional[str]) -> Iterator[_Target]:
    source = _existing_notebook(notebook)
    copy = None if output is None else _output_file(output)
    with _local_server(source, copy) as server, server.client() as client:
        yield _Target(client, server.api_path(source), None if copy is None else server.api_path(copy),
                      lambda path: _shown_path(server.local_path(path)))


def _remote_client(server: str, token: Optional[str]) -> Client:
    from .client import Client, token_in

    try:
        token = token_in(server) or token
        if not token:
            raise click.UsageError("--server needs --token, or the token in the variable NBEXEC_TOKEN.")
        return Client(server, token)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--server") from error


@contextmanager
def _local_server(source: Path, copy: Optional[Path]) -> Iterator[RunningServer]:
    """Provide a running server that reaches both files, or a private one."""
    from .servers import PrivateServer, find

    running = find(source, copy)
    if running is not None:
        yield running
        return
    if sys.stderr.isatty():
        click.echo("No notebook server of yours serves this directory: starting one.", err=True)
    with PrivateServer(_common_directory(source, copy)) as server:
        yield server


def _common_directory(source: Path, copy: Optional[Path]) -> Path:
    try:
        return Path(os.path.commonpath([source.parent, (copy or source).parent]))
    except ValueError as error:
        raise click.BadParameter("it must be on the same drive as the notebook.", param_hint="--output") from error


def _existing_notebook(notebook: str) -> Path:
    """Return the path of a notebook file in its real directory."""
    from .servers import real_place

    path = Path(notebook)
    if not path.is_file():
        problem = "is not a file" if path.exists() else "does not exist"
        raise click.BadParameter(f"{notebook} {problem}.", param_hint="NOTEBOOK")
    return real_place(path)


def _output_file(output: str) -> Path:
    """Return the path of the output file in its real directory; the file itself need not exist."""
    from .servers import real_place

    path = Path(output)
    if not path.parent.is_dir():
        raise click.BadParameter(f"the directory {path.parent} does not exist.", param_hint="--output")
    return real_place(path)


def _shown_path(path: Path) -> str:
    """Return a path as short as it can be said here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (OSError, ValueError):
        return str(path)


# -- nbexec doctor --------------------------------------------------------------------------------

_DOCTOR_COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}


@main.command()
def doctor() -> None:
    """Tell what nbexec finds here, how each kernel is started, and what is wrong.

    The exit code is 1 if anything is.
    """
    from . import doctor as doctor_

    problems = 0
    for finding in doctor_.examine():
        problems += finding.state == doctor_.PROBLEM
        state = click.style(f"{finding.state:8}", fg=_DOCTOR_COLOURS[finding.state])
        click.echo(f"{state} {printable(finding.subject)}: {printable(finding.text)}")
    if problems:
        sys.exit(_FAILED)


# -- nbexec params --------------------------------------------------------------------------------


@main.command()
@click.argument("notebook")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@_server_option
@_token_option
def params(notebook: str, as_json: bool, server: Optional[str], token: Optional[str]) -> None:
    """Show the parameters of NOTEBOOK.

    No server is needed unless NOTEBOOK is on one.
    """
    with _errors():
        if server is None:
            models = _read_parameters(_existing_notebook(notebook))
        else:
            with _remote_client(server, token) as client:
                models = client.parameters(notebook)
    if as_json:
        # The one control character that JSON does not escape.
        click.echo(json.dumps({"parameters": models}, indent=2).replace("\x7f", "\\u007f"))
    elif models:
        _print_table(models)
    else:
        click.echo(_NO_PARAMETERS, nl=False)


def _read_parameters(path: Path) -> List[Dict[str, Any]]:
    """Return the models of the parameters that a notebook file defines."""
    from .notebooks import clean, parse
    from .parameters import read_parameters

    try:
        data = path.read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read: {error.strerror}.", param_hint="NOTEBOOK") from error
    nb = parse(data)
    clean(nb)
    parameters = read_parameters(nb.cells)
    return [parameter.model() for parameter in (parameters or {}).values()]


def _print_table(models: List[Dict[str, Any]]) -> None:
    from rich.console import Console

    Console(markup=False, emoji=False, highlight=False).print(_table(models))


def _table(models: List[Dict[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    table.add_column("name", no_wrap=True)
    for heading in ("type", "default", "description", "examples"):
        table.add_column(heading, overflow="fold")
    for model in models:
        default = "" if model["default"] is None else repr(model["default"])
        examples = ", ".join(map(str, model["examples"] or model.get("choices", [])))
        row = (model["name"], model["type"], default, model["desc"] or "", examples)
        table.add_row(*(Text(printable_lines(cell)) for cell in row))
    return table


# -- how it ends ----------------------------------------------------------------------------------


class _Refused(click.ClickException):
    """What was asked for was not done."""

    exit_code = _REFUSED


class _Signal(KeyboardInterrupt):
    """A signal that asks this program to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def _errors() -> Iterator[None]:
    """Turn what can go wrong into a message and an exit code."""
    try:
        yield
    except NbExecError as error:
        raise _exception(error) from error
    except UnicodeEncodeError as error:
        raise _Refused(f"{error.object!r} is not text that can be sent.") from error


def _exception(error: NbExecError) -> click.ClickException:
    from .client import StreamEndedError

    return click.ClickException(str(error)) if isinstance(error, StreamEndedError) else _Refused(str(error))


@contextmanager
def _signals(context: click.Context) -> Iterator[None]:
    """Let a request to end be answered as Ctrl-C is: nothing is left running, and the exit code tells the signal."""
    with _handled("SIGTERM"), _handled("SIGHUP"):
        try:
            yield
        except KeyboardInterrupt as interrupt:
            context.exit(_SIGNALLED + getattr(interrupt, "number", signal.SIGINT))


@contextmanager
def _handled(name: str) -> Iterator[None]:
    """Raise `_Signal` for a signal meanwhile, unless this system has no such signal or it is ignored."""
    number = getattr(signal, name, None)
    if number is None or signal.getsignal(number) is not signal.SIG_DFL:
        yield
        return
    signal.signal(number, _raise_signal)
    try:
        yield
    finally:
        signal.signal(number, signal.SIG_DFL)


def _raise_signal(number: int, frame: Optional[FrameType]) -> None:
    raise _Signal(number)


if __name__ == "__main__":
    main()
