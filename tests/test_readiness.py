"""Waiting for descriptors."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from typing import Iterator, List, Optional, Tuple

import pytest

from nbexec.readiness import is_writable, readable

Pair = Tuple[socket.socket, socket.socket]


@pytest.fixture()
def pair() -> Iterator[Pair]:
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


def test_only_what_can_be_read_is_returned(pair: Pair) -> None:
    here, there = pair
    there.send(b"1")
    assert readable([here, there]) == [here]
    assert readable([here.fileno(), there.fileno()]) == [here.fileno()]


def test_a_socket_that_is_closed_at_the_other_end_is_readable(pair: Pair) -> None:
    here, there = pair
    there.close()
    assert readable([here], 30) == [here]


@pytest.mark.parametrize("timeout", [0, -1.0, 0.0001, 0.05])
def test_a_wait_is_limited(pair: Pair, timeout: float) -> None:
    begin = time.monotonic()
    assert readable([pair[0]], timeout) == []
    assert time.monotonic() - begin >= timeout


@pytest.mark.parametrize("timeout", [None, 1e12], ids=["no limit", "a limit too large for the system"])
def test_a_long_wait_ends_when_there_is_something_to_read(pair: Pair, timeout: Optional[float]) -> None:
    here, there = pair
    threading.Timer(0.05, there.send, [b"1"]).start()
    assert readable([here], timeout) == [here]


def test_a_full_socket_is_not_writable(pair: Pair) -> None:
    here, there = pair
    assert is_writable(here.fileno())
    here.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            here.send(b"x" * 100_000)
    assert not is_writable(here.fileno())


def test_descriptors_beyond_1024_are_served(pair: Pair) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("this system does not allow so many open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    held: List[int] = []
    try:
        while not held or held[-1] < 1100:
            held.append(os.dup(pair[0].fileno()))
        pair[1].send(b"1")
        assert readable(held[-1:]) == held[-1:] and is_writable(held[-1])
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
