"""The process that kernels of another interpreter are forked from.

It runs in that interpreter, where nbexec need not be installed: this module and those that it imports are sent there
as text, and may import only the standard library and the dependencies of ipykernel.

Each kernel gets a *keeper*, a process between fork server and kernel. It reports the end of the kernel to the runner,
and kills whatever the kernel has started, as runners do for the kernels that they fork.
"""

from __future__ import annotations

import array
import os
import socket
import struct
import sys
import tempfile
from typing import Any, Callable, List, Optional, Tuple, Union

import ipykernel

from ..fork_protocol import ForkServerFailed, ForkServerReady, KernelEnded, KernelForked, KernelRequest, decode, encode
from ..readiness import readable
from . import kernel, preload
from .child_processes import Children, become_subreaper, start_as_kernel
from .forking_server import ForkingServer, be_ready, begin

_IPYKERNEL = 6  # the version whose kernels are known to survive a fork
BecomeKernel = Callable[[], None]


def is_own_user(connection: socket.socket) -> bool:
    """Whether the process at the other end belongs to this user; true if the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", credentials)[1] == os.geteuid())


def start(control: socket.socket, listener: socket.socket, modules: List[str]) -> None:
    """Run the fork server; in its children, a keeper or a kernel, which return through here too."""
    become_kernel = _serve(control, listener, modules)
    if become_kernel is not None:
        become_kernel()


def _serve(control: socket.socket, listener: socket.socket, modules: List[str]) -> Optional[BecomeKernel]:
    begin()
    report: Union[ForkServerReady, ForkServerFailed] = preload.import_modules(modules)
    kernel.note_imports()
    if ipykernel.version_info[0] != _IPYKERNEL:
        report = ForkServerFailed(f"it has ipykernel {ipykernel.__version__}")
    tempfile.gettempdir()  # tries out a file, which would stay if its process was killed just then
    be_ready(control, report)
    return KernelForkServer(control, listener).serve()


class KernelForkServer(ForkingServer):
    """Forks a keeper for each connection.

    Parameters
    ----------
    control : socket
        The connection to the notebook server; readable when no more kernels are wanted.
    listener : socket
        Where runners connect.
    """

    def __init__(self, control: socket.socket, listener: socket.socket) -> None:
        super().__init__(control, listener)
        self._listener = listener

    def serve(self) -> Optional[BecomeKernel]:
        """Serve until no kernels are wanted and the last keeper is gone; in a kernel, return its main function."""
        sources: List[Any] = [self._control, self._listener]
        while sources or self._forked:
            ready = self._wait(sources)
            if self._listener in ready:
                connection = self._listener.accept()[0]
                if is_own_user(connection) and self._is_keeper(connection):
                    return Keeper(connection).keep()
            if self._control in ready:
                sources = []
        self._children.kill_all()
        sys.exit(0)

    def _is_keeper(self, connection: socket.socket) -> bool:
        """Fork; return whether this is the child. If forking fails, the runner starts a kernel in the ordinary way."""
        try:
            return self._is_child(connection)
        except OSError:
            connection.close()
            return False


class Keeper:
    """Stands between a kernel and its runner.

    Parameters
    ----------
    connection : socket
        To the runner: `KernelRequest` comes in; `KernelForked`, and in the end `KernelEnded`, go out.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._children = Children()

    def keep(self) -> Optional[BecomeKernel]:
        """Fork the kernel, and watch it until the runner hangs up; in the kernel, return its main function."""
        become_subreaper()
        line, descriptors = self._receive()
        if not line.endswith(b"\n"):
            os._exit(0)  # the runner no longer wants a kernel
        request = decode(line)
        assert isinstance(request, KernelRequest)
        door, errors = socket.socket(fileno=descriptors[0]), descriptors[1]
        os.setpriority(os.PRIO_PROCESS, 0, request.niceness)
        keeper = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._children.close()
            self._connection.close()
            start_as_kernel(request.share, keeper)
            return lambda: kernel.main(request.arguments, request.connection, errors, door)
        door.close()
        os.close(errors)
        self._watch(pid)
        self._children.kill_all()
        os._exit(0)

    def _receive(self) -> Tuple[bytes, List[int]]:
        # `socket.recv_fds` is not in Python 3.8, and a helper of nbexec is not in other interpreters.
        data, ancillary, _, _ = self._connection.recvmsg(1 << 16, socket.CMSG_SPACE(8))
        descriptors = array.array("i")
        for _, _, content in ancillary:
            descriptors.frombytes(content)
        return data, list(descriptors)

    def _watch(self, pid: int) -> None:
        try:
            self._connection.sendall(encode(KernelForked(pid)))
            told = False
            sources: List[Any] = [self._connection, self._children]
            while self._connection not in readable(sources):
                status = self._children.reap().get(pid)
                if status is not None and not told:
                    self._connection.sendall(encode(KernelEnded(status)))
                    told = True
        except OSError:
            pass  # the runner is gone
