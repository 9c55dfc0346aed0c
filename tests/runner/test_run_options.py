"""What a request asks for in its headers: how long a notebook may take, and what happens when a cell fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from command import Cli
from helpers import STREAM, Event, Server, names, path_of, text_of, write_notebook
from nbformat import v4

from nbexec.client import CellRaisedError, Client, TimedOutError

GO_ON = {"X-Continue-On-Error": "true"}
SLEEP = "import time; time.sleep(600)"
CELLS = ["print('first')", "1 / 0", v4.new_markdown_cell("text"), "print('third')", "raise ValueError('x')", "1",
         v4.new_markdown_cell("end")]


def run(server: Server, source: Path, headers: Dict[str, str], **data: Any) -> List[Event]:
    answer = server.request("POST", headers={**STREAM, **headers}, data={"notebook": path_of(server, source), **data})
    assert answer.status_code == 202, answer.text
    return [json.loads(line) for line in answer.text.splitlines() if line]


def told_again(server: Server, exec_id: str) -> List[Event]:
    return [json.loads(line) for line in server.get(f"/{exec_id}/events").text.splitlines() if line]


# -- run_timeout ----------------------------------------------------------------------------------


def test_a_request_can_limit_the_time_of_the_whole_notebook(server: Server, folder: Path) -> None:
    cells = ["import time; print('before')", *["time.sleep(1.5)"] * 3, SLEEP]
    events = run(server, write_notebook(folder / "a.ipynb", *cells), {"X-Run-Timeout": "3"})
    assert events[-1]["error"].startswith("the execution took longer than run_timeout (3 seconds), in cell ")
    assert events[-1]["kind"] == "run_timeout"
    assert text_of(server.output(events[-1]["output_path"]).cells[0]) == "before\n"


def test_a_request_cannot_extend_the_limit_of_the_server(started: Callable[..., Server]) -> None:
    hasty = started("short", "--NbExec.run_timeout=4")
    source = write_notebook(hasty.root / "long.ipynb", SLEEP)
    for asked, seconds in (("600", "4"), ("9" * 400, "4"), ("2", "2")):
        events = run(hasty, source, {"X-Run-Timeout": asked})
        assert f"run_timeout ({seconds} seconds)" in events[-1]["error"]


def test_no_number_is_too_large_for_a_limit(server: Server, folder: Path) -> None:
    events = run(server, write_notebook(folder / "a.ipynb", "1"), {"X-Run-Timeout": "9" * 4000})
    assert names(events)[-1] == "notebook_complete"


@pytest.mark.parametrize("header, value", [
    ("X-Run-Timeout", "0"), ("X-Run-Timeout", "-1"), ("X-Run-Timeout", "1.5"), ("X-Run-Timeout", ""),
    ("X-Continue-On-Error", "yes"), ("X-Mark-Failure", "true"), ("X-Report-Mode", "")])
def test_a_wrong_value_is_refused(server: Server, folder: Path, header: str, value: str) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    answer = server.request("POST", headers={header: value}, data={"notebook": path_of(server, source)})
    assert answer.status_code == 400 and answer.headers["X-Error-Field"] == header
    assert answer.json()["message"].startswith(f"{header}: expected ")


# -- continue_on_error ----------------------------------------------------------------------------


def test_cells_after_a_failed_one_can_be_run(server: Server, folder: Path) -> None:
    events = run(server, write_notebook(folder / "a.ipynb", *CELLS), GO_ON)
    assert names(events) == ["notebook_start", *["start", "end"] * 5, "notebook_error"]
    last = events[-1]
    assert last["failed_cells"] == [2, 5] and last["kind"] == "cell_failed"
    assert (last["ename"], last["evalue"]) == ("ZeroDivisionError", "division by zero") and last["traceback"]
    assert "\n1 / 0\n" in last["error"] and last["error"].endswith("\nFailed cells: 2, 5\n")
    assert last["execution"]["status"] == f"error: {last['error']}"
    failed = [event for event in events if event["event"] == "end"
              and any(output["output_type"] == "error" for output in event["cell"]["outputs"])]
    assert [event["progress"] for event in failed] == ["2/7", "5/7"]
    cells = server.output(last["output_path"]).cells
    assert text_of(cells[3]) == "third\n" and cells[4].outputs[0].ename == "ValueError"
    assert [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"] == [1, 2, 3, 4, 5]
    assert told_again(server, last["exec_id"]) == events


def test_without_a_failure_it_makes_no_difference(server: Server, folder: Path) -> None:
    tagged = v4.new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]})
    events = run(server, write_notebook(folder / "a.ipynb", "1", tagged, "2"), GO_ON)
    assert names(events)[-1] == "notebook_complete" and "failed_cells" not in events[-1]


def test_one_failure_stops_the_notebook_without_it(server: Server, folder: Path) -> None:
    for headers in ({}, {"X-Continue-On-Error": "false"}):
        events = run(server, write_notebook(folder / "a.ipynb", *CELLS), headers)
        assert names(events) == ["notebook_start", *["start", "end"] * 2, "notebook_error"]
        assert "failed_cells" not in events[-1]


@pytest.mark.parametrize("ending, kind", [("import os; os._exit(1)", "kernel_died"), (SLEEP, "cell_timeout")])
def test_what_is_no_exception_ends_the_notebook_all_the_same(server: Server, folder: Path, ending: str, kind: str
                                                             ) -> None:
    source = write_notebook(folder / "a.ipynb", "1 / 0", ending, "print('never')")
    events = run(server, source, GO_ON, cell_timeout="3")
    assert names(events) == ["notebook_start", *["start", "end"] * 2, "notebook_error"]
    assert events[-1]["kind"] == kind and events[-1]["failed_cells"] == [1] and "ename" not in events[-1]


def test_an_exit_ends_it_early_and_failures_before_count(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "1 / 0", "import sys; sys.exit()", "print('never')")
    events = run(server, source, GO_ON)
    assert names(events) == ["notebook_start", *["start", "end"] * 2, "notebook_error"]
    assert events[-1]["failed_cells"] == [1] and "exited" not in events[-1]


def test_failures_in_quick_succession_abort_nothing(server: Server, folder: Path) -> None:
    """ipykernel drops requests that come right after a failure, unless it is told not to."""
    events = run(server, write_notebook(folder / "a.ipynb", *["1 / 0"] * 40), GO_ON)
    assert events[-1]["failed_cells"] == list(range(1, 41))
    assert all(cell["outputs"] for cell in server.output(events[-1]["output_path"]).cells)


def test_failed_cells_are_in_the_record(new_server: Callable[..., Server], tmp_path: Path) -> None:
    server = new_server(f"--NbExec.database_filepath={tmp_path / 'records' / 'db'}")
    events = run(server, write_notebook(server.root / "a.ipynb", *CELLS), GO_ON)
    server.stop()
    server.start()
    assert told_again(server, events[-1]["exec_id"])[-1] == events[-1]


# -- client and command line ----------------------------------------------------------------------


def test_the_client_tells_which_cells_failed(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", *CELLS)
    with Client(server.url, server.token) as client:
        result = client.run(path_of(server, source), continue_on_error=True, check=False)
        with pytest.raises(TimedOutError):
            client.run(path_of(server, write_notebook(folder / "b.ipynb", SLEEP)), run_timeout=2)
    assert isinstance(result.error, CellRaisedError)
    assert (result.error.cell_number, result.error.failed_cells) == (2, [2, 5])
    assert result.error.cell is not None and result.error.cell["source"] == "1 / 0"
    assert result.error.summary == "cell 2/7 (failed cells: 2, 5) raised ZeroDivisionError: division by zero"


def test_the_command_line_has_the_options(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", *CELLS)
    done = cli("run", "a.ipynb", "--continue-on-error", "--run-timeout", "60", "--report-mode", "--mark-failure")
    assert done.returncode == 1
    assert "Error in cell 2/7:" in done.stderr and "ZeroDivisionError" in done.stderr
    output = json.loads((cli.work / "a-Executed1.ipynb").read_text("utf-8"))
    assert len(output["cells"]) == len(CELLS) + 2
    assert cli("run", "a.ipynb", "--run-timeout", "0").returncode == 2
