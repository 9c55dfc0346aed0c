"""Commands for the executions on a server: list, show, watch, stop, delete, open."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Tuple
from urllib.parse import quote

import click

from ..execution import EXECUTING, INITIALIZING, RUNNING, STATES, WAITING
from ..printable import printable, printable_lines
from .command_errors import CommandError, shown_errors
from .completion import complete_executions
from .exit_codes import SIGNALLED
from .json_lines import json_option, print_json
from .server_options import client_of, server_options
from .text_table import table_lines

if TYPE_CHECKING:
    from ..client import Client, Execution

_ID_LENGTH = 8  # characters of an id that are shown in a list
_HEADINGS = ("id", "status", "cells", "started", "seconds", "notebook", "output")
_DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]
_TAB = "tree#executions"  # of the pages
_execution_argument = click.argument("execution", shell_complete=complete_executions)
Model = Dict[str, Any]


# -- list and show --------------------------------------------------------------------------------


@click.command("list")
@click.option("--running", is_flag=True, help="Show only executions that have not ended.")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True,
              help="Show only executions in this state; may be repeated.")
@click.option("--notebook", metavar="PATH", help="Show only executions of this notebook on the server.")
@click.option("--text", default="", help="Show only executions with this text in a path, the error or a parameter.")
@click.option("--since", type=click.DateTime(_DAYS), help="Show only executions requested at this time or later.")
@click.option("--until", type=click.DateTime(_DAYS), help="Show only executions requested before this time.")
@click.option("--limit", type=click.IntRange(min=1), help="Show only the latest executions, so many at most.")
@json_option
@server_options
def list_(running: bool, states: Tuple[str, ...], notebook: Optional[str], text: str, since: Optional[datetime],
          until: Optional[datetime], limit: Optional[int], as_json: bool, **choice: Optional[str]) -> None:
    """List the executions on the server, oldest first.

    Times are dates, or dates with times such as 2024-06-30T08:00:00, of this machine's time zone.
    """
    with shown_errors(), client_of(**choice) as client:
        found = client.executions(
            text=text, state=(*states, *([WAITING, RUNNING] if running else [])), notebook=notebook, since=since,
            until=until, newest_first=limit is not None, limit=limit)
        models = [execution.model for execution in (found if limit is None else reversed(found))]
    if as_json:
        print_json({"executions": models})
    elif models:
        for line in table_lines(_HEADINGS, [_row(model) for model in models], sys.stdout.isatty()):
            click.echo(line)
    else:
        click.echo("No executions.", err=True)


def _row(model: Model) -> List[str]:
    return [model["exec_id"][:_ID_LENGTH], _status(model), model["progress"] or "", _moment(model["started_at"]),
            _seconds(model), model["path"], model["output_path"] or ""]


def _status(model: Model) -> str:
    """Return the status in a word or two: the message of an error has a place of its own."""
    return str(model["status"]).partition(":")[0]


def _moment(timestamp: Optional[float]) -> str:
    return "" if timestamp is None else datetime.fromtimestamp(timestamp).strftime("%Y-%m-%d %H:%M:%S")


def _seconds(model: Model) -> str:
    if model["started_at"] is None:
        return ""
    return f"{max(0.0, (model['completed_at'] or time.time()) - model['started_at']):.1f}"


@click.command()
@_execution_argument
@json_option
@server_options
def show(execution: str, as_json: bool, **choice: Optional[str]) -> None:
    """Show one execution.

    EXECUTION is its id, or the beginning of its id.
    """
    with shown_errors(), client_of(**choice) as client:
        model = _find(client, execution).refresh()
    if as_json:
        print_json({"execution": model})
        return
    for name, text in _fields(model):
        click.echo(f"{printable(name):11} {printable_lines(text)}".rstrip())


def _fields(model: Model) -> Iterator[Tuple[str, str]]:
    yield "id", model["exec_id"]
    yield "notebook", model["path"]
    yield "status", str(model["status"]).rstrip("\n")
    yield from (("parameter", f"{name} = {value}") for name, value in model["params"].items())
    yield from (("result", f"{name} = {value!r}") for name, value in (model.get("results") or {}).items())
    rest = {"cells": model["progress"], "started": _moment(model["started_at"]), "seconds": _seconds(model),
            "kernel": model.get("kernel") or model["jupyter_kernel"], "worker": model.get("where"),
            "output": model["output_path"]}
    yield from ((name, text) for name, text in rest.items() if text)


# -- watch ----------------------------------------------------------------------------------------


@click.command()
@_execution_argument
@click.option("--live", is_flag=True, help="Show the output of cells as it comes.")
@click.option("--json", "as_json", is_flag=True, help="Print the events as lines of JSON.")
@server_options
@click.pass_context
def watch(context: click.Context, execution: str, live: bool, as_json: bool, **choice: Optional[str]) -> None:
    """Follow an execution to its end, as run does.

    EXECUTION is its id, or the beginning of its id. The exit code is that of run. Ctrl-C ends the command, but not the
    execution.
    """
    from .display_options import Display
    from .stop_signals import Stopped, StopSignals

    with StopSignals() as signals, shown_errors(), client_of(**choice) as client:
        try:
            code = _watch(_find(client, execution), client, signals, Display(as_json=as_json, live=live))
        except Stopped as signal:
            click.echo(f"{signal}: the execution continues", err=True)
            code = SIGNALLED + signal.number
    context.exit(code)


def _watch(execution: Execution, client: Client, signals: Any, display: Any) -> int:
    from ..client.result import Tally
    from .followed_execution import FollowedExecution
    from .notebook_run import report

    tally = Tally()
    with display.view() as view:
        def show(event: Dict[str, Any]) -> None:
            tally.add(event)
            view.show(event)

        FollowedExecution(client, execution.events(outputs=display.live), signals).follow(show)
    return report(tally, str, path=not display.as_json)


# -- stop and delete ------------------------------------------------------------------------------


@click.command()
@click.argument("executions", nargs=-1, required=True, shell_complete=complete_executions)
@json_option
@server_options
def stop(executions: Sequence[str], as_json: bool, **choice: Optional[str]) -> None:
    """Shut executions down and wait until their kernels are gone.

    EXECUTIONS are ids, or beginnings of ids. Output so far is saved. Those that have ended stay as they are.
    """
    with shown_errors(), client_of(**choice) as client:
        models = [execution.shutdown() for execution in [_find(client, text) for text in executions]]
    if as_json:
        print_json({"executions": models})
        return
    for model in models:
        click.echo(f"{model['exec_id']} {printable(str(model['status']).partition(chr(10))[0])}")


@click.command()
@click.argument("executions", nargs=-1, shell_complete=complete_executions)
@click.option("--ended", is_flag=True, help="Delete all executions that have ended.")
@json_option
@server_options
def delete(executions: Sequence[str], ended: bool, as_json: bool, **choice: Optional[str]) -> None:
    """Delete executions from the list, and shut down those that are running.

    EXECUTIONS are ids, or beginnings of ids. Output notebooks are kept.
    """
    if bool(executions) == ended:
        raise click.UsageError("expected either EXECUTIONS or --ended")
    with shown_errors(), client_of(**choice) as client:
        found = ([execution for execution in client.executions() if execution.ended] if ended else
                 [_find(client, text) for text in executions])
        for execution in found:
            execution.delete()
    ids = [execution.exec_id for execution in found]
    if as_json:
        print_json({"deleted": ids})
    else:
        click.echo("".join(f"{exec_id}\n" for exec_id in ids), nl=False)


# -- open -----------------------------------------------------------------------------------------


@click.command("open")
@click.argument("execution", required=False, shell_complete=complete_executions)
@click.option("--print", "only_print", is_flag=True, help="Print the address instead of opening it.")
@json_option
@server_options
def open_(execution: Optional[str], only_print: bool, as_json: bool, **choice: Optional[str]) -> None:
    """Open the output notebook of an execution in the browser.

    EXECUTION is its id, or the beginning of its id. If there is no output yet, its page in the list of executions is
    opened; without EXECUTION, the list itself. The address has no token: log in to the server first.
    """
    with shown_errors(), client_of(**choice) as client:
        url = client.url + (_TAB if execution is None else _page_of(_find(client, execution).refresh()))
    if as_json:
        print_json({"url": url})
    else:
        click.echo(url)
    if not (only_print or as_json) and click.launch(url) != 0:
        raise CommandError("no browser could be started")


def _page_of(model: Model) -> str:
    if model["status"] not in (INITIALIZING, EXECUTING) and model["output_path"]:
        return f"notebooks/{quote(model['output_path'])}"
    return f"{_TAB}/{model['exec_id']}"


# -- ids ------------------------------------------------------------------------------------------


def _find(client: Client, text: str) -> Execution:
    """Return the execution whose id begins like this."""
    found = [execution for execution in client.executions() if execution.exec_id.startswith(text)] if text else []
    exact = [execution for execution in found if execution.exec_id == text]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if not found:
        raise CommandError(f"no execution on {client.url} has an id that begins with {text!r}; "
                           "nbexec list shows those that there are")
    raise CommandError(f"{text!r} is the beginning of {len(found)} ids: "
                       f"{', '.join(execution.exec_id for execution in found[:5])}")


COMMANDS = (list_, show, watch, stop, delete, open_)
