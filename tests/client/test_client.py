"""A server is found, and a notebook run on it: what the methods of a client do, in both of its forms."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any, Callable, List

import pytest
from coroutines import run
from helpers import Server, wait_for, write_notebook

import nbexec
from nbexec.client import (
    ApiError,
    AsyncClient,
    AsyncExecution,
    Client,
    Execution,
    ExecutionFailedError,
    NoServerError,
    Result,
)
from nbexec.client.execution_stream import ExecutionStream
from nbexec.client.result import Tally
from nbexec.errors import NbExecError

PARAMS = "# nbexec: params\nx = 0\ny = 0.5\nz = ''\nb = False"


@pytest.fixture()
def notebook(server: Server, folder: Path) -> str:
    write_notebook(folder / "a.ipynb", PARAMS, "print(repr((x, y, z, b)))", "x + 1")
    return f"{folder.name}/a.ipynb"


@pytest.fixture()
def sleeper(server: Server, folder: Path) -> str:
    write_notebook(folder / "s.ipynb", "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(60)")
    return f"{folder.name}/s.ipynb"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("NBEXEC_SERVER", "NBEXEC_TOKEN", "JUPYTER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))


# -- run ------------------------------------------------------------------------------------------


def test_a_run_gives_a_result(server: Server, folder: Path, notebook: str) -> None:
    names: List[str] = []
    with Client(server.url, server.token) as client:
        result = client.run(notebook, {"x": 4, "y": float("inf"), "z": "ä'1", "b": True},
                            output_path=f"{folder.name}/out.ipynb",
                            on_event=lambda event: names.append(event["event"]))
        assert result.completed and result.status == "completed" and result.error is None
        assert result.exec_id and result.model == server.model(result.exec_id)
        assert result.output_path == f"{folder.name}/out.ipynb" and result.output_file is None
        assert result.cells[2]["outputs"][0]["text"] == "(4, inf, \"ä'1\", True)\n"
        assert result.cells[3]["outputs"][0]["data"]["text/plain"] == "5"
        assert result.seconds and result.seconds > 0 and result.results == {}
    assert names[0] == "notebook_start" and names[-1] == "notebook_complete"
    assert repr(result).startswith(f"<Result of {notebook}: completed in ")


def test_named_results_are_read_where_the_server_tells_them() -> None:
    tally = Tally()
    model = {"exec_id": "1", "path": "a.ipynb", "status": "completed", "results": {"rmse": 0.3, "<b>": "<i>"}}
    tally.add({"event": "notebook_complete", "execution": model})
    result = tally.result(None, None)
    assert result.results == {"rmse": 0.3, "<b>": "<i>"}
    html = result._repr_html_()
    assert "rmse" in html and "&lt;b&gt;" in html and "<b>" not in html


def test_a_handle_tells_how_it_goes(server: Server, folder: Path, notebook: str, sleeper: str,
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    with Client(server.url, server.token) as client:
        execution = client.submit(notebook, {"x": 1})
        assert execution.result().completed and execution.ended and execution.status == "completed"
        assert execution.wait() is execution.wait()
        sleeping = client.submit(sleeper)
        wait_for((folder / "begun").exists)
        assert sleeping.status == "executing" and not sleeping.ended
        other = client.execution(sleeping.exec_id)
        assert other.model["path"] == sleeper
        sleeping.shutdown()
        assert other.status == "error: the execution was shut down"
        assert {execution.exec_id, sleeping.exec_id} <= {found.exec_id for found in client.executions()}
        monkeypatch.setattr("nbexec.client.client.LARGEST_PAGE", 1)  # so that two are two pages
        latest = client.executions(since=date.today(), newest_first=True, limit=2)
        assert [found.exec_id for found in latest] == [sleeping.exec_id, execution.exec_id]
        assert [found.exec_id for found in client.executions(notebook=sleeper, state="stopped", limit=9)] == [
            sleeping.exec_id]
        assert "of " + sleeper in repr(other) and sleeper in other._repr_html_()
        sleeping.delete()
        assert sleeping.exec_id not in {found.exec_id for found in client.executions()}


def test_parameters_are_listed(server: Server, notebook: str) -> None:
    with Client(server.url, server.token) as client:
        assert [parameter["name"] for parameter in client.parameters(notebook)] == ["x", "y", "z", "b"]


def test_one_key_is_one_execution(server: Server, notebook: str) -> None:
    key = f"nightly-{time.time()}"
    with Client(server.url, server.token) as client:
        first = client.run(notebook, idempotency_key=key)
        events: List[str] = []
        again = client.run(notebook, idempotency_key=key, on_event=lambda event: events.append(event["event"]))
        assert again.exec_id == first.exec_id and again.output_path == first.output_path
        assert client.submit(notebook, idempotency_key=key).exec_id == first.exec_id
    assert events[0] == "notebook_start" and events[-1] == "notebook_complete" and len(events) == 8


def test_an_output_that_was_replaced_is_not_taken_for_ones_own(server: Server, folder: Path, notebook: str) -> None:
    with Client(server.url, server.token) as client:
        place = f"{folder.name}/out.ipynb"
        first = client.run(notebook, {"x": 1}, output_path=place)
        second = client.run(notebook, {"x": 2}, output_path=place, overwrite=True)
        assert second.cells[-1]["outputs"][0]["data"]["text/plain"] == "3"
        with pytest.raises(NbExecError, match="another one has replaced it"):
            print(first.cells)


class StopHereError(Exception):
    pass


def test_whoever_stops_waiting_in_a_run_stops_the_execution(server: Server, folder: Path, sleeper: str) -> None:
    def stop(event: Any) -> None:
        if event["event"] == "start":
            raise StopHereError

    with Client(server.url, server.token) as client:
        with pytest.raises(StopHereError):
            client.run(sleeper, on_event=stop)
        with pytest.raises(TimeoutError):
            client.run(sleeper, timeout=1)
        mine = [execution.status for execution in client.executions() if execution.model["path"] == sleeper]
    assert mine == ["error: the execution was shut down"] * 2


def test_ctrl_c_stops_the_execution(server: Server, folder: Path, sleeper: str) -> None:
    code = (f"from nbexec.client import Client\n"
            f"Client({server.url!r}, {server.token!r}).run({sleeper!r})")
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    wait_for((folder / "begun").exists)
    process.send_signal(2)
    _, stderr = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in stderr
    models = [model for model in server.get().json()["executions"] if model["path"] == sleeper]
    assert [model["status"] for model in models] == ["error: the execution was shut down"]


# -- which server ---------------------------------------------------------------------------------


def test_a_running_server_is_found_by_itself(server: Server, folder: Path, notebook: str,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(server.runtime_dir))
    monkeypatch.chdir(folder)
    with Client() as client:
        assert client.url == server.url and client.root == server.root.resolve()
        result = client.run(Path("a.ipynb"), output_path=Path("here.ipynb"))
        assert result.output_file == (folder / "here.ipynb").resolve() and result.output_file.exists()
        with pytest.raises(ValueError, match="expected a file below"):
            client.run(Path("/no/such.ipynb"))
    with Client(server.url) as client:  # whose token its file has
        assert client.parameters(notebook)


@pytest.mark.parametrize("variables", [
    {"NBEXEC_SERVER": "{url}", "NBEXEC_TOKEN": "{token}"},
    {"NBEXEC_SERVER": "{url}", "JUPYTER_TOKEN": "{token}"},
    {"NBEXEC_SERVER": "{url}?token={token}", "NBEXEC_TOKEN": "wrong"}])
def test_the_environment_names_a_server(server: Server, notebook: str, monkeypatch: pytest.MonkeyPatch,
                                        variables: dict) -> None:  # type: ignore[type-arg]
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(url=server.url, token=server.token))
    for client in (Client(), Client(server.url)):
        with client:
            assert client.url == server.url and client.parameters(notebook)
            with pytest.raises(ValueError, match="expected text"):
                client.run(Path("a.ipynb"))


def test_a_token_of_the_environment_is_for_the_server_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBEXEC_SERVER", "https://example.org/user/ann/")
    monkeypatch.setenv("NBEXEC_TOKEN", "secret")
    assert Client("https://example.org/user/ann")._connection._token == "secret"
    for other in ("https://example.org/user/bob/", "http://example.org/user/ann/", "https://example.com/user/ann/"):
        with pytest.raises(NoServerError, match="there is no token"):
            Client(other)


def test_the_token_of_a_local_server_is_sent_to_no_other_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "secret")
    assert Client("http://localhost:8888/")._connection._token == "secret"
    with pytest.raises(NoServerError, match="there is no token"):
        Client("https://example.org/")
    monkeypatch.setenv("NBEXEC_TOKEN", "meant for it")
    assert Client("https://example.org/")._connection._token == "meant for it"


def test_no_server_is_told_and_so_are_several(server: Server, new_server: Callable[..., Server], tmp_path: Path,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoServerError, match="no notebook server of yours"):
        Client()
    other = new_server()
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    for one in (server, other):
        for file in one.runtime_dir.glob("nbserver-*.json"):
            copied = runtime / file.name
            copied.write_bytes(file.read_bytes())
            times = file.stat()
            os.utime(copied, (times.st_atime, times.st_mtime))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoServerError, match="several") as caught:
        Client()
    assert sorted(caught.value.candidates) == sorted([server.url, other.url])
    monkeypatch.chdir(other.root)
    with Client() as client:
        assert client.url == other.url


# -- in an event loop -----------------------------------------------------------------------------


def public(kind: type) -> dict:  # type: ignore[type-arg]
    return {name: value for name, value in vars(kind).items() if not name.startswith("_")}


@pytest.mark.parametrize("kind, other", [(Client, AsyncClient), (Execution, AsyncExecution)])
def test_both_forms_have_the_same_methods(kind: type, other: type) -> None:
    assert set(public(kind)) - {"on", "stopping", "result_of"} == set(public(other)) - {"exec_id"}
    for name, method in public(other).items():
        if inspect.isfunction(method):
            assert list(inspect.signature(method).parameters.values()) == list(
                inspect.signature(public(kind)[name]).parameters.values()), name
    assert inspect.signature(kind.__init__) == inspect.signature(other.__init__) or kind is Execution


def test_an_event_loop_goes_on_meanwhile(server: Server, folder: Path, notebook: str) -> None:
    async def main() -> List[Result]:
        async with AsyncClient(server.url, server.token) as client:
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.01)
                    ticks += 1

            task = asyncio.ensure_future(tick())
            results = await asyncio.gather(*(client.run(notebook, {"x": x}) for x in range(3)))
            task.cancel()
            assert ticks > 10
            execution = await client.submit(notebook)
            assert (await execution.result()).completed and await execution.status == "completed"
            assert (await execution.model)["path"] == notebook
            assert [event["seq"] async for event in execution.events(since=6)] == [7, 8]
            assert len(await client.parameters(notebook)) == 4
            with pytest.raises(ApiError):
                await client.run(notebook, {"no": 1})
            return list(results)

    results = run(main())
    assert [result.notebook["cells"][-1]["outputs"][0]["data"]["text/plain"] for result in results] == ["1", "2", "3"]


def test_cancelling_a_task_ends_its_execution(server: Server, folder: Path, sleeper: str) -> None:
    async def main() -> None:
        async with AsyncClient(server.url, server.token) as client:
            task = asyncio.ensure_future(client.run(sleeper))
            while not (folder / "begun").exists():
                await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(TimeoutError):
                await client.run(sleeper, timeout=1)

    run(main())
    models = [model for model in server.get().json()["executions"] if model["path"] == sleeper]
    assert [model["status"] for model in models] == ["error: the execution was shut down"] * 2


def test_cancelled_waits_leave_no_threads_and_no_connections(server: Server, folder: Path, sleeper: str) -> None:
    before = threading.active_count()

    async def main() -> None:
        async with AsyncClient(server.url, server.token) as client:
            execution = await client.submit(sleeper)
            for _ in range(2):
                tasks = [asyncio.ensure_future(execution.wait()) for _ in range(15)]
                await asyncio.sleep(0.3)
                for task in tasks:
                    task.cancel()
                    await asyncio.sleep(0)
                    task.cancel()
                await asyncio.wait(tasks)
                assert all(task.cancelled() for task in tasks)
            assert await execution.status == "executing"
            await execution.shutdown()

    run(main())
    wait_for(lambda: threading.active_count() <= before)


# -- what it costs, and how it is typed -----------------------------------------------------------


def test_the_command_line_does_not_import_it_for_its_help() -> None:
    code = ("import sys, nbexec, nbexec.cli.main\n"
            "print([name for name in ('nbexec.client', 'requests', 'rich', 'IPython') if name in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_it_is_typed_strictly(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text('''
from pathlib import Path
from typing import Any, Dict, List, Optional
from nbexec.client import AsyncClient, CellRaisedError, Client, Result

def total(paths: List[Path]) -> float:
    with Client(token="t") as client:
        results: List[Result] = [client.run(path, {"x": 1}, progress=True) for path in paths]
        try:
            client.submit("a.ipynb").result(timeout=5)
        except CellRaisedError as error:
            name: Optional[str] = error.ename
            print(name)
        with client.map("a.ipynb", ({"x": x} for x in range(3)), jobs=2) as mapped:
            for result in mapped:
                index: Optional[int] = result.index
                print(index)
    return sum(result.seconds or 0.0 for result in results)

async def follow(client: AsyncClient) -> List[Dict[str, Any]]:
    execution = await client.submit("a.ipynb")
    status: str = await execution.status
    print(status)
    return [event async for event in execution.events()]

def wrong(client: Client) -> int:
    return client.run("a.ipynb").seconds
''')
    place = Path(nbexec.__file__).parent.parent
    where = {} if place.name == "site-packages" else {"MYPYPATH": str(place)}  # of an editable installation
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent",
                           f"--cache-dir={tmp_path / 'cache'}", "program.py"], cwd=tmp_path, capture_output=True,
                          text=True, env={**os.environ, **where})
    found = [line for line in done.stdout.splitlines() if line.startswith("program.py")]
    assert len(found) == 1 and "return-value" in found[0], done.stdout


def test_a_stream_is_not_for_programs_to_make(server: Server, sleeper: str) -> None:
    with Client(server.url, server.token) as client:
        stream = client.stream(sleeper)
        assert isinstance(stream, ExecutionStream) and stream.exec_id is None and stream.find_id() is None
        result = client.run(sleeper, cell_timeout=1, check=False)
    assert isinstance(result.error, ExecutionFailedError)
