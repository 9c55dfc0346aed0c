"""A kernel that is forked from a process which has its imports behind it, instead of being started anew.

Everything here runs in the kernel's process; a notebook must not be able to tell it from an ordinary start.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import io
import json
import multiprocessing.process
import os
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from typing import Any, Dict, FrozenSet, List

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

_START = os.getcwd()  # where the path of the imports was made
KERNEL_MODULES: FrozenSet[str] = frozenset(name.partition(".")[0] for name in sys.modules) - {"nbexec"}


class ForkedKernelApp(IPKernelApp):
    """The ipykernel application, in a process that already exists."""

    name = "ipython-kernel"
    told: Dict[str, Any] = {}  # the connection

    def init_connection_file(self) -> None:
        """Listen as it was told: the file could be another one by now; called by ipykernel."""
        self.load_connection_info(self.told)

    def write_connection_file(self) -> None:
        """Do nothing: the runner has written it; called by ipykernel."""

    def init_iopub(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        """Publish through a socket that never drops a message; called by ipykernel.

        Its connections take the limit of their queues from the time when it was bound; `prepare` reaches only those
        that exist.
        """
        context.setsockopt(zmq.SNDHWM, 0)
        super().init_iopub(context)

    def init_extensions(self) -> None:
        """Do nothing yet: extensions of the user may look at where they are; called by ipykernel."""

    def init_code(self) -> None:
        """Do nothing yet, for the same reason; called by ipykernel."""

    def run_startup(self) -> None:
        """Load the extensions and run the startup files of the user."""
        super().init_extensions()
        super().init_code()


def assignment(cwd: str, environment: Dict[str, str]) -> bytes:
    """Return what a forked kernel has to be told.

    Parameters
    ----------
    cwd : str
        Its working directory.
    environment : dict
        Variables to set.
    """
    return json.dumps({"cwd": cwd, "environment": environment}).encode("ascii") + b"\n"


def main(arguments: List[str], connection: Dict[str, Any], errors: int, door: socket.socket) -> None:
    """Be a kernel until it is shut down.

    Parameters
    ----------
    arguments : list of str
        The command line of the kernel.
    connection : dict
        What its connection file says.
    errors : int
        Descriptor of the file that takes its stderr.
    door : socket
        One byte goes out when the kernel takes connections; the assignment comes in, and one more byte goes out
        when it is followed. Then it is closed.
    """
    os.environ.update(JPY_PARENT_PID=str(os.getppid()))
    _redirect(errors)
    _seed()
    sys.argv = [ipykernel_launcher.__file__, *arguments]
    ForkedKernelApp.told = connection
    application = ForkedKernelApp.instance()
    application.initialize(arguments)
    kernel_setup.prepare(application.shell)
    _integrate_matplotlib()
    gc.freeze()  # what is there now need not be looked at again
    door.sendall(b"1")
    told = door.makefile("rb").readline()
    if not told:
        return  # it is not needed any more
    _follow(application, **json.loads(told))
    door.sendall(b"1")
    door.close()
    application.start()
    _end()


def _follow(application: ForkedKernelApp, cwd: str, environment: Dict[str, str]) -> None:
    """Become what a kernel that was started for this very notebook would be."""
    os.chdir(cwd)
    os.environ.update(environment)
    if {"TMPDIR", "TEMP", "TMP"} & environment.keys():
        tempfile.tempdir = None  # it has been found out before
    _renew_multiprocessing()
    _renew_path(cwd)
    _forget_shadowed(cwd)
    shell: Any = application.shell
    shell.starting_dir = cwd
    shell.history_manager.dir_hist[:] = [cwd]
    application.run_startup()
    sys.stdout.flush()
    sys.stderr.flush()


def _end() -> None:
    """End the process as Python would, except that modules are not taken apart.

    That would change, and so copy, nearly all of the memory that this process shares with others: a third of the
    time of a short execution.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # waits for the threads that are no daemons
    atexit._run_exitfuncs()
    gc.collect()
    _close_files()
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
    ctypes.PyDLL(None).exit(0)  # and not os._exit: libraries may have something to do at the end too


def _close_files() -> None:
    """Close the files that the notebook has left open somewhere."""
    left_open = [file for file in gc.get_objects() if issubclass(type(file), io.IOBase)]
    for file in sorted(left_open, key=lambda file: not issubclass(type(file), io.TextIOBase)):  # those on top first
        if file not in (sys.stdout, sys.stderr):
            with suppress(Exception):
                file.close()


def _seed() -> None:
    """Give numpy's own generator a state of its own; all others see to that by themselves after a fork."""
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def _integrate_matplotlib() -> None:
    """Let figures show up under their cells: matplotlib does so when it is imported, but there was no shell then."""
    backend = sys.modules.get("matplotlib_inline.backend_inline")
    if backend is not None:
        backend._enable_matplotlib_integration()


def _redirect(errors: int) -> None:
    """Give the process the standard streams of a kernel."""
    nothing = os.open(os.devnull, os.O_RDWR)
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


def _renew_path(cwd: str) -> None:
    """Take the relative entries of PYTHONPATH from the working directory, as a new Python does."""
    for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        path = os.path.abspath(os.path.join(_START, entry))
        if path in sys.path and not os.path.isabs(entry):
            sys.path[sys.path.index(path)] = os.path.abspath(os.path.join(cwd, entry))


def _forget_shadowed(cwd: str) -> None:
    """Forget the modules that only nbexec has imported if the notebook has its own of the same name beside it."""
    names = {name.partition(".")[0] for name in sys.modules} - KERNEL_MODULES
    shadowed = {name for name in names
                if os.path.exists(os.path.join(cwd, name + ".py")) or os.path.isdir(os.path.join(cwd, name))}
    for module in [module for module in sys.modules if module.partition(".")[0] in shadowed]:
        del sys.modules[module]
