"""The command line: ``nbexec run``, ``nbexec params`` and ``nbexec doctor``.

Modules that are slow to import are imported where they are used. Only the result goes to standard output, so that
scripts can use it; everything else goes to standard error.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple

import click

from .._version import __version__
from ..errors import NbExecError
from ..printable import printable, printable_lines
from ..run_arguments import RESERVED
from .command_group import FAILED, SIGNALLED, CommandGroup
from .parameter_option import CommandWithParameters
from .request_options import check_needs, request_options
from .stop_signals import Stopped, StopSignals

if TYPE_CHECKING:
    from rich.table import Table

_NO_PARAMETERS = """This notebook has no parameter cell, so it takes no parameters.
To define parameters, assign their defaults in a code cell that has the tag "parameters" or begins with this comment:

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
    """Return the name-value pairs of --param as a dictionary."""
    params: Dict[str, str] = {}
    for name, value in pairs:
        if name in params:
            raise click.BadParameter(f"{name} is given twice", context, option)
        params[name] = value
    _refuse_reserved(context, option, params)
    return params


def _refuse_reserved(context: click.Context, option: click.Parameter, params: Dict[str, str]) -> None:
    for name in RESERVED:
        if name in params:
            raise click.BadParameter(f"{name} is reserved and cannot be used as a parameter name",
                                     context, option)


_server_option = click.option(
    "--server", metavar="URL", help="Server to use, as URL with its base URL. Paths are then relative to its root.")
_token_option = click.option(
    "--token", metavar="TOKEN", envvar="NBEXEC_TOKEN", show_envvar=True,
    help="Token of --server. A token in the URL (?token=…) takes precedence.")
_cacert_option = click.option(
    "--cacert", metavar="FILE", help="Certificate of the authority that signed the server's certificate, in PEM. "
                                     "Default: REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE.")


@main.command(cls=CommandWithParameters)
@click.argument("notebook")
@click.option("-p", "--param", "params", type=(str, str), multiple=True, metavar="NAME=VALUE", callback=_check_params,
              help="Set a notebook parameter, written NAME=VALUE or NAME VALUE. Can be repeated.")
@request_options
@click.option("--private", is_flag=True, help="Start a private server, even if one is running.")
@_server_option
@_token_option
@_cacert_option
@click.pass_context
def run(context: click.Context, notebook: str, params: Dict[str, str], private: bool, server: Optional[str],
        token: Optional[str], cacert: Optional[str], **options: Any) -> None:
    """Run NOTEBOOK and print the path of the executed notebook.

    Without --server, NOTEBOOK runs on a notebook server of yours whose root directory contains it. If there is none,
    it runs without a server; with --private, a server is started for the duration of the command.

    Exit code: 0 the notebook completed, 1 it failed, 2 it was not run, 3 the result is unknown, 4 the result could not
    be written, 128 and above: a signal ended it (130 for Ctrl-C).
    """
    check_needs(context, options)
    if private and server is not None:
        raise click.UsageError("--private and --server cannot be combined", context)
    output = options.pop("output_path")
    with StopSignals() as signals, _errors():
        code = _run(notebook, output, {"params": params, **options}, (server, token, cacert, private), signals)
    context.exit(code if signals.number is None else SIGNALLED + signals.number)


def _run(notebook: str, output: Optional[str], options: Dict[str, Any],
         place: Tuple[Optional[str], Optional[str], Optional[str], bool], signals: StopSignals) -> int:
    """Choose a server, run the notebook on it, and return the exit code; a signal may end this at any point."""
    from .notebook_run import run_notebook
    from .run_target import Place, end_of_runs, find_target

    try:
        with end_of_runs(), find_target(notebook, output, Place(*place), signals) as target:
            return run_notebook(target, options, signals)
    except Stopped as signal:
        return SIGNALLED + signal.number


# -- nbexec doctor --------------------------------------------------------------------------------

_DOCTOR_COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}


@main.command()
@_cacert_option
@click.pass_context
def doctor(context: click.Context, cacert: Optional[str]) -> None:
    """Check the installation, and show how each kernel is started.

    The exit code is 1 if there is a problem.
    """
    from . import doctor as doctor_

    problems = 0
    for finding in doctor_.examine(cacert):
        problems += finding.state == doctor_.PROBLEM
        state = click.style(f"{finding.state:8}", fg=_DOCTOR_COLOURS[finding.state])
        click.echo(f"{state} {printable(finding.subject)}: {printable(finding.text)}")
    if problems:
        context.exit(FAILED)


# -- nbexec params --------------------------------------------------------------------------------


@main.command()
@click.argument("notebook")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@_server_option
@_token_option
@_cacert_option
def params(notebook: str, as_json: bool, server: Optional[str], token: Optional[str], cacert: Optional[str]) -> None:
    """Show the parameters of NOTEBOOK.

    No server is needed, unless NOTEBOOK is on a remote one.
    """
    from .run_target import Place, existing_notebook, remote_client

    with _errors():
        if server is None:
            models = _read_parameters(existing_notebook(notebook))
        else:
            with remote_client(Place(server, token, cacert)) as client:
                models = client.parameters(notebook)
    if as_json:
        # DEL is the one control character that JSON does not escape.
        click.echo(json.dumps({"parameters": models}, indent=2).replace("\x7f", "\\u007f"))
    elif models:
        _print_table(models)
    else:
        click.echo(_NO_PARAMETERS, nl=False)


def _read_parameters(path: Path) -> List[Dict[str, Any]]:
    """Return the models of the parameters that a notebook file defines."""
    from ..files.notebooks import clean, parse
    from ..parameters import read_parameters

    try:
        data = path.read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read: {error.strerror}", param_hint="NOTEBOOK") from error
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
        default = _default_text(model["default"])
        examples = ", ".join(map(str, model["examples"] or model.get("choices", [])))
        row = (model["name"], model["type"], default, model["desc"] or "", examples)
        table.add_row(*(Text(printable_lines(cell)) for cell in row))
    return table


def _default_text(default: object) -> str:
    """Return a default as it is shown; a list or a dict as it would be given."""
    if isinstance(default, (list, dict)):
        return json.dumps(default, ensure_ascii=False)
    return "" if default is None else repr(default)


# -- how it ends ----------------------------------------------------------------------------------


@contextmanager
def _errors() -> Iterator[None]:
    """Turn errors into a message and an exit code."""
    from .notebook_run import Refused, exception_for

    try:
        yield
    except NbExecError as error:
        raise exception_for(error) from error
    except UnicodeEncodeError as error:
        raise Refused(f"{error.object!r} cannot be encoded as UTF-8") from error


if __name__ == "__main__":
    main()
