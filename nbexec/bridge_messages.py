"""What the notebook server and its bridge to a cluster tell each other, besides what they relay.

A message is a line of JSON. Those of the server begin with their length, because a socket may come along with them.
"""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import asdict, dataclass, field
from typing import Dict, List, Optional, Tuple, Type

from .passed_descriptors import receive_descriptors, send_descriptors

_LENGTH = struct.Struct(">I")


class BridgeMessage:
    """Base of all messages."""


# -- from the server to the bridge -----------------------------------------------------------------


@dataclass
class StartRun(BridgeMessage):
    """Have a runner started on the cluster; the end of the server's pipe to it comes along.

    Parameters
    ----------
    run : str
        An id, which is never used again.
    resources : dict
        What the runner needs of its worker, as Dask knows it.
    """

    run: str
    resources: Dict[str, float] = field(default_factory=dict)


@dataclass
class KillRun(BridgeMessage):
    """Kill a runner, or do without it if it has not been started yet."""

    run: str


# -- from the bridge to the server -----------------------------------------------------------------


@dataclass(frozen=True)
class WorkerState:
    """A worker of the cluster.

    Parameters
    ----------
    name, address : str
        Its name and its address.
    slots : int
        How many executions may run on it at once.
    problem : str
        Why it is not used; empty if it is.
    """

    name: str
    address: str
    slots: int
    problem: str


@dataclass
class ClusterState(BridgeMessage):
    """What the cluster has to offer; sent whenever it changes.

    Parameters
    ----------
    workers : list of WorkerState
        All workers.
    problems : list of str
        What is wrong besides, in words.
    """

    workers: List[WorkerState] = field(default_factory=list)
    problems: List[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.workers = [WorkerState(**worker) if isinstance(worker, dict) else worker for worker in self.workers]

    @property
    def slots(self) -> int:
        """How many executions may run at once."""
        return sum(worker.slots for worker in self.workers if not worker.problem)

    def all_problems(self) -> List[str]:
        """Return all that is wrong, in words."""
        unused = [f"the worker {worker.name} ({worker.address}) is not used: {worker.problem}"
                  for worker in self.workers if worker.problem]
        return [*self.problems, *unused]


@dataclass
class Leaving(BridgeMessage):
    """The bridge can start nothing any more, and goes when its last run is over.

    Parameters
    ----------
    reason : str
        Why.
    """

    reason: str


@dataclass
class RunStarted(BridgeMessage):
    """A runner is there, and connected.

    Parameters
    ----------
    run : str
        Its id.
    where : str
        The name of its worker.
    """

    run: str
    where: str


@dataclass
class RunRefused(BridgeMessage):
    """There is no runner, and it has not been given any request.

    Parameters
    ----------
    run : str
        Its id.
    reason : str
        Why not.
    """

    run: str
    reason: str


@dataclass
class RunOver(BridgeMessage):
    """A runner is gone; sent before the pipe to it is closed.

    Parameters
    ----------
    run : str
        Its id.
    how : str
        How it ended if that was not well.
    """

    run: str
    how: str


_MESSAGES: Dict[str, Type[BridgeMessage]] = {
    kind.__name__: kind for kind in (StartRun, KillRun, ClusterState, Leaving, RunStarted, RunRefused, RunOver)}


def pack(message: BridgeMessage) -> bytes:
    """Return a message as a line."""
    return json.dumps({"message": type(message).__name__, **asdict(message)}).encode("ascii") + b"\n"  # type: ignore


def unpack(line: bytes) -> BridgeMessage:
    """Return the message in a line."""
    fields = json.loads(line)
    return _MESSAGES[fields.pop("message")](**fields)


def send_to_bridge(control: socket.socket, message: BridgeMessage, sock: Optional[socket.socket] = None) -> None:
    """Send a message to the bridge, with a socket if there is one.

    Raises
    ------
    OSError
        The bridge is gone, or does not read.
    """
    line = pack(message)
    send_descriptors(control, _LENGTH.pack(len(line)) + line, [sock.fileno()] if sock is not None else [])


def receive_from_server(control: socket.socket) -> Tuple[Optional[BridgeMessage], Optional[socket.socket]]:
    """Return a message that is there and the socket that came with it; no message when the server is gone."""
    try:
        head, descriptors = receive_descriptors(control, _LENGTH.size, 1)
        line = control.recv(_LENGTH.unpack(head)[0]) if head else b""
    except OSError:
        return None, None
    sock = socket.socket(fileno=descriptors[0]) if descriptors else None
    return unpack(line) if line else None, sock
