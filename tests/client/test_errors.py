"""How a failure reaches a program: by class, with its facts, from another process, and for a person to read."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Dict, List, Type

import client_processes
import pytest
from helpers import Server, add_kernel, wait_for, write_notebook

from nbexec import errors
from nbexec.client import (
    ApiError,
    CellRaisedError,
    CertificateError,
    Client,
    ExecutionFailedError,
    KernelDeathError,
    KernelNotStartedError,
    NoServerError,
    NotANotebookError,
    StoppedError,
    StreamEndedError,
    TimedOutError,
    WaitTimeoutError,
)

SOURCE = "def divide(a):\n    return a / 0\n\ndivide(1)"


@pytest.fixture()
def failing(server: Server, folder: Path) -> str:
    write_notebook(folder / "a.ipynb", "# nbexec: params\nx = 0", SOURCE, "2")
    return f"{folder.name}/a.ipynb"


def test_a_failed_cell_has_all_its_facts(server: Server, folder: Path, failing: str) -> None:
    with Client(server.url, server.token) as client, pytest.raises(CellRaisedError) as caught:
        client.run(failing)
    error = caught.value
    assert (error.kind, error.ename, error.evalue) == ("cell_failed", "ZeroDivisionError", "division by zero")
    assert error.cell_number == 2 and error.cell is not None and error.cell["source"] == SOURCE
    assert error.cell["outputs"][0]["ename"] == "ZeroDivisionError"
    assert any("return a / 0" in line for line in error.traceback) and "\x1b" not in "".join(error.traceback)
    assert error.model == server.model(error.exec_id) and error.output_path == f"{folder.name}/a-Executed1.ipynb"
    assert str(error).startswith(f"{failing}: cell 2/3 raised ZeroDivisionError: division by zero\n")
    assert "return a / 0" in str(error)
    assert repr(error) == f"<CellRaisedError: {failing}: cell 2/3 raised ZeroDivisionError: division by zero>"


@pytest.mark.parametrize("code, options, kind", [
    ("import time; time.sleep(60)", {"cell_timeout": 1}, TimedOutError),
    ("import os; os._exit(3)", {}, KernelDeathError),
    ("1", {"jupyter_kernel": "broken"}, KernelNotStartedError)])
def test_other_ends_have_classes_of_their_own(server: Server, folder: Path, code: str, options: Dict[str, Any],
                                              kind: Type[ExecutionFailedError]) -> None:
    add_kernel(server, "broken", ["false", "{connection_file}"])
    write_notebook(folder / "a.ipynb", code)
    with Client(server.url, server.token) as client:
        result = client.run(f"{folder.name}/a.ipynb", check=False, **options)
    assert type(result.error) is kind and not result.completed and str(result.error.error) in result.status


def test_what_is_no_notebook_and_what_was_stopped_are_told(server: Server, folder: Path) -> None:
    (folder / "no.ipynb").write_text("not JSON")
    write_notebook(folder / "a.ipynb", "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(60)")
    with Client(server.url, server.token) as client:
        with pytest.raises(NotANotebookError):
            client.run(f"{folder.name}/no.ipynb")
        execution = client.submit(f"{folder.name}/a.ipynb")
        wait_for((folder / "begun").exists)
        execution.shutdown()
        with pytest.raises(StoppedError) as caught:
            execution.result()
        execution.delete()
        with pytest.raises(ApiError) as gone:
            execution.refresh()
    assert caught.value.kind == "stopped" and gone.value.status == 404


def test_what_is_refused_says_why(server: Server, failing: str) -> None:
    with Client(server.url, server.token) as client:
        for params, status in (({"x": "one"}, 400), ({"y": 1}, 400)):
            with pytest.raises(ApiError) as caught:
                client.submit(failing, params)
            assert caught.value.status == status
        with pytest.raises(ApiError) as caught:
            client.run("no/such.ipynb")
        assert caught.value.status == 404
        with pytest.raises(ValueError, match="token is reserved"):
            client.submit(failing, {"token": "x"})
    with Client(server.url, "wrong") as client, pytest.raises(ApiError) as caught:
        client.executions()
    assert caught.value.status == 401


def test_errors_cross_processes_both_ways(server: Server, failing: str) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        error = pool.submit(client_processes.run, server.url, server.token, failing, {"x": 1}).exception(60)
        assert isinstance(error, CellRaisedError) and error.ename == "ZeroDivisionError" and error.cell is not None
        back = pool.submit(client_processes.raise_again, error).exception(60)
        assert isinstance(back, CellRaisedError) and vars(back) == vars(error) and str(back) == str(error)
        result = pool.submit(client_processes.run, server.url, server.token, failing, {}, False).result(60)
        assert isinstance(result.error, CellRaisedError) and result.output_path
        with pytest.raises(errors.NbExecError, match="cannot be fetched"):
            print(result.notebook)


def test_every_error_can_be_copied_and_pickled() -> None:
    model = {"exec_id": "1", "path": "a.ipynb", "status": "error: x", "progress": "2/3"}
    event = {"event": "notebook_error", "error": "x", "execution": model, "kind": "cell_failed", "ename": "E",
             "evalue": "v", "traceback": ["line"]}
    all_: List[errors.NbExecError] = [
        ApiError("m", 400, "r", True, 2.0), CertificateError("https://x/", "why"), StreamEndedError("1", "cut"),
        WaitTimeoutError("1", 2.0), NoServerError("none", ["http://x/"]),
        CellRaisedError(model, event, {"source": "s"}),
        errors.InvalidArgumentError("x", 1, "text"), errors.TooManyExecutionsError(1, 2, 3),
        errors.CellFailedError("s", "E", "v", ["line"]), errors.ServerGoneError()]
    for error in all_:
        for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            assert type(other) is type(error) and vars(other) == vars(error) and other.args == error.args


def test_a_notebook_shows_the_failed_cell_and_not_the_way_there(server: Server, folder: Path, failing: str) -> None:
    code = (f"from nbexec.client import Client\n"
            f"Client({server.url!r}, {server.token!r}).run({failing!r})")
    write_notebook(folder / "outer.ipynb", code)
    with Client(server.url, server.token) as client, pytest.raises(CellRaisedError) as caught:
        client.run(f"{folder.name}/outer.ipynb")
    shown = "\n".join(caught.value.traceback)
    assert "return a / 0" in shown and "a-Executed1.ipynb" in shown
    assert "client.py" not in shown
