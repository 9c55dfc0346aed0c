"""How many executions run at once, how long they may take, and how much they may print."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List

import psutil
import pytest
import requests
from helpers import STREAM, Event, Server, begin, in_time, names, path_of, text_of, wait_for, write_notebook
from nbformat import v4

SLEEP = "import time; time.sleep(600)"
WAIT = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("narrow"), "--NbExec.max_running=1", "--NbExec.max_queued=2",
                    "--NbExec.run_timeout=20", "--NbExec.cell_timeout=10", "--NbExec.output_limit=1000")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def hasty(started: Callable[..., Server]) -> Server:
    return started("hasty", "--NbExec.run_timeout=7", "--NbExec.cell_timeout=4")


@pytest.fixture()
def place(narrow: Server, request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty folder of the narrow server, which has nothing to do before and after."""
    folder = narrow.root / f"test{sum(1 for _ in narrow.root.iterdir())}"
    folder.mkdir()
    yield folder
    narrow.delete(headers=STREAM)
    narrow.wait_until_quiet()


def metric(server: Server, name: str) -> float:
    text = requests.get(f"{server.url}metrics?token={server.token}", timeout=10).text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


# -- max_running and max_queued -------------------------------------------------------------------


def test_executions_wait_in_order(narrow: Server, place: Path) -> None:
    begun = begin(narrow, place, WAIT)
    (place / "order").touch()
    sources = [write_notebook(place / f"{letter}.ipynb", f"open('order', 'a').write('{letter}')") for letter in "bc"]
    events = [narrow.post(notebook=path_of(narrow, source)).json() for source in sources]
    assert [event["event"] for event in events] == ["notebook_queue"] * 2
    assert [event["position"] for event in events] == [1, 2]
    assert [event["execution"]["status"] for event in events] == ["initializing"] * 2
    assert all(event["execution"]["started_at"] is None for event in events)
    assert [narrow.model(event["exec_id"])["status"] for event in events] == ["initializing"] * 2
    assert metric(narrow, "nbexec_queued") == 2 and metric(narrow, "nbexec_running") == 1
    (place / "go").touch()
    assert names(list(begun.events))[-1] == "notebook_complete"
    for event in events:
        assert narrow.wait_until_final(event["exec_id"])["status"] == "completed"
    assert (place / "order").read_text() == "bc"


def test_a_stream_tells_of_the_queue_and_goes_on(narrow: Server, place: Path) -> None:
    begun = begin(narrow, place, WAIT)
    stream = narrow.stream(notebook=path_of(narrow, write_notebook(place / "b.ipynb", "1")))
    first = next(stream)
    (place / "go").touch()
    events = [first, *stream]
    assert names(events) == ["notebook_queue", "notebook_start", "start", "end", "notebook_complete"]
    assert events[1]["execution"]["started_at"] == events[1]["timestamp"] >= first["timestamp"]
    assert names(list(begun.events))[-1] == "notebook_complete"


def test_there_are_never_more_than_allowed(narrow: Server, place: Path) -> None:
    begun = begin(narrow, place, WAIT)
    waiting = [narrow.start_run(write_notebook(place / f"{letter}.ipynb", SLEEP)) for letter in "bc"]
    recorded = narrow.get().json()
    refused = narrow.post(notebook=path_of(narrow, place / "b.ipynb"))
    assert refused.status_code == 429
    shown = requests.get(f"{narrow.url}metrics?token={narrow.token}", timeout=30).text
    assert re.search("^nbexec_refused_total [1-9]", shown, re.MULTILINE)
    assert int(refused.headers["Retry-After"]) >= 1
    assert "max_running" in refused.json()["message"]
    assert narrow.get().json() == recorded
    # The runners that have checked the two requests which wait may still be going.
    wait_for(lambda: {process.pid for process in narrow.processes()} == {begun.runner, begun.kernel}, 30,
             "nothing to run but the first execution")
    assert [narrow.model(exec_id)["status"] for exec_id in waiting] == ["initializing"] * 2


@pytest.mark.parametrize("data", [{"x": "1"}, {"notebook": "missing.ipynb"}, {"jupyter_kernel": "none"}],
                         ids=["parameter", "notebook", "kernel"])
def test_bad_requests_are_refused_before_they_wait(narrow: Server, place: Path, data: Dict[str, str]) -> None:
    begin(narrow, place, SLEEP)
    source = write_notebook(place / "b.ipynb", "1")
    answer = narrow.post(**{"notebook": path_of(narrow, source), **data})
    assert answer.status_code in (400, 404) and list(data)[0] in answer.json()["message"]
    assert len(narrow.get().json()["executions"]) == 1
    wait_for(lambda: metric(narrow, "nbexec_queued") == 0, what="the refused request to leave the queue")


def test_a_broken_notebook_does_not_wait(narrow: Server, place: Path) -> None:
    begin(narrow, place, SLEEP)
    broken = place / "broken.ipynb"
    broken.write_text("no notebook")
    answer = narrow.post(notebook=path_of(narrow, broken))
    assert answer.status_code == 202 and answer.json()["event"] == "notebook_error"


@pytest.mark.parametrize("how", ["shutdown", "delete"])
def test_who_waits_can_be_stopped(narrow: Server, place: Path, how: str) -> None:
    begun = begin(narrow, place, WAIT)
    stream = narrow.stream(notebook=path_of(narrow, write_notebook(place / "b.ipynb", "open('ran', 'w')")))
    exec_id = next(stream)["exec_id"]
    if how == "shutdown":
        narrow.request("POST", f"/{exec_id}", data={"action": "shutdown"}, headers=STREAM)
        assert narrow.model(exec_id)["status"] == "error: the execution was shut down"
    else:
        narrow.delete(f"/{exec_id}", headers=STREAM)
        assert narrow.get(f"/{exec_id}").status_code == 404
    assert names(list(stream)) == ["notebook_error"]
    (place / "go").touch()
    assert names(list(begun.events))[-1] == "notebook_complete"
    assert not (place / "ran").exists()


def test_a_notebook_that_changes_while_it_waits_ends_in_an_error(narrow: Server, place: Path) -> None:
    begun = begin(narrow, place, WAIT)
    source = write_notebook(place / "b.ipynb", "# nbexec: params\nx = 1")
    exec_id = narrow.start_run(source, x="2")
    write_notebook(source, "1")
    (place / "go").touch()
    assert names(list(begun.events))[-1] == "notebook_complete"
    assert "no parameter cell" in narrow.wait_until_final(exec_id)["status"]


def test_a_slot_comes_back_however_an_execution_ends(narrow: Server, place: Path) -> None:
    source = write_notebook(place / "a.ipynb", "1 / 0")
    dying = write_notebook(place / "b.ipynb", "import os; os._exit(3)")
    for _ in range(3):
        assert narrow.post(notebook=path_of(narrow, source), x="1").status_code == 400
        assert names(narrow.run(source))[-1] == names(narrow.run(dying))[-1] == "notebook_error"
        narrow.wait_until_quiet()
        psutil.Process(begin(narrow, place, SLEEP).runner).kill()
        narrow.wait_until_quiet()
    assert names(narrow.run(write_notebook(place / "c.ipynb", "1")))[-1] == "notebook_complete"
    wait_for(lambda: metric(narrow, "nbexec_running") == 0)


# -- time -----------------------------------------------------------------------------------------


def test_the_server_can_limit_the_time_of_cells(hasty: Server) -> None:
    events = hasty.run(write_notebook(hasty.root / "a.ipynb", SLEEP))
    assert events[-1]["error"] == "cell 1/1 took longer than cell_timeout (4 seconds)"
    assert events[-1]["execution"]["cell_timeout"] is None


def test_a_request_may_set_its_own_limit(narrow: Server, place: Path) -> None:
    events = narrow.run(write_notebook(place / "a.ipynb", SLEEP), cell_timeout="1")
    assert events[-1]["error"] == "cell 1/1 took longer than cell_timeout (1 second)"


def test_a_cell_that_prints_without_end_is_timed_out(server: Server, folder: Path) -> None:
    begun = time.monotonic()
    source = write_notebook(folder / "a.ipynb", "while True: print('x' * 40, flush=True)")
    events = server.run(source, cell_timeout="2")
    assert "took longer than cell_timeout (2 seconds)" in events[-1]["error"]
    assert in_time(server, time.monotonic() - begun, 30)


def test_the_server_can_limit_the_time_of_executions(hasty: Server) -> None:
    cells: List[object] = ["import time; print('before')", *["time.sleep(2)"] * 2, SLEEP, "print('never')"]
    events = hasty.run(write_notebook(hasty.root / "b.ipynb", *cells))
    assert events[-1]["error"] == "the execution took longer than run_timeout (7 seconds), in cell 4/5"
    output = hasty.output(events[-1]["output_path"])
    assert text_of(output.cells[0]) == "before\n"
    assert output.cells[4].outputs == []


# -- output ---------------------------------------------------------------------------------------


def cut_note(cell: Event) -> str:
    return text_of(cell, "stderr")


def test_output_beyond_the_limit_is_cut_and_said_so(narrow: Server, place: Path) -> None:
    source = write_notebook(
        place / "a.ipynb", "print('a' * 900, end='')", "for i in range(100): print('b' * 99)",
        v4.new_markdown_cell("m"),
        "from IPython.display import HTML\ndisplay(HTML('c' * 400))\ndisplay(HTML('d' * 4000))\nprint('e')")
    events = narrow.run(source)
    output = narrow.output(events[-1]["execution"]["output_path"])
    assert text_of(output.cells[0]) == "a" * 900 and cut_note(output.cells[0]) == ""
    assert text_of(output.cells[1]) == ("b" * 99 + "\n") * 10
    assert "9000 bytes of output were discarded" in cut_note(output.cells[1])
    shown = [dict(found.data) for found in output.cells[3].outputs if found.output_type == "display_data"]
    assert len(shown) == 1 and shown[0]["text/html"] == "c" * 400
    assert text_of(output.cells[3]) == "e\n"
    cut = events[-1]["output_cut"]
    assert set(cut) == {"2", "4"} and cut["2"] == 9000 and cut["4"] > 4000
    ends = [event for event in events if event["event"] == "end"]
    assert ends[1]["cell"]["outputs"] == output.cells[1].outputs


def test_a_traceback_is_kept_beyond_the_limit(narrow: Server, place: Path) -> None:
    source = write_notebook(place / "a.ipynb", "print('a' * 2000)\n1 / 0")
    events = narrow.run(source)
    assert events[-1]["event"] == "notebook_error" and events[-1]["output_cut"] == {"1": 1001}
    assert any(found.output_type == "error" for found in narrow.output(events[-1]["output_path"]).cells[0].outputs)


OUTPUT_WIDGET = "import ipywidgets as w\nout = w.Output(); display(out)\n"


@pytest.mark.parametrize("cell", [
    "with out: print('x' * 10_000)", "print('y' * 500)\nwith out: print('x' * 9_500)",
    "with out:\n    display({'text/plain': 'x' * 9_900}, raw=True)\n    print('z' * 1_000)",
    "out.append_stdout('x' * 10_000)", "out.append_display_data({'text/plain': 'x' * 10_000})",
    "with out: h = display({'text/plain': 'x'}, raw=True, display_id=True)\n"
    "h.update({'text/plain': 'x' * 9_900}, raw=True)",
    "with out: h = display({'text/plain': 'x'}, raw=True, display_id=True)\n"
    "with out: h.update({'text/plain': 'x' * 9_900}, raw=True)",
])
def test_the_limit_holds_in_output_widgets_too(narrow: Server, place: Path, cell: str) -> None:
    pytest.importorskip("ipywidgets", reason="no ipywidgets: pip install ipywidgets")
    events = narrow.run(write_notebook(place / "a.ipynb", OUTPUT_WIDGET + cell, "print('next')"))
    assert events[-1]["event"] == "notebook_complete"
    assert 8_900 < events[-1]["output_cut"]["1"] < 11_100 and list(events[-1]["output_cut"]) == ["1"]
    output = narrow.output(events[-1]["execution"]["output_path"])
    (state,) = output.metadata["widgets"].values()
    (outputs,) = [model["state"]["outputs"] for model in state["state"].values() if "outputs" in model["state"]]
    assert len(str(outputs)) + len(text_of(output.cells[0])) < 1_700
    assert "bytes of output were discarded" in str(outputs) + cut_note(output.cells[0])
    assert text_of(output.cells[1]) == "next\n"


def test_output_that_was_cleared_does_not_count(narrow: Server, place: Path) -> None:
    source = write_notebook(place / "a.ipynb", """
from IPython.display import clear_output
for i in range(20):
    clear_output(wait=True)
    print('x' * 900)""", """
bar = display('x' * 300, display_id=True)
for i in range(20):
    bar.update('y' * 300)""")
    events = narrow.run(source)
    assert "output_cut" not in events[-1]
    output = narrow.output(events[-1]["execution"]["output_path"])
    assert text_of(output.cells[0]) == "x" * 900 + "\n"
    assert "yyy" in str(output.cells[1].outputs)


def test_a_text_is_not_cut_within_a_character(narrow: Server, place: Path) -> None:
    events = narrow.run(write_notebook(place / "a.ipynb", "print('a' + '€' * 1000)"))
    text = text_of(narrow.output(events[-1]["execution"]["output_path"]).cells[0])
    assert text == "a" + "€" * 333


# -- what is shown of them ------------------------------------------------------------------------


def test_metrics_count_what_happens(narrow: Server, place: Path) -> None:
    kinds = ['nbexec_executions_total{state="completed"}', 'nbexec_executions_total{state="error"}',
             "nbexec_first_cell_seconds_count", "nbexec_execution_seconds_count", "nbexec_kernel_deaths_total"]
    before = [metric(narrow, kind) for kind in kinds]
    narrow.run(write_notebook(place / "a.ipynb", "1"))
    narrow.run(write_notebook(place / "b.ipynb", "1 / 0"))
    narrow.run(write_notebook(place / "c.ipynb", "import os; os._exit(1)"))
    after = [metric(narrow, kind) for kind in kinds]
    assert [late - early for early, late in zip(before, after)] == [1, 2, 3, 3, 1]
    assert metric(narrow, "nbexec_retries_total") >= 0


def test_the_log_tells_start_and_end_without_parameters(narrow: Server, place: Path) -> None:
    source = write_notebook(place / "a.ipynb", "# nbexec: params\nsecret = ''", "raise ValueError(secret)")
    exec_id = narrow.run(source, secret="hunter2")[-1]["exec_id"]
    lines = [line for line in narrow.log.splitlines() if exec_id in line and "] execution " in line]
    assert ["start" in lines[0], "end" in lines[1]] == [True, True] and len(lines) == 2
    assert '"state": "error"' in lines[1] and '"error": "CellFailedError"' in lines[1] and '"seconds": ' in lines[1]
    assert "hunter2" not in narrow.log and narrow.token not in narrow.log.replace(f"token={narrow.token}", "")
