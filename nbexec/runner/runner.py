"""One notebook, read like a recipe: read, parameterize, execute, save.

A runner is a process of its own that runs one notebook and goes. It has one thread, sends messages up its pipe and
takes two commands; when the pipe closes, the server is gone, and it saves what it has and goes too.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import stat
from typing import Any, Callable, Dict, List, Optional, Tuple

from nbformat import NotebookNode

from .. import events, parameters
from ..errors import (
    CellFailedError,
    DefinitionError,
    ExecutionError,
    ExecutionStoppedError,
    FolderLostError,
    InvalidArgumentError,
    KernelDiedError,
    KernelStartError,
    NotebookUnreadableError,
    OutputNotWrittenError,
    ServerGoneError,
)
from ..excerpts import excerpt
from ..files import notebooks
from ..files.end_notes import Note
from ..files.output_directory import AcceptedDirectory, OutputDirectory
from ..files.permissions import Permissions
from ..files.private_files import PrivateFolder, make_temporary_folder
from ..files.trust import Trust
from ..forked.child_processes import Children, become_subreaper, tell_autogroup
from ..kernels.kernel import KernelPlan
from ..kernels.messages import language_info
from ..kernels.session import KernelSession
from ..processes import POSIX
from ..protocol import (
    BadDefinition,
    CellEvent,
    CellOutput,
    Checked,
    DefinedParameters,
    End,
    Ended,
    EventsRequest,
    Failed,
    Go,
    Hello,
    KernelStarted,
    Message,
    OutputTarget,
    ParametersRequest,
    Pipe,
    PipeClosedError,
    Raised,
    Readable,
    RecordedEvent,
    Refused,
    Request,
    Retried,
    RunRequest,
    Unreadable,
    Watch,
)
from ..secret_values import SecretValues
from . import recorded_events
from .limits import Deadline, Limits
from .live_output import LiveOutput
from .preprocessor import NotebookPreprocessor

_log = logging.getLogger("nbexec")
_ORPHAN_PATIENCE = 3.0  # seconds that a kernel may take to end gracefully when its server is gone, or in a hurry
BecomeKernel = Callable[[], None]


def start(descriptor: str, niceness: str) -> None:
    """Be a runner without a fork server. Called by a new interpreter."""
    if POSIX:
        os.nice(int(niceness))
        tell_autogroup(int(niceness))
    main(socket.socket(fileno=int(descriptor)))
    os._exit(0)


def main(sock: socket.socket, folder: Optional[PrivateFolder] = None, spare: bool = False) -> Optional[BecomeKernel]:
    """Run one notebook for the server at the other end of `sock`.

    The process may fork its kernel. In that child this returns what the child has to call, at the bottom of its
    stack, so that it ends as any Python program does; in the runner itself it returns None.

    Parameters
    ----------
    sock : socket
        The runner's end of its pipe.
    folder : PrivateFolder, optional
        Where its folder for temporary files goes, which somebody else removes should this process be killed. Without
        it the process makes one elsewhere, and its kernel is not forked.
    spare : bool
        Whether to make the kernel first, and then wait for a request.
    """
    become_subreaper()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # whether to end is told by the pipe
    pipe = Pipe(sock)
    try:
        runner = _set_up(pipe, folder)
    except OSError as error:
        if folder is None or folder.is_intact():  # otherwise another runner takes its place, in another folder
            _refuse(pipe, f"the process for it could not be set up: {error.strerror or error}")
        return None
    try:
        if spare and not runner.fork_kernel():
            return runner.become_kernel()
        if runner.prepare():
            if runner.should_fork() and not runner.fork_kernel():
                return runner.become_kernel()
            runner.run()
    except (PipeClosedError, KernelDiedError):
        pass  # nobody is left who wants to know, or nobody has asked for it yet
    except FolderLostError:
        _log.warning("The temporary folder of a runner is gone; starting another runner in its place.")
    runner.close()
    return None


def _set_up(pipe: Pipe, folder: Optional[PrivateFolder]) -> NotebookRunner:
    if folder is None:
        own = make_temporary_folder()
    else:
        folder.remove(str(os.getpid()))
        own = folder.make_folder(str(os.getpid()))
    try:
        return NotebookRunner(pipe, own, folder)
    except OSError:
        _remove(own, folder)
        raise


def _remove(own: PrivateFolder, folder: Optional[PrivateFolder]) -> None:
    if folder is None:
        own.end()
    else:
        folder.remove(str(os.getpid()))


def _refuse(pipe: Pipe, reason: str) -> None:
    try:
        pipe.send(Failed(reason))
    except PipeClosedError:
        pass  # nobody is left who wants to know
    pipe.close()


class NotebookRunner:
    """Runs one notebook.

    Parameters
    ----------
    pipe : Pipe
        The way to the server.
    folder : PrivateFolder
        A folder for temporary files of this run alone.
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
        self._output_cut: Dict[str, int] = {}
        self._live = LiveOutput(self._show_output, pipe.is_free)
        self._progress = ""
        self._permissions = Permissions.usual()  # of the output
        self._may_sign = False
        self._secret_names: List[str] = []
        self._secrets = SecretValues()
        self._has_exited = False

    def close(self) -> None:
        """Leave nothing behind."""
        self._children.kill_all()
        _remove(self._folder, self._parent)
        self._pipe.close()

    # -- read and parameterize --------------------------------------------------------------------

    def prepare(self) -> bool:
        """Read the notebook and tell the server about it; return whether there is something to run.

        Raises
        ------
        PipeClosedError
            The server is gone.
        """
        request, content = self._await_request()
        self._settings = request.settings
        self._trust = Trust(request.settings.notary)
        try:
            if isinstance(request, EventsRequest):
                self._tell_again(request, content)
            elif isinstance(request, ParametersRequest):
                self._nb = self._read(request, content)
                self._pipe.send(DefinedParameters(self._models()))
            elif isinstance(request, RunRequest):
                return self._prepare_run(request, content)
        except NotebookUnreadableError as error:
            self._pipe.send(Unreadable(str(error)))
        except InvalidArgumentError as error:
            self._pipe.send(Refused(error.field, error.value, error.expected, str(error)))
        except DefinitionError as error:
            self._pipe.send(BadDefinition(str(error)))
        return False

    def _prepare_run(self, request: RunRequest, content: bytes) -> bool:
        self._request = request
        self._note = Note(None if request.check_only else request.note)
        self._nb = self._read(request, content)
        self._parameterize()
        if request.check_only:
            self._pipe.send(Checked(self._secret_names, **notebooks.wanted_kernel(self._nb)))
            return False
        return self._may_go()

    def _await_request(self) -> Tuple[Request, bytes]:
        """Return the request; a spare has its kernel ready before it says that it is there."""
        if self._session.kernel.forked:
            self._session.warm_up({self._pipe.fileno(): self._give_up})
        self._pipe.send(Hello(os.getpid()))
        descriptors = [self._pipe.fileno(), self._children.fileno()]
        while self._pipe.fileno() not in select.select(descriptors, [], [])[0]:
            self._session.kernel.check()
        request, content = self._pipe.receive()
        assert isinstance(request, Request)
        return request, content

    def _give_up(self) -> None:
        """Go, because the server is gone or does not need a spare any more: before "hello" it says nothing."""
        raise PipeClosedError

    def _parse(self, request: Request, content: bytes) -> NotebookNode:
        if request.source is not None:
            content, self._permissions = _read_file(request.source)
        elif request.like is not None:
            self._permissions = _permissions_of(request.like)
        return notebooks.parse(content)

    def _tell_again(self, request: EventsRequest, content: bytes) -> None:
        """Tell the events of the cells of an execution that is over, from its output notebook."""
        nb = self._parse(request, content)
        for event in recorded_events.cell_events(nb, request.execution, request.cells):
            self._pipe.send(RecordedEvent(event["event"]), events.line(event))
        self._pipe.send(Raised(recorded_events.raised(nb, request.execution, request.exception)))

    def _read(self, request: Request, content: bytes) -> NotebookNode:
        nb = self._parse(request, content)
        # Cells that earlier callers filled are theirs, unless the output that they come from was trusted.
        self._has_foreign_text = parameters.has_injected_text(nb) and not self._trust.is_signed(nb)
        notebooks.clean(nb)
        return nb

    def _models(self) -> List[Dict[str, Any]]:
        defined = parameters.read_parameters(self._nb.cells) or {}
        return [parameter.model() for parameter in defined.values()]

    def _parameterize(self) -> None:
        """Put the given values into the notebook; without any, it does not matter how it defines parameters."""
        given = self._request.arguments.params
        defined: Optional[Dict[str, parameters.Parameter]] = None
        values: Dict[str, object] = {}
        if given:
            defined = parameters.read_parameters(self._nb.cells)
            values = parameters.parse_values(defined, given)
            self._secret_names = parameters.secret_names(defined, values)
            self._secrets = parameters.inject(self._nb, values, self._secret_names)
        is_ours = self._request.is_typed or not parameters.have_text(defined, values)
        if self._has_foreign_text and not values:  # which would have taken its place
            is_ours = False
        self._may_sign = self._settings.trust_parameters or is_ours

    def _may_go(self) -> bool:
        """Ask which kernel to run the notebook on; return whether to run it at all."""
        self._pipe.send(Readable(self._secret_names, **notebooks.wanted_kernel(self._nb)))
        command, _ = self._pipe.receive()
        if isinstance(command, End):
            self._report(None, ExecutionStoppedError(command.reason))
            return False
        assert isinstance(command, Go)
        self._plan = KernelPlan(command.spec, self._request.cwd, command.fork_server)
        return True

    # -- execute ----------------------------------------------------------------------------------

    def should_fork(self) -> bool:
        """Whether the kernel is to be forked now."""
        return self._session.should_fork(self._plan)

    def fork_kernel(self) -> bool:
        """Fork the kernel; return False in the child, which has to call what `become_kernel` returns."""
        return self._session.kernel.fork()

    def become_kernel(self) -> BecomeKernel:
        """Forget the runner; return what the child has to call to be the kernel."""
        self._children.close()
        self._pipe.close()
        self._note.close()
        self._folder.close()
        if self._parent is not None:
            self._parent.close()
        return self._session.kernel.become

    def run(self) -> None:
        """Execute, save, and report; whatever happens there is one report, and no kernel left."""
        error: Optional[ExecutionError] = None
        try:
            self._execute()
        except ExecutionError as caught:
            error = caught
        except FolderLostError:
            raise
        except MemoryError:
            error = ExecutionError("the runner process ran out of memory")
        except Exception as caught:
            _log.exception("Internal error while running %s", self._request.path)
            error = ExecutionError(f"internal error in nbexec: {type(caught).__name__}: {caught}")
        self._save_and_report(error)
        self._end_kernel(gracefully=error is None or isinstance(error, CellFailedError))

    def _execute(self) -> None:
        deadline = Deadline(self._settings.run_timeout)
        info = self._start_kernel(deadline)
        self._describe_kernel(info)
        self._send(KernelStarted(self._plan.spec["name"], self._session.how_started))
        assert self._session.client is not None
        cell_timeout = self._request.arguments.cell_timeout or self._settings.cell_timeout
        limits = Limits(cell_timeout, deadline, self._settings.output_limit)
        preprocessor = NotebookPreprocessor(self._nb, self._session.kernel, self._session.client, limits, self._live,
                                            self._secrets, self._cell_start, self._cell_end)
        try:
            for index, cell in enumerate(self._nb.cells):
                preprocessor.preprocess_cell(cell, {}, index)
                self._has_exited = preprocessor.has_exited
                if self._has_exited:
                    break
        finally:
            self._output_cut = preprocessor.finish()
        preprocessor.check_complete()

    def _start_kernel(self, deadline: Deadline) -> Dict[str, Any]:
        """Return what the kernel says of itself; the time of the whole execution may be over before it is there."""
        timeout = min(self._settings.startup_timeout, deadline.left())
        try:
            info = self._session.start(self._plan, {self._pipe.fileno(): self._obey}, timeout,
                                       lambda reason: self._send(Retried(reason)))
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
        """Say in the notebook what it ran on, as the notebook page does when it saves."""
        self._nb.metadata["language_info"] = language_info(info)
        spec = self._plan.spec
        self._nb.metadata["kernelspec"] = NotebookNode(
            name=spec["name"], display_name=spec["display_name"], language=spec["language"])

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

    # -- hooks of the preprocessor ----------------------------------------------------------------

    def _cell_start(self, index: int, cell: NotebookNode, timestamp: float) -> None:
        self._progress = f"{index + 1}/{len(self._nb.cells)}"
        event = events.cell_start(self._request.exec_id, timestamp, self._progress, cell)
        self._send(CellEvent(events.CELL_START, self._progress, excerpt(cell["source"])), events.line(event))

    def _cell_end(self, index: int, cell: NotebookNode, timestamp: float) -> None:
        event = events.cell_end(self._request.exec_id, timestamp, self._progress, cell)
        self._send(CellEvent(events.CELL_END, self._progress), events.line(event))

    def _show_output(self, outputs: List[Dict[str, Any]], replace: bool) -> None:
        event = events.output(self._request.exec_id, self._progress, outputs, replace)
        self._send(CellOutput(replace), events.line(event))

    def _send(self, message: Message, payload: bytes = b"") -> None:
        """Tell the server; if it is gone, the run ends because its pipe closed, not because of this."""
        try:
            self._pipe.send(message, payload)
        except PipeClosedError:
            _log.debug("The server no longer accepts %s.", type(message).__name__)

    # -- save -------------------------------------------------------------------------------------

    def _save_and_report(self, error: Optional[ExecutionError]) -> None:
        name: Optional[str] = None
        for_server = b""
        try:
            content = self._serialize()
            if self._may_sign:
                self._trust.sign(self._nb)
            if self._request.output is None:
                for_server = content
            else:
                name = self._save(self._request.output, content, failed=error is not None)
        except OutputNotWrittenError as failure:
            error = ExecutionError(f"{error}\n{failure}") if error is not None else failure
        self._report(name, error, for_server)

    def _serialize(self) -> bytes:
        try:
            return notebooks.serialize(self._nb)
        except (ValueError, TypeError, RecursionError, MemoryError) as error:
            raise OutputNotWrittenError(f"the output notebook cannot be serialized: {error!r}") from error

    def _save(self, output: OutputTarget, content: bytes, failed: bool) -> str:
        """Write the output notebook and return its name."""
        requested = output.failed_name if failed else output.name
        with OutputDirectory(AcceptedDirectory(**output.directory)) as directory:
            if output.overwrite and requested is not None:
                directory.replace(content, requested, self._permissions, self._request.source)
                return requested
            names = notebooks.output_names(requested, os.path.basename(self._request.path),
                                           output.directory["longest_name"])
            return directory.write_new(content, names, self._permissions)

    def _report(self, name: Optional[str], error: Optional[ExecutionError], content: bytes = b"") -> None:
        details = self._secrets.mask_error(error.details()) if isinstance(error, CellFailedError) else {}
        if self._output_cut:
            details["output_cut"] = self._output_cut
        if self._has_exited and error is None:
            details["exited"] = True
        total = len(self._nb.cells)
        end = self._progress if self._has_exited else f"{total}/{total}"
        reason = None if error is None else self._secrets.mask(str(error))
        ended = Ended(name, reason, None if error is None else type(error).__name__, end, details)
        lost = reason or str(ServerGoneError()) if content else reason  # only the server can save it
        self._note.write({**vars(ended), "error": lost, "timestamp": events.now().timestamp()})
        self._send(ended, content)

    # -- the end ----------------------------------------------------------------------------------

    def _end_kernel(self, gracefully: bool) -> None:
        if gracefully:
            self._session.end_gracefully(self._settings.shutdown_timeout, self._pipe.fileno(), self._is_in_a_hurry,
                                         _ORPHAN_PATIENCE)
        self._session.kernel.kill()

    def _is_in_a_hurry(self) -> bool:
        """Whether the command that has come, or the end of the server, leaves the kernel less time."""
        try:
            command, _ = self._pipe.receive()
        except PipeClosedError:
            return True
        return isinstance(command, End)  # that nobody watches any more is no reason


def _read_file(path: str) -> Tuple[bytes, Permissions]:
    """Return what is in a file, and who may do what with it."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NotebookUnreadableError("the file is not a notebook: it is no longer a regular file")
            return file.read(), Permissions.of(file.fileno())
    except OSError as error:
        raise NotebookUnreadableError(f"the file cannot be read: {error.strerror or error}") from error


def _permissions_of(path: str) -> Permissions:
    """Return those of the file that a notebook was read from by somebody else."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            return Permissions.of(file.fileno())
    except OSError:
        return Permissions.usual()  # there is no such file, after all


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting, as a FIFO that has taken its place meanwhile would have it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
