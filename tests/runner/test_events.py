"""What the events of an execution tell, field by field."""

from __future__ import annotations

import json
import re
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, List

import pytest
from helpers import Event, Server, add_kernel, names, text_of, write_notebook
from nbformat import v4

RULE = "-" * 18


def ends(events: List[Event]) -> List[Dict[str, Any]]:
    """Return the cells as they were at their end."""
    return [event["cell"] for event in events if event["event"] == "end"]


def results(events: List[Event]) -> List[Any]:
    """Return the text of what each executed cell gave as its result, None if it gave none."""
    found = []
    for cell in ends(events):
        texts = [output["data"]["text/plain"] for output in cell["outputs"]
                 if output["output_type"] == "execute_result"]
        found.append(texts[0] if texts else None)
    return found


def tagged(source: str, *tags: str) -> Any:
    return v4.new_code_cell(source, metadata={"tags": list(tags)})


# -- keys -----------------------------------------------------------------------------------------


def test_each_event_has_exactly_its_keys(server: Server, folder: Path) -> None:
    start, cell_start, cell_end, complete = server.run(write_notebook(folder / "a.ipynb", "1"))
    assert set(start) == set(complete) == {"seq", "event", "timestamp", "exec_id", "execution"}
    assert set(cell_start) == set(cell_end) == {"seq", "event", "timestamp", "exec_id", "progress", "cell"}


def test_notebook_error_says_what_the_cell_raised(server: Server, folder: Path) -> None:
    error = server.run(write_notebook(folder / "a.ipynb", "raise KeyError('ä')"))[-1]
    assert set(error) == {"seq", "event", "timestamp", "exec_id", "output_path", "error", "execution", "kind",
                          "ename", "evalue", "traceback"}
    assert error["event"] == "notebook_error"
    assert error["ename"] == "KeyError"
    assert error["evalue"] == "'ä'"
    assert error["output_path"] == f"{folder.name}/a-Executed1.ipynb"
    assert error["execution"] == server.model(error["exec_id"])
    assert error["execution"]["status"] == "error: " + error["error"]


def test_notebook_error_names_no_exception_if_no_cell_raised(server: Server, folder: Path) -> None:
    error = server.run(write_notebook(folder / "a.ipynb", "import os; os._exit(3)"))[-1]
    assert set(error) == {"seq", "event", "timestamp", "exec_id", "output_path", "error", "execution", "kind"}
    assert error["execution"] == server.model(error["exec_id"])


def test_each_event_has_the_id_of_its_execution(server: Server, folder: Path) -> None:
    for source in ("1", "1/0", "import os; os._exit(3)"):
        events = server.run(write_notebook(folder / "a.ipynb", "0", source))
        assert len(events) == 6
        assert {event["exec_id"] for event in events} == {events[0]["execution"]["exec_id"]}
        assert server.model(events[0]["exec_id"])["last_cell_source"] == source


def test_the_cell_of_an_event_is_the_one_in_the_output_file(server: Server, folder: Path) -> None:
    metadata = {"tags": ["one", "two"], "collapsed": True, "custom": {"a": [1, None, 2.5]}}
    source = write_notebook(folder / "a.ipynb", v4.new_code_cell("print('a\\nb')\n1 + 2", metadata=metadata),
                            v4.new_markdown_cell("# Title"), "raise ValueError()")
    events = server.run(source)
    assert [event["cell"]["metadata"].get("custom") for event in events[1:3]] == [metadata["custom"]] * 2
    output = server.output(events[-1]["output_path"])
    for cell in output.cells:
        cell["metadata"].pop("papermill")  # which only the file has
    assert ends(events) == [output.cells[0], output.cells[2]]
    assert set(output.cells[0]) == {"id", "cell_type", "metadata", "execution_count", "source", "outputs"}
    assert {**output.cells[0]["metadata"], **metadata} == output.cells[0]["metadata"]


# -- time -----------------------------------------------------------------------------------------


def test_timestamps_are_when_it_happened(server: Server, folder: Path) -> None:
    before = time.time()
    events = server.run(write_notebook(folder / "a.ipynb", "1", "2"))
    after = time.time()
    timestamps = [event["timestamp"] for event in events]
    assert all(isinstance(timestamp, float) for timestamp in timestamps)
    assert [before, *timestamps, after] == sorted([before, *timestamps, after])


@pytest.mark.parametrize("source", ["1", "1/0"])
def test_timestamps_of_the_notebook_are_those_of_the_model(server: Server, folder: Path, source: str) -> None:
    first, *_, last = server.run(write_notebook(folder / "a.ipynb", source))
    assert first["timestamp"] == first["execution"]["started_at"] == last["execution"]["started_at"]
    assert last["timestamp"] == last["execution"]["completed_at"]
    assert first["execution"]["completed_at"] is None


def test_metadata_has_the_times_of_the_cell(server: Server, folder: Path) -> None:
    _, start, end, _ = server.run(write_notebook(folder / "a.ipynb", "import time; time.sleep(0.3)"))
    times = end["cell"]["metadata"]["nbexec"]
    assert start["cell"]["metadata"]["nbexec"] == {"start_time": times["start_time"]}
    assert set(times) == {"start_time", "end_time", "duration"}
    for event, moment in ((start, times["start_time"]), (end, times["end_time"])):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", moment)
        assert datetime.fromisoformat(moment).timestamp() == event["timestamp"]
    assert isinstance(times["duration"], float)
    assert times["duration"] >= 0.3


def test_duration_is_the_time_between_start_and_end(server: Server, folder: Path) -> None:
    for cell in ends(server.run(write_notebook(folder / "a.ipynb", "1", "2", "3"))):
        times = cell["metadata"]["nbexec"]
        start, end = (datetime.fromisoformat(times[name]) for name in ("start_time", "end_time"))
        assert (end - start).total_seconds() == times["duration"]


def test_times_of_an_earlier_run_are_gone(server: Server, folder: Path) -> None:
    old = {"nbexec": {"start_time": "x", "end_time": "x", "duration": 5, "more": 1}}
    skipped = v4.new_code_cell("2", metadata={**old, "tags": ["skip-execution"]})
    events = server.run(write_notebook(folder / "a.ipynb", v4.new_code_cell("1", metadata=old), skipped))
    assert set(events[1]["cell"]["metadata"]["nbexec"]) == {"start_time"}
    first, second = server.output(events[-1]["execution"]["output_path"]).cells
    assert set(first["metadata"]["nbexec"]) == {"start_time", "end_time", "duration"}
    assert "nbexec" not in second["metadata"]


# -- progress -------------------------------------------------------------------------------------


def test_cells_that_are_not_executed_have_a_number_but_no_events(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", v4.new_markdown_cell("# Title"), "'two'", v4.new_raw_cell("raw"), "",
                            " \n\t\n", "'six'", v4.new_markdown_cell("end"))
    events = server.run(source)
    assert names(events) == ["notebook_start", "start", "end", "start", "end", "notebook_complete"]
    assert [event["progress"] for event in events[1:-1]] == ["2/7", "2/7", "6/7", "6/7"]
    assert results(events) == ["'two'", "'six'"]


def test_notebook_complete_has_counted_all_cells(server: Server, folder: Path) -> None:
    for cells, progress in (([], "0/0"), ([v4.new_markdown_cell("# Title")], "1/1"), (["1", "", ""], "3/3")):
        complete = server.run(write_notebook(folder / "a.ipynb", *cells))[-1]
        assert complete["execution"]["progress"] == progress
        assert complete["execution"]["status"] == "completed"


def test_notebook_error_has_counted_up_to_the_cell(server: Server, folder: Path) -> None:
    error = server.run(write_notebook(folder / "a.ipynb", "1", "1/0", "3"))[-1]
    assert error["execution"]["progress"] == "2/3"
    assert error["execution"]["last_cell_source"] == "1/0"


def test_start_has_the_outputs_emptied(server: Server, folder: Path) -> None:
    cell = v4.new_code_cell("print('new')", outputs=[v4.new_output("stream", text="old")], execution_count=77)
    events = server.run(write_notebook(folder / "a.ipynb", cell))
    assert events[1]["cell"]["outputs"] == []
    assert events[1]["cell"]["execution_count"] == 1
    assert text_of(events[2]["cell"]) == "new\n"


def test_execution_count_is_that_of_the_kernel(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "1", "", "# comment", "get_ipython().execution_count = 100",
                            "len(In) and 5", "6")
    cells = ends(server.run(source))
    counts = [cell["execution_count"] for cell in cells]
    # Older versions of ipykernel count on after the cell that sets it, newer ones before.
    assert counts in ([1, 2, 3, 100, 101], [1, 2, 3, 101, 102])
    assert [cell["outputs"][0]["execution_count"] for cell in cells if cell["outputs"]] == [1, *counts[3:]]


# -- errors ---------------------------------------------------------------------------------------


def test_error_has_exactly_the_text_of_the_reference(server: Server, folder: Path) -> None:
    error = server.run(write_notebook(folder / "a.ipynb", "raise ValueError()"))[-1]
    assert error["error"] == ("An error occurred while executing the following cell:\n------------------\n"
                              "raise ValueError()\n------------------\n\nValueError: \n")


def test_error_has_the_source_as_it_is(server: Server, folder: Path) -> None:
    source = "# ä\n\nx = '''\n\n'''\nraise KeyError(1)  # { %s\n"
    error = server.run(write_notebook(folder / "a.ipynb", source))[-1]
    header = "An error occurred while executing the following cell:"
    assert error["error"] == f"{header}\n{RULE}\n{source}\n{RULE}\n\nKeyError: 1\n"


@pytest.mark.parametrize("source, ename", [
    ("1 = x", "SyntaxError"), ("import sys; sys.exit(7)", "SystemExit"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"), ("%no_such", "UsageError"),
    ("class Odd(Exception): pass\nraise Odd", "Odd")])
def test_whatever_a_cell_raises_is_named(server: Server, folder: Path, source: str, ename: str) -> None:
    events = server.run(write_notebook(folder / "a.ipynb", source, "2"))
    assert names(events) == ["notebook_start", "start", "end", "notebook_error"]
    assert events[-1]["ename"] == ename
    assert events[-1]["error"].endswith(f"\n{RULE}\n{source}\n{RULE}\n\n{ename}: {events[-1]['evalue']}\n")


def test_a_cell_that_fails_has_its_end_event_before_the_error(server: Server, folder: Path) -> None:
    events = server.run(write_notebook(folder / "a.ipynb", "1", "print('so far')\n1/0", "3"))
    assert names(events) == ["notebook_start", "start", "end", "start", "end", "notebook_error"]
    end = events[-2]
    assert end["progress"] == "2/3"
    assert set(end["cell"]["metadata"]["nbexec"]) == {"start_time", "end_time", "duration"}
    stream, error = end["cell"]["outputs"]
    assert stream["text"] == "so far\n"
    assert error["output_type"] == "error"
    assert error["ename"] == events[-1]["ename"] == "ZeroDivisionError"


def test_traceback_is_a_list_of_lines_without_ansi_escapes(server: Server, folder: Path) -> None:
    source = "def f():\n    raise ValueError('\\x1b[1;31mred\\x1b[0m \\x1b]8;;http://x\\x07link\\x1b]8;;\\x07')\nf()"
    events = server.run(write_notebook(folder / "a.ipynb", source))
    from_kernel = "\n".join(events[-2]["cell"]["outputs"][0]["traceback"])
    assert "\x1b[" in from_kernel
    traceback = events[-1]["traceback"]
    assert traceback[-1] == "ValueError: red link"
    assert any("f()" in line for line in traceback)
    assert not [line for line in traceback if "\x1b" in line or "\n" in line]


# -- tags and IPython's own syntax ----------------------------------------------------------------


def test_a_cell_tagged_raises_exception_may_fail(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", tagged("1/0", "raises-exception"), "'next'")
    events = server.run(source)
    assert names(events) == ["notebook_start", "start", "end", "start", "end", "notebook_complete"]
    assert events[2]["cell"]["outputs"][0]["ename"] == "ZeroDivisionError"
    assert results(events) == [None, "'next'"]


def test_a_cell_tagged_skip_execution_is_not_executed(server: Server, folder: Path) -> None:
    events = server.run(write_notebook(folder / "a.ipynb", tagged("1/0", "skip-execution"), "2"))
    assert names(events) == ["notebook_start", "start", "end", "notebook_complete"]
    assert events[1]["progress"] == "2/2"
    assert events[1]["cell"]["execution_count"] == 1


def test_magics_and_top_level_await_work(server: Server, folder: Path) -> None:
    source = write_notebook(
        folder / "a.ipynb", "%env NBEXEC_TEST=magic", "%%bash\necho \"$NBEXEC_TEST\"", "!echo shell",
        "names = !echo a", "import asyncio\nawait asyncio.sleep(0.01, 'awaited')", "names[0]", "print?")
    events = server.run(source)
    assert names(events)[-1] == "notebook_complete"
    cells = ends(events)
    assert text_of(cells[1]) == "magic\n"
    assert text_of(cells[2]).strip() == "shell"
    assert results(events)[4:6] == ["'awaited'", "'a'"]


# -- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["äöü €", "\U0001f600 𝒳", "\u2028\u2029\x85\x0b\x0c\x1c", "\ufeff\u202e\u0000",
                                  "tab\t\x1b[31m"])
def test_text_is_passed_on_whatever_its_characters(server: Server, folder: Path, text: str) -> None:
    source = write_notebook(folder / "a.ipynb", v4.new_markdown_cell(text), f"print({ascii(text)}, end='')")
    events = server.run(source)
    assert names(events)[-1] == "notebook_complete"
    assert text_of(ends(events)[0]) == text
    output = server.output(events[-1]["execution"]["output_path"])
    assert output.cells[0]["source"] == text
    assert text_of(output.cells[1]) == text


def test_unicode_in_source_reaches_kernel_event_and_model(server: Server, folder: Path) -> None:
    source = "wert = 'ä€\U0001f600\u2028'; [ord(letter) for letter in wert]"
    events = server.run(write_notebook(folder / "a.ipynb", source))
    assert results(events) == ["[228, 8364, 128512, 8232]"]
    assert events[1]["cell"]["source"] == source
    assert events[-1]["execution"]["last_cell_source"] == source


def test_half_a_surrogate_pair_in_a_source_ends_in_an_error(server: Server, folder: Path) -> None:
    path = folder / "a.ipynb"
    cells = [v4.new_markdown_cell("\ud800"), v4.new_code_cell("print('so far')"), v4.new_code_cell("'\udfff'")]
    path.write_text(json.dumps(v4.new_notebook(cells=cells)), "ascii")
    events = server.run(path)
    assert names(events) == ["notebook_start", "start", "end", "start", "end", "notebook_error"]
    assert "cell 3/3" in events[-1]["error"]
    assert "surrogates not allowed" in events[-1]["error"]
    assert events[3]["cell"]["source"] == "'\udfff'"
    output = server.output(events[-1]["output_path"])
    assert [cell["source"] for cell in output.cells] == ["\ud800", "print('so far')", "'\udfff'"]
    assert text_of(output.cells[1]) == "so far\n"


def test_half_a_surrogate_pair_in_text_does_no_harm(server: Server, folder: Path) -> None:
    path = folder / "a.ipynb"
    cells = [v4.new_markdown_cell("\ud800"), v4.new_code_cell("1")]
    path.write_text(json.dumps(v4.new_notebook(cells=cells)), "ascii")
    events = server.run(path)
    assert names(events)[-1] == "notebook_complete"
    assert server.output(events[-1]["execution"]["output_path"]).cells[0]["source"] == "\ud800"


@pytest.mark.parametrize("cells, data, kind", [
    (["1 / 0"], {}, "cell_failed"),
    (["import time; time.sleep(60)"], {"cell_timeout": "1"}, "cell_timeout"),
    (["import os; os._exit(3)"], {}, "kernel_died"),
    (["1"], {"jupyter_kernel": "broken"}, "kernel_not_started")])
def test_the_last_event_has_the_kind_of_failure(cells: List[str], data: Dict[str, str], kind: str, server: Server,
                                                folder: Path) -> None:
    add_kernel(server, "broken", [sys.executable, "-c", "raise SystemExit(7)", "{connection_file}"])
    events = server.run(write_notebook(folder / "a.ipynb", *cells), **data)
    assert events[-1]["kind"] == kind
    again = server.get(f"/{events[-1]['exec_id']}/events").text.split("\n")
    assert json.loads(list(filter(None, again))[-1])["kind"] == kind
