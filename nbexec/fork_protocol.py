"""What a fork server reports to the notebook server, and what crosses the border between a runner and a forked kernel.

Each message is a line of JSON. Messages are encoded and decoded here and nowhere else; each class says who sends it,
and when. The text of this module is also sent to other interpreters, where nbexec is not installed: it must stay in
one piece, with nothing but the standard library.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, List

# A kernel sends it to its runner twice: when it accepts connections, and when it has followed its assignment.
READY = b"1"


class Message:
    """Base of all messages."""


# -- from a fork server to the notebook server -----------------------------------------------------


@dataclass
class ForkServerReady(Message):
    """The fork server can fork from now on; its first message.

    Parameters
    ----------
    loaded : list of str
        The modules that it has preloaded.
    failed : dict
        Why it has not preloaded others, by their names.
    files : dict
        When the folders of installed packages, and the loaded source files outside of them, were changed, in
        nanoseconds; a later change makes the fork server outdated.
    """

    loaded: List[str]
    failed: Dict[str, str]
    files: Dict[str, int]


@dataclass
class ForkServerFailed(Message):
    """The fork server cannot fork anything; its first and last message.

    Parameters
    ----------
    problem : str
        Why not.
    """

    problem: str


@dataclass
class RunnerEnded(Message):
    """A runner was killed or has exited with an error.

    Parameters
    ----------
    pid : int
        The process id that it had.
    how : str
        How it ended, in words.
    """

    pid: int
    how: str


# -- from a runner to its kernel, and to the keeper of a kernel ------------------------------------


@dataclass
class KernelRequest(Message):
    """Fork a kernel; sent once to a fork server for other interpreters, which forks a keeper that reads it.

    The kernel's end of the connection for its assignment comes with it, and the descriptor of the file that takes its
    stderr.

    Parameters
    ----------
    arguments : list of str
        The command line of the kernel.
    connection : dict
        What its connection file says.
    niceness, share : int
        The niceness of its process and of its session.
    """

    arguments: List[str]
    connection: Dict[str, Any]
    niceness: int
    share: int


@dataclass
class Assignment(Message):
    """Work for this notebook; sent once to each kernel, which may have been forked long before.

    Parameters
    ----------
    cwd : str
        The working directory.
    environment : dict
        Variables to set.
    """

    cwd: str
    environment: Dict[str, str]


# -- from a keeper to its runner -------------------------------------------------------------------


@dataclass
class KernelForked(Message):
    """The kernel was forked; the answer to `KernelRequest`.

    Parameters
    ----------
    pid : int
        Its process id.
    """

    pid: int


@dataclass
class KernelEnded(Message):
    """The kernel has ended.

    Parameters
    ----------
    status : int
        Its wait status.
    """

    status: int


_MESSAGES = {kind.__name__: kind for kind in (
    ForkServerReady, ForkServerFailed, RunnerEnded, KernelRequest, Assignment, KernelForked, KernelEnded)}


def encode(message: Message) -> bytes:
    """Return a message as a line."""
    return json.dumps({"message": type(message).__name__, **vars(message)}).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """Return the message in a line."""
    fields = json.loads(line)
    return _MESSAGES[fields.pop("message")](**fields)


class LineBuffer:
    """Takes the lines apart that arrive in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def messages(self, data: bytes) -> List[Message]:
        """Return the messages that are complete with these bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [decode(line) for line in lines]
