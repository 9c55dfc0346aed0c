"""Runs several notebooks, or one with several sets of values, a few at a time.

Each thread runs one execution after the other; the main thread shows how they end. A signal reaches all of them: each
execution that is running is shut down, and no further one is started.
"""

from __future__ import annotations

import queue
import sys
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import click

from ..client import ApiError
from ..client.result import Result, Tally
from ..client.run_view import RunView
from ..errors import NbExecError
from ..printable import printable
from .command_errors import code_of, unforeseen
from .exit_codes import COMPLETED, NOT_RUN, SIGNALLED, UNKNOWN, code_for
from .notebook_run import run_notebook
from .option_names import with_option
from .run_plan import PlannedRun
from .run_target import Target
from .stop_signals import Stopped, StopSignals
from .text_table import table_lines

_BUSY = 429
_PAUSE = 1.0  # seconds after which a busy server is asked again, if it does not say


@dataclass
class Outcome:
    """How one execution of several ended.

    Parameters
    ----------
    code : int
        Its exit code.
    summary : str
        How it ended, in one line.
    output : str, optional
        Path of the output notebook, as it is shown.
    seconds : float, optional
        How long it took.
    results : dict
        The named results of the notebook.
    tally : Tally, optional
        Its events.
    """

    code: int
    summary: str
    output: Optional[str] = None
    seconds: Optional[float] = None
    results: Dict[str, Any] = field(default_factory=dict)
    tally: Optional[Tally] = None


class SeveralRuns:
    """Runs notebooks on their targets.

    Parameters
    ----------
    runs, targets : sequence
        The executions, and the server of each.
    options : dict
        What all of them are asked for with.
    signals : StopSignals
        The signals that end all.
    new_view : callable
        Returns a view for one execution.
    outputs : bool
        Whether that view shows the output of running cells.
    """

    def __init__(self, runs: Sequence[PlannedRun], targets: Sequence[Target], options: Dict[str, Any],
                 signals: StopSignals, new_view: Callable[[], RunView], outputs: bool) -> None:
        self._runs = runs
        self._targets = targets
        self._options = options
        self._signals = signals
        self._new_view = new_view
        self._outputs = outputs
        self._next = iter(range(len(runs)))
        self._taking = threading.Lock()
        # A signal may arrive while the main thread uses the queue; other kinds of queues would deadlock.
        self._ended: queue.SimpleQueue[Tuple[int, Outcome]] = queue.SimpleQueue()

    def outcomes(self, jobs: int) -> Iterator[Tuple[int, Outcome]]:
        """Run all, and yield index and outcome of each as it ends."""
        for _ in range(min(jobs, len(self._runs))):
            threading.Thread(target=self._work, daemon=True).start()
        for _ in self._runs:
            yield self._ended.get()

    def _work(self) -> None:
        while True:
            with self._taking:
                index = next(self._next, None)
            if index is None:
                return
            try:
                outcome = self._outcome(index)
            except Exception as error:  # of any kind: the main thread waits for an outcome
                outcome = Outcome(UNKNOWN, unforeseen(error))
            self._ended.put((index, outcome))

    def _outcome(self, index: int) -> Outcome:
        run, target = self._runs[index], self._targets[index]
        try:
            self._signals.check()
            tally = self._tally(run, target)
        except Stopped as signal:
            return Outcome(SIGNALLED + signal.number, "not run")
        except NbExecError as error:
            return Outcome(code_of(error), f"error: {printable(with_option(error).partition(chr(10))[0])}")
        except (TypeError, ValueError) as error:  # a value cannot be sent
            return Outcome(NOT_RUN, f"error: {printable(str(error))}")
        if tally is None or tally.final is None:
            return Outcome(UNKNOWN, "unknown")
        result: Result = tally.result(None, None)
        output = None if result.output_path is None else target.show(result.output_path)
        return Outcome(code_for(tally.final), result.summary, output, result.seconds, result.results, tally)

    def _tally(self, run: PlannedRun, target: Target) -> Optional[Tally]:
        """Run a notebook; a server that is busy is asked again."""
        stopped: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._signals.tell(stopped.put)
        while True:
            try:
                return run_notebook(target, {**self._options, "params": run.params}, self._signals, self._new_view(),
                                    self._outputs)
            except ApiError as error:
                if error.status != _BUSY:
                    raise
                pause = error.retry_after or _PAUSE
            try:
                stopped.get(timeout=pause)
            except queue.Empty:
                continue
            self._signals.check()


def show_all(outcomes: Iterator[Tuple[int, Outcome]], runs: Sequence[PlannedRun], quiet: bool, paths: bool) -> int:
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
    """
    ended: Dict[int, Outcome] = {}
    printed = 0
    for index, outcome in outcomes:
        ended[index] = outcome
        if not quiet or outcome.code != COMPLETED:
            took = "" if outcome.seconds is None else f" ({outcome.seconds:.1f} s)"
            click.echo(printable(f"[{len(ended)}/{len(runs)}] {runs[index].label}: {outcome.summary}{took}"), err=True)
        while printed in ended:
            output = ended[printed].output
            if output is not None and paths:
                click.echo(printable(output))
            printed += 1
    in_order = [ended[index] for index in range(len(runs))]
    if not quiet:
        click.echo("", err=True)
        for line in _summary(runs, in_order):
            click.echo(line, err=True)
    return next((outcome.code for outcome in in_order if outcome.code != COMPLETED), COMPLETED)


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
