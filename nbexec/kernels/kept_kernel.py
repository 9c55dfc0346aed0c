"""A kernel that is forked by the fork server of another interpreter, or of one that was started with its variables."""

from __future__ import annotations

import os
import socket

from ..fork_protocol import KernelRequest, encode
from ..forked.child_processes import autogroup_niceness
from ..forked.kernel_fork_server import is_own_user
from ..passed_descriptors import send_descriptors
from .door import Door
from .forked_kernel import arguments
from .kept_process import KeptProcess
from .kernel import Kernel
from .plan import KernelPlan
from .watched import Watched


class KeptKernel(Kernel):
    """A kernel that a keeper looks after; its plan has the address of a fork server."""

    how_started = "forked from its own interpreter"
    is_prepared = True

    def _launch(self, plan: KernelPlan) -> None:
        """Have the kernel forked. An OSError means that its fork server is gone or unusable."""
        assert plan.fork_server is not None
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                request = KernelRequest(arguments(self._files), self.connection, niceness=os.nice(0),
                                        share=autogroup_niceness())
                keeper = _ask_for_kernel(plan.fork_server, request, theirs, self._files.errors)
            except OSError:
                ours.close()
                raise
        self._process = KeptProcess(keeper)
        self._door = Door(ours)
        self._door.tell(plan)

    def wait_until_ready(self, watched: Watched, deadline: float) -> None:
        """Wait until the kernel has followed its assignment."""
        self._door.wait(watched, deadline)


def _ask_for_kernel(path: str, request: KernelRequest, door: socket.socket, errors: int) -> socket.socket:
    """Ask the fork server that listens at `path` for a kernel, and return the connection to its keeper.

    Parameters
    ----------
    path : str
        The address of the fork server.
    request : KernelRequest
        What is wanted.
    door : socket
        The kernel's end of the connection through which it gets its assignment.
    errors : int
        Descriptor of the file that takes its stderr.

    Raises
    ------
    OSError
        The fork server is gone, or belongs to another user.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
        if not is_own_user(connection):
            raise PermissionError(f"{path} belongs to another user")
        send_descriptors(connection, encode(request), [door.fileno(), errors])
    except OSError:
        connection.close()
        raise
    return connection
