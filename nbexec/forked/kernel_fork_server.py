"""The process that kernels of another interpreter are forked from.

It runs in that interpreter, where nbexec need not be installed: this module and those that it imports are sent there
as text, and must do with the standard library and what ipykernel needs.

A kernel gets a *keeper*, a process between the two, which does for the runner what a runner does for kernels of its
own: it reports the end of the kernel, and ends whatever the kernel has started.
"""

from __future__ import annotations

import array
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import tempfile
from contextlib import suppress
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

import ipykernel

from . import kernel, preload
from .child_processes import Children, become_subreaper, start_as_kernel

_IPYKERNEL = 6  # the version whose kernels are known to bear a fork
BecomeKernel = Callable[[], None]


def ask_for_kernel(path: str, request: Dict[str, Any], door: socket.socket, errors: int) -> socket.socket:
    """Ask the fork server that listens at `path` for a kernel, and return the connection to its keeper.

    Parameters
    ----------
    path : str
        The address of the fork server.
    request : dict
        `arguments`, the command line of the kernel, its `connection`, its `niceness`, and the `share` of its session.
    door : socket
        The kernel's end of the connection through which it is told what it is for.
    errors : int
        Descriptor of the file that takes its stderr.

    Raises
    ------
    OSError
        There is no fork server any more, or it is another user's.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
        if not _is_ours(connection):
            raise PermissionError(f"{path} belongs to another user")
        descriptors = array.array("i", [door.fileno(), errors])
        connection.sendmsg([json.dumps(request).encode("ascii") + b"\n"],
                           [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
    except OSError:
        connection.close()
        raise
    return connection


def _is_ours(connection: socket.socket) -> bool:
    """Whether the process at the other end is of this user; where the system does not tell, its folder has to do."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", credentials)[1] == os.geteuid())


def start(control: socket.socket, listener: socket.socket, modules: List[str]) -> None:
    """Be a fork server; in the children, a keeper or a kernel, which return through here too."""
    become_kernel = _serve(control, listener, modules)
    if become_kernel is not None:
        become_kernel()


def _serve(control: socket.socket, listener: socket.socket, modules: List[str]) -> Optional[BecomeKernel]:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when the server does
    become_subreaper()
    report = preload.import_modules(modules)
    kernel.note_imports()
    if ipykernel.version_info[0] != _IPYKERNEL:
        report = {"problem": f"it has ipykernel {ipykernel.__version__}"}
    tempfile.gettempdir()  # tries out a file, which would stay if its process was killed just then
    gc.collect()
    gc.freeze()
    with suppress(OSError):  # the server may have gone by now, which `serve` finds out
        control.sendall(json.dumps(report).encode("ascii") + b"\n")
    return KernelForkServer(control, listener).serve()


class KernelForkServer:
    """Forks a keeper for each connection.

    Parameters
    ----------
    control : socket
        Becomes readable when no more kernels are wanted.
    listener : socket
        Where runners connect.
    """

    def __init__(self, control: socket.socket, listener: socket.socket) -> None:
        self._control = control
        self._listener = listener
        self._children = Children()
        self._keepers: Set[int] = set()

    def serve(self) -> Optional[BecomeKernel]:
        """Serve until no more is wanted and the last keeper has gone; in a kernel, return how to be it."""
        sources: List[Any] = [self._control, self._listener, self._children]
        while sources[:-1] or self._keepers:
            readable = select.select(sources, [], [])[0]
            if self._children in readable:
                self._bury()
            if self._listener in readable:
                connection = self._listener.accept()[0]
                if _is_ours(connection) and self._is_keeper(connection):
                    return Keeper(connection).keep()
            if self._control in readable:
                sources = sources[-1:]
        self._children.kill_all()
        sys.exit(0)

    def _is_keeper(self, connection: socket.socket) -> bool:
        """Fork; tell whether this is the child. Without one, the connection closes, and the runner does without."""
        try:
            pid = os.fork()
        except OSError:
            connection.close()
            return False
        if pid == 0:
            self._children.close()
            self._control.close()
            self._listener.close()
            return True
        self._keepers.add(pid)
        connection.close()
        return False

    def _bury(self) -> None:
        ended = self._children.reap()
        while True:  # more may end while what is left of others is killed
            gone = self._keepers.intersection(ended)
            if not gone:
                break
            self._keepers -= gone
            if any([ended.pop(pid) for pid in gone]):
                self._children.kill_all(but=frozenset(self._keepers))
        ended.clear()


class Keeper:
    """Stands between a kernel and its runner.

    Parameters
    ----------
    connection : socket
        To the runner: what is wanted comes in; the pid of the kernel goes out, and its wait status when it has ended.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._children = Children()

    def keep(self) -> Optional[BecomeKernel]:
        """Fork the kernel, and be there until the runner hangs up; in the kernel, return how to be it."""
        become_subreaper()
        line, descriptors = self._receive()
        if not line.endswith(b"\n"):
            os._exit(0)  # the runner has changed its mind
        request = json.loads(line)
        door, errors = socket.socket(fileno=descriptors[0]), descriptors[1]
        os.setpriority(os.PRIO_PROCESS, 0, request["niceness"])
        keeper = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._children.close()
            self._connection.close()
            start_as_kernel(request["share"], keeper)
            return lambda: kernel.main(request["arguments"], request["connection"], errors, door)
        door.close()
        os.close(errors)
        self._watch(pid)
        self._children.kill_all()
        os._exit(0)

    def _receive(self) -> Tuple[bytes, List[int]]:
        data, ancillary, _, _ = self._connection.recvmsg(1 << 16, socket.CMSG_SPACE(8))
        descriptors = array.array("i")
        for _, _, content in ancillary:
            descriptors.frombytes(content)
        return data, list(descriptors)

    def _watch(self, pid: int) -> None:
        try:
            self._connection.sendall(f"pid {pid}\n".encode())
            told = False
            sources: List[Any] = [self._connection, self._children]
            while self._connection not in select.select(sources, [], [])[0]:
                status = self._children.reap().get(pid)
                if status is not None and not told:
                    self._connection.sendall(f"ended {status}\n".encode())
                    told = True
        except OSError:
            pass  # the runner has gone
