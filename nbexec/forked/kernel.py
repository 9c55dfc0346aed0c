"""A kernel that is forked from a process with all imports done, instead of being started as a new process.

Everything here runs in the kernel's process; a notebook must not be able to tell it from an ordinary start.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import io
import os
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from typing import Any, Dict, List, Optional

import zmq
from ipykernel.kernelapp import IPKernelApp

from ..fork_protocol import READY, Assignment, decode
from . import prepare
from .import_shell import LAUNCHER, taken_over
from .imports import Imports

# This module is imported before anything that a kernel does not import by itself.

# What a kernel imports while it starts, in all versions of IPython and ipykernel that have it; more would be there for
# a notebook to find.
_environment = dict(os.environ)
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # else the debugger, which nobody uses here, complains in the log
for _module in ("faulthandler", "IPython.core.completerlib", "IPython.core.debugger", "IPython.core.logger",
                "IPython.core.oinspect", "IPython.extensions.storemagic", "ipykernel.debugger", "pdb", "runpy",
                "tornado.platform.asyncio"):
    with suppress(ImportError):
        importlib.import_module(_module)
os.environ.pop("PYDEVD_DISABLE_FILE_VALIDATION")
os.environ.update(_environment)

_START = os.getcwd()  # where the path of the imports was made
_imports: Optional[Imports] = None


def note_imports() -> None:
    """Note that kernels are to find what is imported now, and no more; called once, before other things are."""
    global _imports
    _imports = Imports()


def _prepared_application(connection: Dict[str, Any]) -> Any:
    """Return the ipykernel application, which does some things otherwise in a process that already exists.

    It is no subclass: notebooks look for its configuration by the name of its class.
    """
    application: Any = IPKernelApp.instance()

    def init_iopub(context: zmq.Context[zmq.Socket[bytes]]) -> None:
        # A socket that never drops a message. Its connections take the limit of their queues from the time when it
        # was bound; `prepare` reaches only those that exist.
        context.setsockopt(zmq.SNDHWM, 0)
        IPKernelApp.init_iopub(application, context)

    application.init_iopub = init_iopub
    # It listens as it was told: its file, which the runner has written, could be another one by now.
    application.init_connection_file = lambda: application.load_connection_info(connection)
    application.write_connection_file = lambda: None
    # Extensions and startup files of the user may look at where they are, so they have to wait.
    application.init_extensions = application.init_code = lambda: None
    return application


def _run_startup(application: Any) -> None:
    """Load the extensions and run the startup files of the user."""
    for name in [name for name in vars(application) if callable(getattr(IPKernelApp, name, None))]:
        delattr(application, name)
    application.init_extensions()
    application.init_code()


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
        `READY` goes out when the kernel takes connections; its `Assignment` comes in, and `READY` goes out once more
        when it is followed. Then it is closed.
    """
    os.environ.update(JPY_PARENT_PID=str(os.getppid()))
    _redirect(errors)
    _seed()
    _number_thread()
    if _imports is not None:
        _imports.restore()
    _name_command(arguments)
    application = _prepared_application(connection)
    with taken_over():
        application.initialize(arguments)
    prepare.prepare(application.shell)
    gc.freeze()  # what is there now need not be looked at again
    door.sendall(READY)
    told = door.makefile("rb").readline()
    if not told:
        return  # it is not needed any more
    assigned = decode(told)
    assert isinstance(assigned, Assignment)
    _follow(application, assigned.cwd, assigned.environment)
    door.sendall(READY)
    door.close()
    application.start()
    _end()


def _follow(application: Any, cwd: str, environment: Dict[str, str]) -> None:
    """Become what a kernel that was started for this very notebook would be."""
    os.chdir(cwd)
    os.environ.update(environment)
    folders = {name: os.environ.get(name, os.sep) for name in ("TMPDIR", "TEMP", "TMP")}
    if folders.keys() & environment.keys() or not all(map(os.path.isabs, folders.values())):
        tempfile.tempdir = None  # it has been found out before
    _renew_multiprocessing()
    _renew_path(cwd)
    _renew_settings_of_matplotlib()
    shell: Any = application.shell
    shell.starting_dir = cwd
    shell.history_manager.dir_hist[:] = [type(shell.history_manager.dir_hist[0])(cwd)]  # text, or a path in IPython 9
    _run_startup(application)
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


def _name_command(arguments: List[str]) -> None:
    """Let Python say that it was started as a kernel is."""
    sys.argv = [LAUNCHER, *arguments]
    if hasattr(sys, "orig_argv"):  # Python 3.10
        options = [f"-X{name}={value}" for name, value in sys._xoptions.items()]
        sys.orig_argv[:] = [sys.executable, *options, "-m", "ipykernel_launcher", *arguments]


def _seed() -> None:
    """Give numpy's own generator a state of its own; all others see to that by themselves after a fork."""
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def _number_thread() -> None:
    """Give the main thread its own native id; some versions of Python keep the id of the fork server's."""
    thread: Any = threading.main_thread()
    with suppress(AttributeError):
        thread._set_native_id()


def _redirect(errors: int) -> None:
    """Give the process the standard streams of a kernel."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for source, target in ((nothing, 0), (nothing, 1), (errors, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(errors)


def _renew_multiprocessing() -> None:
    """Give multiprocessing what it would have found out now, if a preloaded module has imported it elsewhere.

    The directory is where its children look for modules.
    """
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None:
        process.ORIGINAL_DIR = os.getcwd()
        process.current_process().authkey = os.urandom(32)


def _renew_settings_of_matplotlib() -> None:
    """Take the settings that lie in the working directory, as matplotlib does when it is imported."""
    matplotlib: Any = sys.modules.get("matplotlib")
    if matplotlib is None or not os.path.isfile("matplotlibrc"):
        return
    with suppress(Exception):  # the file is broken
        settings = dict(matplotlib.rc_params_from_file("matplotlibrc"))
        settings.pop("backend", None)  # a variable says that
        for parameters in (matplotlib.rcParams, matplotlib.rcParamsOrig):
            dict.update(parameters, settings)


def _renew_path(cwd: str) -> None:
    """Take the relative entries of PYTHONPATH from the working directory, as a new Python does."""
    for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        path = os.path.abspath(os.path.join(_START, entry))
        if path in sys.path and not os.path.isabs(entry):
            sys.path[sys.path.index(path)] = os.path.abspath(os.path.join(cwd, entry))
