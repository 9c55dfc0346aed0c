"""Whatever a kernel sends, however large or odd: one clear end, and what it says is shown in part where it is long."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest
from helpers import TREE, Event, Server, add_kernel, names, text_of, write_notebook
from nbformat import NotebookNode, v4

from nbexec.excerpts import CELL, TEXT, TRACEBACK

ODD_KERNEL = str(TREE / "tests" / "odd_kernel.py")
INFO = {"status": "ok", "protocol_version": "5.3", "implementation": "odd", "language_info": {"name": "python"}}

# -- long texts -----------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_an_exception_of_50_mb_stands_in_no_list(server: Server, folder: Path) -> None:
    events = server.run(write_notebook(folder / "a.ipynb", "raise ValueError('x' * 50_000_000)"), timeout=250)
    note = "\n[nbexec: 49980000 characters are left out here; the output notebook has them]\n"
    assert note in events[-1]["execution"]["status"]
    assert note in next(model["status"] for model in server.get().json()["executions"]
                        if model["exec_id"] == events[-1]["exec_id"])
    assert max(len(json.dumps(event)) for event in events) < 3 * CELL
    (output,) = server.output(events[-1]["execution"]["output_path"]).cells[0]["outputs"]
    assert output["evalue"] == "x" * 50_000_000


def test_all_long_texts_are_bounded_and_whole_in_the_output(server: Server, folder: Path) -> None:
    comment = "#" + "a" * 2 * CELL
    raising = f"{comment}\nraise type('E' * 5_000, (Exception,), {{}})('b' * {2 * CELL} + 'end')"
    events = server.run(write_notebook(folder / "a.ipynb", raising))
    assert names(events) == ["notebook_start", "start", "end", "notebook_error"]
    check_long_events(events[1:])
    model = events[-1]["execution"]
    assert len(model["last_cell_source"]) < TEXT + 200
    again = server.get(f"/{events[0]['exec_id']}/events", headers={"X-Response-Encoding": "chunked"})
    check_long_events([json.loads(line) for line in again.text.splitlines() if line][1:])
    (cell,) = server.output(model["output_path"]).cells
    assert cell["source"] == raising
    assert cell["outputs"][0]["evalue"] == "b" * 2 * CELL + "end"


def check_long_events(events: List[Event]) -> None:
    start, end, error = events
    (output,) = end["cell"]["outputs"]
    for text in (start["cell"]["source"], end["cell"]["source"], output["evalue"], "\n".join(output["traceback"])):
        assert CELL < len(text) < CELL + 200 and "characters are left out here" in text
    assert output["evalue"].endswith("end")
    for name, limit in (("ename", 1_000), ("evalue", TEXT)):
        assert limit < len(error[name]) < limit + 200
    assert TRACEBACK < len("\n".join(error["traceback"])) < TRACEBACK + 200
    assert error["execution"]["status"] == f"error: {error['error']}"
    assert error["error"].endswith(f"{error['ename']}: {error['evalue']}\n")
    assert len(error["error"]) < 3 * TEXT


@pytest.mark.parametrize("length", [TEXT - 3, TEXT])
def test_texts_within_the_bound_are_exact(server: Server, folder: Path, length: int) -> None:
    source = f"raise ValueError('x' * {length})".ljust(length)
    last = server.run(write_notebook(folder / "a.ipynb", source))[-1]
    rule = "-" * 18
    assert last["error"] == (f"An error occurred while executing the following cell:\n{rule}\n{source}\n{rule}\n\n"
                             f"ValueError: {'x' * length}\n")
    assert last["execution"]["last_cell_source"] == source


def test_errors_that_repeat_a_file_are_bounded(server: Server, folder: Path) -> None:
    (folder / "a.ipynb").write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
        {"cell_type": "x" * 1_000_000, "metadata": {}, "source": ""}]}))
    last = server.run(folder / "a.ipynb")[-1]
    assert last["event"] == "notebook_error"
    assert len(last["error"]) < 51_000


# -- messages of a kernel of somebody else --------------------------------------------------------


@pytest.fixture(scope="module")
def odd(server: Server) -> str:
    return odd_kernel(server, "odd", INFO)


def odd_kernel(server: Server, name: str, info: Any) -> str:
    return add_kernel(server, name, [sys.executable, ODD_KERNEL, "{connection_file}", json.dumps(info)])


def of_seed(seed: int) -> NotebookNode:
    """Return a cell that sends odd messages, and may fail, because errors are among them."""
    return v4.new_code_cell(str(seed), metadata={"tags": ["raises-exception"]})


@pytest.mark.timeout(300)
def test_no_message_makes_nbexec_itself_fail(server: Server, folder: Path, odd: str) -> None:
    source = write_notebook(folder / "a.ipynb", *map(of_seed, range(30)))
    events = server.run(source, jupyter_kernel=odd)
    assert names(events)[-1] == "notebook_complete", events[-1]["error"]
    cells = server.output(events[-1]["execution"]["output_path"]).cells
    assert all(text_of(cell).endswith("whole\n") for cell in cells)


HEADER = {"msg_id": "1", "msg_type": "stream"}
STREAM_CONTENT = {"name": "stdout", "text": "x"}


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("value", [None, 5, "text", [], [[]], True])
def test_a_part_that_is_no_object_is_passed_over(server: Server, folder: Path, odd: str, which: int,
                                                 value: Any) -> None:
    parts: List[Any] = [HEADER, {}, {}, STREAM_CONTENT]
    parts[which] = value
    raw = "raw" + json.dumps([json.dumps(part) for part in parts])
    events = server.run(write_notebook(folder / "a.ipynb", raw), jupyter_kernel=odd)
    assert names(events)[-1] == "notebook_complete", events[-1]["error"]
    assert text_of(events[-2]["cell"]).endswith("whole\n")


@pytest.mark.parametrize("part", ["{", "", "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, "1" * 5_000])
@pytest.mark.parametrize("which", [0, 1, 3])
def test_a_part_that_cannot_be_read_is_a_clear_error(server: Server, folder: Path, odd: str, which: int,
                                                     part: str) -> None:
    parts = [json.dumps(part) for part in (HEADER, {}, {}, STREAM_CONTENT)]
    parts[which] = part
    if part.isdigit() and sys.version_info < (3, 11):
        pytest.skip("this Python reads numbers of any length")
    source = write_notebook(folder / "a.ipynb", of_seed(1), "raw" + json.dumps(parts), of_seed(2))
    events = server.run(source, jupyter_kernel=odd)
    assert "a message from the kernel cannot be read" in events[-1]["error"]
    cells = server.output(events[-1]["execution"]["output_path"]).cells
    assert text_of(cells[0]).endswith("whole\n")


@pytest.mark.parametrize("told", [None, 5, [], {}, {"name": 5}, {"name": "python", "codemirror_mode": 7, "a": []}])
def test_whatever_a_kernel_says_of_its_language_the_output_is_valid(server: Server, folder: Path, told: Any) -> None:
    kernel = odd_kernel(server, f"told{folder.name[-2:]}", {**INFO, "language_info": told})
    events = server.run(write_notebook(folder / "a.ipynb", of_seed(1)), jupyter_kernel=kernel)
    assert names(events)[-1] == "notebook_complete", events[-1]["error"]
    language: Dict[str, Any] = server.output(events[-1]["execution"]["output_path"]).metadata["language_info"]
    assert language["name"] == "python"


def test_deep_json_is_kept_as_far_as_it_can_be_written(server: Server, folder: Path) -> None:
    source = ("data = 1\nfor _ in range(95): data = {'a': [data]}\n"
              "display({'application/json': data}, raw=True)")
    events = server.run(write_notebook(folder / "a.ipynb", source))
    assert names(events)[-1] == "notebook_complete", events[-1]["error"]
    (output,) = server.output(events[-1]["execution"]["output_path"]).cells[0]["outputs"]
    assert json.dumps(output["data"]["application/json"]).count("[") == 95


def test_numbers_that_json_has_not_do_not_spoil_the_output(server: Server, folder: Path, odd: str) -> None:
    content = '{"data": {"application/json": {"a": NaN, "b": 1e999, "c": -Infinity}}, "metadata": {}}'
    parts = [json.dumps({**HEADER, "msg_type": "display_data"}), "{}", "{}", content]
    events = server.run(write_notebook(folder / "a.ipynb", "raw" + json.dumps(parts)), jupyter_kernel=odd)
    assert names(events)[-1] == "notebook_complete", events[-1]["error"]
    text = (server.root / events[-1]["execution"]["output_path"]).read_text()
    (output, _) = json.loads(text, parse_constant=pytest.fail)["cells"][0]["outputs"]
    assert output["data"]["application/json"] == {"a": None, "b": None, "c": None}
