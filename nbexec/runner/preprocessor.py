"""The ExecutePreprocessor that tells what it does, cell by cell.

It drives the kernel by itself, one poll for everything: nbclient's own loop loses output that comes late, and
takes several times as long.
"""

from __future__ import annotations

import logging
import math
import re
import time
from datetime import timedelta
from typing import Any, Callable, Dict, List, Optional, Tuple

from nbconvert.preprocessors import ExecutePreprocessor
from nbformat import NotebookNode

from .. import events
from ..errors import (
    CellFailedError,
    CellTimeoutError,
    ExecutionError,
    ExecutionStoppedError,
    KernelDiedError,
    OutputLostError,
    RunTimeoutError,
)
from ..files.notebooks import tags
from ..kernels.client import SHELL, KernelClient
from ..kernels.kernel import Kernel
from ..kernels.messages import KernelMessage, text_of_expression
from ..secret_values import SecretValues
from .failures import EXIT_CODE, Failure, asks_exit, failure_in, is_clean
from .interval_saves import IntervalSaves
from .limits import LONGEST, Limits
from .live_output import LiveOutput
from .notebook_outputs import NotebookOutputs

_log = logging.getLogger("nbexec")
# `nbconvert.filters.strip_ansi` leaves what is no CSI sequence, such as the OSC sequences of links and titles.
_ANSI = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
_INTERRUPT_GRACE = 0.5  # seconds that a cell has to end by itself once it is interrupted
_SILENCE = 60.0  # seconds without output after which output that must still come counts as lost
_SETTLING = 5.0  # seconds that the kernel may take to hear what its widgets have
_ASKING = 5.0  # seconds that the kernel may take to say what was the code of an exit
_SILENCE_BEFORE_REPLY = 5.0  # seconds; a kernel that is idle has sent its reply before


def plain_lines(traceback: List[str]) -> List[str]:
    """Return the lines of a kernel's traceback without ANSI escapes."""
    return [line for entry in traceback for line in _ANSI.sub("", str(entry)).split("\n")]


def is_executable(cell: NotebookNode) -> bool:
    """Whether the kernel is asked to run this cell."""
    return bool(cell["cell_type"] == "code" and cell["source"].strip()) and "skip-execution" not in tags(cell)


class _Answer:
    """What the kernel has said to the request to run a cell."""

    def __init__(self, msg_id: str) -> None:
        self.msg_id = msg_id
        self.reply: Optional[Dict[str, Any]] = None
        self.idle = False


class NotebookPreprocessor(ExecutePreprocessor):  # type: ignore[misc]
    """Runs the cells of one notebook on a kernel that is ready.

    Parameters
    ----------
    nb : NotebookNode
        The notebook; its cells are changed in place.
    kernel : Kernel
        The kernel.
    client : KernelClient
        The connection to it.
    limits : Limits
        How long the cells may take, how much of their output is kept, and whether to go on after a failed one.
    live : LiveOutput
        Tells the output of a cell while it runs.
    saves : IntervalSaves
        Saves the notebook while it runs.
    secrets : SecretValues
        What the kernel is told besides the cells.
    cell_start, cell_end : callable
        The hooks, called just before and just after each cell that is executed, with the index and the cell.

    Attributes
    ----------
    has_exited : bool
        Whether the last cell has ended the notebook, early and well: the ones after it are not run.
    """

    def __init__(self, nb: NotebookNode, kernel: Kernel, client: KernelClient, limits: Limits,
                 live: LiveOutput, saves: IntervalSaves, secrets: SecretValues,
                 cell_start: Callable[[int, NotebookNode, float], None],
                 cell_end: Callable[[int, NotebookNode, float, Dict[str, str]], None]) -> None:
        super().__init__()
        self.nb = nb
        self._client = client
        self._kernel = kernel
        self._limits = limits
        self._live = live
        self._saves = saves
        self._secrets = secrets
        self._cell_start = cell_start
        self._cell_end = cell_end
        self._outputs = NotebookOutputs(nb, client, limits.output_limit, live, secrets)
        self._index = 0
        self._next_count = 1
        self.has_exited = False

    def preprocess_cell(self, cell: NotebookNode, resources: Any, index: int) -> Tuple[NotebookNode, Any]:
        """Execute one cell; cells that are not code pass through.

        Raises
        ------
        CellFailedError, CellTimeoutError, RunTimeoutError, KernelDiedError, OutputLostError, ExecutionStoppedError
            The notebook cannot go on; all output so far is in the cell.
        """
        if not is_executable(cell):
            return cell, resources
        self._index = index
        self._outputs.begin(index)
        self._before(cell, index)
        try:
            self._assign_secrets(cell)
            self._execute(cell, index)
        finally:
            self._after(cell, index)
        return cell, resources

    def finish(self) -> Dict[str, Any]:
        """Take in the output that came after the end of its cell, and the state of the widgets.

        Returns what the report of the execution has of it: `output_cut`, how many bytes of output were cut, by the
        numbers of the cells; `results` and `results_omitted`. Each is there only if there is something in it.
        """
        self._outputs.take_all(self._client.drain_ready())
        cut = self._outputs.finish()
        return {**({"output_cut": cut} if cut else {}), **self._outputs.results.details()}

    def put_outputs(self) -> None:
        """Put into the notebook what there is of its output, while a cell runs."""
        self._outputs.finish()

    def check_complete(self) -> None:
        """Raise OutputLostError if anything that the kernel sent could not be read, since its last cell too."""
        self._client.check_unreadable()

    # -- one cell ---------------------------------------------------------------------------------

    def _before(self, cell: NotebookNode, index: int) -> None:
        self._started, self._started_at = time.monotonic(), events.now()
        cell["execution_count"] = self._next_count
        cell["metadata"]["nbexec"] = NotebookNode(start_time=events.isoformat(self._started_at))
        self._cell_start(index, cell, self._started_at.timestamp())
        self._outputs.begin_live()

    def _after(self, cell: NotebookNode, index: int) -> None:
        self._live.end()
        duration = round(time.monotonic() - self._started, 6)  # exactly the time between the two below
        ended_at = self._started_at + timedelta(seconds=duration)
        cell["metadata"]["nbexec"].update(end_time=events.isoformat(ended_at), duration=duration)
        cell["outputs"] = self._outputs.current()
        self._next_count = (cell["execution_count"] or 0) + 1
        self._cell_end(index, cell, ended_at.timestamp(), self._outputs.widget_texts())

    def _assign_secrets(self, cell: NotebookNode) -> None:
        """Tell the kernel the secret values that belong to the cell, so that no trace of it is left."""
        source = self._secrets.source_before(cell)
        if source:
            msg_id = self._client.execute(source, silent=True)
            self._outputs.hide(msg_id)
            reply = self._wait(_Answer(msg_id))
            if reply.get("status") != "ok":
                raise ExecutionError(f"the secret parameters could not be set: {reply.get('ename', 'aborted')}")

    def _execute(self, cell: NotebookNode, index: int) -> None:
        raises_exception = "raises-exception" in tags(cell)
        try:
            goes_on = raises_exception or self._limits.continue_on_error
            msg_id = self._client.execute(cell["source"], stop_on_error=not goes_on)
        except UnicodeEncodeError as error:
            raise ExecutionError(f"cell {self._progress(index)} cannot be sent to the kernel: {error}") from error
        self._outputs.expect(msg_id)
        reply = self._reply(_Answer(msg_id))
        failure = failure_in(reply) if reply.get("status") == "error" else self._outputs.new_error()
        if failure is not None and not raises_exception:
            if not self._is_clean_exit(failure):
                raise CellFailedError(cell["source"], failure.ename, failure.evalue, plain_lines(failure.traceback))
            self.has_exited = True
        # It goes a little later: how many cells it would still run is a matter of luck.
        self.has_exited = self.has_exited or asks_exit(reply)

    def _reply(self, answer: _Answer) -> Dict[str, Any]:
        """Return the kernel's reply to a cell, when all that belongs to it is here."""
        try:
            reply = self._wait(answer)
            if not asks_exit(reply):
                self._settle()
            return reply
        except KernelDiedError as error:
            for message in self._client.drain():
                self._take_answer(message, answer)
            if answer.reply is not None and answer.idle and asks_exit(answer.reply):
                return answer.reply
            raise KernelDiedError(f"{error} in cell {self._progress(self._index)}") from error
        except (CellTimeoutError, RunTimeoutError, ExecutionStoppedError):
            self._interrupt(answer)
            raise

    def _wait(self, answer: _Answer) -> Dict[str, Any]:
        """Return the kernel's reply as soon as it is here and all output of the cell with it."""
        timeout = self._limits.cell_timeout
        latest = self._limits.deadline.at
        if timeout is not None:
            latest = min(latest, time.monotonic() + min(timeout, LONGEST))
        while answer.reply is None or not answer.idle:
            deadline = latest
            if answer.idle:
                deadline = time.monotonic() + _SILENCE_BEFORE_REPLY
            elif answer.reply is not None:
                deadline = time.monotonic() + _SILENCE
            messages = self._receive(deadline)
            for message in messages:
                self._take_answer(message, answer)
            if not messages:
                raise self._silence_error(replied=answer.reply is not None, idle=answer.idle)
            if answer.reply is None and not answer.idle and time.monotonic() >= latest:  # it may print without end
                raise self._silence_error(replied=False, idle=False)
        return answer.reply

    def _take_answer(self, message: KernelMessage, answer: _Answer) -> None:
        if message.channel == SHELL and message.parent_id == answer.msg_id and message.type == "execute_reply":
            answer.reply = message.content
        elif self._outputs.take(message) == answer.msg_id:
            answer.idle = True

    def _is_clean_exit(self, failure: Failure) -> bool:
        """Whether the cell called `sys.exit()` with a code for success; the text alone may leave that open."""
        return failure.may_be_clean_exit and is_clean(self._ask(EXIT_CODE), failure.evalue)

    def _ask(self, expression: str) -> Optional[str]:
        """Return the value of an expression as the kernel writes it, None if it does not tell."""
        answer = _Answer(self._client.execute("", silent=True, expressions={"it": expression}))
        deadline = min(self._limits.deadline.at, time.monotonic() + _ASKING)
        while answer.reply is None and time.monotonic() < deadline:
            for message in self._receive(deadline):
                self._take_answer(message, answer)
        return text_of_expression(answer.reply or {}, "it")

    def _receive(self, deadline: float) -> List[KernelMessage]:
        """Return the messages that have arrived, or an empty list after the deadline; send pending output first."""
        while True:
            self._live.tell_if_due()
            self._saves.save_if_due()
            until = min(deadline, self._live.due, self._saves.due)
            messages = self._client.receive(None if until == math.inf else until)
            if messages:
                self._saves.note()
            if messages or time.monotonic() >= deadline:
                return messages

    def _silence_error(self, replied: bool, idle: bool) -> ExecutionError:
        """Return what it means that the kernel says no more."""
        progress = self._progress(self._index)
        if idle:
            # ipykernel itself failed at the cell, as IPython 8.12 does at a null character.
            words = self._kernel.last_words()
            return ExecutionError(f"the kernel did not reply to cell {progress}" + (f"\n{words}" if words else ""))
        if replied:
            return OutputLostError(f"the output of cell {progress} is incomplete: "
                                   f"nothing arrived for {_SILENCE:g} seconds after the cell ended")
        if self._limits.deadline.left() <= 0:
            return self._limits.deadline.error(f"in cell {progress}")
        return CellTimeoutError(self._limits.cell_timeout or 0, self._index + 1, len(self.nb.cells))

    def _interrupt(self, answer: _Answer) -> None:
        """Let the cell end by itself, with its clean-up, if it does so quickly."""
        deadline = time.monotonic() + _INTERRUPT_GRACE
        idle = False
        try:
            self._kernel.interrupt(self._client)
            while not idle and time.monotonic() < deadline:
                for message in self._client.receive(deadline):
                    idle = self._outputs.take(message) == answer.msg_id or idle
        except ExecutionError:
            pass  # it is ending anyway; the first reason counts
        if not idle:
            self._outputs.take_all(self._client.drain_ready())

    def _progress(self, index: int) -> str:
        return f"{index + 1}/{len(self.nb.cells)}"

    def _settle(self) -> None:
        """Wait until the kernel is done with what its widgets were told: the next cell may ask for it."""
        deadline = min(self._limits.deadline.at, time.monotonic() + _SETTLING)
        while self._outputs.widgets.is_waiting and time.monotonic() < deadline:
            self._outputs.take_all(self._receive(deadline))
        self._outputs.widgets.give_up()
