"""Runs a notebook on a server, shows its progress, and returns what its events add up to."""

from __future__ import annotations

import json
import queue
import sys
from typing import Any, Callable, Dict, Optional

import click

from ..client import ApiError, Event
from ..client.result import Tally
from ..client.run_view import RunView
from ..events import NOTEBOOK_COMPLETE
from ..printable import printable, printable_lines
from .exit_codes import UNKNOWN, code_for
from .failure_text import failure_text
from .followed_execution import FollowedExecution
from .run_target import Target
from .stop_signals import Stopped, StopSignals

_LONGEST_RESULT = 200  # characters that are shown


def run_notebook(target: Target, options: Dict[str, Any], signals: StopSignals, view: RunView,
                 outputs: bool = False) -> Optional[Tally]:
    """Run the notebook on its server and show its progress; None if a signal ended that and the result is unknown.

    Raises
    ------
    Stopped
        A signal arrived before the execution started.
    ApiError
        The server refused the request, or the connection was lost.
    """
    events = target.client.stream(target.notebook, output_path=target.output, outputs=outputs, **options)
    execution = FollowedExecution(target.client, events, signals)
    tally = Tally()

    def show(event: Event) -> None:
        tally.add(event)
        view.show(event)

    try:
        with view:
            execution.follow(show)
    except Stopped as signal:
        click.echo(f"{signal}: shutting down the execution", err=True)
        return tally if _stop(execution, show) else None
    return tally


def _stop(execution: FollowedExecution, show: Callable[[Event], None]) -> bool:
    """Shut an execution down, and return whether it has ended; print an error if not."""
    try:
        execution.stop(show)
        return True
    except queue.Empty:
        click.echo("Error: the execution did not end in time; it may still be running", err=True)
    except ApiError as error:
        click.echo(f"Error: {printable_lines(str(error))}", err=True)
    return False


def report(tally: Optional[Tally], show: Callable[[str], str], quiet: bool = False, path: bool = True) -> int:
    """Show how an execution ended, and return the exit code for that.

    Parameters
    ----------
    tally : Tally, optional
        Its events; None if it is not known how it ended.
    show : callable
        Turns an API path into the path that is shown to the user.
    quiet : bool
        Whether to show nothing but errors and the path.
    path : bool
        Whether to print the path of the output notebook.
    """
    if tally is None or tally.final is None:
        return UNKNOWN
    output: Optional[str] = tally.final.get("output_path") or tally.model.get("output_path")
    if tally.final["event"] != NOTEBOOK_COMPLETE:
        _show_failure(tally)
        if output is not None:
            click.echo(f"Output so far: {printable(show(output))}", err=True)
    elif tally.final.get("exited") and not quiet:
        click.echo(f"The notebook exited early, in cell {tally.model['progress']}", err=True)
    if not quiet:
        _show_results(tally)
    if output is not None and path:
        click.echo(printable(show(output)))
    return code_for(tally.final)


def _show_results(tally: Tally) -> None:
    """Show what the notebook has handed back."""
    for name, value in (tally.model.get("results") or {}).items():
        click.echo(f"{printable(name)} = {_short(printable(json.dumps(value, ensure_ascii=False)))}", err=True)
    for name, reason in (tally.final or {}).get("results_omitted", {}).items():
        click.echo(f"The result {printable(name)} was left out: {printable(reason)}", err=True)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_RESULT else text[:_LONGEST_RESULT] + "…"


def _show_failure(tally: Tally) -> None:
    """Print what went wrong; on a terminal, the headline is red."""
    headline, _, rest = printable_lines(failure_text(tally)).partition("\n")
    click.echo(click.style(headline, fg="red") if sys.stderr.isatty() else headline, err=True)
    if rest:
        click.echo(rest, err=True)
