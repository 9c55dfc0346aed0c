"""The process that runners are forked from.

It has the imports of a runner and of a kernel behind it, and must stay as it is then: one thread, no socket but
its own, no event loop, so that every child starts from the same clean state.
"""

from __future__ import annotations

import array
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

from . import boot, iri_grammar
from .children import Children, become_subreaper, how_ended, killed, tell_autogroup
from .memory import out_of_memory_kills
from .pipe import Pipe, PipeClosedError
from .private_files import PrivateFolder

_RUNNERS_PATIENCE = 8.0  # seconds that runners have to save and to go once the server is gone
_RUNNER, _SPARE, _RETIRE = b"r", b"s", b"q"  # what can be asked for
_FD_SIZE = array.array("i").itemsize


def request_runner(control: socket.socket, runner_end: socket.socket, spare: bool) -> None:
    """Ask the fork server at the other end of `control` for a runner that serves `runner_end`.

    Parameters
    ----------
    control, runner_end : socket
        The sockets.
    spare : bool
        Whether the runner makes its kernel before it has a request.

    Raises
    ------
    OSError
        The fork server is gone, or does not read.
    """
    descriptors = array.array("i", [runner_end.fileno()])
    control.sendmsg([_SPARE if spare else _RUNNER], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])


def request_retirement(control: socket.socket) -> None:
    """Let the fork server at the other end of `control` go when its last runner has gone.

    Raises
    ------
    OSError
        It is gone already.
    """
    control.send(_RETIRE)


def _receive_request(control: socket.socket) -> Tuple[bytes, List[int]]:
    """Return what is asked for next, with the descriptors that came along; nothing when the server is gone."""
    try:
        data, ancillary, _, _ = control.recvmsg(1, socket.CMSG_SPACE(_FD_SIZE))
    except OSError:
        return b"", []
    descriptors = array.array("i")
    for _, kind, content in ancillary:
        if kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % _FD_SIZE])
    return data, list(descriptors)

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
                wanted, descriptors = _receive_request(self._control)
                if not wanted:
                    self._end()
                    return None
                self._retiring = self._retiring or wanted == _RETIRE
                for descriptor in descriptors:
                    sock = socket.socket(fileno=descriptor)
                    if self._is_child(sock):
                        return sock, self._folder, wanted == _SPARE
        self._children.kill_all()  # its folder stays, because the server holds it for the next one
        return None

    def _is_child(self, sock: socket.socket) -> bool:
        """Fork; tell whether this is the child, which has `sock`."""
        try:
            pid = os.fork()
        except OSError as error:
            _refuse(sock, f"no process could be forked for it: {error.strerror or error}")
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
            fact = {"pid": pid, "how": how_ended(status) + (": the system ran out of memory" if starved else "")}
            with suppress(OSError):
                self._control.send(json.dumps(fact).encode("ascii") + b"\n", socket.MSG_DONTWAIT)

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
        pipe.send({"fact": "failed", "error": reason})
    except PipeClosedError:
        pass
    pipe.close()


def _warm_up() -> None:
    """Do once what every runner and every kernel would do again."""
    import nbformat

    from . import notebooks

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
        from . import forked_kernel, preload

        report = preload.import_(modules)
        forked_kernel.note_imports()
        iri_grammar.defer()
        from . import runner  # only now, because kernels must not have what only runners need
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
