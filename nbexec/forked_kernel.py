"""A kernel that is forked from a process which has its imports behind it, instead of being started anew.

Everything here runs in the kernel's process; a notebook must not be able to tell it from an ordinary start.
"""

from __future__ import annotations

import importlib
import multiprocessing.process
import os
import sys
from contextlib import suppress
from typing import FrozenSet, List

import ipykernel_launcher
import zmq
from ipykernel.kernelapp import IPKernelApp

from . import kernel_setup

# This module is imported before anything that a kernel does not import by itself.

# What a kernel imports while it starts, and when a cell raises for the first time: by then it has to be there. Not all
# versions of IPython and ipykernel have all of it.
for _module in ("faulthandler", "IPython.core.completerlib", "IPython.core.debugger", "IPython.core.logger",
                "IPython.core.oinspect", "IPython.extensions.storemagic", "ipykernel.debugger", "pdb",
                "pygments.formatters.terminal256", "stack_data", "tornado.platform.asyncio"):
    with suppress(ImportError):
        importlib.import_module(_module)

KERNEL_MODULES: FrozenSet[str] = frozenset(name.partition(".")[0] for name in sys.modules) - {"nbexec"}


class ForkedKernelApp(IPKernelApp):
    """The ipykernel application, in a process that already exists."""

    name = "ipython-kernel"

    def init_iopub(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        """Publish through a socket that never drops a message; called by ipykernel.

        Its connections take the limit of their queues from the time when it was bound; `prepare` reaches only those
        that exist.
        """
        context.setsockopt(zmq.SNDHWM, 0)
        super().init_iopub(context)

    def init_code(self) -> None:
        """Prepare the shell before any code of the user runs in it; called by ipykernel."""
        kernel_setup.prepare(self.shell)
        super().init_code()


def main(arguments: List[str], cwd: str, environment: dict[str, str], stderr_file: str, ready: int) -> None:
    """Be a kernel until it is shut down.

    Parameters
    ----------
    arguments : list of str
        The command line of the kernel.
    cwd : str
        Its working directory.
    environment : dict
        Variables to set.
    stderr_file : str
        Path of the file that takes its stderr.
    ready : int
        File descriptor to which one byte is written as soon as the kernel takes connections; then it is closed.
    """
    os.setsid()
    os.chdir(cwd)
    os.environ.update(environment, JPY_PARENT_PID=str(os.getppid()))
    _redirect(stderr_file)
    _renew_multiprocessing()
    _forget_shadowed(cwd)
    sys.argv = [ipykernel_launcher.__file__, *arguments]
    application = ForkedKernelApp.instance()
    application.initialize(arguments)
    os.write(ready, b"1")
    os.close(ready)
    application.start()


def _redirect(stderr_file: str) -> None:
    """Give the process the standard streams of a kernel."""
    nothing = os.open(os.devnull, os.O_RDWR)
    errors = os.open(stderr_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((nothing, 0), (nothing, 1), (errors, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(errors)


def _renew_multiprocessing() -> None:
    """Give multiprocessing what it would have found out now, had it not been imported elsewhere.

    The directory is where its children look for modules.
    """
    multiprocessing.process.ORIGINAL_DIR = os.getcwd()  # type: ignore[attr-defined]
    multiprocessing.current_process().authkey = os.urandom(32)


def _forget_shadowed(cwd: str) -> None:
    """Forget the modules that only nbexec has imported if the notebook has its own of the same name beside it."""
    names = {name.partition(".")[0] for name in sys.modules} - KERNEL_MODULES
    shadowed = {name for name in names
                if os.path.exists(os.path.join(cwd, name + ".py")) or os.path.isdir(os.path.join(cwd, name))}
    for module in [module for module in sys.modules if module.partition(".")[0] in shadowed]:
        del sys.modules[module]
