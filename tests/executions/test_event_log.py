"""The log of one execution and its readers, without a server; what a client is told is in test_event_streams.py."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Optional

import pytest

from nbexec import events
from nbexec.engines.local.connection import LargePayload
from nbexec.executions import event_log
from nbexec.executions.event_log import EventLog, FiledLine, LoggedEvent, LogReader, ended_log, pieces_of, size_of


def line(text: str) -> bytes:
    return events.line({"text": text})


def content(event: Optional[LoggedEvent]) -> Dict[str, Any]:
    assert event is not None
    data = b"".join(pieces_of(event.line))
    assert len(data) == size_of(event.line) and data.endswith(b"\n")
    value: Dict[str, Any] = json.loads(data)
    return value


async def rest(reader: LogReader) -> List[Dict[str, Any]]:
    """Return what a reader of a closed log still gets."""
    found = []
    while True:
        event = await reader.next()
        if event is None:
            return found
        found.append(content(event))


def payload(data: bytes, size: int) -> LargePayload:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return LargePayload(reader, size)


async def filled(*texts: str) -> EventLog:
    log = EventLog()
    for text in texts:
        await log.append("start", line(text))
    return log


@pytest.fixture(autouse=True)
def _closed_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the files of the logs that a test does not release."""
    files: List[IO[bytes]] = []
    make = tempfile.TemporaryFile

    def kept(**options: Any) -> IO[bytes]:
        files.append(make(**options))
        return files[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", kept)
    yield
    for file in files:
        file.close()


@pytest.fixture()
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "_MEMORY", 0)


async def test_events_are_numbered_in_their_order() -> None:
    log = await filled("a", "b")
    await log.append("end", line("c"), 7)
    await log.append("end", line("d"))
    log.close()
    assert [event["seq"] for event in await rest(log.subscribe())] == [1, 2, 7, 8]
    assert log.last_number == 8


async def test_every_reader_gets_all_events_whenever_it_comes() -> None:
    log = EventLog()
    early = log.subscribe()
    await log.append("start", line("a"))
    late = log.subscribe()
    await log.append("end", line("b"))
    log.close()
    after = log.subscribe()
    expected = [{"seq": 1, "text": "a"}, {"seq": 2, "text": "b"}]
    assert [await rest(reader) for reader in (early, late, after)] == [expected] * 3


@pytest.mark.parametrize("since, texts", [(0, ["a", "b", "c"]), (2, ["c"]), (3, []), (99, [])])
async def test_a_reader_begins_after_the_number_that_it_names(since: int, texts: List[str]) -> None:
    log = await filled("a", "b", "c")
    log.close()
    assert [event["text"] for event in await rest(log.subscribe(since))] == texts
    assert log.is_over(since) == (not texts)


async def test_a_log_is_not_over_before_it_is_closed() -> None:
    log = await filled("a")
    assert not log.is_over(1)
    log.close()
    assert log.is_over(1) and not log.is_over(0)


async def test_an_event_can_be_put_before_all_others() -> None:
    log = await filled("a", "b")
    log.close()
    reader = log.subscribe(1, first=LoggedEvent(0, "position", line("first")))
    assert [event["text"] for event in await rest(reader)] == ["first", "b"]


async def test_a_reader_that_has_left_gets_nothing_more() -> None:
    log = await filled("a")
    reader = log.subscribe()
    await reader.close()
    await reader.close()  # which may be said twice
    await log.append("end", line("b"))
    assert content(await reader.next())["text"] == "a"
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(reader.next(), 0.01)


async def test_the_log_of_an_execution_without_events_ends_at_once() -> None:
    assert await rest(ended_log().subscribe()) == []


# -- lines that do not stay in memory -------------------------------------------------------------


async def test_what_exceeds_the_memory_of_a_log_goes_to_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "_MEMORY", 100)
    log = await filled("a" * 50, "b" * 50, "c")
    reader = log.subscribe()
    found = [await reader.next() for _ in range(3)]
    assert [type(event.line) for event in found if event] == [bytes, FiledLine, bytes]
    assert [content(event)["text"] for event in found] == ["a" * 50, "b" * 50, "c"]


async def test_lines_in_the_file_do_not_mix(no_memory: None) -> None:
    texts = [str(number) * number * 20_000 for number in range(1, 8)]
    log = await filled(*texts)
    log.close()
    readers = [log.subscribe(), log.subscribe(3)]
    assert [[event["text"] for event in await rest(reader)] for reader in readers] == [texts, texts[3:]]


async def test_a_large_event_is_numbered_on_its_way_to_the_file() -> None:
    log = await filled("small")
    data = line("x" * 1_000_000)
    await log.append("end", payload(data, len(data)))
    log.close()
    reader = log.subscribe(1)
    event = await reader.next()
    assert event is not None and isinstance(event.line, FiledLine)
    assert content(event) == {"seq": 2, "text": "x" * 1_000_000}


async def test_an_event_that_arrives_in_part_is_dropped_without_a_gap() -> None:
    log = await filled("a")
    data = line("x" * 600_000)
    await log.append("end", payload(data[:400_000], len(data)))
    await log.append("end", payload(data, len(data)))
    log.close()
    assert [(event["seq"], len(event["text"])) for event in await rest(log.subscribe())] == [(1, 1), (2, 600_000)]


async def test_without_a_temporary_directory_events_stay_in_memory(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_memory: None, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with caplog.at_level(logging.WARNING, "nbexec"):
        log = await filled("a", "b")
    log.close()
    assert [event["text"] for event in await rest(log.subscribe())] == ["a", "b"]
    assert [record.getMessage() for record in caplog.records] == [
        "Keeping events of an execution in memory, because no temporary file can be written: "
        "No such file or directory."]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
async def test_a_disk_that_gets_full_costs_no_byte_of_an_event(
        monkeypatch: pytest.MonkeyPatch, no_memory: None) -> None:
    log = await filled("before")
    data = line("y" * 700_000)
    write, written = event_log._write, []

    def until_full(descriptor: int, piece: bytes, position: int) -> None:
        if len(written) == 2:
            with open("/dev/full", "wb", buffering=0) as full:
                full.write(piece)  # raises ENOSPC, as the system does
        written.append(len(piece))
        write(descriptor, piece, position)

    monkeypatch.setattr(event_log, "_write", until_full)
    await log.append("end", payload(data, len(data)))
    await log.append("end", line("after"))
    log.close()
    assert [event["text"] for event in await rest(log.subscribe())] == ["before", "y" * 700_000, "after"]


async def test_the_file_is_closed_with_the_last_reader_of_a_released_log(no_memory: None) -> None:
    log = await filled("a", "b")
    reader = log.subscribe()
    log.release()
    assert content(await reader.next())["text"] == "a", "a reader that has begun is served to the end"
    descriptor = log._descriptor
    await reader.close()
    with pytest.raises(OSError):
        os.fstat(descriptor)


# -- output of a running cell ---------------------------------------------------------------------


async def test_only_readers_that_want_output_get_it_and_it_is_not_kept() -> None:
    log = EventLog()
    with_output, without = log.subscribe(outputs=True), log.subscribe()
    log.show(line("output"), whole=True)
    await log.append("end", line("a"))
    log.close()
    assert [event["text"] for event in await rest(with_output)] == ["output", "a"]
    assert [event["text"] for event in await rest(without)] == ["a"]
    assert [event["text"] for event in await rest(log.subscribe(outputs=True))] == ["a"]


async def test_a_reader_of_output_begins_with_all_of_it() -> None:
    log = EventLog()
    reader = log.subscribe(outputs=True)
    log.show(line("a part"), whole=False)
    log.show(line("all"), whole=True)
    log.show(line("more"), whole=False)
    log.close()
    assert [event["text"] for event in await rest(reader)] == ["all", "more"]


async def test_output_is_asked_for_as_long_as_anybody_reads_it() -> None:
    asked: List[bool] = []
    log = EventLog(asked.append)
    first, second = log.subscribe(outputs=True), log.subscribe(outputs=True)
    log.subscribe()
    assert asked == [True, True] and log.is_watched
    log.unsubscribe(first)
    assert asked == [True, True] and log.is_watched
    log.unsubscribe(second)
    assert asked == [True, True, False] and not log.is_watched


@pytest.mark.parametrize("size", [10, 200_000])
async def test_a_slow_reader_misses_output_and_then_gets_all_of_it_again(size: int) -> None:
    asked: List[bool] = []
    log = EventLog(asked.append)
    reader = log.subscribe(outputs=True)
    log.show(line("0"), whole=True)
    for number in range(100):
        log.show(line(str(number) * size), whole=False)
    read = 0
    while len(asked) == 1:  # until it asks, having read what waited for it
        await reader.next()
        read += 1
    assert 1 < read < 12, "what waits for one reader is limited"
    log.show(line("a part"), whole=False)
    log.show(line("all"), whole=True)
    log.close()
    assert [event["text"] for event in await rest(reader)] == ["all"]


async def test_a_slow_reader_of_output_misses_no_event() -> None:
    log = EventLog()
    reader = log.subscribe(outputs=True)
    for number in range(50):
        log.show(line("output"), whole=True)
        await log.append("end", line(str(number)))
    log.close()
    assert [event["text"] for event in await rest(reader) if "seq" in event] == [str(number) for number in range(50)]
