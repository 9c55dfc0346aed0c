"""How a cell has ended: well, by an exception that a magic keeps to itself, or by an exit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, List

import pytest
from helpers import STREAM, Event, Server, names, text_of, write_notebook
from nbformat import v4

RULE = "-" * 18


def run(server: Server, folder: Path, *cells: Any, **data: Any) -> List[Event]:
    (folder / "failing.py").write_text("raise ValueError('s')\n")
    (folder / "exits.py").write_text("import sys\nsys.exit(int(sys.argv[1]) if sys.argv[1:] else None)\n")
    (folder / "quits.py").write_text("quit()\n")
    return server.run(write_notebook(folder / "a.ipynb", *cells, "print('after')"), **data)


def told_again(server: Server, exec_id: str) -> List[Event]:
    lines = server.get(f"/{exec_id}/events", headers=STREAM).text.splitlines()
    return [json.loads(line) for line in lines if line]  # an empty line is a heartbeat


def tagged(source: str) -> Any:
    return v4.new_code_cell(source, metadata={"tags": ["raises-exception"]})


# -- exceptions that are shown by a cell which succeeds -------------------------------------------


@pytest.mark.parametrize("source, error", [
    ("%run failing.py", "ValueError: s"),
    ("%run -i failing.py", "ValueError: s"),
    ("%%capture\nraise ValueError('c')", "ValueError: c"),
    ("%%capture found\nprint(1)\n1/0", "ZeroDivisionError: division by zero"),
    ("get_ipython().run_cell('1/0')", "ZeroDivisionError: division by zero"),
    ("get_ipython().run_line_magic('run', 'failing.py')", "ValueError: s"),
    ("try:\n    1/0\nexcept ZeroDivisionError:\n    get_ipython().showtraceback()",
     "ZeroDivisionError: division by zero"),
    ("%run exits.py 3", "SystemExit: 3"),
    ("def f(): get_ipython().run_line_magic('run', 'failing.py')\nf()\nprint('so far')", "ValueError: s"),
])
def test_an_exception_that_is_shown_is_a_failure(server: Server, folder: Path, source: str, error: str) -> None:
    events = run(server, folder, source)
    assert names(events) == ["notebook_start", "start", "end", "notebook_error"]
    assert events[-1]["error"].endswith(f"\n{RULE}\n{source}\n{RULE}\n\n{error}\n")
    assert f"{events[-1]['ename']}: {events[-1]['evalue']}" == error and events[-1]["traceback"]
    assert told_again(server, events[-1]["exec_id"])[-1] == events[-1]


@pytest.mark.parametrize("source", ["%run failing.py", "%%capture\n1/0", "get_ipython().run_cell('1/0')", "1/0"])
def test_the_tag_lets_it_pass(server: Server, folder: Path, source: str) -> None:
    events = run(server, folder, tagged(source))
    assert names(events)[-1] == "notebook_complete", events[-1]["error"]


@pytest.mark.parametrize("source", ["%tb", "%tb Verbose", "get_ipython().run_line_magic('tb', '')",
                                    "get_ipython().showtraceback()"])
def test_an_old_exception_is_no_failure(server: Server, folder: Path, source: str) -> None:
    events = run(server, folder, tagged("1/0"), source)
    assert names(events)[-1] == "notebook_complete", events[-1]["error"]
    assert events[4]["cell"]["outputs"][-1]["ename"] == "ZeroDivisionError"


def test_the_same_exception_once_more_is_a_failure(server: Server, folder: Path) -> None:
    events = run(server, folder, tagged("%run failing.py"), "%tb", "%run failing.py")
    assert names(events)[-1] == "notebook_error"
    assert events[-2]["progress"] == "3/4"


@pytest.mark.parametrize("source", [
    "%run failing.py\n%tb", "try:\n    1/0\nexcept ZeroDivisionError: pass", "%tb",
    "import traceback\ntry:\n    1/0\nexcept ZeroDivisionError: traceback.print_exc()", "print('ValueError: s')",
    "import threading\nt = threading.Thread(target=lambda: 1/0); t.start(); t.join()"])
def test_what_is_handled_is_none(server: Server, folder: Path, source: str) -> None:
    events = run(server, folder, source)
    assert names(events)[-1] == ("notebook_error" if "failing" in source else "notebook_complete")


def test_an_exception_in_an_output_widget_is_its_own_affair(server: Server, folder: Path) -> None:
    pytest.importorskip("ipywidgets", reason="no ipywidgets: pip install ipywidgets")
    events = run(server, folder, "import ipywidgets as w\nout = w.Output(); display(out)\nwith out: 1/0", "%tb")
    assert names(events)[-1] == "notebook_complete", events[-1]["error"]


# -- exits ----------------------------------------------------------------------------------------

CLEAN = ["exit()", "quit()", "exit", "quit", "import sys; sys.exit()", "import sys; sys.exit(0)",
         "import sys; sys.exit(None)", "import sys; sys.exit(False)", "raise SystemExit", "raise SystemExit(0)",
         "def f(): sys.exit()\nimport sys; f()", "get_ipython().ask_exit()",
         "import sys\ntry:\n    sys.exit(0)\nfinally:\n    print('so far')", "%%capture\nexit()",
         "%%capture\nimport sys; sys.exit()", "get_ipython().run_cell('import sys; sys.exit()')",
         "%run -i quits.py", "import threading\nt = threading.Thread(target=exit); t.start(); t.join()",
         "import asyncio\nasync def f(): raise SystemExit(0)\nawait f()"]


@pytest.mark.parametrize("source", CLEAN)
def test_a_clean_exit_ends_the_notebook_early_and_well(server: Server, folder: Path, source: str) -> None:
    events = run(server, folder, "print('before')", source)
    assert names(events) == ["notebook_start", "start", "end", "start", "end", "notebook_complete"], events[-1]
    assert events[-1]["exited"] is True
    assert events[-1]["execution"]["status"] == "completed"
    assert events[-1]["execution"]["progress"] == events[-2]["progress"] == "2/3"
    cells = server.output(events[-1]["execution"]["output_path"]).cells
    assert text_of(cells[0]) == "before\n" and cells[2]["execution_count"] is None and not cells[2]["outputs"]
    again = told_again(server, events[-1]["exec_id"])
    assert names(again) == names(events)
    assert again[-1] == events[-1]


@pytest.mark.parametrize("code", ["1", "'0'", "''", "'no data'", "0.0", "-1", "True", "[]", "2**70"])
def test_any_other_code_is_a_failure(server: Server, folder: Path, code: str) -> None:
    events = run(server, folder, f"import sys\nsys.exit({code})")
    assert names(events) == ["notebook_start", "start", "end", "notebook_error"]
    assert events[-1]["ename"] == "SystemExit" and "exited" not in events[-1]


@pytest.mark.parametrize("source", [
    "%run exits.py", "%run exits.py 0",
    "import threading, sys\nt = threading.Thread(target=sys.exit); t.start(); t.join()",
    "import sys\ntry:\n    sys.exit()\nexcept SystemExit: pass", "!exit 0", "exit(True)"])
def test_an_exit_of_something_else_goes_on(server: Server, folder: Path, source: str) -> None:
    """As in the notebook page: a script, a thread and a shell end, and `exit(True)` keeps the kernel."""
    events = run(server, folder, source)
    assert names(events)[-1] == "notebook_complete" and "exited" not in events[-1]
    assert text_of(events[-2]["cell"]) == "after\n"


def test_an_exit_with_an_error_in_the_same_cell_is_a_failure(server: Server, folder: Path) -> None:
    events = run(server, folder, "exit()\n1/0")
    assert names(events)[-1] == "notebook_error" and events[-1]["ename"] == "ZeroDivisionError"


def test_an_exit_is_in_the_record(new_server: Callable[..., Server], tmp_path: Path) -> None:
    server = new_server(f"--NbExec.database_filepath={tmp_path / 'records' / 'db'}")
    events = run(server, server.root, "exit()")
    server.stop()
    server.start()
    last = told_again(server, events[-1]["exec_id"])[-1]
    assert last == events[-1] and last["exited"] is True
