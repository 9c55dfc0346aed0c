"""Many executions by `map`: all are told apart, a few run at once, and all end when it is cancelled."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from coroutines import run
from helpers import Server, wait_for, write_notebook

from nbexec.client import (
    ApiError,
    AsyncClient,
    CellRaisedError,
    Client,
    KernelDeathError,
    Result,
    TimedOutError,
    WaitTimeoutError,
)

RUNS = 60
FAILS, SLEEPS, DIES = 7, 23, 41
CODE = f"""
import os, signal, time
if x == {FAILS}: raise ValueError(x)
if x == {SLEEPS}: time.sleep(60)
if x == {DIES}: os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture()
def notebook(server: Server, folder: Path) -> str:
    write_notebook(folder / "a.ipynb", "# nbexec: params\nx = 0", CODE, "print(x)")
    return f"{folder.name}/a.ipynb"


@pytest.fixture()
def sleeper(server: Server, folder: Path) -> str:
    code = "import pathlib, time\npathlib.Path(f'begun{x}').touch()\ntime.sleep(60)"
    write_notebook(folder / "a.ipynb", "# nbexec: params\nx = 0", code)
    return f"{folder.name}/a.ipynb"


def running(server: Server, notebook: str) -> List[str]:
    return [model["exec_id"] for model in server.get().json()["executions"]
            if model["path"] == notebook and model["status"] in ("initializing", "executing")]


@pytest.mark.timeout(300)
def test_all_are_told_apart(server: Server, notebook: str) -> None:
    with Client(server.url, server.token) as client:
        results: Dict[int, Result] = {}
        for result in client.map(notebook, [{"x": x} for x in range(RUNS)], jobs=4, cell_timeout=8):
            assert result.index == result.params["x"] and result.index not in results
            results[result.index] = result
        assert sorted(results) == list(range(RUNS))
        errors = {index: result.error for index, result in results.items() if not result.completed}
        assert {index: type(error) for index, error in errors.items()} == {
            FAILS: CellRaisedError, SLEEPS: TimedOutError, DIES: KernelDeathError}
        failed = errors[FAILS]
        assert isinstance(failed, CellRaisedError) and (failed.ename, failed.evalue) == ("ValueError", str(FAILS))
        assert results[5].cells[-1]["outputs"][0]["text"] == "5\n"
        assert len({result.output_path for result in results.values()}) == RUNS


def test_values_are_asked_for_when_there_is_room(server: Server, notebook: str) -> None:
    made: List[int] = []

    def values() -> Iterator[Dict[str, Any]]:
        x = 100
        while True:
            made.append(x)
            yield {"x": x}
            x += 1

    with Client(server.url, server.token) as client, client.map(notebook, values(), jobs=2) as results:
        next(results)
        wait_for(lambda: not running(server, notebook))  # nobody fetches the others
        assert len(made) <= 5
    assert running(server, notebook) == []


def test_cancelling_shuts_down_what_runs(server: Server, folder: Path, sleeper: str) -> None:
    with Client(server.url, server.token) as client:
        with client.map(sleeper, ({"x": x} for x in range(1000)), jobs=2) as results:
            wait_for(lambda: len(list(folder.glob("begun*"))) == 2)
        assert list(results) == []
        assert running(server, sleeper) == []
        models = [model for model in server.get().json()["executions"] if model["path"] == sleeper]
        assert [model["status"] for model in models] == ["error: the execution was shut down"] * 2


def test_an_interruption_cancels(server: Server, folder: Path, sleeper: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client(server.url, server.token) as client:
        results = client.map(sleeper, [{"x": 1}, {"x": 2}], jobs=2)
        wait_for(lambda: len(list(folder.glob("begun*"))) == 2)

        def interrupt(*args: object) -> None:
            monkeypatch.undo()
            raise KeyboardInterrupt

        monkeypatch.setattr(results._work, "take", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(results)
        assert running(server, sleeper) == []
        assert client.executions()  # it can be used as before


def test_each_may_take_a_time(server: Server, sleeper: str) -> None:
    with Client(server.url, server.token) as client:
        result, = client.map(sleeper, [{"x": 1}], timeout=1.5)
    assert isinstance(result.error, WaitTimeoutError) and running(server, sleeper) == []


def test_what_is_refused_is_a_result_too(server: Server, notebook: str) -> None:
    with Client(server.url, server.token) as client:
        results = client.map(notebook, [{"x": "one"}, {"y": 1}, {"x": object()}, {"x": 2}]).results()
    assert [result.index for result in results] == [0, 1, 2, 3]
    assert [result.completed for result in results] == [False, False, False, True]
    assert isinstance(results[0].error, ApiError) and results[0].error.status == 400
    assert "x" in str(results[0].error) and "object" in str(results[2].error)


def test_outputs_have_the_names_that_were_asked_for(server: Server, folder: Path, notebook: str) -> None:
    with Client(server.url, server.token) as client:
        results = client.map(notebook, [{"x": 1}, {"x": 2}], output_path=lambda index, params:
                             f"{folder.name}/out-{index}-{params['x']}.ipynb").results()
    assert [result.output_path for result in results] == [
        f"{folder.name}/out-0-1.ipynb", f"{folder.name}/out-1-2.ipynb"]


def test_what_the_values_raise_is_raised(server: Server, notebook: str) -> None:
    def values() -> Iterator[Dict[str, Any]]:
        yield {"x": 1}
        raise LookupError("no more")

    with Client(server.url, server.token) as client, client.map(notebook, values()) as results:
        assert next(results).completed
        with pytest.raises(LookupError, match="no more"):
            next(results)


def test_a_busy_server_is_asked_again(new_server: Any) -> None:
    server = new_server("--NbExec.max_running=1", "--NbExec.max_queued=1")
    write_notebook(server.root / "a.ipynb", "# nbexec: params\nx = 0", "x")
    with Client(server.url, server.token) as client:
        results = client.map("a.ipynb", [{"x": x} for x in range(6)], jobs=5).results()
    assert [result.completed for result in results] == [True] * 6


def test_a_map_that_nobody_holds_leaves_no_threads(server: Server, notebook: str) -> None:
    before = threading.active_count()
    with Client(server.url, server.token) as client:
        for _ in client.map(notebook, ({"x": x} for x in range(100, 1000)), jobs=2):
            break
        wait_for(lambda: threading.active_count() <= before)


def test_it_runs_in_an_event_loop(server: Server, folder: Path, notebook: str) -> None:
    async def main() -> List[Result]:
        async with AsyncClient(server.url, server.token) as client:
            return await client.map(notebook, [{"x": 1}, {"x": FAILS}, {"x": 3}], jobs=2).results()

    results = run(main())
    assert [type(result.error) for result in results] == [type(None), CellRaisedError, type(None)]


def test_cancelling_a_task_shuts_down_what_runs(server: Server, folder: Path, sleeper: str) -> None:
    async def main() -> None:
        async with AsyncClient(server.url, server.token) as client:
            async def fetch() -> None:
                async with client.map(sleeper, [{"x": 1}, {"x": 2}], jobs=2) as results:
                    async for _ in results:
                        pass

            task = asyncio.ensure_future(fetch())
            while len(list(folder.glob("begun*"))) < 2:
                await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(asyncio.wait_for(main(), 60))
    assert running(server, sleeper) == []
