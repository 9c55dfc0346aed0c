"""Values that a notebook hands back: where they stand, which ones are accepted, and what becomes of the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from helpers import Event, Server, names, wait_for, write_notebook

from nbexec.client import Client

SCRAP = "application/scrapbook.scrap.json+json"
IMPORT = "from nbexec import result"
DISPLAY = """from IPython.display import display
def scrap(name, data, encoder="json", **more):
    payload = {"name": name, "data": data, "encoder": encoder, "version": 1}
    return display({f"application/scrapbook.scrap.{encoder}+json": payload}, raw=True, **more)
"""


def run(server: Server, folder: Path, *cells: str, **params: str) -> List[Event]:
    return server.run(write_notebook(folder / "a.ipynb", *cells), **params)


def results(events: List[Event]) -> Any:
    assert names(events)[-1] == "notebook_complete", events[-1]
    return events[-1]["execution"].get("results")


# -- where they stand ------------------------------------------------------------------------------


def test_results_stand_in_the_last_event_and_in_the_final_model(server: Server, folder: Path) -> None:
    events = run(server, folder, f"{IMPORT}\nresult('rmse', 0.3)\nresult('rows', [1, {{'a': None}}])",
                 "result('ok', True)")
    assert results(events) == {"rmse": 0.3, "rows": [1, {"a": None}], "ok": True}
    exec_id = events[0]["exec_id"]
    assert server.model(exec_id) == events[-1]["execution"]
    assert server.model(exec_id) in server.get().json()["executions"]
    assert "results" not in events[0]["execution"]


def test_an_execution_without_results_says_nothing_of_them(server: Server, folder: Path) -> None:
    events = run(server, folder, IMPORT)
    assert "results" not in events[-1]["execution"] and "results" not in server.model(events[0]["exec_id"])
    assert not any("results" in event for event in events)


def test_the_last_value_of_a_name_counts(server: Server, folder: Path) -> None:
    events = run(server, folder, IMPORT, "for n in range(5): result('n', n)\nresult('m', 1)", "result('n', 'end')")
    assert results(events) == {"n": "end", "m": 1}


def test_results_of_a_failed_execution_are_kept(server: Server, folder: Path) -> None:
    for end in ("1 / 0", "import os; os._exit(3)"):
        events = run(server, folder, f"{IMPORT}\nresult('so far', 1)", end)
        assert names(events)[-1] == "notebook_error"
        assert events[-1]["execution"]["results"] == {"so far": 1}


def test_results_of_a_shut_down_execution_are_kept(server: Server, folder: Path) -> None:
    exec_id = server.start_run(write_notebook(folder / "a.ipynb", f"{IMPORT}\nresult('so far', 1)",
                                              "open('running', 'w').close(); import time; time.sleep(600)"))
    wait_for((folder / "running").exists)
    assert server.post(f"/{exec_id}", action="shutdown").status_code == 202
    assert server.wait_until_final(exec_id)["results"] == {"so far": 1}


def test_replayed_events_have_the_results(server: Server, folder: Path) -> None:
    events = run(server, folder, f"{IMPORT}\nresult('x', 1)")
    text = server.get(f"/{events[0]['exec_id']}/events").text
    again = [json.loads(line) for line in text.splitlines() if line]
    assert again[0]["execution"].get("results") is None
    assert again[-1] == events[-1]


def test_results_survive_the_death_of_the_server(new_server: Callable[..., Server], tmp_path: Path) -> None:
    options = [f"--NbExec.database_filepath={tmp_path / 'executions.sqlite'}"]
    server = new_server(*options)
    done = server.run(write_notebook(server.root / "a.ipynb", f"{IMPORT}\nresult('x', [1])"))[-1]["execution"]
    running = server.root / "running"
    exec_id = server.start_run(write_notebook(
        server.root / "b.ipynb", f"{IMPORT}\nresult('so far', 1)", f"open({str(running)!r}, 'w').close()\n"
        "import time; time.sleep(600)"))
    wait_for(running.exists)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    again = new_server(*options)
    assert again.model(done["exec_id"]) == done
    assert again.wait_until_final(exec_id)["results"] == {"so far": 1}


# -- what is accepted ------------------------------------------------------------------------------


@pytest.mark.parametrize("value, why", [
    ("float('nan')", "ValueError"), ("[float('inf')]", "ValueError"), ("object()", "TypeError"),
    ("{1, 2}", "TypeError"),
    ("b'x'", "TypeError"), ("'\\ud800'", "ValueError"), ("'x' * 70_000", "ValueError"), ("deep", "ValueError"),
    ("circle", "ValueError")])
def test_what_is_no_json_is_an_error_in_that_cell(server: Server, folder: Path, value: str, why: str) -> None:
    before = (f"{IMPORT}\nresult('x', 1)\ndeep = []\nfor _ in range(9_000): deep = [deep]\ncircle = []\n"
              "circle.append(circle)")
    events = run(server, folder, before, f"result('x', {value})")
    assert events[-1]["event"] == "notebook_error" and events[-1]["ename"] == why
    assert events[-1]["evalue"].startswith("result 'x': "), events[-1]["evalue"]
    assert events[-1]["execution"]["results"] == {"x": 1}


def test_a_name_is_text(server: Server, folder: Path) -> None:
    for name in ("1", "''", "'x' * 201", "'\\ud800'"):
        assert run(server, folder, f"{IMPORT}\nresult({name}, 1)")[-1]["ename"] in ("TypeError", "ValueError")
    assert results(run(server, folder, f"{IMPORT}\nresult('a b.c/ä', 1)")) == {"a b.c/ä": 1}


def test_scalars_of_numpy_are_numbers(server: Server, folder: Path) -> None:
    pytest.importorskip("numpy")
    events = run(server, folder, f"{IMPORT}\nimport numpy as np\nresult('a', np.float32(0.5))\n"
                                 "result('b', [np.int64(2)])\nresult('c', {'d': np.bool_(True)})")
    assert results(events) == {"a": 0.5, "b": [2], "c": {"d": True}}
    assert run(server, folder, f"{IMPORT}\nimport numpy as np\nresult('a', np.ones(2))")[-1]["ename"] == "TypeError"


def test_a_tuple_is_a_list_and_a_number_as_a_key_is_text(server: Server, folder: Path) -> None:
    assert results(run(server, folder, f"{IMPORT}\nresult('x', (1, {{2: None}}))")) == {"x": [1, {"2": None}]}


def test_all_results_together_are_bounded(server: Server, folder: Path) -> None:
    events = run(server, folder, f"{IMPORT}\nfor n in range(5): result(f'x{{n}}', 'a' * 20_000)\nresult('last', 1)")
    assert sorted(results(events)) == ["last", "x0", "x1", "x2"]
    omitted = events[-1]["results_omitted"]
    assert omitted.keys() == {"x3", "x4"} and "65536 bytes" in omitted["x3"]
    text = server.get(f"/{events[0]['exec_id']}/events").text
    assert json.loads(text.splitlines()[-1])["results_omitted"] == omitted
    with Client(server.url, server.token) as client:
        assert client.execution(events[0]["exec_id"]).result().results_omitted == omitted


# -- scrapbook -------------------------------------------------------------------------------------


def test_scraps_count_without_our_import(server: Server, folder: Path) -> None:
    events = run(server, folder, DISPLAY, "scrap('n', 1)\nscrap('t', 'text', 'text')\nscrap('d', {'a': [1]})")
    assert results(events) == {"n": 1, "t": "text", "d": {"a": [1]}}


def test_an_update_of_a_display_counts(server: Server, folder: Path) -> None:
    update = "scrap('n', 2, display_id='it', update=True)"
    events = run(server, folder, DISPLAY, "scrap('n', 1, display_id='it')", update)
    assert results(events) == {"n": 2}


def test_what_an_output_widget_takes_up_counts(server: Server, folder: Path) -> None:
    pytest.importorskip("ipywidgets")
    events = run(server, folder, f"{IMPORT}\nfrom ipywidgets import Output\nout = Output()\nout",
                 "with out:\n    result('x', 1)\n    print('in the widget')")
    assert results(events) == {"x": 1}
    assert events[-2]["cell"]["outputs"] == []


def test_output_that_is_cut_is_a_result_all_the_same(new_server: Callable[..., Server]) -> None:
    server = new_server("--NbExec.output_limit=10")
    events = server.run(write_notebook(server.root / "a.ipynb", f"{IMPORT}\nprint('x' * 100)\nresult('x', 'y' * 50)"))
    assert results(events) == {"x": "y" * 50}


@pytest.mark.parametrize("payload", ["'text'", "None", "[1]", "{}", "{'name': 'x'}", "{'name': 5, 'data': 1}",
                                     "{'name': '', 'data': 1}", "{'name': 'x' * 300, 'data': 1}", "{'data': 1}"])
def test_a_scrap_that_is_none_is_passed_over(server: Server, folder: Path, payload: str) -> None:
    publish = f"display({{{SCRAP!r}: {payload}}}, raw=True)"
    events = run(server, folder, f"{IMPORT}\nresult('good', 1)", DISPLAY, publish)
    assert results(events) == {"good": 1}
    assert "results_omitted" not in events[-1]


def test_a_scrap_that_is_too_large_is_left_out_with_the_reason(server: Server, folder: Path) -> None:
    events = run(server, folder, DISPLAY, "scrap('x', 1)\nscrap('y', 2)\nscrap('x', 'x' * 70_000)")
    assert results(events) == {"y": 2}
    assert list(events[-1]["results_omitted"]) == ["x"]


def test_a_scrap_of_nan_is_what_ipykernel_makes_of_it(server: Server, folder: Path) -> None:
    assert results(run(server, folder, DISPLAY, "scrap('x', float('nan'))")) == {"x": "nan"}


def test_scrapbook_reads_our_results(server: Server, folder: Path) -> None:
    events = run(server, folder, f"{IMPORT}\nresult('n', 1)\nresult('t', '5')")
    outputs = server.output(events[-1]["execution"]["output_path"]).cells[0]["outputs"]
    assert [(output["data"], output["metadata"]) for output in outputs] == [
        ({SCRAP: {"name": "n", "data": 1, "encoder": "json", "version": 1}},
         {"scrapbook": {"name": "n", "data": True, "display": False}}),
        ({SCRAP.replace("json+", "text+"): {"name": "t", "data": "5", "encoder": "text", "version": 1}},
         {"scrapbook": {"name": "t", "data": True, "display": False}})]


def test_null_is_no_scrap_because_scrapbook_could_not_read_the_notebook_then(server: Server, folder: Path) -> None:
    events = run(server, folder, f"{IMPORT}\nresult('n', None)\nresult('m', [None])")
    assert results(events) == {"n": None, "m": [None]}
    assert SCRAP not in server.output(events[-1]["execution"]["output_path"]).cells[0]["outputs"][0]["data"]


# -- without nbexec --------------------------------------------------------------------------------


def test_a_plain_python_takes_a_result_and_prints_nothing() -> None:
    code = ("import sys, nbexec\nassert 'nbexec.results' not in sys.modules\nfrom nbexec import result\n"
            "result('x', 1)\nassert 'IPython' not in sys.modules\nimport IPython\nresult('x', 1)\n"
            "heavy = {'notebook', 'tornado', 'zmq', 'nbformat', 'requests'} & {m for m in sys.modules}\n"
            "try: result('x', {1})\nexcept TypeError: print('refused')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("refused\n", 0), done.stderr


def test_the_command_line_shows_results(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", f"{IMPORT}\nresult('rmse', 0.25)\nresult('name', 'ä\\n')")
    done = command(server, "run", str(source))
    assert done.returncode == 0, done.stderr
    assert 'rmse = 0.25\n' in done.stderr and 'name = "ä\\n"\n' in done.stderr
    assert done.stdout.endswith("a-Executed1.ipynb\n") and done.stdout.count("\n") == 1


def command(server: Server, *arguments: str) -> Any:
    environment: Dict[str, str] = {**os.environ, "JUPYTER_RUNTIME_DIR": str(server.runtime_dir),
                                   "PYTHONIOENCODING": "utf-8"}
    return subprocess.run([sys.executable, "-m", "nbexec", *arguments], capture_output=True, text=True, timeout=120,
                          env=environment, encoding="utf-8")
