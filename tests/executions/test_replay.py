"""How events of finished executions are recovered, without a server; with a real one in test_event_streams.py."""

from __future__ import annotations

import asyncio
import json
from functools import cached_property
from typing import Any, AsyncIterator, Dict, Iterator, List, Optional, Tuple

import pytest

from nbexec import events
from nbexec.engines.local.connection import Frame
from nbexec.errors import NotebookNotFoundError, RunnerDiedError
from nbexec.events import ENDED
from nbexec.execution import COMPLETED, EXECUTING, Execution, error_status
from nbexec.executions.change_feed import ChangeFeed
from nbexec.executions.event_log import EventLog, LogReader, pieces_of
from nbexec.executions.inspector import Inspector
from nbexec.executions.places import Source
from nbexec.executions.replay import Replays
from nbexec.executions.store import ExecutionStore
from nbexec.protocol import EventsRequest, Raised, RecordedEvent, Request
from nbexec.run_arguments import RunArguments

CELLS = [("start", {"progress": "1/1"}), ("end", {"progress": "1/1"})]


class FakeContents:
    """Finds one notebook."""

    def __init__(self) -> None:
        self.is_there = True

    async def source(self, path: str) -> Source:
        if not self.is_there:
            raise NotebookNotFoundError(path)
        return Source(path, None, b"the notebook", "/")

    async def load(self, source: Source) -> None:
        pass


class FakeInspector(Inspector):
    """Answers as a runner does that reads an output notebook."""

    def __init__(self) -> None:
        self.asked: List[EventsRequest] = []
        self.exception: Dict[str, Any] = {}
        self.dies = False

    def common(self, source: Source) -> Dict[str, Any]:
        return {"path": source.path, "source": source.file, "like": source.like, "cwd": source.cwd, "settings": None}

    async def ask(self, request: Request, source: Source) -> AsyncIterator[Frame]:
        assert isinstance(request, EventsRequest) and source.content == b"the notebook"
        self.asked.append(request)
        for name, fields in CELLS:
            await asyncio.sleep(0)
            yield RecordedEvent(name), events.line({"event": name, **fields})
            if self.dies:
                raise RunnerDiedError("killed")
        yield Raised(self.exception), b""


class Past:
    """What replays are made of."""

    def __init__(self) -> None:
        self.store, self.contents, self.inspector = ExecutionStore(), FakeContents(), FakeInspector()
        self.changes = ChangeFeed()

    @cached_property
    def replays(self) -> Replays:  # made by the test, because Python 3.8 ties a semaphore to the running loop
        return Replays(self.store, self.contents, self.inspector, self.changes)

    def save(self, exec_id: str = "a", status: str = COMPLETED, numbers: Tuple[Optional[int], ...] = (1, 4),
             output_path: Optional[str] = "out.ipynb", **more: Any) -> None:
        start, end = numbers
        self.store.save(Execution(exec_id, RunArguments("a.ipynb"), status=status, started_at=1.0, completed_at=2.0,
                                  output_path=output_path, start_number=start, end_number=end, **more))

    async def told(self, exec_id: str = "a", since: int = 0) -> List[Dict[str, Any]]:
        return await read(self.replays.start(exec_id).subscribe(since))


async def read(reader: LogReader) -> List[Dict[str, Any]]:
    found = []
    while True:
        event = await asyncio.wait_for(reader.next(), 10)
        if event is None:
            return found
        found.append(json.loads(b"".join(pieces_of(event.line))))


def short(told: List[Dict[str, Any]]) -> List[Tuple[int, str]]:
    return [(event["seq"], event["event"]) for event in told]


@pytest.fixture()
def past() -> Iterator[Past]:
    past = Past()
    yield past
    past.store.close()


async def test_all_events_are_told_again_with_their_numbers(past: Past) -> None:
    past.save(numbers=(3, 8))
    assert short(await past.told()) == [
        (3, "notebook_start"), (4, "start"), (5, "end"), (8, "notebook_complete")]
    assert past.inspector.asked[0].cells == 2


async def test_only_events_after_a_number_are_told(past: Past) -> None:
    past.save()
    assert short(await past.told(since=2)) == [(3, "end"), (4, "notebook_complete")]


async def test_the_first_event_has_the_model_as_it_was_then(past: Past) -> None:
    past.save(progress="1/1")
    first, *_, last = await past.told()
    assert (first["execution"]["status"], first["execution"]["progress"]) == (EXECUTING, None)
    assert first["execution"]["completed_at"] is first["execution"]["output_path"] is None
    assert (last["execution"]["status"], last["execution"]["output_path"]) == (COMPLETED, "out.ipynb")


async def test_the_exception_of_a_cell_is_in_the_last_event(past: Past) -> None:
    past.save(status=error_status("ZeroDivisionError"), end_details={"ename": "ZeroDivisionError", "evalue": "0"})
    past.inspector.exception = {"ename": "ZeroDivisionError", "evalue": "0", "traceback": ["…"]}
    last = (await past.told())[-1]
    assert (last["event"], last["ename"], last["traceback"]) == ("notebook_error", "ZeroDivisionError", ["…"])
    assert past.inspector.asked[0].exception == {"ename": "ZeroDivisionError", "evalue": "0"}


async def test_an_execution_without_an_output_notebook_has_two_events(past: Past) -> None:
    past.save(status=error_status("shut down"), numbers=(1, 2), output_path=None)
    assert short(await past.told()) == [(1, "notebook_start"), (2, "notebook_error")]
    assert past.inspector.asked == []


async def test_an_execution_that_never_started_has_one_event(past: Past) -> None:
    past.store.save(Execution("a", RunArguments("a.ipynb"), status=error_status("no notebook"), completed_at=2.0))
    assert short(await past.told()) == [(1, "notebook_error")]


async def test_without_its_output_notebook_the_events_of_cells_are_missing(past: Past) -> None:
    past.save()
    past.contents.is_there = False
    assert short(await past.told()) == [(1, "notebook_start"), (4, "notebook_complete")]


async def test_events_that_were_read_before_the_runner_died_stay(past: Past) -> None:
    past.save()
    past.inspector.dies = True
    assert short(await past.told()) == [(1, "notebook_start"), (2, "start"), (4, "notebook_complete")]


async def test_a_deleted_execution_has_no_events(past: Past) -> None:
    assert await past.told("unknown") == []


async def test_readers_share_one_reading_of_the_notebook(past: Past) -> None:
    past.save()
    logs = [past.replays.start("a") for _ in range(3)]
    assert all(log is logs[0] for log in logs)
    told = [await read(log.subscribe()) for log in logs]
    assert told[0] == told[1] == told[2] and len(past.inspector.asked) == 1


async def test_events_are_told_when_the_runner_of_an_earlier_server_has_saved(past: Past) -> None:
    past.save(status=EXECUTING)
    reading = asyncio.ensure_future(past.told())
    for _ in range(10):
        await asyncio.sleep(0)
    past.changes.tell(ENDED, "another")
    for _ in range(10):
        await asyncio.sleep(0)
    assert past.inspector.asked == [] and not reading.done()
    past.save()
    past.changes.tell(ENDED, "a")
    assert short(await reading)[-1] == (4, "notebook_complete")


async def test_few_notebooks_are_read_at_once(past: Past) -> None:
    begun: List[str] = []
    gate = asyncio.Event()

    class Slow(FakeInspector):
        async def ask(self, request: Request, source: Source) -> AsyncIterator[Frame]:
            begun.append(source.path)
            await gate.wait()
            yield Raised({}), b""

    past.inspector = Slow()
    for number in range(9):
        past.save(str(number))
    logs: List[EventLog] = [past.replays.start(str(number)) for number in range(9)]
    readers = [log.subscribe() for log in logs]
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(begun) == 4
    gate.set()
    assert [len(await read(reader)) for reader in readers] == [2] * 9
