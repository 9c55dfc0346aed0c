"""The widgets of an output notebook are as those of the notebook page would be after the same cells."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
from browser import ONCE_MORE, go, login
from helpers import Server, names, text_of, wait_for, write_notebook

from nbexec.runner.widget_text import WIDGET_VIEW, texts_of

pytest.importorskip("ipywidgets", reason="no ipywidgets: pip install ipywidgets")

STATE = "application/vnd.jupyter.widget-state+json"
Outputs = List[Dict[str, Any]]
# Each program gets an output widget of its own, by the name `out`, in a cell before its own.
BEGIN = """
import ipywidgets as w
from IPython.display import clear_output, display, update_display
def new(name):
    widget = w.Output()
    widget.add_class(name)
    display(widget)
    return widget
SET = ({'output_type': 'stream', 'name': 'stdout', 'text': 'set'},)
"""
PROGRAMS: Dict[str, List[str]] = {
    "lines": ["with out:\n    for i in range(500): print(i, flush=True)"],
    "cells": ["with out: print(1)", "with out: print(2)"],
    "clear": ["with out: print(1)\nout.clear_output()"],
    "clear_later": ["with out: print(1)", "out.clear_output()"],
    "clear_inside": ["with out:\n    print(1)\n    clear_output()\n    print(2)"],
    "clear_wait": ["with out:\n    print(1)\n    clear_output(wait=True)"],
    "clear_wait_print": ["with out:\n    for i in range(20):\n        clear_output(wait=True)\n"
                         "        print(i, flush=True)"],
    "clear_wait_twice": ["with out: print(1)", "out.clear_output(wait=True); out.clear_output(wait=True)"],
    "set": ["out.outputs = SET"],
    "clear_and_set": ["out.clear_output(); out.outputs = SET"],
    "full_clear_and_set": ["with out: print(1)", "out.clear_output(); out.outputs = SET"],
    "print_clear_and_set": ["with out: print(1)\nout.clear_output(); out.outputs = SET"],
    "set_and_print": ["out.outputs = SET\nwith out: print(1)"],
    "print_and_set": ["with out: print(1)\nout.outputs = SET"],
    "print_set_print": ["with out: print(1)\nout.outputs = SET\nwith out: print(2)"],
    "print_and_append": ["with out: print(1)\nout.append_stdout('x')"],
    "print_and_append_later": ["with out: print(1)", "out.append_stdout('x')"],
    "append": ["out.append_stdout('x')\nout.append_stdout('y')\nout.append_stderr('z')"],
    "append_print_append": ["out.append_stdout('x')\nwith out: print(1)\nout.append_stdout('y')"],
    "more_and_append": ["with out:\n    print(1, flush=True)\n    display(3)\n    print(2, flush=True)\n"
                        "out.append_stdout('x')"],
    "append_many": ["for i in range(30): out.append_stdout(str(i))\nwith out: print('p')\n"
                    "for i in range(3): out.append_stdout(str(i))", "out.append_stdout('end')"],
    "append_display": ["out.append_display_data('d')\nwith out: display(5)"],
    "update_from_inside": ["h = display('0 %', display_id=True)\nwith out: h.update('100 %')"],
    "update_of_captured": ["with out: h = display('old', display_id=True)\nh.update('new')"],
    "update_of_captured_later": ["with out: h = display('old', display_id=True)", "h.update('new')"],
    "update_of_cleared": ["with out: h = display('old', display_id=True)", "out.clear_output()", "h.update('new')"],
    "update_of_both": ["h = display('cell', display_id='q')\nwith out: display('widget', display_id='q')",
                       "update_display('both', display_id='q')"],
    "update_after_set": ["with out:\n    h = display(1, display_id=True)\n    print(2, flush=True)\n"
                         "out.outputs = ()\nh.update(3)"],
    "update_after_append": ["h = display(1, display_id='x')\nwith out: display(2, display_id='x')\n"
                            "out.append_stdout('q')\nh.update(3)"],
    "error": ["with out: 1/0"],
    "rich": ["from IPython.display import HTML\nwith out:\n    display(HTML('<b>x</b>'))\n"
             "    display({'application/json': {'a': [1, None]}}, raw=True)"],
    "kinds": ["import sys\nwith out:\n    print(1, flush=True); print('e', file=sys.stderr, flush=True); print(2)"],
    "nested": ["b = new('nested_b')\nwith out:\n    print('a1')\n    with b: print('b')\n    print('a2')"],
    "nested_in_itself": ["with out:\n    print('a1')\n    with out: print('a2')\n    print('a3')"],
    "shown_inside": ["b = w.Output(); b.add_class('shown_b')\nwith out:\n    display(b)\n    with b:\n"
                     "        print(1); clear_output(); print(2)\n    clear_output(wait=True)\n    print('o')"],
    "crossed": ["b = new('crossed_b')\nout.__enter__(); b.__enter__()\nprint('1')\nout.__exit__(None, None, None)\n"
                "print('2')\nb.__exit__(None, None, None)\nprint('3')"],
    "capture": ["@out.capture(clear_output=True, wait=True)\ndef f(x): print('f', x)\nf(1); f(2)", "f(3)"],
    "thread": ["import threading\ndef f():\n    with out: print('thread')\n"
               "t = threading.Thread(target=f); t.start(); t.join()"],
    "thread_append": ["import threading\ndef f():\n    for i in range(20): out.append_stdout(f'{i} ')\n"
                      "t = threading.Thread(target=f); t.start(); t.join()"],
    "msg_id": ["out.msg_id = get_ipython().kernel.get_parent()['header']['msg_id']\nprint('caught', flush=True)\n"
               "out.msg_id = ''\nprint('free')"],
    "set_to_its_own": ["with out: print(1)", "out.outputs = out.outputs + SET", "with out: print(2)"],
    "interactive": ["s = w.IntSlider(3)\no = w.interactive_output(lambda x: print('v', x), {'x': s})\n"
                    "o.add_class('interactive_o'); display(o)\ns.value = 7"],
    "closed": ["with out: print(1)\nout.close()"],
}
# What those of them end with that are easily got wrong, for who has no browser.
TEXTS = {
    "lines": "".join(f"{number}\n" for number in range(500)), "cells": "1\n2\n", "clear": "", "clear_wait": "1\n",
    "clear_wait_print": "19\n", "clear_and_set": "set", "full_clear_and_set": "", "print_clear_and_set": "",
    "print_and_set": "1\n", "print_set_print": "set2\n", "print_and_append": "1\n", "print_and_append_later": "1\nx",
    "append_print_append": "x1\n", "nested": "a1\na2\n", "nested_b": "b\n", "capture": "f 3\n", "msg_id": "caught\n",
    "interactive_o": "v 7\n", "set_to_its_own": "1\nset2\n",
}
SETTLED = """async () => {
    const models = await Promise.all(Object.values(Jupyter.notebook.kernel.widget_manager._models || {}));
    return !Jupyter.notebook.kernel_busy && models.every(model => !model._pending_msgs && !model._msg_buffer);
}"""
SAVED = "async () => (await Jupyter.notebook.kernel.widget_manager.get_state()).state"
RUN = """index => { window.isDone = false;
    Jupyter.notebook.events.one('finished_execute.CodeCell', () => { window.isDone = true; });
    Jupyter.notebook.execute_cells([index]); }"""


def cells_of(programs: Dict[str, List[str]]) -> List[str]:
    return [BEGIN, *(cell for name, own in programs.items() for cell in [f"out = new({name!r})", *own])]


def merged(outputs: Outputs) -> Outputs:
    """Return the outputs as they are shown, however they are cut into pieces and whatever their widgets are called.

    A kernel complains of a comm that it has closed if it is still told of something there. Whether that is the case is
    a race, in the page as well.
    """
    shown: Outputs = []
    for output in json.loads(json.dumps(outputs)):
        if output.get("name") == "stderr" and output["text"].startswith("No such comm: "):
            continue
        output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        output.pop("traceback", None)
        kind = (output["output_type"], output.get("name"))
        if kind[0] == "stream" and shown and kind == (shown[-1]["output_type"], shown[-1].get("name")):
            shown[-1]["text"] += output["text"]
        else:
            shown.append(output)
    return shown


def by_name(state: Dict[str, Any]) -> Dict[str, Outputs]:
    """Return what output widgets have, by the names that the programs gave them."""
    return {model["state"]["_dom_classes"][-1]: merged(model["state"]["outputs"]) for model in state.values()
            if model["model_name"] == "OutputModel" and model["state"]["_dom_classes"]}


def executed(server: Server, source: Path, **data: Any) -> Any:
    events = server.run(source, timeout=150, **data)
    assert names(events)[-1] == "notebook_complete", events[-1]["error"]
    return server.output(events[-1]["execution"]["output_path"])


def state_of(nb: Any) -> Dict[str, Any]:
    return dict(nb.metadata["widgets"][STATE]["state"])


def run(server: Server, folder: Path, *cells: str) -> Dict[str, Any]:
    return state_of(executed(server, write_notebook(folder / "a.ipynb", BEGIN, *cells)))


@pytest.mark.timeout(300)
def test_output_widgets_end_as_in_the_notebook_page(server: Server, folder: Path) -> None:
    nb = executed(server, write_notebook(folder / "a.ipynb", *cells_of(PROGRAMS)))
    widgets = by_name(state_of(nb))
    found = {name: "".join(output.get("text", "") for output in widgets[name]) for name in TEXTS}
    assert found == TEXTS
    plain = {name: [output["data"].get("text/plain") for output in outputs if "data" in output]
             for name, outputs in widgets.items()}
    assert plain["update_of_captured"] == plain["update_of_captured_later"] == ["'new'"]
    assert plain["update_of_both"] == ["'both'"]
    cell = next(cell for cell in nb.cells if "0 %" in cell["source"])
    assert cell["outputs"][0]["data"]["text/plain"] == "'100 %'"


@ONCE_MORE
@pytest.mark.timeout(300)
def test_the_notebook_page_ends_so(server: Server, folder: Path, new_page: Callable[..., Any]) -> None:
    pytest.importorskip("widgetsnbextension", reason="no widgetsnbextension: pip install widgetsnbextension")
    source = write_notebook(folder / "a.ipynb", *cells_of(PROGRAMS), metadata={
        "kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}})
    nb = executed(server, source)
    page = new_page()
    login(page, server)
    go(page, server, f"notebooks/{source.relative_to(server.root).as_posix()}")
    page.wait_for_function("() => window.Jupyter && Jupyter.notebook && Jupyter.notebook.kernel"
                           " && Jupyter.notebook.kernel.is_connected() && Jupyter.notebook.kernel.widget_manager")
    for index in range(len(nb.cells)):
        page.evaluate(RUN, index)
        page.wait_for_function("() => window.isDone")
        page.wait_for_function(SETTLED)
    # The page may still have messages of widgets before it.
    with suppress(AssertionError):
        wait_for(lambda: by_name(state_of(nb)) == by_name(page.evaluate(SAVED)), 10)
    assert by_name(state_of(nb)) == by_name(page.evaluate(SAVED))
    shown = page.evaluate("() => Jupyter.notebook.get_cells().map(cell => cell.output_area.toJSON())")
    assert [merged(cell["outputs"]) for cell in nb.cells] == [merged(outputs) for outputs in shown]


def test_a_later_cell_sees_what_its_widget_has(server: Server, folder: Path) -> None:
    cells = ["out = new('a')\nseen = []\nout.observe(lambda change: seen.append(len(change['new'])), 'outputs')\n"
             "with out:\n    for i in range(300): print(i, flush=True)\n    display(5)",
             "print(len(out.outputs), out.outputs[0]['text'].count('\\n'), seen[-1])"]
    nb = executed(server, write_notebook(folder / "a.ipynb", BEGIN, *cells))
    assert text_of(nb.cells[2]) == "2 300 2\n"


def test_many_captured_displays_take_linear_time(server: Server, folder: Path) -> None:
    nb = executed(server, write_notebook(folder / "a.ipynb", BEGIN, "out = new('a')",
                                         "with out:\n    for i in range(5_000): display(i)"))
    assert len(by_name(state_of(nb))["a"]) == 5_000
    assert nb.cells[2]["metadata"]["nbexec"]["duration"] < 60


def test_output_after_the_end_of_a_widget_is_in_the_cell(server: Server, folder: Path) -> None:
    cell = "with out:\n    print(1, flush=True)\n    out.close()\n    print(2)\nprint(3)"
    nb = executed(server, write_notebook(folder / "a.ipynb", BEGIN, "out = new('a')", cell))
    assert text_of(nb.cells[2]).endswith("2\n3\n")


def test_a_widget_that_answers_itself_without_end_ends(server: Server, folder: Path) -> None:
    cells = ["out = new('a')\ndef more(change):\n    with out: print('more')\nout.observe(more, 'outputs')",
             "with out: print(1)"]
    executed(server, write_notebook(folder / "a.ipynb", BEGIN, *cells))


# -- state ----------------------------------------------------------------------------------------


def test_state_of_the_source_is_not_kept(server: Server, folder: Path) -> None:
    old = {STATE: {"state": {"old": {"model_name": "x"}}, "version_major": 2, "version_minor": 0}}
    source = write_notebook(folder / "a.ipynb", "1", metadata={"widgets": {**old, "application/other": {"a": 1}}})
    assert executed(server, source).metadata["widgets"] == {"application/other": {"a": 1}}
    source = write_notebook(folder / "b.ipynb", "1", metadata={"widgets": old})
    assert "widgets" not in executed(server, source).metadata
    state = state_of(executed(server, write_notebook(folder / "c.ipynb", BEGIN, "out = new('a')",
                                                     metadata={"widgets": old})))
    assert "old" not in state and len(state) == 2


def test_values_of_widgets_are_the_last_ones_and_closed_ones_are_gone(server: Server, folder: Path) -> None:
    state = run(server, folder, "s = w.IntSlider(3); t = w.HTML('x'); u = w.IntText(1)",
                "s.value = 9\nu.close()\nfor i in range(100): t.value = str(i)")
    values = {model["model_name"]: model["state"]["value"] for model in state.values() if "value" in model["state"]}
    assert values == {"IntSliderModel": 9, "HTMLModel": "99"}


def test_binary_state_is_the_last_one(server: Server, folder: Path) -> None:
    state = run(server, folder, "i = w.Image(value=b'abc'); v = w.Video(value=b'123', format='x')",
                "i.value = b'defg'; i.format = 'jpeg'; v.value = b''")
    (image,) = [model for model in state.values() if model["model_name"] == "ImageModel"]
    assert image["buffers"] == [{"encoding": "base64", "path": ["value"], "data": "ZGVmZw=="}]
    assert image["state"]["format"] == "jpeg"


def test_a_bar_of_tqdm_is_complete(server: Server, folder: Path) -> None:
    pytest.importorskip("tqdm", reason="no tqdm: pip install tqdm")
    state = run(server, folder, "from tqdm.notebook import tqdm\nout = new('a')\nwith out:\n"
                                "    for i in tqdm(range(30)): print(i)")
    assert [model["state"]["value"] for model in state.values() if model["model_name"] == "FloatProgressModel"] == [30]
    assert "".join(output.get("text", "") for output in by_name(state)["a"]) == "".join(f"{i}\n" for i in range(30))


# -- what those see who cannot draw widgets ---------------------------------------------------------

SHOWN = """
bar, inside, gone = w.IntProgress(0, max=4, description='Load'), w.Output(), w.Label('gone')
display(w.VBox([w.HBox([w.HTML('<b>files</b>'), bar]), inside, w.Dropdown(options=['a', 'b'], index=1), w.Play()]))
display(gone)
for i in range(5):
    bar.value = i
    with inside: print('file', i)
    while i == 2 and not os.path.exists('go'): time.sleep(0.02)
gone.close()
"""


def events_of(server: Server, exec_id: str, **query: str) -> Iterator[Dict[str, Any]]:
    with closing(server.get(f"/{exec_id}/events", params=query, stream=True, timeout=60)) as response:
        yield from (json.loads(line) for line in response.iter_lines(chunk_size=None) if line)


def test_what_widgets_show_is_told_as_text(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", BEGIN, "import os, time\n" + SHOWN)
    exec_id = server.start_run(source)
    live: Dict[str, str] = {}
    ends = []
    for event in events_of(server, exec_id, outputs="1"):
        widgets = event.get("widgets", {})
        if event["event"] == "output":
            live.update(widgets)
            if any("|██████████          |" in text and "file 2" in text for text in live.values()):
                (folder / "go").touch()
        elif event["event"] == "end":
            ends.append(widgets)
    box, gone = live
    shown = ["files Load: |████████████████████|", *(f"file {i}" for i in range(5)), "b", "0"]
    assert ends == [{}, {box: "\n".join(shown), gone: ""}]
    assert [event.get("widgets", {}) for event in events_of(server, exec_id) if event["event"] == "end"] == ends


@pytest.mark.parametrize("state", [
    {}, {"_model_name": None}, {"_model_name": "FloatProgressModel"}, {"_model_name": "HTMLModel", "value": 1},
    {"_model_name": "HBoxModel", "children": "x"}, {"_model_name": "HBoxModel", "children": [1, "x", "IPY_MODEL_b"]},
    {"_model_name": "HBoxModel", "children": ["IPY_MODEL_a"] * 100}, {"_model_name": "OutputModel", "outputs": 5},
    {"_model_name": "OutputModel", "outputs": [1, {}, {"output_type": "stream", "text": [1]}, {"data": 1}]},
    {"_model_name": "DropdownModel", "index": 9, "_options_labels": ["a"]},
    {"_model_name": "CheckboxModel", "value": 2},
    *({"_model_name": "IntProgressModel", "min": low, "max": high, "value": value} for low, high, value in (
        (0, 0, 0), (5, 1, 2), (0, float("inf"), float("inf")), (0, float("nan"), 1), (0, 1, 10 ** 400),
        ("a", [], None))),
])
def test_odd_states_of_widgets_do_no_harm(state: Dict[str, Any]) -> None:
    texts = texts_of([{"data": {WIDGET_VIEW: {"model_id": "a"}}}], {"a": state}.get)
    assert all(isinstance(text, str) for text in texts.values())


def test_boxes_in_boxes_and_long_texts_are_bounded() -> None:
    states: Dict[str, Dict[str, Any]] = {
        str(depth): {"_model_name": "VBoxModel", "children": [f"IPY_MODEL_{depth + 1}"] * 50} for depth in range(30)}
    states["text"] = {"_model_name": "TextareaModel", "value": "x" * 1_000_000}
    views = [{"data": {WIDGET_VIEW: {"model_id": name}}} for name in ["0", "text", "unknown", None, 5]]
    texts = texts_of([*views, {"data": 5}, {}], states.get)
    assert len(texts["text"]) == 20_000 and texts["unknown"] == "" and "0" not in texts
    assert len(texts_of([{"data": {WIDGET_VIEW: {"model_id": "text"}}}] * 3, states.get)) == 1
