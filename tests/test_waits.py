"""Waits of the main thread: whenever a signal arrives, it is heard soon."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from typing import Any, Callable, Iterator

import pytest

from nbexec.cli.stop_signals import StopSignals
from nbexec.waits import next_item, result_of


class Heard(Exception):
    """The handler of a signal ran."""


@pytest.fixture()
def unheard_signal() -> Iterator[Callable[[], None]]:
    """Return what soon sends a signal that interrupts no wait of the main thread."""
    if not hasattr(signal, "pthread_kill"):
        pytest.skip("no signals for single threads on this system")

    def interrupt_this_thread_only() -> None:
        time.sleep(0.2)  # the main thread waits by then; if not, the test shows less, and passes
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    def hear(number: int, frame: Any) -> None:
        raise Heard

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGTERM, hear)
    yield threading.Thread(target=interrupt_this_thread_only, daemon=True).start
    for number, handler in previous.items():  # the command line ignores all of them after the first
        signal.signal(number, handler)


def test_the_command_line_hears_a_signal_that_interrupts_no_wait(unheard_signal: Callable[[], None]) -> None:
    items: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with StopSignals() as signals:
        signals.tell(items.put)
        unheard_signal()
        assert next_item(items, 30) == signal.SIGTERM


def test_a_future_is_not_waited_for_after_a_signal(unheard_signal: Callable[[], None]) -> None:
    unheard_signal()
    with pytest.raises(Heard):
        result_of(Future())


def test_a_future_gives_its_result_or_its_exception() -> None:
    done: Future[int] = Future()
    threading.Timer(0.1, done.set_result, [3]).start()
    assert result_of(done) == 3
    failed: Future[int] = Future()
    failed.set_exception(TimeoutError("its own"))
    with pytest.raises(TimeoutError, match="its own"):
        result_of(failed)


def test_a_wait_for_an_item_ends_in_time() -> None:
    begun = time.monotonic()
    with pytest.raises(queue.Empty):
        next_item(queue.SimpleQueue(), 0.7)
    assert time.monotonic() - begun >= 0.7


def test_a_program_that_maps_hears_a_signal_that_interrupts_no_wait() -> None:
    program = """
import signal, threading, time
from nbexec.client.map_work import MapWork
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been ignored
def run(index, values, begin):
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    time.sleep(600)
MapWork(run, [{}], 1).take()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stderr.endswith("KeyboardInterrupt\n")
