"""What crosses the border between the server and a runner.

A frame is a small JSON head, which is a message, and a payload of bytes that nobody on the way looks into: an event is
serialised in the runner and reaches the client as it is, however large it is and however many read it. Messages are
made and read here and nowhere else; each class says who sends it, and when.
"""

from __future__ import annotations

import array
import json
import select
import socket
import struct
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple, Type

RUNNER, SPARE, RETIRE = b"r", b"s", b"q"  # what a fork server can be asked for
_FD_SIZE = array.array("i").itemsize
_LENGTHS = struct.Struct(">IQ")
HEAD_BYTES = _LENGTHS.size


class Message:
    """Base of all messages."""


# -- requests: the server sends one to each runner, as the first message --------------------------


@dataclass
class Settings:
    """What the configuration of the server says about all executions; 0 and None are without limit.

    Parameters
    ----------
    startup_timeout, shutdown_timeout, run_timeout : float
        Seconds that the start of a kernel, its end, and a whole execution may take.
    cell_timeout : int, optional
        Seconds that one cell may take.
    output_limit : int
        Bytes of output that a cell may have.
    trust_parameters : bool
        Whether an output is trusted although a caller gave text for a parameter.
    notary : dict, optional
        What is needed to sign an output notebook.
    """

    startup_timeout: float
    shutdown_timeout: float
    cell_timeout: Optional[int] = None
    run_timeout: float = 0.0
    output_limit: int = 0
    trust_parameters: bool = False
    notary: Optional[Dict[str, str]] = None


@dataclass
class Request(Message):
    """What a runner is to do with a notebook, which is the payload unless it is a file.

    Parameters
    ----------
    path : str
        API path of the notebook.
    source : str, optional
        The file to read.
    like : str, optional
        A file whose permissions the output takes if there is no `source`.
    cwd : str
        Working directory of the kernel.
    settings : Settings
        The configuration.
    """

    path: str
    source: Optional[str]
    like: Optional[str]
    cwd: str
    settings: Settings

    def __post_init__(self) -> None:
        if isinstance(self.settings, dict):
            self.settings = Settings(**self.settings)


@dataclass
class OutputTarget:
    """Where a runner writes the output notebook.

    Parameters
    ----------
    place : dict
        The directory, as `Place` takes it.
    name, failed_name : str, optional
        The name that was asked for, and the one if the execution fails.
    overwrite : bool
        Whether a file of that name is replaced.
    """

    place: Dict[str, Any]
    name: Optional[str]
    failed_name: Optional[str]
    overwrite: bool


@dataclass
class RunRequest(Request):
    """Run the notebook, or only check whether it can be run.

    Parameters
    ----------
    exec_id : str
        The execution.
    params : dict
        Parameters, as text.
    is_typed : bool
        Whether their values were typed into a page of the server.
    output : OutputTarget, optional
        Where the output goes; without it, it is the payload of `Ended`.
    note : str, optional
        The file for a note of how it ended.
    check_only : bool
        Whether to answer with `Checked` and to go.
    """

    exec_id: str
    params: Dict[str, str]
    is_typed: bool
    output: Optional[OutputTarget]
    note: Optional[str]
    check_only: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.output, dict):
            self.output = OutputTarget(**self.output)


@dataclass
class ParametersRequest(Request):
    """Tell which parameters the notebook defines, by `DefinedParameters`."""


@dataclass
class EventsRequest(Request):
    """Tell the events of an execution that is over from its output notebook, by `RecordedEvent` and `Raised`.

    Parameters
    ----------
    execution : dict
        Its model.
    cells : int, optional
        How many cells were executed, if that is known.
    """

    execution: Dict[str, Any]
    cells: Optional[int]


# -- commands: the server to a runner that has said `Readable` ------------------------------------


@dataclass
class Go(Message):
    """Run it on this kernel; the answer to `Readable`.

    Parameters
    ----------
    spec : dict
        The kernelspec.
    fork_server : str, optional
        Address of a fork server for such kernels.
    """

    spec: Dict[str, Any]
    fork_server: Optional[str]


@dataclass
class End(Message):
    """Stop, save what there is and go; at any time.

    Parameters
    ----------
    reason : str
        What the error says.
    """

    reason: str


@dataclass
class Watch(Message):
    """Tell the output of running cells from now on, or no more; while the notebook runs.

    Parameters
    ----------
    wanted : bool
        Whether somebody watches.
    """

    wanted: bool


# -- what a runner tells ---------------------------------------------------------------------------


@dataclass
class Hello(Message):
    """The runner is there; before it has a request.

    Parameters
    ----------
    pid : int
        Its process.
    """

    pid: int


@dataclass
class Refused(Message):
    """The request is refused because of one of its values; see `InvalidArgumentError`.

    Parameters
    ----------
    field : str
        The field or the notebook parameter.
    value : object
        What was given.
    expected : str
        What is accepted.
    error : str
        The whole sentence.
    """

    field: str
    value: Any
    expected: str
    error: str


@dataclass
class BadDefinition(Message):
    """The request cannot be followed: the notebook does not define its parameters as it should.

    Parameters
    ----------
    error : str
        What is wrong.
    """

    error: str


@dataclass
class Unreadable(Message):
    """The notebook cannot be read.

    Parameters
    ----------
    error : str
        Why not.
    """

    error: str


@dataclass
class Failed(Message):
    """The runner, or who should have made it, cannot do its task.

    Parameters
    ----------
    error : str
        Why not.
    """

    error: str


@dataclass
class DefinedParameters(Message):
    """The answer to `ParametersRequest`.

    Parameters
    ----------
    parameters : list of dict
        Their models.
    """

    parameters: List[Dict[str, Any]]


@dataclass
class Readable(Message):
    """The notebook can be run; the runner waits for `Go` or `End`.

    Parameters
    ----------
    secret : list of str
        Names of the parameters whose values are secret.
    kernel_name, language : str, optional
        The kernel that the notebook names, and the language that it is written in.
    """

    secret: List[str]
    kernel_name: Optional[str]
    language: Optional[str]


@dataclass
class Checked(Readable):
    """The same, as the answer to a `RunRequest` that is to be checked only."""


@dataclass
class Retried(Message):
    """The kernel did not start, and another one is started.

    Parameters
    ----------
    reason : str
        What happened.
    """

    reason: str


@dataclass
class KernelStarted(Message):
    """The kernel is ready.

    Parameters
    ----------
    name : str
        Of its kernelspec.
    how : str
        How it was started, in words.
    """

    name: str
    how: str


@dataclass
class CellEvent(Message):
    """A cell has started or ended; the event is the payload.

    Parameters
    ----------
    progress : str
        ``<cell>/<all cells>``.
    source : str, optional
        The source of a cell that has started.
    """

    progress: str
    source: Optional[str] = None


@dataclass
class RecordedEvent(Message):
    """An event that is told again from an output notebook is the payload."""


@dataclass
class Output(Message):
    """Output of a running cell is the payload.

    Parameters
    ----------
    whole : bool
        Whether it stands for all that was told of the cell before.
    """

    whole: bool


@dataclass
class Ended(Message):
    """The execution is over; the output notebook is the payload if the runner could not write it itself.

    Parameters
    ----------
    output_name : str, optional
        Name of the output notebook, if it was written.
    error, kind : str, optional
        What went wrong, and the name of its class.
    progress : str
        How far it came if nothing went wrong.
    details : dict
        What the last event says besides.
    """

    output_name: Optional[str]
    error: Optional[str]
    kind: Optional[str]
    progress: str
    details: Dict[str, Any] = field(default_factory=dict)


@dataclass
class Raised(Message):
    """What the last cell of an output notebook raised, after the last `RecordedEvent`.

    Parameters
    ----------
    details : dict
        What the last event says of it.
    """

    details: Dict[str, Any]


_MESSAGES: Dict[str, Type[Message]] = {kind.__name__: kind for kind in (
    RunRequest, ParametersRequest, EventsRequest, Go, End, Watch, Hello, Refused, BadDefinition, Unreadable, Failed,
    DefinedParameters, Readable, Checked, Retried, KernelStarted, CellEvent, RecordedEvent, Output, Ended, Raised)}


# -- frames ----------------------------------------------------------------------------------------

Frame = Tuple[Message, bytes]


class PipeClosedError(EOFError):
    """The other side is gone."""


def pack(message: Message, payload_size: int = 0) -> bytes:
    """Return what stands before the payload of a frame."""
    head = {"message": type(message).__name__, **vars(message)}
    body = json.dumps(head, default=vars).encode("ascii")
    return _LENGTHS.pack(len(body), payload_size) + body


def unpack(head: bytes) -> Message:
    """Return the message in the head of a frame."""
    fields = json.loads(head)
    return _MESSAGES[fields.pop("message")](**fields)


def unpack_lengths(data: bytes) -> Tuple[int, int]:
    """Return the sizes of head and payload, in bytes, from the first `HEAD_BYTES` of a frame."""
    head, payload = _LENGTHS.unpack(data)
    return head, payload


class Pipe:
    """The runner's end: blocking, so that a runner never holds more than one event that is under way."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        self._socket = sock

    def fileno(self) -> int:
        """Return the descriptor to poll for a command."""
        return self._socket.fileno()

    def is_free(self) -> bool:
        """Whether there is room for a small frame."""
        return bool(select.select([], [self._socket], [], 0)[1])

    def close(self) -> None:
        """Close this end; the server takes that for the end of the runner."""
        self._socket.close()

    def send(self, message: Message, payload: bytes = b"") -> None:
        """Send one frame.

        Raises
        ------
        PipeClosedError
            The server is gone.
        """
        try:
            self._socket.sendall(pack(message, len(payload)))
            if payload:
                self._socket.sendall(payload)
        except OSError as error:
            raise PipeClosedError("the server is gone") from error

    def receive(self) -> Frame:
        """Return the next frame, waiting for it.

        Raises
        ------
        PipeClosedError
            The server is gone.
        """
        head_size, payload_size = unpack_lengths(self._read(HEAD_BYTES))
        return unpack(self._read(head_size)), self._read(payload_size)

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._receive_some(size - len(parts))
            if not part:
                raise PipeClosedError("the server is gone")
            parts += part
        return bytes(parts)

    def _receive_some(self, size: int) -> Optional[bytes]:
        try:
            return self._socket.recv(min(size, 1 << 20))
        except OSError:
            return None


# -- what a fork server is asked ------------------------------------------------------------------


def request_runner(control: socket.socket, runner_end: socket.socket, spare: bool) -> None:
    """Ask the fork server at the other end of `control` for a runner that serves `runner_end`.

    Parameters
    ----------
    control, runner_end : socket
        The sockets.
    spare : bool
        Whether the runner makes its kernel before it has a request.

    Raises
    ------
    OSError
        The fork server is gone, or does not read.
    """
    descriptors = array.array("i", [runner_end.fileno()])
    control.sendmsg([SPARE if spare else RUNNER], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])


def request_retirement(control: socket.socket) -> None:
    """Let the fork server at the other end of `control` go when its last runner has gone.

    Raises
    ------
    OSError
        It is gone already.
    """
    control.send(RETIRE)


def receive_request(control: socket.socket) -> Tuple[bytes, List[int]]:
    """Return what is asked for next, with the descriptors that came along; nothing when the server is gone."""
    try:
        data, ancillary, _, _ = control.recvmsg(1, socket.CMSG_SPACE(_FD_SIZE))
    except OSError:
        return b"", []
    descriptors = array.array("i")
    for _, kind, content in ancillary:
        if kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % _FD_SIZE])
    return data, list(descriptors)
