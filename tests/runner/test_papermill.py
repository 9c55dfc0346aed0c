"""Papermill's users: its notebooks run with the same result, and its tools read the output notebooks.

Expected is what papermill does, which is run beside nbexec on the notebooks that papermill's own tests use.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import nbformat
import pytest
from helpers import Event, Server, names, path_of, write_notebook
from nbformat import v4

MASK = "********"
NOTEBOOK_KEYS = {"default_parameters", "duration", "end_time", "environment_variables", "exception", "input_path",
                 "output_path", "parameters", "start_time", "version"}
CELL_KEYS = {"duration", "end_time", "exception", "start_time", "status"}
Values = Dict[str, Any]


def run(server: Server, source: Path, headers: Optional[Dict[str, str]] = None, **data: Any) -> List[Event]:
    answer = server.request("POST", headers={"X-Response-Encoding": "chunked", **(headers or {})},
                            data={"notebook": path_of(server, source), **data})
    assert answer.status_code == 202, answer.text
    return [json.loads(line) for line in answer.text.splitlines() if line]


def output_of(server: Server, source: Path, headers: Optional[Dict[str, str]] = None, **data: Any
              ) -> nbformat.NotebookNode:
    return server.output(run(server, source, headers, **data)[-1]["execution"]["output_path"])


# -- the metadata ---------------------------------------------------------------------------------


def test_the_output_has_the_metadata_of_papermill(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "# nbexec: params\nx = 1\ny = 0.5\nz = 'a'", v4.new_markdown_cell("m"),
                            "import time; time.sleep(0.2)")
    nb = output_of(server, source, x="0x10", y="inf", z="é")
    about = nb.metadata["papermill"]
    assert set(about) == NOTEBOOK_KEYS
    assert about["parameters"] == {"x": 16, "y": "inf", "z": "é"}
    assert (about["input_path"], about["output_path"]) == (path_of(server, source), None)
    assert about["exception"] is None and about["environment_variables"] == about["default_parameters"] == {}
    start, end = (datetime.fromisoformat(about[name]) for name in ("start_time", "end_time"))
    assert timedelta(seconds=about["duration"]) == end - start >= timedelta(seconds=0.2)
    for cell in nb.cells:
        of_cell = cell["metadata"]["papermill"]
        assert set(of_cell) == CELL_KEYS
        assert (of_cell["status"], of_cell["exception"]) == ("completed", False)
        if cell["cell_type"] == "code":
            assert {name: of_cell[name] for name in cell["metadata"]["nbexec"]} == cell["metadata"]["nbexec"]
        begun, ended = (datetime.fromisoformat(of_cell[name]) for name in ("start_time", "end_time"))
        assert start <= begun <= ended <= end


def test_it_says_which_cell_failed_and_which_were_not_run(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "1", "1 / 0", v4.new_markdown_cell("m"), "2")
    stopped = output_of(server, source)
    assert stopped.metadata["papermill"]["exception"] is True
    assert [cell["metadata"]["papermill"]["status"] for cell in stopped.cells] == [
        "completed", "failed", "pending", "pending"]
    assert stopped.cells[2]["metadata"]["papermill"] == {
        "start_time": None, "end_time": None, "duration": None, "exception": None, "status": "pending"}
    went_on = output_of(server, source, {"X-Continue-On-Error": "true"})
    assert [cell["metadata"]["papermill"]["status"] for cell in went_on.cells] == [
        "completed", "failed", "completed", "completed"]
    killed = output_of(server, write_notebook(folder / "b.ipynb", "1", "import os; os._exit(1)"))
    assert killed.cells[1]["metadata"]["papermill"]["status"] == "failed"


def test_a_secret_value_is_not_in_it(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "# nbexec: params\n{'key': {'type': str, 'secret': True}}", "len(key)")
    events = run(server, source, key="correct horse battery")
    text = (server.root / events[-1]["execution"]["output_path"]).read_text("utf-8")
    assert "horse" not in text and json.loads(text)["metadata"]["papermill"]["parameters"] == {"key": MASK}


def test_events_do_not_have_it_and_are_told_again_as_they_were(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "1", "1 / 0", "2")
    for _ in range(2):  # the second one runs the output of the first
        events = run(server, source, {"X-Mark-Failure": "papermill"})
        assert names(events) == ["notebook_start", *["start", "end"] * 2, "notebook_error"]
        assert all(set(event["cell"]["metadata"]) == {"nbexec"} for event in events if "cell" in event)
        again = server.get(f"/{events[-1]['exec_id']}/events").text.splitlines()
        assert [json.loads(line) for line in again if line] == events
        source = server.root / events[-1]["output_path"]
        assert len(server.output(events[-1]["output_path"]).cells) == 5


def test_what_papermill_said_before_is_kept_as_papermill_keeps_it(server: Server, folder: Path) -> None:
    for before in ({"metrics": {"a": 1}, "version": "0.1", "parameters": {"old": 1}, "exception": True}, "odd", None):
        source = write_notebook(folder / "a.ipynb", "1", metadata={"papermill": before})
        about = output_of(server, source).metadata["papermill"]
        assert about["exception"] is None and about["duration"] > 0
        if isinstance(before, dict):
            assert (about["metrics"], about["version"], about["parameters"]) == ({"a": 1}, "0.1", {"old": 1})
        else:
            assert set(about) == NOTEBOOK_KEYS


def test_report_mode_hides_the_source_of_code(server: Server, folder: Path) -> None:
    cells = ["# nbexec: params\nx = 1", v4.new_markdown_cell("m"),
             v4.new_code_cell("2", metadata={"jupyter": {"outputs_hidden": True}})]
    nb = output_of(server, write_notebook(folder / "a.ipynb", *cells), {"X-Report-Mode": "true"}, x="2")
    assert [cell["metadata"].get("jupyter") for cell in nb.cells] == [
        {"source_hidden": True}, {"source_hidden": True}, None, {"outputs_hidden": True, "source_hidden": True}]


# -- beside papermill -----------------------------------------------------------------------------

# Runs notebooks with papermill, in the directory where they are, and tells which ones papermill says have completed.
SCRIPT = """
import json, sys, papermill
completed = {}
for name, values in json.loads(sys.argv[1]):
    try:
        papermill.execute_notebook(f"{name}.ipynb", f"{name}-theirs.ipynb", values, progress_bar=False)
        completed[name] = True
    except papermill.PapermillExecutionError:
        completed[name] = False
print(json.dumps(completed))
"""
NOTEBOOKS: List[Tuple[str, Values]] = [
    ("simple_execute", {"msg": "hello"}), ("no_parameters", {}), ("broken1", {}), ("broken2", {}),
    ("line_magic_error", {}), ("sysexit", {}), ("sysexit0", {}), ("sysexit1", {}), ("systemexit", {}),
    ("report_mode_test", {}), ("nb_version_4.4", {}), ("result_no_exec", {}), ("read_check", {}), ("test_logging", {})]
EXITS = ("sysexit", "sysexit0", "systemexit")


def by_papermill(folder: Path) -> Dict[str, bool]:
    """Run papermill's own notebooks with it, and return which ones completed."""
    papermill = find_spec("papermill")
    notebooks = Path(papermill.origin).parent / "tests" / "notebooks" if papermill and papermill.origin else Path("-")
    if not notebooks.is_dir():
        pytest.skip("papermill is not installed, or without its tests")
    for name, _ in NOTEBOOKS:
        (folder / f"{name}.ipynb").write_bytes((notebooks / f"{name}.ipynb").read_bytes())
    done = subprocess.run([sys.executable, "-c", SCRIPT, json.dumps(NOTEBOOKS)], cwd=folder, capture_output=True,
                          text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    completed: Dict[str, bool] = json.loads(done.stdout.splitlines()[-1])
    return completed


def what_counts(nb: nbformat.NotebookNode) -> List[List[Any]]:
    """Return what has to be the same in each cell."""
    return [[cell["cell_type"], _meaning(cell), cell["metadata"].get("tags", []), cell.get("execution_count"),
             [_plain(output) for output in cell.get("outputs", [])]] for cell in nb.cells]


def _meaning(cell: Dict[str, Any]) -> str:
    """Return the source of a cell; papermill writes strings with other quotes."""
    injected = "injected-parameters" in cell["metadata"].get("tags", [])
    return ast.dump(ast.parse(cell["source"])) if injected else str(cell["source"])


def _plain(output: Dict[str, Any]) -> Any:
    """Return an output without what differs each time."""
    return json.loads(re.sub(r"0x[0-9a-f]{6,}|ipykernel_\d+", "", json.dumps({**output, "traceback": None})))


def states(nb: nbformat.NotebookNode) -> List[Any]:
    """Return what papermill says of the notebook and of its cells."""
    of_cells = [cell["metadata"].get("papermill", {}) for cell in nb.cells]
    return [nb.metadata["papermill"]["exception"], *[[of_cell.get(name) for name in ("status", "exception")]
                                                     for of_cell in of_cells]]


@pytest.mark.timeout(240)
def test_its_own_notebooks_have_the_same_result(server: Server, folder: Path) -> None:
    completed = by_papermill(folder)
    for name, values in NOTEBOOKS:
        theirs = nbformat.read(str(folder / f"{name}-theirs.ipynb"), 4)
        events = run(server, folder / f"{name}.ipynb", {"X-Mark-Failure": "papermill"}, **values)
        ours = server.output(events[-1]["execution"]["output_path"])
        assert (events[-1]["event"] == "notebook_complete") == completed[name], name
        assert what_counts(ours) == what_counts(theirs), name
        about, expected = ours.metadata["papermill"], theirs.metadata["papermill"]
        assert set(about) == set(expected) and about.get("parameters") == expected.get("parameters"), name
        assert about["version"] == expected["version"] or "default_parameters" in about, name
        if name in EXITS:  # papermill calls that cell failed, and the notebook a success
            assert states(ours)[:3] == [None, ["completed", False], ["completed", False]], name
        else:
            assert states(ours) == states(theirs), name


def test_scrapbook_reads_the_output(server: Server, folder: Path) -> None:
    if not find_spec("scrapbook"):
        pytest.skip("scrapbook is not installed")
    glue = ("from IPython.display import display\ntype_ = 'application/scrapbook.scrap.json+json'\n"
            "data = {'name': 'rmse', 'data': 0.3, 'encoder': 'json', 'version': 1}\n"
            "about = {'scrapbook': {'name': 'rmse', 'data': True, 'display': False}}\n"
            "display({type_: data}, metadata=about, raw=True)")
    source = write_notebook(folder / "a.ipynb", "# nbexec: params\nx = 1", glue)
    path = run(server, source, x="3")[-1]["execution"]["output_path"]
    script = ("import sys, json, scrapbook\nnb = scrapbook.read_notebook(sys.argv[1])\n"
              "print(json.dumps([nb.parameters, nb.scraps['rmse'].data, nb.cell_timing]))")
    done = subprocess.run([sys.executable, "-c", script, str(server.root / path)], capture_output=True, text=True,
                          timeout=100)
    assert done.returncode == 0, done.stderr
    parameters, rmse, timing = json.loads(done.stdout.splitlines()[-1])
    assert (parameters, rmse) == ({"x": 3}, 0.3)
    cells = server.output(path).cells
    assert timing == [cell["metadata"]["nbexec"]["duration"] for cell in cells]
