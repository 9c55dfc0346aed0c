"""One notebook, read like a recipe: read, parameterize, execute, save, report."""

from __future__ import annotations

import logging
import os
from contextlib import nullcontext
from typing import Any, Callable, ContextManager, Dict, List, Optional, Tuple

from nbformat import NotebookNode

from .. import events
from ..errors import (
    CellFailedError,
    CellsFailedError,
    DefinitionError,
    ExecutionError,
    ExecutionStoppedError,
    FolderLostError,
    InvalidArgumentError,
    KernelStartError,
    NotebookUnreadableError,
    OutputNotConvertedError,
    OutputNotWrittenError,
    RunnerDiedError,
    ServerGoneError,
)
from ..files import notebooks
from ..files.end_notes import Note
from ..files.private_files import PrivateFolder
from ..files.trust import Trust
from ..forked.child_processes import Children
from ..kernels.messages import language_info
from ..kernels.plan import KernelPlan
from ..kernels.session import KernelSession
from ..protocol import (
    BadDefinition,
    Checked,
    ConvertedOutput,
    End,
    EventsRequest,
    Failed,
    Go,
    Hello,
    KernelStarted,
    OutputRequest,
    OutputSoFarRequest,
    ParametersRequest,
    Pipe,
    PipeClosedError,
    Raised,
    Readable,
    RebuildRequest,
    RecordedEvent,
    Refused,
    Request,
    Retried,
    RunRequest,
    Unreadable,
    Watch,
)
from ..readiness import readable
from . import converted_output, recorded_events
from .failure_mark import mark_failure
from .failures import FailedCells
from .interval_saves import IntervalSaves
from .limits import Deadline, Limits, shortest
from .live_output import LiveOutput
from .output_file import OutputFile, content_of
from .papermill_metadata import PapermillMetadata
from .partial_file import PartialFile, mark_partial
from .preprocessor import NotebookPreprocessor
from .rebuilt_notebook import put_events
from .reporter import Reporter
from .source_notebook import SourceNotebook, read

_log = logging.getLogger("nbexec")
_ORPHAN_PATIENCE = 3.0  # seconds that a kernel may take to end gracefully when its server is gone, or in a hurry
BecomeKernel = Callable[[], None]


class NotebookRunner:
    """Runs one notebook, or tells what is in it.

    Parameters
    ----------
    pipe : Pipe
        The way to the server.
    folder : PrivateFolder
        A folder for temporary files of this process alone.
    parent : PrivateFolder, optional
        The one that it is in. If there is one, this process was forked, and has a kernel's imports and nothing besides
        that a kernel must not have.
    """

    def __init__(self, pipe: Pipe, folder: PrivateFolder, parent: Optional[PrivateFolder]) -> None:
        self._pipe = pipe
        self._folder = folder
        self._parent = parent
        self._children = Children()
        self._session = KernelSession(folder, self._children, can_fork=parent is not None)
        self._note = Note(None)
        self._details: Dict[str, Any] = {}
        self._has_exited = False
        self._failed_cells = FailedCells()
        self._index = -1  # of the last cell that was begun
        self._saves = IntervalSaves(0.0, self._children, lambda: lambda: None)
        self._output: Optional[OutputFile] = None

    def run(self, is_spare: bool) -> Optional[BecomeKernel]:
        """Do what the server asks for; return in a kernel, which is forked on the way, what it has to call.

        Parameters
        ----------
        is_spare : bool
            Whether the kernel is made before there is a request.

        Raises
        ------
        PipeClosedError
            The server is gone.
        """
        if is_spare:
            become_kernel = self._fork_kernel()
            if become_kernel is not None:
                return become_kernel
        if not self._read() or not self._choose_kernel():
            return None
        if self._session.should_fork(self._plan):
            become_kernel = self._fork_kernel()
            if become_kernel is not None:
                return become_kernel
        error = self._execute()
        self._save_and_report(error)
        self._end_kernel(gracefully=error is None or isinstance(error, CellFailedError))
        return None

    def kill_all(self) -> None:
        """Leave no process behind."""
        self._children.kill_all()

    def _fork_kernel(self) -> Optional[BecomeKernel]:
        """Fork the kernel; return in the child, which forgets the runner, what it has to call."""
        become_kernel = self._session.fork()
        if become_kernel is not None:
            self._children.close()
            self._pipe.close()
            self._note.close()
            self._folder.close()
            if self._parent is not None:
                self._parent.close()
        return become_kernel

    # -- read and parameterize --------------------------------------------------------------------

    def _read(self) -> bool:
        """Read the notebook and tell the server about it; return whether there is something to run."""
        request, content = self._await_request()
        self._settings = request.settings
        self._trust = Trust(request.settings.notary)
        try:
            if isinstance(request, RebuildRequest):
                self._put_events(request, content)
                self._write_rebuilt(request)
            elif isinstance(request, RunRequest):
                return self._read_to_run(request, content)
            if isinstance(request, ParametersRequest):
                self._pipe.send(SourceNotebook(request, content, self._trust).defined_parameters())
            elif isinstance(request, OutputRequest):
                self._pipe.send(ConvertedOutput(), converted_output.content_of(request, content))
            elif isinstance(request, EventsRequest):
                self._tell_again(request, content)
        except NotebookUnreadableError as error:
            self._pipe.send(Unreadable(str(error)))
        except OutputNotConvertedError as error:
            self._pipe.send(Failed(error.reason))
        except InvalidArgumentError as error:
            self._pipe.send(Refused(error.field, error.value, error.expected, str(error)))
        except DefinitionError as error:
            self._pipe.send(BadDefinition(str(error)))
        return False

    def _await_request(self) -> Tuple[Request, bytes]:
        """Return the request; a spare has its kernel ready before it says that it is there."""
        if self._session.kernel is not None:
            self._session.warm_up({self._pipe.fileno(): self._give_up})
        self._pipe.send(Hello(os.getpid()))
        descriptors = [self._pipe.fileno(), self._children.fileno()]
        while self._pipe.fileno() not in readable(descriptors):
            self._session.check()
        request, content = self._pipe.receive()
        assert isinstance(request, Request)
        return request, content

    def _give_up(self) -> None:
        """Go, because the server is gone or does not need a spare any more: before "hello" it says nothing."""
        raise PipeClosedError

    def _read_to_run(self, request: RunRequest, content: bytes) -> bool:
        self._request = request
        self._note = Note(None if request.check_only else request.note)
        self._source = SourceNotebook(request, content, self._trust)
        self._source.parameterize(request)
        self._nb = self._source.nb
        self._papermill = PapermillMetadata(self._nb, request.path, request.arguments.output_path,
                                            self._source.values, self._source.secret_names)
        if request.output is not None:
            self._output = OutputFile(request.output, request, self._source.permissions)
        if request.check_only:
            self._pipe.send(Checked(**self._description()))
        return not request.check_only

    def _put_events(self, request: RebuildRequest, content: bytes) -> None:
        """Read the notebook, and put the output that another runner has told of into it."""
        self._read_to_run(request, content[:request.notebook_size])
        saved = None if self._output is None else self._output.partial().read()
        self._index = put_events(self._nb, content[request.notebook_size:].splitlines(), saved)
        mark_partial(self._nb, request.exec_id)

    def _write_rebuilt(self, request: RebuildRequest) -> None:
        """Write it, because the other runner is lost, or show it."""
        if isinstance(request, OutputSoFarRequest):
            self._pipe.send(ConvertedOutput(), converted_output.converted(self._content(), request))
            return
        if request.spec is not None:
            self._nb.metadata["kernelspec"] = kernelspec(request.spec)
        self._reporter = Reporter(self._pipe, self._note, request.exec_id, self._nb, self._source.secrets)
        self._save_and_report(RunnerDiedError(request.reason))

    def _tell_again(self, request: EventsRequest, content: bytes) -> None:
        """Tell the events of the cells of an execution that is over, from its output notebook."""
        nb, _ = read(request, content)
        nb.cells[:] = [cell for cell in nb.cells if not notebooks.is_error_mark(cell)]
        for event in recorded_events.cell_events(nb, request.execution, request.cells):
            self._pipe.send(RecordedEvent(event["event"]), events.line(event))
        self._pipe.send(Raised(recorded_events.raised(nb, request.execution, request.exception,
                                                      request.failed_cell)))

    def _description(self) -> Dict[str, Any]:
        return {"secret": self._source.secret_names, "parameters": self._source.effective,
                **notebooks.wanted_kernel(self._nb)}

    def _choose_kernel(self) -> bool:
        """Ask which kernel to run the notebook on; return whether to run it at all."""
        self._reporter = Reporter(self._pipe, self._note, self._request.exec_id, self._nb, self._source.secrets)
        self._live = LiveOutput(self._reporter.show_output, self._pipe.is_free)
        self._pipe.send(Readable(**self._description()))
        command, _ = self._pipe.receive()
        if isinstance(command, End):
            self._reporter.end(None, ExecutionStoppedError(command.reason))
            return False
        assert isinstance(command, Go)
        self._plan = KernelPlan(command.spec, self._request.cwd, command.fork_server, self._request.variables)
        return True

    # -- execute ----------------------------------------------------------------------------------

    def _execute(self) -> Optional[ExecutionError]:
        """Run all cells; return what went wrong, whatever that is."""
        try:
            deadline = Deadline(shortest(self._request.arguments.run_timeout, self._settings.run_timeout))
            self._describe_kernel(self._start_kernel(deadline))
            self._run_cells(deadline)
        except ExecutionError as error:
            return error
        except FolderLostError:
            raise
        except MemoryError:
            return ExecutionError("the runner process ran out of memory")
        except Exception as error:
            _log.exception("Internal error while running %s", self._request.path)
            return ExecutionError(f"internal error in nbexec: {type(error).__name__}: {error}")
        return None

    def _start_kernel(self, deadline: Deadline) -> Dict[str, Any]:
        """Return what the kernel says of itself; the time of the whole execution may be over before it is there."""
        timeout = min(self._settings.startup_timeout, deadline.left())
        try:
            info = self._session.start(self._plan, {self._pipe.fileno(): self._obey}, timeout,
                                       lambda reason: self._reporter.send(Retried(reason)))
        except KernelStartError:
            self._check_folder()
            if deadline.left() > 0:
                raise
            raise deadline.error("while its kernel was starting") from None
        self._check_folder()  # only now: until here, what is behind the paths of the sockets could have been exchanged
        return info

    def _check_folder(self) -> None:
        if not self._folder.is_intact():
            raise FolderLostError

    def _describe_kernel(self, info: Dict[str, Any]) -> None:
        """Say in the notebook what it runs on, as the notebook page does when it saves; tell the server too."""
        self._nb.metadata["language_info"] = language_info(info)
        self._nb.metadata["kernelspec"] = kernelspec(self._plan.spec)
        self._reporter.send(KernelStarted(self._plan.spec["name"], self._session.how_started))

    def _run_cells(self, deadline: Deadline) -> None:
        kernel, client = self._session.kernel, self._session.client
        assert kernel is not None and client is not None
        cell_timeout = self._request.arguments.cell_timeout or self._settings.cell_timeout
        limits = Limits(cell_timeout, deadline, self._settings.output_limit,
                        self._request.arguments.continue_on_error)
        preprocessor = NotebookPreprocessor(
            self._nb, kernel, client, limits, self._live, self._begin_saves(lambda: preprocessor.put_outputs()),
            self._source.secrets, self._reporter.cell_start, self._reporter.cell_end)
        try:
            for index, cell in enumerate(self._nb.cells):
                self._run_cell(preprocessor, cell, index)
                self._has_exited = preprocessor.has_exited
                if self._has_exited:
                    break
        finally:
            self._details = preprocessor.finish()
        preprocessor.check_complete()
        self._failed_cells.check()

    def _run_cell(self, preprocessor: NotebookPreprocessor, cell: NotebookNode, index: int) -> None:
        self._index = index
        try:
            preprocessor.preprocess_cell(cell, {}, index)
        except CellFailedError as error:
            if not self._request.arguments.continue_on_error:
                raise
            self._failed_cells.add(index + 1, error)

    def _obey(self) -> None:
        """Take a command of the server while the notebook runs: to end, or whether somebody watches."""
        try:
            command, _ = self._pipe.receive()
        except PipeClosedError as error:
            raise ServerGoneError from error
        if isinstance(command, End):
            raise ExecutionStoppedError(command.reason)
        if isinstance(command, Watch):
            self._live.watch(command.wanted)

    # -- save and report --------------------------------------------------------------------------

    def _begin_saves(self, put_outputs: Callable[[], None]) -> IntervalSaves:
        """Have the notebook saved at intervals from now on; `put_outputs` puts its output so far into it."""
        wanted = self._request.arguments.save_interval
        interval = self._settings.save_interval if wanted is None else wanted
        if self._output is not None:
            output = self._output
            self._saves = IntervalSaves(interval or 0.0, self._children,
                                        lambda: self._partial_save(output.partial(), put_outputs))
        return self._saves

    def _partial_save(self, partial: PartialFile, put_outputs: Callable[[], None]) -> Callable[[], None]:
        """Return what saves the output so far, for a child process, so that the notebook stays as it is."""
        def save() -> None:
            put_outputs()
            self._papermill.write(self._failed_indices(), self._index - 1, self._index)
            mark_partial(self._nb, self._request.exec_id)
            partial.write(content_of(self._nb))

        return save

    def _save_and_report(self, error: Optional[ExecutionError]) -> None:
        name: Optional[str] = None
        for_server = b""
        self._saves.end()
        self._describe_run(error)
        try:
            content = self._content()
            with self._signing():
                if self._output is None:
                    for_server = content
                else:
                    name = self._output.write(content, failed=error is not None)
        except OutputNotWrittenError as failure:
            error = ExecutionError(f"{error}\n{failure}") if error is not None else failure
        self._reporter.end(name, error, for_server, self._details, self._has_exited,
                           self._failed_cells.numbers)

    def _content(self) -> bytes:
        try:
            return content_of(self._nb)
        except OutputNotWrittenError as error:
            if self._output is None:
                raise
            raise self._output.with_partial(error) from error

    def _signing(self) -> ContextManager[None]:
        is_trusted = self._settings.trust_parameters or self._source.is_ours
        return self._trust.signing(self._nb) if is_trusted else nullcontext()

    def _failed_indices(self) -> List[int]:
        """Return the indices of the cells that failed while others were run after them."""
        return [number - 1 for number in self._failed_cells.numbers]

    def _describe_run(self, error: Optional[ExecutionError]) -> None:
        """Say in the notebook how it ran, as papermill does."""
        failed = self._failed_indices()
        if error is not None and not isinstance(error, CellsFailedError) and self._index >= 0:
            failed.append(self._index)
        self._papermill.write(failed, self._index)
        if isinstance(error, CellFailedError) and self._request.arguments.mark_failure:
            mark_failure(self._nb, failed[0])

    # -- the end ----------------------------------------------------------------------------------

    def _end_kernel(self, gracefully: bool) -> None:
        if gracefully:
            self._session.end_gracefully(self._settings.shutdown_timeout, self._pipe.fileno(), self._is_in_a_hurry,
                                         _ORPHAN_PATIENCE)
        self._session.kill()

    def _is_in_a_hurry(self) -> bool:
        """Whether the command that has come, or the end of the server, leaves the kernel less time."""
        try:
            command, _ = self._pipe.receive()
        except PipeClosedError:
            return True
        return isinstance(command, End)  # that nobody watches any more is no reason


def kernelspec(spec: Dict[str, Any]) -> NotebookNode:
    """Return what a notebook says of its kernel."""
    return NotebookNode(name=spec["name"], display_name=spec["display_name"], language=spec["language"])
