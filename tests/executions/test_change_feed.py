"""The feed of changes, for readers fast and slow; what a client is told is in test_event_streams.py."""

from __future__ import annotations

import asyncio
from typing import List, Tuple

import pytest

from nbexec.events import DELETED, ENDED, PROGRESS, STARTED
from nbexec.executions.change_feed import ChangeFeed, ChangeFeedReader


async def waiting(reader: ChangeFeedReader) -> List[Tuple[str, str]]:
    """Return what waits for a reader now."""
    found = []
    while True:
        try:
            change = await asyncio.wait_for(reader.next(), 0.01)
        except asyncio.TimeoutError:
            return found
        assert change is not None
        found.append((change.name, change.exec_id))


async def test_a_reader_is_told_what_happens_from_now_on() -> None:
    changes = ChangeFeed()
    changes.tell(STARTED, "before")
    reader = changes.subscribe()
    changes.tell(STARTED, "a")
    assert await waiting(reader) == [(STARTED, "a")]
    changes.unsubscribe(reader)
    changes.tell(ENDED, "a")
    assert await waiting(reader) == []


async def test_each_reader_is_told_everything() -> None:
    changes = ChangeFeed()
    readers = [changes.subscribe() for _ in range(3)]
    changes.tell(STARTED, "a")
    changes.tell(STARTED, "b")
    assert [await waiting(reader) for reader in readers] == [[(STARTED, "a"), (STARTED, "b")]] * 3


async def test_a_reader_that_waits_is_woken() -> None:
    changes = ChangeFeed()
    reader = changes.subscribe()
    next_one = asyncio.ensure_future(reader.next())
    await asyncio.sleep(0)
    assert not next_one.done()
    changes.tell(ENDED, "a")
    change = await asyncio.wait_for(next_one, 5)
    assert change is not None and change.name == ENDED


async def test_what_waits_for_a_slow_reader_is_one_change_per_execution() -> None:
    changes = ChangeFeed()
    reader = changes.subscribe()
    changes.tell(STARTED, "a")
    changes.tell(STARTED, "b")
    for _ in range(1000):
        changes.tell(PROGRESS, "a")
        changes.tell(PROGRESS, "b")
    changes.tell(ENDED, "b")
    changes.tell(STARTED, "c")
    changes.tell(DELETED, "c")
    assert await waiting(reader) == [(STARTED, "a"), (ENDED, "b"), (DELETED, "c")]


async def test_progress_is_told_at_a_pace_and_the_last_of_it_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbexec.executions.change_feed._PACE", 0.5)
    changes = ChangeFeed()
    reader = changes.subscribe()
    changes.tell(PROGRESS, "a")
    assert await waiting(reader) == [(PROGRESS, "a")]
    changes.tell(PROGRESS, "a")
    changes.tell(PROGRESS, "b")
    assert await waiting(reader) == [(PROGRESS, "b")], "that of a comes a little later"
    change = await asyncio.wait_for(reader.next(), 5)
    assert change is not None and (change.name, change.exec_id) == (PROGRESS, "a")


async def test_no_progress_is_told_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbexec.executions.change_feed._PACE", 0.02)
    changes = ChangeFeed()
    reader = changes.subscribe()
    changes.tell(PROGRESS, "a")
    changes.tell(PROGRESS, "a")
    changes.tell(ENDED, "a")
    assert await waiting(reader) == [(ENDED, "a")]
    await asyncio.sleep(0.05)  # longer than the pace
    assert await waiting(reader) == []


async def test_who_is_told_to_stop_is_told_nothing_more() -> None:
    changes = ChangeFeed()
    reader = changes.subscribe()
    waits = asyncio.ensure_future(changes.subscribe().next())
    changes.tell(STARTED, "a")
    reader.stop()
    assert await reader.next() is None
    assert await asyncio.wait_for(waits, 5) is not None
