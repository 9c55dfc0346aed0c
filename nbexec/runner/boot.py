"""The first module of a fork server or a runner, which imports the others.

It reports to the server what cannot be imported. So it imports only the standard library, and modules of nbexec that
need nothing else.
"""

from __future__ import annotations

import importlib
import socket
import traceback
from functools import partial
from typing import Callable

from .. import iri_grammar
from ..fork_protocol import ForkServerFailed, encode
from ..protocol import Failed, Pipe, PipeClosedError

_RUNNER = "nbexec.runner.runner"
PASSING = (MemoryError, OSError)  # errors that the next attempt may not meet


def load(module: str) -> Callable[..., None]:
    """Return the function `start` of a module or, if it cannot be imported, one that tells the server why."""
    try:
        if module == _RUNNER:
            iri_grammar.defer()  # a fork server does it when it has imported what a kernel needs
        start: Callable[..., None] = importlib.import_module(module).start
        return start
    except PASSING:
        raise
    except Exception as error:
        return partial(_refuse_to_run if module == _RUNNER else _refuse_to_fork, error)


def problem_of(module: str) -> str:
    """Return why a module cannot be imported; empty if it can."""
    try:
        iri_grammar.defer()
        importlib.import_module(module)
    except Exception as error:
        return _in_words(error)
    return ""


def _refuse_to_run(error: Exception, descriptor: str, *arguments: str) -> None:
    try:
        Pipe(socket.socket(fileno=int(descriptor))).send(Failed(_in_words(error)))
    except PipeClosedError:
        pass  # nobody is left who wants to know


def _refuse_to_fork(error: Exception, descriptor: str, *arguments: str) -> None:
    report_problem(socket.socket(fileno=int(descriptor)), error)


def report_problem(control: socket.socket, error: Exception) -> None:
    """Tell the server, at the other end of `control`, why the fork server cannot work."""
    try:
        control.sendall(encode(ForkServerFailed(_in_words(error))))
    except OSError:
        pass  # nobody is left who wants to know


def _in_words(error: Exception) -> str:
    """Return a description of a failed import, with the module in which it failed."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    module = frame.f_globals.get("__name__")
    return f"nbexec cannot import what it needs: {type(error).__name__}: {error} (in {module})"
