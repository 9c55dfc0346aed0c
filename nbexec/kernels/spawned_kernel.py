"""A kernel that is started by the command line of its kernelspec, as Jupyter does."""

from __future__ import annotations

import errno
import os
import subprocess
from functools import partial
from typing import Optional

from jupyter_client.launcher import launch_kernel

from ..errors import KernelProgramError
from ..forked.child_processes import autogroup_niceness, start_as_kernel
from ..processes import POSIX
from .kernel import Kernel
from .plan import KernelPlan
from .process import ChildProcess
from .watched import Watched

# A program that could not be started for one of these can perhaps be started a moment later.
_SHORTAGES = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC)


class SpawnedKernel(Kernel):
    """A kernel that is a new program."""

    how_started = "started by its command line"
    _popen: Optional[subprocess.Popen[bytes]] = None  # its destructor would reap the child

    def _launch(self, plan: KernelPlan) -> None:
        try:
            with open(os.devnull, "r+b") as nothing:
                self._popen = launch_kernel(
                    plan.command(self._files.path), stdin=nothing.fileno(), stdout=nothing.fileno(),
                    stderr=self._files.errors, env={**os.environ, **plan.environment()}, cwd=plan.cwd,
                    preexec_fn=partial(start_as_kernel, autogroup_niceness()) if POSIX else None)
        except OSError as error:
            if error.errno in _SHORTAGES:
                raise
            raise KernelProgramError(f"its program cannot be run ({error})") from error
        self._process = ChildProcess(self._popen.pid, self._children)

    def wait_until_ready(self, watched: Watched, deadline: float) -> None:
        """Do not wait: whether it is there is found out by asking it."""
