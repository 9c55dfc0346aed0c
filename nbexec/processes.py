"""What the system knows about a process: how it ended, and whether it is stopped.

Exit codes are those of `subprocess`: negative, a signal has ended the process.
"""

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


def exit_code(status: int) -> int:
    """Return the exit code of a process, from the status that wait(2) gave."""
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def was_killed(code: int) -> bool:
    """Whether SIGKILL ended a process."""
    return code == -signal.SIGKILL


def how_ended(code: int) -> str:
    """Return in words how a process ended."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by signal {-code}, {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
