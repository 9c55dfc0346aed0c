"""The modules that a fork server preloads, so that notebooks import them at once.

All later kernels share them, so a module must not leave anything running that a fork would break.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import traceback
from contextlib import contextmanager
from typing import Iterator, List

from ..fork_protocol import ForkServerReady
from .import_shell import import_shell
from .imports import change_times, own_files, package_folders

_BACKEND = "module://matplotlib_inline.backend_inline"  # what ipykernel would choose


def import_modules(modules: List[str]) -> ForkServerReady:
    """Import those modules that survive a fork, and return which were loaded.

    Each module is first imported in a child, where it can do no harm.
    """
    before = set(sys.modules)
    report = ForkServerReady(loaded=[], failed={}, files=change_times(package_folders()))
    if modules:
        with import_shell(), _inline_figures():
            for module in modules:
                problem = _try_out(module)
                if problem:
                    report.failed[module] = problem
                else:
                    importlib.import_module(module)
                    report.loaded.append(module)
    report.files.update(change_times(own_files(set(sys.modules) - before)))
    return report


@contextmanager
def _inline_figures() -> Iterator[None]:
    """Let matplotlib find the back end of notebooks, which it looks for only when it is imported."""
    if "MPLBACKEND" in os.environ:
        yield
        return
    os.environ["MPLBACKEND"] = _BACKEND
    try:
        yield
    finally:
        del os.environ["MPLBACKEND"]


def _try_out(module: str) -> str:
    """Import a module in a child; return why it must not be imported here, or nothing."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        os.write(theirs, _problem(module).encode("utf-8", "replace")[:4000])
        os._exit(0)
    os.close(theirs)
    with open(ours, encoding="utf-8", errors="replace") as pipe:
        problem = pipe.read()
    _, status = os.waitpid(pid, 0)
    return f"its import ends the process (wait status {status})" if status else problem


def _problem(module: str) -> str:
    try:
        importlib.import_module(module)
    except BaseException as error:  # whatever an import raises, the server has to come up
        return "it cannot be imported: " + traceback.format_exception_only(type(error), error)[-1].strip()
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    return f"its import starts threads ({', '.join(threads)}), which do not survive a fork" if threads else ""
