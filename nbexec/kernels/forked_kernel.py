"""A kernel that is forked from its runner, which has its imports behind it."""

from __future__ import annotations

import os
import socket
from typing import List

from ..forked import kernel
from ..forked.child_processes import Children, autogroup_niceness, start_as_kernel
from .door import Door
from .kernel import Kernel
from .kernel_files import KernelFiles
from .plan import IPYKERNEL_ARGUMENTS, KernelPlan
from .process import ChildProcess
from .watched import Watched


class ForkedKernel(Kernel):
    """A kernel that is forked early, and gets its assignment once its notebook is known."""

    how_started = "forked"
    is_prepared = True

    def __init__(self, files: KernelFiles, children: Children) -> None:
        super().__init__(files, children)
        self._runner = os.getpid()
        ours, self._theirs = socket.socketpair()
        self._door = Door(ours)

    def fork(self) -> bool:
        """Fork the kernel; return False in the child, which must call `become`.

        Call this before the process has a thread or a ZeroMQ socket.

        Raises
        ------
        OSError
            The system refuses to fork.
        """
        pid = os.fork()
        if pid == 0:
            self._door.close()
            return False
        self._theirs.close()
        self._process = ChildProcess(pid, self._children)
        return True

    def become(self) -> None:
        """Run the kernel, in the process that `fork` created."""
        start_as_kernel(autogroup_niceness(), self._runner)
        kernel.main(arguments(self._files), self.connection, self._files.errors, self._theirs)

    def _launch(self, plan: KernelPlan) -> None:
        if self._door.is_open():
            self.how_started = "kept ready"
        self._door.tell(plan)

    def wait_until_ready(self, watched: Watched, deadline: float) -> None:
        """Wait until the kernel has followed its assignment."""
        self._door.wait(watched, deadline)


def arguments(files: KernelFiles) -> List[str]:
    """Return the command line that a forked kernel shows."""
    return ["-f", files.path, *IPYKERNEL_ARGUMENTS]
