"""What crosses the border between the server and a runner.

A frame is a small JSON head, which is a message, and a payload of bytes that nobody on the way looks into: an event is
serialised in the runner and reaches the client as it is, however large it is and however many read it. What the server
has to know of an event is in the head. Messages are encoded and decoded here and nowhere else; each class says who
sends it, and when.
"""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple, Type

from .fork_protocol import Message
from .passed_descriptors import receive_descriptors, send_descriptors
from .readiness import is_writable
from .run_arguments import RunArguments
from .typed_fields import check_fields

RUNNER, SPARE, RETIRE = b"r", b"s", b"q"  # requests to a fork server
_LENGTHS = struct.Struct(">IQ")
HEAD_BYTES = _LENGTHS.size
_LARGEST_HEAD = 1 << 26  # bytes; the payload, which may be larger, is not read as a whole
_EXCERPT = 200  # characters of what is wrong with a message


# -- requests: the server sends one to each runner, as the first message --------------------------


@dataclass
class Settings:
    """The part of the server's configuration that runners need; 0 and None mean no limit.

    Parameters
    ----------
    startup_timeout, shutdown_timeout, run_timeout : float
        Maximum seconds for the start of a kernel, for its end, and for a whole execution.
    cell_timeout : int, optional
        Maximum seconds for a cell, unless the request has its own.
    output_limit : int
        Maximum bytes of output for a cell.
    trust_parameters : bool
        Whether an output notebook is trusted even if a caller gave text for a parameter.
    notary : dict, optional
        What is needed to sign an output notebook.
    save_interval : float
        Seconds between two saves of a notebook while it runs, unless the request has its own; 0 is none.
    """

    startup_timeout: float
    shutdown_timeout: float
    cell_timeout: Optional[int] = None
    run_timeout: float = 0.0
    output_limit: int = 0
    trust_parameters: bool = False
    notary: Optional[Dict[str, str]] = None
    save_interval: float = 0.0


@dataclass
class Request(Message):
    """What a runner does with a notebook; the notebook is the payload unless `source` names its file.

    Parameters
    ----------
    path : str
        API path of the notebook.
    source : str, optional
        The file to read.
    like : str, optional
        A file whose permissions the output notebook gets if there is no `source`.
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
    directory : dict
        The directory, as `AcceptedDirectory` takes it.
    name, failed_name : str, optional
        The requested name, and the name to use if the execution fails.
    overwrite : bool
        Whether a file of that name may be replaced.
    """

    directory: Dict[str, Any]
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
    arguments : RunArguments
        What was asked for.
    is_typed : bool
        Whether the values of its parameters were typed into a page of the server.
    output : OutputTarget, optional
        Where the output notebook goes; if None, it is the payload of `Ended`.
    note : str, optional
        The file in which to note how the execution ended.
    check_only : bool
        Whether to answer with `Checked` and exit.
    variables : dict
        Environment variables of the kernel.
    """

    exec_id: str
    arguments: RunArguments
    is_typed: bool
    output: Optional[OutputTarget]
    note: Optional[str]
    check_only: bool = False
    variables: Dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.arguments, dict):
            self.arguments = RunArguments(**self.arguments)
        if isinstance(self.output, dict):
            self.output = OutputTarget(**self.output)


@dataclass
class RebuildRequest(RunRequest):
    """Write the output notebook of an execution whose runner is lost, from its events; the answer is `Ended`.

    The events follow the notebook in the payload: those of the cells that ended, and of the last one that started.

    Parameters
    ----------
    reason : str
        The message of the error.
    notebook_size : int
        Bytes of the notebook in the payload.
    spec : dict, optional
        The kernelspec that the execution ran on, if that is known.
    """

    reason: str = ""
    notebook_size: int = 0
    spec: Optional[Dict[str, Any]] = None


@dataclass
class OutputSoFarRequest(RebuildRequest):
    """Return the output so far of an execution that is running; the answer is `ConvertedOutput`.

    The payload is that of a `RebuildRequest`.

    Parameters
    ----------
    format, title, has_code, memory
        As for an `OutputRequest`.
    """

    format: str = "ipynb"
    title: str = ""
    has_code: bool = True
    memory: int = 0


@dataclass
class ParametersRequest(Request):
    """Read the parameters that the notebook defines; the answer is `DefinedParameters`."""


@dataclass
class EventsRequest(Request):
    """Recover the events of a finished execution from its output notebook; sent as `RecordedEvent` and `Raised`.

    Parameters
    ----------
    execution : dict
        Its model.
    cells : int, optional
        The number of executed cells, if known.
    exception : dict
        `ename` and `evalue` of the exception that ended it; empty if none did.
    failed_cell : int, optional
        The number of the cell that raised it, if that is not the last one.
    """

    execution: Dict[str, Any]
    cells: Optional[int]
    exception: Dict[str, str]
    failed_cell: Optional[int] = None


@dataclass
class OutputRequest(Request):
    """Return an output notebook, as it is or converted; the answer is `ConvertedOutput`.

    Parameters
    ----------
    format : str
        ``ipynb`` or ``html``.
    title : str
        The title of a page.
    has_code : bool
        Whether a page shows the code.
    memory : int
        Bytes that the conversion may take.
    """

    format: str
    title: str
    has_code: bool
    memory: int


# -- commands: from the server to a runner that has sent `Readable` --------------------------------


@dataclass
class Go(Message):
    """Run the notebook on this kernel; the answer to `Readable`.

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
    """Stop, save the output so far, and exit; sent at any time.

    Parameters
    ----------
    reason : str
        The message of the error.
    """

    reason: str


@dataclass
class Watch(Message):
    """Begin or stop sending the output of running cells; sent while the notebook runs.

    Parameters
    ----------
    wanted : bool
        Whether anybody reads it.
    """

    wanted: bool


# -- from a runner to the server -------------------------------------------------------------------


@dataclass
class Hello(Message):
    """The runner is up; sent before it has a request.

    Parameters
    ----------
    pid : int
        Its process id.
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
    """The notebook defines its parameters in a wrong way, so nothing is run.

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
    """The runner cannot work, or could not be started; sent by the runner or by the fork server.

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
        The models of the parameters.
    reserved : list of str
        Names that the notebook assigns like parameters, although requests use them for themselves.
    """

    parameters: List[Dict[str, Any]]
    reserved: List[str]

    def model(self, details: bool) -> Dict[str, Any]:
        """Return it as the API shows it; with `details`, each parameter also tells where its default comes from."""
        if details:
            return {"parameters": self.parameters, "reserved": self.reserved}
        details_only = ("computed", "required")
        return {"parameters": [{name: value for name, value in parameter.items() if name not in details_only}
                               for parameter in self.parameters]}


@dataclass
class ConvertedOutput(Message):
    """The answer to `OutputRequest`, which is the payload."""


@dataclass
class Readable(Message):
    """The notebook can be run; the runner waits for `Go` or `End`.

    Parameters
    ----------
    secret : list of str
        Names of the parameters with secret values.
    parameters : list of dict, optional
        The values of all parameters, as the model has them; None if the notebook defines none, or in a way that
        cannot be read.
    kernel_name, language : str, optional
        The kernel that the notebook names, and the language of its code.
    """

    secret: List[str]
    parameters: Optional[List[Dict[str, Any]]]
    kernel_name: Optional[str]
    language: Optional[str]


@dataclass
class Checked(Readable):
    """The answer to a `RunRequest` with `check_only`: the notebook can be run."""


@dataclass
class Retried(Message):
    """The kernel did not start; another one is being started.

    Parameters
    ----------
    reason : str
        What went wrong.
    """

    reason: str


@dataclass
class KernelStarted(Message):
    """The kernel is ready.

    Parameters
    ----------
    name : str
        The name of its kernelspec.
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
    event : str
        The name of the event.
    progress : str
        ``<cell>/<all cells>``.
    source : str, optional
        The source of the cell, if it has started.
    """

    event: str
    progress: str
    source: Optional[str] = None


@dataclass
class RecordedEvent(Message):
    """The payload is an event that is told again from an output notebook.

    Parameters
    ----------
    event : str
        The name of the event.
    """

    event: str


@dataclass
class CellOutput(Message):
    """The payload is an event with output of the running cell, which no log keeps.

    Parameters
    ----------
    whole : bool
        Whether it stands for all that was told of the cell before.
    """

    whole: bool


@dataclass
class Ended(Message):
    """The execution has ended; the output notebook is the payload if the runner may not write it itself.

    Parameters
    ----------
    output_name : str, optional
        The name of the output notebook, if it was written.
    error, kind : str, optional
        The message of the error, and the name of its class.
    progress : str
        The final progress if there is no error.
    details : dict
        Further fields of the last event, and `results`, which the model has.
    """

    output_name: Optional[str]
    error: Optional[str]
    kind: Optional[str]
    progress: str
    details: Dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.output_name is not None and (self.output_name in ("", ".", "..") or "/" in self.output_name):
            raise ValueError("the name of the output notebook is none")


@dataclass
class Raised(Message):
    """The exception of the last cell of an output notebook; follows the last `RecordedEvent`.

    Parameters
    ----------
    details : dict
        Its fields in the last event; empty if there was none.
    """

    details: Dict[str, Any]


_MESSAGES: Dict[str, Type[Message]] = {kind.__name__: kind for kind in (
    RunRequest, RebuildRequest, OutputSoFarRequest, ParametersRequest, EventsRequest, OutputRequest, Go, End, Watch,
    Hello, Refused, BadDefinition, Unreadable, Failed, DefinedParameters, ConvertedOutput, Readable, Checked, Retried,
    KernelStarted, CellEvent, RecordedEvent, CellOutput, Ended, Raised)}


# -- frames ----------------------------------------------------------------------------------------

Frame = Tuple[Message, bytes]


class BrokenMessageError(ValueError):
    """What has arrived is no message; the other end may be on a machine that is not to be trusted."""


class PipeClosedError(EOFError):
    """The other end is closed."""


def pack(message: Message, payload_size: int = 0) -> bytes:
    """Return what stands before the payload of a frame."""
    head = {"message": type(message).__name__, **vars(message)}
    body = json.dumps(head, default=vars).encode("ascii")
    return _LENGTHS.pack(len(body), payload_size) + body


def unpack(head: bytes) -> Message:
    """Return the message in the head of a frame.

    Raises
    ------
    BrokenMessageError
        It has none.
    """
    try:
        fields = json.loads(head)
        message = _MESSAGES[fields.pop("message")](**fields)
        check_fields(message)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise BrokenMessageError(f"{type(error).__name__}: {error}"[:_EXCERPT]) from error
    return message


def unpack_lengths(data: bytes) -> Tuple[int, int]:
    """Return the sizes of head and payload, in bytes, from the first `HEAD_BYTES` of a frame.

    Raises
    ------
    BrokenMessageError
        The head is larger than any message.
    """
    head, payload = _LENGTHS.unpack(data)
    if head > _LARGEST_HEAD:
        raise BrokenMessageError(f"a head of {head} bytes")
    return head, payload


class Pipe:
    """The runner's end of a socket pair: blocking, so that at most one event is in flight."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        self._socket = sock

    def fileno(self) -> int:
        """Return the descriptor to poll for commands."""
        return self._socket.fileno()

    def is_free(self) -> bool:
        """Whether there is room for a small frame."""
        return is_writable(self._socket.fileno())

    def close(self) -> None:
        """Close this end; to the server, the runner has then ended."""
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


# -- from the server to a fork server -------------------------------------------------------------


def request_runner(control: socket.socket, runner_end: socket.socket, spare: bool) -> None:
    """Ask the fork server at the other end of `control` to fork a runner that serves `runner_end`.

    Parameters
    ----------
    control, runner_end : socket
        The sockets.
    spare : bool
        Whether the runner starts its kernel before it has a request.

    Raises
    ------
    OSError
        The fork server is gone, or does not read its requests.
    """
    send_descriptors(control, SPARE if spare else RUNNER, [runner_end.fileno()])


def request_retirement(control: socket.socket) -> None:
    """Tell the fork server at the other end of `control` to exit after its last runner.

    Raises
    ------
    OSError
        It is gone already.
    """
    control.send(RETIRE)


def receive_request(control: socket.socket) -> Tuple[bytes, List[int]]:
    """Return the next request and the descriptors that came with it; an empty one when the server is gone."""
    try:
        return receive_descriptors(control, 1, 1)
    except OSError:
        return b"", []
