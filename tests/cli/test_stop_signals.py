"""Signals of the command line, and waiting for them."""

from __future__ import annotations

import queue
import signal
import threading
import time
from typing import Any

import pytest

from nbexec.cli.stop_signals import StopSignals, next_item


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals for single threads on this system")
def test_a_signal_that_interrupts_no_wait_is_heard_all_the_same() -> None:
    items: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def interrupt_this_thread_only() -> None:
        time.sleep(0.2)  # the other one waits by then; if not, the test shows less, and passes
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    with StopSignals() as signals:
        signals.tell(items.put)
        threading.Thread(target=interrupt_this_thread_only, daemon=True).start()
        assert next_item(items, 30) == signal.SIGTERM


def test_a_wait_for_an_item_ends_in_time() -> None:
    begun = time.monotonic()
    with pytest.raises(queue.Empty):
        next_item(queue.SimpleQueue(), 0.7)
    assert time.monotonic() - begun >= 0.7
