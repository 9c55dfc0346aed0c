"""The process that runners are forked from.

It imports what runners and kernels need, and then keeps a single thread, no sockets but its own and no event loop, so
that every child starts from the same clean state.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import time
from contextlib import suppress
from typing import Callable, List, Optional, Tuple

from .. import iri_grammar
from ..files.private_files import PrivateFolder
from ..fork_protocol import RunnerEnded, encode
from ..forked.child_processes import tell_autogroup
from ..forked.forking_server import ForkingServer, be_ready, begin
from ..kernels.out_of_memory import out_of_memory_kills
from ..processes import exit_code, how_ended, was_killed
from ..protocol import RETIRE, SPARE, Failed, Pipe, PipeClosedError, receive_request
from ..readiness import readable
from . import boot

_RUNNERS_PATIENCE = 8.0  # maximum seconds for runners to save and exit once the server is gone
# The pipe of a runner, the folder for its own folder, whether it is a spare.
RunnerArguments = Tuple[socket.socket, PrivateFolder, bool]


class ForkServer(ForkingServer):
    """Forks a runner for each request.

    Parameters
    ----------
    control : socket
        Where requests come from; when it closes, the server is gone.
    folder : PrivateFolder
        A folder below which every runner has its own; fork servers may share it.
    """

    def __init__(self, control: socket.socket, folder: PrivateFolder) -> None:
        super().__init__(control)
        self._folder = folder
        self._memory_kills = out_of_memory_kills()
        self._is_retiring = False

    def serve(self) -> Optional[RunnerArguments]:
        """Serve until the server is gone; in a child, return the arguments of the runner."""
        while self._forked or not self._is_retiring:
            if self._control in self._wait([self._control]):
                wanted, descriptors = receive_request(self._control)
                if not wanted:
                    self._end()
                    return None
                self._is_retiring = self._is_retiring or wanted == RETIRE
                for descriptor in descriptors:
                    sock = socket.socket(fileno=descriptor)
                    if self._is_runner(sock):
                        return sock, self._folder, wanted == SPARE
        self._children.kill_all()  # its folder stays, because the server holds it for the next one
        return None

    def _is_runner(self, sock: socket.socket) -> bool:
        """Fork; return whether this is the child, which keeps `sock`."""
        try:
            return self._is_child(sock)
        except OSError as error:
            _refuse(sock, f"the runner process could not be forked: {error.strerror or error}")
            return False

    def _child_end(self, pid: int, status: int) -> None:
        self._tell(pid, exit_code(status))
        self._folder.remove(str(pid))

    def _tell(self, pid: int, code: int) -> None:
        """Tell the server how a runner was killed or failed; if the server is gone or busy, nothing is sent."""
        kills = out_of_memory_kills()
        starved = was_killed(code) and kills > self._memory_kills
        self._memory_kills = kills
        if code:
            how = how_ended(code) + (": the system ran out of memory" if starved else "")
            with suppress(OSError):
                self._control.send(encode(RunnerEnded(pid, how)), socket.MSG_DONTWAIT)

    def _end(self) -> None:
        """Wait until the runners have saved, then kill and remove everything that is left."""
        deadline = time.monotonic() + _RUNNERS_PATIENCE
        while self._forked and time.monotonic() < deadline:
            readable([self._children], deadline - time.monotonic())
            self._bury()
        self._children.kill_all()
        self._folder.end()


def _refuse(sock: socket.socket, reason: str) -> None:
    pipe = Pipe(sock)
    try:
        pipe.send(Failed(reason))
    except PipeClosedError:
        pass
    pipe.close()


def _warm_up() -> None:
    """Do once what every runner and every kernel would otherwise repeat."""
    import nbformat

    from ..files import notebooks, serialization

    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    notebooks.clean(notebooks.parse(serialization.serialize(nb)))  # compiles the schema of nbformat
    tempfile.gettempdir()  # tries out a file, which would stay if its process was killed just then


def start(control_descriptor: str, path: str, descriptor: str, modules: str, niceness: str) -> None:
    """Run the fork server; in its children, a runner or a kernel. Called by a new interpreter.

    The children return through here too, so that a kernel ends like any Python program, without frames of nbexec
    on its stack.
    """
    control = socket.socket(fileno=int(control_descriptor))
    go_on = _serve_and_run(control, PrivateFolder(path, int(descriptor)), json.loads(modules), int(niceness))
    if go_on is not None:
        go_on()


def _serve_and_run(control: socket.socket, folder: PrivateFolder, modules: List[str],
                   niceness: int) -> Optional[Callable[[], None]]:
    begin()
    tell_autogroup(niceness)
    try:
        from ..forked import kernel, preload

        report = preload.import_modules(modules)
        kernel.note_imports()
        iri_grammar.defer()
        from . import runner
    except boot.PASSING:
        raise
    except Exception as error:
        boot.report_problem(control, error)
        sys.exit(1)
    _warm_up()
    be_ready(control, report)
    forked = ForkServer(control, folder).serve()
    if forked is None:
        sys.exit(0)
    os.nice(niceness)
    become_kernel = runner.main(*forked)
    if become_kernel is None:
        os._exit(0)
    return become_kernel
