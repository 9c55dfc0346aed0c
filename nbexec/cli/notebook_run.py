"""Runs a notebook on a server, shows its progress, and returns the exit code for how it ended."""

from __future__ import annotations

import json
import queue
from typing import Any, Dict, Iterator, Optional

import click

from ..client import ApiError, Event
from ..client.execution_error import failed_at
from ..client.run_view import new_view
from ..errors import NbExecError
from ..events import NOTEBOOK_COMPLETE
from ..printable import printable, printable_lines
from .command_group import COMPLETED, FAILED, NOT_RUN, NOT_WRITTEN, UNKNOWN
from .followed_execution import FollowedExecution
from .option_names import with_option
from .run_target import Target
from .stop_signals import Stopped, StopSignals

_LONGEST_RESULT = 200  # characters that are shown


def run_notebook(target: Target, options: Dict[str, Any], signals: StopSignals) -> int:
    """Run the notebook on its server, show its progress, and return the exit code."""
    events: Iterator[Event] = target.client.stream(target.notebook, output_path=target.output, **options)
    view = new_view()
    execution = FollowedExecution(target.client, events, signals)
    final: Optional[Event]
    try:
        with view:
            final = execution.follow(view.show)
    except Stopped as signal:
        click.echo(f"{signal}: shutting down the execution", err=True)
        final = _stop(execution)
        if final is None:
            return UNKNOWN
    return _report(final, target)


def _stop(execution: FollowedExecution) -> Optional[Event]:
    """Shut an execution down and return its final event; print an error and return None if it does not arrive."""
    try:
        return execution.stop()
    except queue.Empty:
        click.echo("Error: the execution did not end in time; it may still be running", err=True)
    except ApiError as error:
        click.echo(f"Error: {printable_lines(str(error))}", err=True)
    return None


def _report(final: Event, target: Target) -> int:
    """Show the final event of an execution, and return the exit code for it."""
    output: Optional[str] = final.get("output_path") or final.get("execution", {}).get("output_path")
    completed = final["event"] == NOTEBOOK_COMPLETE
    if not completed:
        click.echo(printable_lines(_error_text(final)), err=True)
        if output is not None:
            click.echo(f"Output so far: {printable(target.show(output))}", err=True)
    elif final.get("exited"):
        click.echo(f"The notebook exited early, in cell {final['execution']['progress']}", err=True)
    _show_results(final)
    if output is not None:
        click.echo(printable(target.show(output)))
    return COMPLETED if completed else _failure(final, output)


def _show_results(final: Event) -> None:
    """Show what the notebook has handed back."""
    for name, value in final.get("execution", {}).get("results", {}).items():
        click.echo(f"{printable(name)} = {_short(printable(json.dumps(value, ensure_ascii=False)))}", err=True)
    for name, reason in final.get("results_omitted", {}).items():
        click.echo(f"The result {printable(name)} was left out: {printable(reason)}", err=True)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_RESULT else text[:_LONGEST_RESULT] + "…"


def _failure(final: Event, output: Optional[str]) -> int:
    """Return the exit code for an execution that ended with an error."""
    if "execution" in final and final["execution"].get("progress") is None:
        return NOT_RUN
    return NOT_WRITTEN if output is None and "ename" not in final else FAILED


def _error_text(final: Event) -> str:
    """Return what went wrong: the traceback if there is one, because it includes the error message."""
    error = str(final.get("error", "")).rstrip("\n")
    lines = [str(line) for line in final.get("traceback") or []]
    if not any(str(final.get("ename")) in line for line in lines):
        return error
    progress = failed_at(final.get("execution", {}), final.get("failed_cells", []))
    return "\n".join([f"Error in cell {progress}:" if progress else "Error:", *lines])


class Refused(click.ClickException):
    """The command did not do what was requested."""

    exit_code = NOT_RUN


class Lost(click.ClickException):
    """The outcome is unknown."""

    exit_code = UNKNOWN


def exception_for(error: NbExecError) -> click.ClickException:
    """Return the error as the command line shows it."""
    lost = isinstance(error, ApiError) and error.lost
    return (Lost if lost else Refused)(with_option(error))
