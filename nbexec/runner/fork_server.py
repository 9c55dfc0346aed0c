"""The process that runners are forked from.

It has the imports of a runner and of a kernel behind it, and must stay as it is then: one thread, no socket but
its own, no event loop, so that every child starts from the same clean state.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from typing import Callable, List, Optional, Set, Tuple

from .. import iri_grammar
from ..files.private_files import PrivateFolder
from ..forked.child_processes import Children, become_subreaper, tell_autogroup
from ..kernels.out_of_memory import out_of_memory_kills
from ..processes import how_ended, killed
from ..protocol import RETIRE, SPARE, Failed, Pipe, PipeClosedError, receive_request
from . import boot

_RUNNERS_PATIENCE = 8.0  # seconds that runners have to save and to go once the server is gone
Job = Tuple[socket.socket, PrivateFolder, bool]  # the pipe of a runner, where its folder goes, whether it is a spare


class ForkServer:
    """Forks a runner for each request.

    Parameters
    ----------
    control : socket
        Where requests come from; when it closes, the server is gone.
    folder : PrivateFolder
        A folder below which every runner has its own; fork servers may share it.
    """

    def __init__(self, control: socket.socket, folder: PrivateFolder) -> None:
        self._control = control
        self._folder = folder
        self._children = Children()
        self._runners: Set[int] = set()
        self._memory_kills = out_of_memory_kills()
        self._retiring = False

    def serve(self) -> Optional[Job]:
        """Serve until the server is gone; in a child that is to be a runner, return what it is for."""
        sources = [self._control.fileno(), self._children.fileno()]
        while self._runners or not self._retiring:
            readable = select.select(sources, [], [])[0]
            if self._children.fileno() in readable:
                self._bury()
            if self._control.fileno() in readable:
                wanted, descriptors = receive_request(self._control)
                if not wanted:
                    self._end()
                    return None
                self._retiring = self._retiring or wanted == RETIRE
                for descriptor in descriptors:
                    sock = socket.socket(fileno=descriptor)
                    if self._is_child(sock):
                        return sock, self._folder, wanted == SPARE
        self._children.kill_all()  # its folder stays, because the server holds it for the next one
        return None

    def _is_child(self, sock: socket.socket) -> bool:
        """Fork; tell whether this is the child, which has `sock`."""
        try:
            pid = os.fork()
        except OSError as error:
            _refuse(sock, f"the runner process could not be forked: {error.strerror or error}")
            return False
        if pid == 0:
            self._children.close()
            self._control.close()
            return True
        self._runners.add(pid)
        sock.close()
        return False

    def _bury(self) -> None:
        """Clean up after the runners that have ended, and thoroughly after those that were killed."""
        ended = self._children.reap()
        while True:  # more may end while what is left of others is killed
            gone = [pid for pid in self._runners if pid in ended]
            if not gone:
                break
            for pid in gone:
                self._tell(pid, ended[pid])
                self._runners.remove(pid)
                self._folder.remove(str(pid))
            if any([ended.pop(pid) for pid in gone]):
                self._children.kill_all(but=frozenset(self._runners))
        ended.clear()

    def _tell(self, pid: int, status: int) -> None:
        """Tell the server how a runner ended that has not ended well; it does not matter if it is gone, or busy."""
        kills = out_of_memory_kills()
        starved = killed(status) and kills > self._memory_kills
        self._memory_kills = kills
        if status:
            message = {"pid": pid, "how": how_ended(status) + (": the system ran out of memory" if starved else "")}
            with suppress(OSError):
                self._control.send(json.dumps(message).encode("ascii") + b"\n", socket.MSG_DONTWAIT)

    def _end(self) -> None:
        """Let the runners save what they have, then leave nothing behind."""
        deadline = time.monotonic() + _RUNNERS_PATIENCE
        while self._runners and time.monotonic() < deadline:
            select.select([self._children], [], [], deadline - time.monotonic())
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
    """Do once what every runner and every kernel would do again."""
    import nbformat

    from ..files import notebooks

    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    notebooks.clean(notebooks.parse(notebooks.serialize(nb)))  # compiles the schema of nbformat
    tempfile.gettempdir()  # tries out a file, which would stay if its process was killed just then


def start(control_descriptor: str, path: str, descriptor: str, modules: str, niceness: str) -> None:
    """Be a fork server; in the children, a runner or a kernel. Called by a new interpreter.

    The children return through here too, so that a kernel ends like any Python program, with nothing of ours
    below it on the stack.
    """
    control = socket.socket(fileno=int(control_descriptor))
    go_on = _serve_and_run(control, PrivateFolder(path, int(descriptor)), json.loads(modules), int(niceness))
    if go_on is not None:
        go_on()


def _serve_and_run(control: socket.socket, folder: PrivateFolder, modules: List[str],
                   niceness: int) -> Optional[Callable[[], None]]:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when the server does
    become_subreaper()
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
    gc.collect()
    gc.freeze()
    with suppress(OSError):  # the server may have gone by now, which `serve` finds out
        control.sendall(json.dumps(report).encode("ascii") + b"\n")
    forked = ForkServer(control, folder).serve()
    if forked is None:
        sys.exit(0)
    os.nice(niceness)
    become_kernel = runner.main(*forked)
    if become_kernel is None:
        os._exit(0)
    return become_kernel
