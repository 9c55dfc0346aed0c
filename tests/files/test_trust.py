"""Which output notebooks the notebook server trusts: what a run has made is, unless the text of a caller flowed in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import nbformat
import pytest
import requests
from browser import ONCE_MORE, open_notebook, open_tree, run_from_files
from helpers import TREE, Event, Server, write_notebook
from nbformat import v4
from nbformat.sign import NotebookNotary

RICH_CELLS = [
    v4.new_markdown_cell("![x](attachment:x.png)", attachments={"x.png": {"image/png": "eA==\n"}}),
    v4.new_code_cell("# nbexec: params\nx = 1\nratio = 0.5\nflag = True\nname = 'a'\nnames = []"),
    v4.new_code_cell("display({'text/html': '<b>\\n</b>', 'image/png': b'x' * 100}, raw=True)\nprint('ä\\n')"),
    v4.new_code_cell("display({'application/json': ['a', 1.5], 'text/plain': ['a\\n', 'b']}, raw=True)"),
]
EXAMPLES = TREE / "examples"
TEXT = "<img src=x onerror=window.hacked=1>"


def api_path(server: Server, path: Path) -> str:
    return path.relative_to(server.root).as_posix()


def sign(server: Server, path: Path) -> None:
    """Trust a notebook, as ``jupyter trust`` does."""
    notary = NotebookNotary(data_dir=str(server.folder / "data"))
    notary.sign(nbformat.read(str(path), 4))
    notary.store.close()


def trusted(server: Server, path: str) -> bool:
    """Return whether the notebook server trusts the code cells."""
    response = requests.get(f"{server.url}api/contents/{path}", params={"token": server.token}, timeout=60)
    cells = response.json()["content"]["cells"]
    [answer] = {cell["metadata"]["trusted"] for cell in cells if cell["cell_type"] == "code"}
    return bool(answer)


def result(events: List[Event]) -> str:
    return str(events[-1]["execution"]["output_path"])


def page_headers(server: Server, values_from: Optional[str] = None) -> Dict[str, str]:
    """Return the headers with which a page of the server asks."""
    answer = requests.post(f"{server.url}nbexec/token", headers={"Authorization": f"token {server.token}"}, timeout=60)
    headers = {"Authorization": f"token {answer.json()['token']}"}
    return headers if values_from is None else {**headers, "X-Values-From": values_from}


def run_by_page(server: Server, source: Path, values_from: Optional[str] = None, **params: str) -> Dict[str, Any]:
    """Execute a notebook as a page does, to its end, and return its model."""
    answer = server.request("POST", data={"notebook": api_path(server, source), **params},
                            headers=page_headers(server, values_from))
    assert answer.status_code == 202, answer.text
    return server.wait_until_final(answer.json()["exec_id"])


@pytest.fixture()
def source(server: Server, folder: Path) -> Path:
    return write_notebook(folder / "a.ipynb", *RICH_CELLS, metadata={"custom": [1.5, {"a": folder.name}]})


# -- what a run has made --------------------------------------------------------------------------


@pytest.mark.parametrize("is_signed", [True, False], ids=["trusted", "not trusted"])
def test_output_is_trusted_whether_its_source_was_or_not(server: Server, source: Path, is_signed: bool) -> None:
    if is_signed:
        sign(server, source)
    assert trusted(server, api_path(server, source)) == is_signed
    assert trusted(server, result(server.run(source)))
    assert trusted(server, result(server.run(source, output_path=f"{source.parent.name}/requested.ipynb")))
    assert trusted(server, api_path(server, source)) == is_signed


def test_nothing_that_the_source_had_to_show_is_trusted(server: Server, folder: Path) -> None:
    """Whoever made the source could have put anything there."""
    state = {"application/vnd.jupyter.widget-state+json": {"version_major": 2, "version_minor": 0, "state": {
        "w": {"model_name": "HTMLModel", "model_module": "@jupyter-widgets/controls", "model_module_version": "2.0.0",
              "state": {"value": TEXT}}}}}
    stale = v4.new_output("display_data", {"text/html": TEXT})
    cells = [v4.new_code_cell(source, outputs=[stale], metadata={"tags": tags})
             for source, tags in (("1", []), ("2", ["skip-execution"]), ("", []))]
    path = result(server.run(write_notebook(folder / "a.ipynb", *cells, metadata={"widgets": state})))
    assert trusted(server, path)
    assert TEXT not in (server.root / path).read_text()


def test_output_of_a_failed_cell_is_trusted(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "display({'text/html': 'x'}, raw=True)", f"1/0  # {folder.name}")
    assert trusted(server, result(server.run(source)))


def test_numbers_and_bools_do_no_harm(server: Server, source: Path) -> None:
    assert trusted(server, result(server.run(source, x="0x10", ratio="nan", flag="true")))


def test_a_value_that_the_notebook_offers_is_its_own(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", f"# nbexec: params\nmode: Literal['a', 'b'] = 'a'  # {folder.name}")
    assert trusted(server, result(server.run(source, mode="b")))
    source = write_notebook(folder / "b.ipynb", f"# nbexec: params\nmode: Literal['a'] | str = 'a'  # {folder.name}")
    assert not trusted(server, result(server.run(source, mode="b")))


def test_names_in_a_request_do_not_reach_the_notebook_unless_they_are_harmless(server: Server, folder: Path) -> None:
    """Or else they could become HTML in a trusted notebook; the variables of the run are accounted for."""
    source = write_notebook(folder / "q<b>1.ipynb",
                            "import os, sys\nprint({name: os.environ[name] for name in os.environ "
                            "if name[:7] != 'NBEXEC_'}, sys.argv, os.getcwd())",
                            "print({name: repr(value) for name, value in vars(get_ipython()).items()}, dir())",
                            "print(open('/proc/self/cmdline').read() if os.path.exists('/proc/self/cmdline') else '')")
    events = server.run(source, output_path=f"{folder.name}/q<b>2.ipynb", jupyter_kernel="python3")
    assert events[-1]["event"] == "notebook_complete"
    output = json.loads((folder / "q<b>2.ipynb").read_text())
    del output["metadata"]["papermill"]  # which no page shows
    assert "q<b>" not in json.dumps(output)


@pytest.mark.parametrize("name, is_harmless", [
    ("q<b>.ipynb", False), ("a&lt;b.ipynb", False), ("a' onclick=b.ipynb", False), ('a"b.ipynb', False),
    ("javascript:alert(1).ipynb", False), ("a` onclick=b.ipynb", False), ("O'Neill & Sons.ipynb", True),
    ("Umsätze (2024-05), $50+10%.ipynb", True)])
def test_a_name_that_a_notebook_learns_counts_as_text_of_a_caller(server: Server, folder: Path, name: str,
                                                                  is_harmless: bool) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    assert trusted(server, result(server.run(source, output_path=f"{folder.name}/{name}"))) is is_harmless
    named = write_notebook(folder / f"source {name}", "1")
    assert trusted(server, result(server.run(named, output_path=f"{folder.name}/b.ipynb"))) is is_harmless
    page = run_by_page(server, named)
    assert trusted(server, page["output_path"])


# -- the text of a caller -------------------------------------------------------------------------


@pytest.mark.parametrize("is_signed", [True, False], ids=["trusted", "not trusted"])
@pytest.mark.parametrize("params", [{"name": TEXT}, {"name": ""}, {"x": "1", "name": "a"}, {"names": f'["{TEXT}"]'}],
                         ids=["html", "empty", "with a number", "list"])
def test_text_of_a_caller_leaves_the_output_without_trust(server: Server, source: Path, params: Dict[str, str],
                                                          is_signed: bool) -> None:
    if is_signed:
        sign(server, source)
    assert not trusted(server, result(server.run(source, **params)))


def test_the_way_that_it_comes_makes_no_difference(server: Server, source: Path) -> None:
    path = api_path(server, source)
    for way in ({"json": {"notebook": path, "name": TEXT}}, {"params": {"notebook": path, "name": TEXT}}):
        model = server.wait_until_final(server.request("POST", **way).json()["exec_id"])
        assert not trusted(server, model["output_path"])


def test_it_gets_no_trust_by_a_second_run(server: Server, source: Path) -> None:
    """The output has the text as code of a cell, and runs like any notebook."""
    first = server.root / result(server.run(source, name=TEXT))
    again = server.root / result(server.run(first))
    assert not trusted(server, api_path(server, again))
    assert not trusted(server, run_by_page(server, again)["output_path"])
    assert trusted(server, result(server.run(again, x="1")))  # without the text
    sign(server, first)  # by its owner, who has looked at it
    assert trusted(server, result(server.run(first)))


def test_the_owner_may_trust_all_callers(new_server: Callable[..., Server]) -> None:
    server = new_server("--NbExec.trust_parameters=True")
    source = write_notebook(server.root / "a.ipynb", *RICH_CELLS)
    first = server.root / result(server.run(source, name=TEXT))
    assert trusted(server, first.name)
    assert trusted(server, result(server.run(first)))


def test_the_example_escapes_what_it_is_given(server: Server, folder: Path) -> None:
    shutil.copytree(EXAMPLES, folder / "examples")
    events = server.run(folder / "examples" / "report.ipynb", currency=f"{TEXT}[x](javascript:x)")
    assert events[-1]["event"] == "notebook_complete", events[-1]
    shown = [output["data"] for event in events if event["event"] == "end" for output in event["cell"]["outputs"]
             if "data" in output]
    html, markdown = ("\n".join(data.get(kind, "") for data in shown) for kind in ("text/html", "text/markdown"))
    assert "&lt;img" in html and "&#60;img" in markdown
    assert "<img" not in html + markdown and "[x]" not in markdown


# -- the text of who is logged in -----------------------------------------------------------------


def test_text_that_was_typed_into_a_page_does_no_harm(server: Server, source: Path) -> None:
    first = run_by_page(server, source, name=TEXT)
    assert trusted(server, first["output_path"])
    assert trusted(server, run_by_page(server, source, first["exec_id"], name=TEXT)["output_path"])
    assert trusted(server, run_by_page(server, server.root / first["output_path"])["output_path"])


def test_text_of_a_caller_stays_his_when_a_page_runs_it_again(server: Server, source: Path) -> None:
    caller = server.run(source, name=TEXT)[-1]["exec_id"]
    again = run_by_page(server, source, caller, name=TEXT)
    assert not trusted(server, again["output_path"])
    assert not trusted(server, run_by_page(server, source, again["exec_id"], name=TEXT, x="2")["output_path"])
    assert trusted(server, run_by_page(server, source, caller, name="typed")["output_path"])
    assert server.delete(f"/{caller}").status_code == 202
    assert not trusted(server, run_by_page(server, source, caller, name=TEXT)["output_path"])


def test_a_caller_with_the_token_of_the_server_is_no_page(server: Server, source: Path) -> None:
    for headers in ({"X-Values-From": "page"}, {"Origin": server.url[:-1], "Referer": server.url}):
        answer = server.request("POST", data={"notebook": api_path(server, source), "name": TEXT}, headers=headers)
        assert not trusted(server, server.wait_until_final(answer.json()["exec_id"])["output_path"])


# -- in a browser ---------------------------------------------------------------------------------

SHOW = v4.new_code_cell("from IPython.display import HTML\nHTML(f'<p class=shown>shown {region}</p>')")
PARAMETERS = v4.new_code_cell("# nbexec: params\nregion = 'all'\ntimes = 1")
ACTS = "() => window.hacked === 1"


@ONCE_MORE
def test_text_of_a_caller_does_not_act_in_the_page_of_the_owner(page: Any, ui_server: Server, ui_folder: Path,
                                                                watch: Any) -> None:
    source = write_notebook(ui_folder / "a.ipynb", PARAMETERS, SHOW)
    sign(ui_server, source)
    open_notebook(page, ui_server, result(ui_server.run(source, region=TEXT)))
    page.wait_for_selector(".output_html")
    page.wait_for_timeout(500)
    assert not page.evaluate(ACTS)
    open_notebook(page, ui_server, result(ui_server.run(source, times="2")))
    page.wait_for_selector(".output_html .shown")
    assert page.evaluate("() => Jupyter.notebook.trusted")
    watch.complaints.clear()


@ONCE_MORE
def test_what_the_owner_types_is_shown_as_the_notebook_shows_it(page: Any, ui_server: Server, ui_folder: Path) -> None:
    write_notebook(ui_folder / "a.ipynb", PARAMETERS, SHOW)
    open_tree(page, ui_server, ui_folder)
    run_from_files(page)
    opened = page.context.pages[-1]
    opened.wait_for_selector(".output_html .shown:text-is('shown North')")
    opened.wait_for_function("() => Jupyter.notebook.trusted")
