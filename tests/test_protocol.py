"""What crosses a border between processes arrives as it was sent."""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
from typing import Any, Iterator, List, Tuple, Type, Union, get_type_hints

import pytest

from nbexec import fork_protocol, protocol
from nbexec.fork_protocol import LineBuffer, decode, encode
from nbexec.protocol import HEAD_BYTES, Hello, Message, Pipe, PipeClosedError, pack, unpack, unpack_lengths

MESSAGES: List[Type[Message]] = sorted(protocol._MESSAGES.values(), key=lambda kind: kind.__name__)
FORK_MESSAGES: List[Type[Message]] = sorted(fork_protocol._MESSAGES.values(), key=lambda kind: kind.__name__)
TEXT = 'Zoë\'s "notebook"\n\x1b[0m \ud800 \U0001f600'


def filled(kind: Any, empty: bool = False) -> Any:
    """Return a value of a type, with something in each field, or with as little as it can have."""
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{field.name: filled(hints[field.name], empty) for field in dataclasses.fields(kind)})
    if getattr(kind, "__origin__", None) is Union:
        return None if empty else filled(kind.__args__[0])
    origin = getattr(kind, "__origin__", kind)
    some = {str: TEXT, bool: True, int: 7, float: 0.25, dict: {"name": TEXT}, list: [], Any: [TEXT, None, 1.5]}
    none = {str: "", bool: False, int: 0, float: 0.0, dict: {}, list: [], Any: None}
    return (none if empty else some)[origin]


def all_messages() -> Iterator[Type[Message]]:
    todo: List[Type[Message]] = [Message]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        if not kind.__subclasses__() or dataclasses.is_dataclass(kind):
            yield kind


@pytest.mark.parametrize("empty", [False, True], ids=["filled", "empty"])
@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_each_message_arrives_as_it_was(kind: Type[Message], empty: bool) -> None:
    message = filled(kind, empty)
    frame = pack(message, 12)
    head_size, payload_size = unpack_lengths(frame[:HEAD_BYTES])
    assert (head_size, payload_size) == (len(frame) - HEAD_BYTES, 12)
    arrived = unpack(frame[HEAD_BYTES:])
    assert type(arrived) is kind and arrived == message


@pytest.mark.parametrize("empty", [False, True], ids=["filled", "empty"])
@pytest.mark.parametrize("kind", FORK_MESSAGES, ids=lambda kind: kind.__name__)
def test_each_message_of_a_fork_server_arrives_as_it_was(kind: Type[Message], empty: bool) -> None:
    message = filled(kind, empty)
    line = encode(message)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    arrived = decode(line)
    assert type(arrived) is kind and arrived == message


def test_lines_that_arrive_in_pieces_are_put_together() -> None:
    messages = [filled(kind) for kind in FORK_MESSAGES]
    data = b"".join(map(encode, messages))
    lines = LineBuffer()
    assert [message for byte in data for message in lines.messages(bytes([byte]))] == messages
    assert lines.messages(data[:-1]) == messages[:-1]
    assert lines.messages(b"\n") == messages[-1:]


def test_every_message_is_known_to_the_other_side() -> None:
    used = {kind for kind in all_messages() if kind.__name__ != "Request"}  # the base of three
    assert used == {*MESSAGES, *FORK_MESSAGES}
    assert all(kind.__doc__ for kind in used)


# -- a pipe ---------------------------------------------------------------------------------------


@pytest.fixture()
def pipes() -> Iterator[Tuple[Pipe, Pipe]]:
    ends = socket.socketpair()
    yield Pipe(ends[0]), Pipe(ends[1])
    for end in ends:
        end.close()


def test_a_frame_of_any_size_arrives_whole(pipes: Tuple[Pipe, Pipe]) -> None:
    here, there = pipes
    payloads = [b"", b"x", os.urandom(5_000_000), b""]
    thread = threading.Thread(target=lambda: [here.send(Hello(number), payload)
                                              for number, payload in enumerate(payloads)])
    thread.start()
    assert [there.receive() for _ in payloads] == list(zip(map(Hello, range(len(payloads))), payloads))
    thread.join()


def test_the_end_of_the_other_side_is_told(pipes: Tuple[Pipe, Pipe]) -> None:
    here, there = pipes
    here.send(Hello(1))
    here.close()
    assert there.receive() == (Hello(1), b"")
    with pytest.raises(PipeClosedError):
        there.receive()
    with pytest.raises(PipeClosedError):
        for _ in range(10):
            there.send(Hello(2), b"x" * 1_000_000)


def test_half_a_frame_is_none(pipes: Tuple[Pipe, Pipe]) -> None:
    here, there = pipes
    here._socket.sendall(pack(Hello(1), 1000) + b"half of it")
    here.close()
    with pytest.raises(PipeClosedError):
        there.receive()


def test_a_pipe_that_nobody_reads_has_no_room(pipes: Tuple[Pipe, Pipe]) -> None:
    here, there = pipes
    assert here.is_free()
    here._socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            here._socket.send(b"x" * 100_000)
    assert not here.is_free()
