"""Shows how several executions end, one by one and in a table of all."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import click

from ..printable import printable
from .exit_codes import COMPLETED
from .run_plan import PlannedRun
from .several_runs import Outcome
from .text_table import table_lines


def show_all(outcomes: Iterator[Tuple[int, Outcome]], runs: Sequence[PlannedRun], quiet: bool, paths: bool,
             bar: bool) -> int:
    """Show executions as they end, and a table of all at the end; return the exit code.

    Parameters
    ----------
    outcomes : iterator
        Index and outcome of each.
    runs : sequence of PlannedRun
        The executions.
    quiet : bool
        Whether to show only what failed.
    paths : bool
        Whether to print the paths of the output notebooks, in the order of the executions.
    bar : bool
        Whether to show a bar on a terminal.
    """
    ended: Dict[int, Outcome] = {}
    printed = 0
    bar = bar and not quiet and sys.stderr.isatty()
    with _bar(len(runs), bar) as advance:
        for index, outcome in outcomes:
            ended[index] = outcome
            if not quiet or outcome.code != COMPLETED:
                click.echo(_line(outcome, runs[index], f"{len(ended)}/{len(runs)}"), err=True)
            advance()
            while paths and not bar and printed in ended:
                _print_path(ended[printed])
                printed += 1
    for index in range(printed, len(runs) if paths else 0):
        _print_path(ended[index])
    in_order = [ended[index] for index in range(len(runs))]
    if not quiet:
        click.echo("", err=True)
        for line in _summary(runs, in_order):
            click.echo(line, err=True)
    return next((outcome.code for outcome in in_order if outcome.code != COMPLETED), COMPLETED)


@contextmanager
def _bar(total: int, shown: bool) -> Iterator[Callable[[], Any]]:
    """Show a bar, and provide what moves it."""
    if not shown:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    # What is printed to standard error meanwhile is shown above the bar; standard output may be a file.
    columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)


def _line(outcome: Outcome, run: PlannedRun, count: str) -> str:
    took = "" if outcome.seconds is None else f" ({outcome.seconds:.1f} s)"
    return printable(f"[{count}] {run.label}: {outcome.summary}{took}")


def _print_path(outcome: Outcome) -> None:
    if outcome.output is not None:
        click.echo(printable(outcome.output))


def _summary(runs: Sequence[PlannedRun], outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the lines of a table of all executions: their values, how they ended, their results."""
    names = [name for name in _all_names(run.params for run in runs)
             if len({str(run.params.get(name)) for run in runs}) > 1]
    results = _all_names(outcome.results for outcome in outcomes)
    notebooks = len({run.notebook for run in runs}) > 1
    headings = [*(["notebook"] if notebooks else []), *names, "status", "seconds", *results, "output"]
    rows = [[*([run.notebook] if notebooks else []), *(str(run.params.get(name, "")) for name in names),
             outcome.summary, "" if outcome.seconds is None else f"{outcome.seconds:.1f}",
             *(str(outcome.results.get(name, "")) for name in results), outcome.output or ""]
            for run, outcome in zip(runs, outcomes)]
    yield from table_lines(headings, rows, sys.stderr.isatty())
    failed = sum(outcome.code != COMPLETED for outcome in outcomes)
    yield f"{len(runs) - failed} of {len(runs)} completed"


def _all_names(mappings: Any) -> List[str]:
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))
