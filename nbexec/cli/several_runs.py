"""Runs several notebooks, or one with several sets of values, a few at a time.

Each thread runs one execution after the other; the main thread takes what comes of them. A signal reaches all of them:
each execution that is running is shut down, and no further one is started.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, Optional, Sequence, Tuple

from ..client import ApiError
from ..client.result import Result, Tally
from ..client.run_view import RunView
from ..errors import NbExecError
from ..printable import printable
from ..waits import next_item
from .command_errors import code_of, unforeseen
from .exit_codes import NOT_RUN, SIGNALLED, UNKNOWN, code_for
from .notebook_run import run_notebook
from .option_names import with_option
from .run_plan import PlannedRun
from .run_target import Target
from .stop_signals import Stopped, StopSignals

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
            index, outcome = next_item(self._ended)
            yield index, outcome

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
