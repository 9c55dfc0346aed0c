"""What the system knows about a process: how it ended, and whether it is stopped."""

from __future__ import annotations

import os
import signal

import psutil

POSIX = os.name == "posix"


def is_stopped(pid: int) -> bool:
    """Whether a signal or a debugger has stopped a process until it is continued."""
    try:
        return psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    except psutil.Error:
        return False


def killed(status: int) -> bool:
    """Whether SIGKILL ended a process, given its status from wait(2)."""
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def how_ended(status: int) -> str:
    """Return in words how a process ended, given its status from wait(2)."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return f"killed by signal {number}, {signal.Signals(number).name}"
        except ValueError:
            return f"killed by signal {number}"
    return f"exit code {os.WEXITSTATUS(status)}"
