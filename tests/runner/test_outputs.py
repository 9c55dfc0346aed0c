"""No output is lost, and each is where it belongs: in the `end` event, and in the output notebook."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from helpers import Event, Server, names, text_of, write_notebook
from nbformat import v4

Cell = Dict[str, Any]

# Sends messages of the kernel as fast as it can, and malformed ones too.
PUBLISH = """
def publish(msg_type, content, times=1, buffers=()):
    kernel = get_ipython().kernel
    parts = kernel.session.serialize(kernel.session.msg(msg_type, content, parent=kernel.get_parent()))
    for _ in range(times):
        kernel.iopub_socket.send_multipart([*parts, *buffers])
"""

NUMBERS = "for i in range(3_000): publish('display_data', {'data': {'text/plain': str(i)}, 'metadata': {}})"

# What is sent while the runner stands still has to wait somewhere.
UNREAD = """
import os, signal
os.kill(os.getppid(), signal.SIGSTOP)
try:
    {}
finally:
    os.kill(os.getppid(), signal.SIGCONT)
"""

# A tiny picture.
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")


@pytest.fixture(scope="module")
def spawned(server: Server) -> str:
    """The name of a kernel that is started in the ordinary way, because of its environment."""
    folder = server.folder / "data" / "kernels" / "spawned"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Spawned", "language": "python", "env": {"PYTHONUNBUFFERED": "1"}}
    (folder / "kernel.json").write_text(json.dumps(spec))
    return folder.name


@pytest.fixture(params=["forked", "spawned"])
def kernel(request: pytest.FixtureRequest, spawned: str) -> Dict[str, str]:
    """What to ask for in order to get either kind of kernel."""
    return {"jupyter_kernel": spawned} if request.param == "spawned" else {}


def run_cells(server: Server, folder: Path, *sources: Any, **data: Any) -> List[Cell]:
    """Execute a notebook of these cells; return them as they were at their end, and as they are in the file."""
    events = server.run(write_notebook(folder / "a.ipynb", *sources), timeout=250, **data)
    assert names(events)[-1] == "notebook_complete", events[-1]
    cells = [event["cell"] for event in events if event["event"] == "end"]
    saved = server.output(events[-1]["execution"]["output_path"]).cells
    for cell in saved:
        cell["metadata"].pop("papermill")  # which only the file has
    assert cells == saved
    return cells


def outputs_of(server: Server, folder: Path, source: str, **data: Any) -> List[Dict[str, Any]]:
    """Execute one cell and return its outputs, which are the same in the event and in the file."""
    return list(run_cells(server, folder, source, **data)[0]["outputs"])


def written_cells(server: Server, events: List[Event]) -> List[Cell]:
    return list(server.output(events[-1]["execution"]["output_path"]).cells)


def plain(output: Dict[str, Any]) -> str:
    return str(output.get("text") or output["data"]["text/plain"])


def lines(count: int) -> str:
    return "".join(f"{number}\n" for number in range(count))


# -- floods ---------------------------------------------------------------------------------------


def test_the_kernels_of_these_tests_are_a_forked_and_a_spawned_one(server: Server, folder: Path, spawned: str) -> None:
    source = "import os\nprint(open('/proc/self/cmdline').read(), os.environ.get('PYTHONUNBUFFERED'))"
    forked_line = outputs_of(server, folder, source)[0]["text"]
    spawned_line = outputs_of(server, folder, source, jupyter_kernel=spawned)[0]["text"]
    assert "nbexec.runner.fork_server" not in spawned_line and spawned_line.endswith("1\n")
    assert "ipykernel_launcher" in spawned_line and "ipykernel_launcher" not in forked_line


@pytest.mark.timeout(300)
def test_20000_flushed_prints_arrive_as_one_text(server: Server, folder: Path) -> None:
    (output,) = outputs_of(server, folder, "for i in range(20_000): print(i, flush=True)")
    assert output == {"output_type": "stream", "name": "stdout", "text": lines(20_000)}


@pytest.mark.timeout(300)
def test_10000_displays_arrive_in_their_order(server: Server, folder: Path) -> None:
    outputs = outputs_of(server, folder, "for i in range(10_000): display({'text/plain': str(i)}, raw=True)")
    assert [plain(output) for output in outputs] == [str(number) for number in range(10_000)]


def test_100000_lines_arrive_as_one_text(server: Server, folder: Path, kernel: Dict[str, str]) -> None:
    (output,) = outputs_of(server, folder, "for i in range(100_000): print(i)", **kernel)
    assert output["text"] == lines(100_000)


def test_what_is_sent_while_nobody_reads_arrives(server: Server, folder: Path, kernel: Dict[str, str]) -> None:
    outputs = outputs_of(server, folder, PUBLISH + UNREAD.format(NUMBERS), **kernel)
    assert [plain(output) for output in outputs] == [str(number) for number in range(3_000)]


@pytest.mark.timeout(300)
def test_without_fork_server_nothing_is_lost_either(new_server: Callable[..., Server]) -> None:
    server = new_server("--NbExec.fork_server=False")
    cells = run_cells(server, server.root, "import os; print(open(f'/proc/{os.getppid()}/cmdline').read())",
                      UNREAD.format("for i in range(1_500): print(i, flush=True)"), "for i in range(50_000): print(i)",
                      PUBLISH + UNREAD.format(NUMBERS))
    assert "nbexec.runner.runner" in text_of(cells[0])
    assert text_of(cells[1]) == lines(1_500)
    assert text_of(cells[2]) == lines(50_000)
    assert [plain(output) for output in cells[3]["outputs"]] == [str(number) for number in range(3_000)]


@pytest.mark.timeout(300)
def test_one_print_of_50_mb_arrives(server: Server, folder: Path) -> None:
    (output,) = outputs_of(server, folder, "text = '0123456789' * 5_000_000\nprint(text, end='')")
    text = output["text"]
    assert len(text) == 50_000_000
    assert hashlib.md5(text.encode()).digest() == hashlib.md5(b"0123456789" * 5_000_000).digest()


def test_all_output_before_an_error_arrives(server: Server, folder: Path) -> None:
    source = UNREAD.format("for i in range(1_500): print(i, flush=True)") + "\n1/0"
    events = server.run(write_notebook(folder / "a.ipynb", source))
    assert names(events) == ["notebook_start", "start", "end", "notebook_error"]
    assert text_of(events[2]["cell"]) == lines(1_500)
    assert text_of(written_cells(server, events)[0]) == lines(1_500)


# -- streams --------------------------------------------------------------------------------------


def test_stdout_and_stderr_keep_their_order(server: Server, folder: Path) -> None:
    source = ("import sys\nfor i in range(200):\n    print(i, flush=True)\n"
              "    print('a', i, file=sys.stderr, flush=True)\n    print('b', i, file=sys.stderr, flush=True)")
    outputs = outputs_of(server, folder, source)
    assert [(output["name"], output["text"]) for output in outputs] == [
        piece for i in range(200) for piece in (("stdout", f"{i}\n"), ("stderr", f"a {i}\nb {i}\n"))]


def test_other_outputs_part_a_stream(server: Server, folder: Path) -> None:
    outputs = outputs_of(server, folder, "print(1)\nprint(2)\ndisplay(3)\nprint(4)\n5")
    assert [plain(output) for output in outputs] == ["1\n2\n", "3", "4\n", "5"]


def test_progress_bars_are_kept_as_they_were_printed(server: Server, folder: Path) -> None:
    source = "for i in range(2_000): print(f'\\r{i:5} |', end='', flush=True)\nprint('\\b\\x1b[32mdone\\x1b[0m')"
    (output,) = outputs_of(server, folder, source)
    assert output["text"] == "".join(f"\r{i:5} |" for i in range(2_000)) + "\b\x1b[32mdone\x1b[0m\n"


def test_bytes_that_are_no_unicode_are_replaced(server: Server, folder: Path) -> None:
    first, second, _ = run_cells(server, folder, "print('a\\udc80b', 'ä', flush=True)\nprint('next')",
                                 "import os\nn = os.write(1, b'a\\xff\\n')", "3")
    assert text_of(first) == "a\ufffdb ä\nnext\n"
    assert text_of(second) == "a\ufffd\n"


# -- what does not go through Python's own streams ------------------------------------------------


def test_output_of_subprocesses_is_in_the_cell_that_ran_them(server: Server, folder: Path,
                                                             kernel: Dict[str, str]) -> None:
    sources = []
    for number in range(8):
        sources.append(f"import subprocess\nran = subprocess.run(['echo', 'echo {number}'])")
        sources.append(f"import os\nwritten = os.write(1, b'{number}' * 60_000)")  # as much as the pipe holds
    cells = run_cells(server, folder, *sources, **kernel)
    assert [text_of(cell) for cell in cells] == [
        text for number in range(8) for text in (f"echo {number}\n", f"{number}" * 60_000)]


def test_what_is_written_past_python_is_in_the_cell_when_it_ends(server: Server, folder: Path,
                                                                 kernel: Dict[str, str]) -> None:
    """A thread takes it up, which must not be waited for in vain, nor be overtaken."""
    sources = [f"import os\nn = os.write({1 + number % 2}, b'{number}')" for number in range(300)]
    cells = run_cells(server, folder, *sources, **kernel)
    assert [plain(output) for cell in cells for output in cell["outputs"]] == [str(number) for number in range(300)]


def test_letters_of_a_subprocess_come_whole(server: Server, folder: Path, kernel: Dict[str, str]) -> None:
    text = "x" + "\u00e4\u20ac\U0001f600" * 50_000
    source = f"import os\nfor byte in {text[:9]!r}.encode(): n = os.write(1, bytes([byte]))"
    (folder / "text").write_text(text)
    cells = run_cells(server, folder, "import subprocess; ran = subprocess.run(['cat', 'text'])", source, **kernel)
    assert [text_of(cell) for cell in cells] == [text, text[:9]]


def test_all_that_a_subprocess_printed_is_there(server: Server, folder: Path) -> None:
    source = "ran = subprocess.run('seq 100000; echo error >&2', shell=True)"
    cells = run_cells(server, folder, "import subprocess", source)
    assert text_of(cells[1]) == "".join(f"{number}\n" for number in range(1, 100_001))
    assert text_of(cells[1], "stderr") == "error\n"


def test_output_of_a_subprocess_is_in_the_cell_that_failed(server: Server, folder: Path) -> None:
    events = server.run(write_notebook(folder / "a.ipynb", "import os\nn = os.write(1, b'so far\\n')\n1/0"))
    assert names(events)[-1] == "notebook_error"
    assert text_of(events[-2]["cell"]) == "so far\n"
    assert text_of(written_cells(server, events)[0]) == "so far\n"


def test_forked_children_print_into_the_cell_of_the_fork(server: Server, folder: Path, kernel: Dict[str, str]) -> None:
    start = "child = context.Process(target=print, args=('child', {},)); child.start(); child.join()"
    cells = run_cells(server, folder, "import multiprocessing; context = multiprocessing.get_context('fork')",
                      start.format(1), start.format(2), **kernel)
    assert [text_of(cell) for cell in cells] == ["", "child 1\n", "child 2\n"]


def test_output_of_a_thread_stays_in_the_cell_that_started_it(server: Server, folder: Path,
                                                              kernel: Dict[str, str]) -> None:
    start = ("import threading\nsecond_runs, said = threading.Event(), threading.Event()\ndef speak():\n"
             "    print('early', flush=True)\n    said.set()\n    second_runs.wait()\n    print('late', flush=True)\n"
             "thread = threading.Thread(target=speak); thread.start(); r = said.wait()")
    source = write_notebook(folder / "a.ipynb", start, "second_runs.set(); thread.join(); print('second')", "print(3)")
    events = server.run(source, **kernel)
    cells = [event["cell"] for event in events if event["event"] == "end"]
    assert [text_of(cell) for cell in cells] == ["early\n", "second\n", "3\n"]
    assert [text_of(cell) for cell in written_cells(server, events)] == ["early\nlate\n", "second\n", "3\n"]


# -- clear_output ---------------------------------------------------------------------------------


@pytest.mark.parametrize("source, expected", [
    ("print(1); display(2); clear_output()", []),
    ("print(1); clear_output(); print(2)", ["2\n"]),
    ("print(1); clear_output(wait=True)", ["1\n"]),
    ("print(1); clear_output(wait=True); print(2); print(3)", ["2\n3\n"]),
    ("display(1); clear_output(wait=True); display(2)", ["2"]),
    ("display(1); clear_output(wait=True); 2", ["2"]),
    ("print(1); clear_output(wait=True); clear_output(); print(2)", ["2\n"]),
    ("h = display(1, display_id='x'); clear_output(wait=True); h.update(2)", ["2"]),
    ("for i in range(1000):\n    clear_output(wait=True)\n    print(i, flush=True)", ["999\n"]),
])
def test_clear_output(server: Server, folder: Path, source: str, expected: List[str]) -> None:
    source = "from IPython.display import clear_output\n" + source
    assert [plain(output) for output in outputs_of(server, folder, source)] == expected


def test_clear_output_leaves_other_cells_alone(server: Server, folder: Path) -> None:
    cells = run_cells(server, folder, "print(1)", "from IPython.display import clear_output; clear_output()",
                      "clear_output(wait=True)", "print(4)")
    assert [text_of(cell) for cell in cells] == ["1\n", "", "", "4\n"]


# -- updates of displays --------------------------------------------------------------------------


def test_update_display_changes_all_displays_of_its_id(server: Server, folder: Path) -> None:
    source = ("from IPython.display import update_display\nh = display(1, display_id='x')\n"
              "display(1, display_id='other')\ndisplay(2, display_id='x')\nupdate_display(3, display_id='x')")
    assert [plain(output) for output in outputs_of(server, folder, source)] == ["3", "1", "3"]


def test_update_display_reaches_earlier_cells(server: Server, folder: Path) -> None:
    events = server.run(write_notebook(folder / "a.ipynb", "h = display('old', display_id='x')", "h.update('new')"))
    cells = [event["cell"] for event in events if event["event"] == "end"]
    assert [[plain(output) for output in cell["outputs"]] for cell in cells] == [["'old'"], []]
    written = written_cells(server, events)
    assert [[plain(output) for output in cell["outputs"]] for cell in written] == [["'new'"], []]


def test_update_display_of_an_unknown_id_does_nothing(server: Server, folder: Path) -> None:
    source = "from IPython.display import update_display\nupdate_display(1, display_id='x')\nprint(2)"
    assert [plain(output) for output in outputs_of(server, folder, source)] == ["2\n"]


def test_many_updates_of_many_displays_take_linear_time(server: Server, folder: Path) -> None:
    # A hundred million steps, as many as there are updates of displays, would take minutes.
    bundle = "{'data': {'text/plain': %r}, 'metadata': {}, 'transient': {'display_id': 'x'}}"
    source = (f"{PUBLISH}\npublish('display_data', {bundle % 'old'}, times=5_000)\n"
              f"publish('update_display_data', {bundle % 'other'}, times=20_000)\n"
              f"publish('update_display_data', {bundle % 'new'})")
    (cell,) = run_cells(server, folder, source)
    assert [plain(output) for output in cell["outputs"]] == ["new"] * 5_000
    assert cell["metadata"]["nbexec"]["duration"] < 60


# -- kinds of output ------------------------------------------------------------------------------


def test_rich_results_keep_all_their_forms(server: Server, folder: Path) -> None:
    source = ("class Rich:\n    def __repr__(self): return 'plain'\n    def _repr_html_(self): return '<b>\\nä</b>'\n"
              "    def _repr_latex_(self): return '$x$'\n    def _repr_json_(self): return {'a': [1, None, 'b']}\n"
              "    def _repr_svg_(self): return '<svg/>'\nRich()")
    (output,) = outputs_of(server, folder, source)
    assert output["output_type"] == "execute_result"
    assert output["execution_count"] == 1
    assert output["data"] == {"text/plain": "plain", "text/html": "<b>\nä</b>", "text/latex": "$x$",
                              "image/svg+xml": "<svg/>", "application/json": {"a": [1, None, "b"]}}


def test_pictures_arrive_byte_by_byte(server: Server, folder: Path) -> None:
    source = f"from IPython.display import Image\nImage(data={PNG!r}, width=3)"
    (output,) = outputs_of(server, folder, source)
    assert base64.b64decode(output["data"]["image/png"]) == PNG
    assert output["metadata"] == {"image/png": {"width": 3}}


def test_displays_keep_their_metadata(server: Server, folder: Path) -> None:
    source = "display({'text/plain': 'x'}, raw=True, metadata={'text/plain': {'isolated': True}, 'a': [1]})"
    assert outputs_of(server, folder, source) == [
        {"output_type": "display_data", "data": {"text/plain": "x"},
         "metadata": {"text/plain": {"isolated": True}, "a": [1]}}]


def test_json_of_any_kind_is_kept_as_json(server: Server, folder: Path) -> None:
    for value in ([1, "a\nb"], "text", 5, None, True, {"deep": {"er": []}}):
        source = f"display({{'application/json': {value!r}, 'application/x.y+json': {value!r}}}, raw=True)"
        (output,) = outputs_of(server, folder, source)
        assert output["data"] == {"application/json": value, "application/x.y+json": value}


@pytest.mark.parametrize("bundle, expected", [
    ({"text/plain": 5}, {"text/plain": "5"}),
    ({"text/html": None, "text/plain": "x"}, {"text/html": "null", "text/plain": "x"}),
    ({"text/plain": ["a\n", "b"]}, {"text/plain": "a\nb"}),
    ({"text/plain": [1, "b"]}, {"text/plain": '[1, "b"]'}),
    ({"image/png": {"a": 1}, "no mime type": "x", "": ""}, {"image/png": '{"a": 1}', "no mime type": "x", "": ""}),
    ({}, {}),
])
def test_malformed_mime_bundles_become_valid_outputs(server: Server, folder: Path, bundle: Dict[str, Any],
                                                     expected: Dict[str, Any]) -> None:
    outputs = outputs_of(server, folder, f"display({bundle!r}, raw=True)\nprint('next')")
    assert [output.get("data") for output in outputs] == [expected, None]


MALFORMED = [
    ("display_data", {"data": 5, "metadata": 3}), ("display_data", {}),
    ("display_data", {"data": {"text/plain": "x"}, "transient": {"display_id": [1]}}),
    ("update_display_data", {}), ("update_display_data", {"transient": {"display_id": [1]}}),
    ("update_display_data", {"transient": 5}), ("execute_result", {"data": {}, "execution_count": "x"}),
    ("execute_result", {"execution_count": -1}), ("execute_result", {"execution_count": True}), ("error", {}),
    ("error", {"ename": None, "evalue": 5, "traceback": [1, None]}), ("error", {"traceback": "text"}),
    ("stream", {}), ("stream", {"name": "other", "text": 5}), ("execute_input", {}), ("status", {}), ("no_such", {}),
]


def test_malformed_messages_do_no_harm(server: Server, folder: Path) -> None:
    source = f"{PUBLISH}\nfor kind, content in {MALFORMED!r}: publish(kind, content)\nprint('whole')"
    raising = v4.new_code_cell(source, metadata={"tags": ["raises-exception"]})  # for there are errors among them
    first, second = run_cells(server, folder, raising, "print('next')")
    assert text_of(first).endswith("whole\n")
    assert text_of(second) == "next\n"


COMMS = [
    ("comm_open", {}), ("comm_open", {"data": None}), ("comm_msg", {}), ("comm_close", {}),
    ("comm_open", {"comm_id": "a", "target_name": "jupyter.widget", "data": {}}),
    ("comm_open", {"comm_id": "b", "target_name": "jupyter.widget", "data": {"state": {}}}),
    ("comm_open", {"comm_id": "c", "target_name": "jupyter.widget",
                   "data": {"state": {"_model_name": "OutputModel"}}}),
    ("comm_msg", {"comm_id": "c", "data": {"method": "update", "state": {"msg_id": [1]}}}),
    ("comm_msg", {"comm_id": "c", "data": {}}), ("comm_msg", {"comm_id": "no such", "data": {"state": 5}}),
    ("comm_msg", {"comm_id": 7, "data": {"state": {"_model_name": "x"}}}),
    ("comm_msg", {"comm_id": [7], "data": {"state": {"_model_name": "x"}}}),
    ("comm_open", {"comm_id": "d", "target_name": "other", "data": {"state": {"_model_name": "x"}}}),
    ("comm_msg", {"comm_id": "d", "data": {"state": {}, "buffer_paths": [["x", 1], [{}], 7]}}),
]


def test_malformed_widget_messages_do_no_harm(server: Server, folder: Path) -> None:
    first, second = run_cells(
        server, folder, f"{PUBLISH}\nfor kind, content in {COMMS!r}: publish(kind, content, buffers=[b'1'])\nprint(1)",
        "print(2)")
    assert text_of(first) == "1\n"
    assert text_of(second) == "2\n"


def test_state_of_widgets_is_saved(server: Server, folder: Path) -> None:
    state = {"_model_name": "IntSliderModel", "_model_module": "@jupyter-widgets/controls",
             "_model_module_version": "2.0.0", "value": 1}
    content = {"comm_id": "one", "target_name": "jupyter.widget", "data": {"state": state}}
    change = {"comm_id": "one", "data": {"method": "update", "state": {"value": 2}}}
    source = f"{PUBLISH}\npublish('comm_open', {content!r})\npublish('comm_msg', {change!r})"
    events = server.run(write_notebook(folder / "a.ipynb", source))
    metadata = server.output(events[-1]["execution"]["output_path"]).metadata
    saved = metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]["one"]
    assert saved["model_name"] == "IntSliderModel"
    assert saved["state"]["value"] == 2
