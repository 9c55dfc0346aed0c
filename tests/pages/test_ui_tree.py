"""The tab with all executions and the button of the tree page, in a real browser."""

from __future__ import annotations

import re
import time
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest
from browser import ONCE_MORE, PATIENCE, check_accessible, open_tree, run_from_files, wait_until, wait_until_still
from helpers import STREAM, Server, text_of, write_notebook
from nbformat import v4

from nbexec.execution import COMPLETED, Execution
from nbexec.executions.store import ExecutionStore
from nbexec.run_arguments import RunArguments

pytestmark = ONCE_MORE

sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")
expect = sync_api.expect
expect.set_options(timeout=PATIENCE)

TAB = "#executions"
GATE = "import os, time\nprint('it waits')\nwhile not os.path.exists('go'): time.sleep(0.02)"
PARAMETERS = "# nbexec: params\nregion = 'all'\ntop_n = 5"
FAILS = "def check(region):\n    raise ValueError(f'no such region: {region}')\ncheck('Mars')"
HOSTILE = "<img src=x onerror=window.hacked=1>"


@pytest.fixture()
def page(shared_page: Any) -> Any:
    return shared_page


@pytest.fixture(autouse=True)
def empty(ui_server: Server) -> Iterator[None]:
    """Each test begins and ends without executions."""
    ui_server.delete(headers=STREAM)
    yield
    ui_server.delete(headers=STREAM)


def finished(server: Server, *notebooks: Any, **data: Any) -> List[str]:
    """Execute notebooks, one after the other, and return the ids of the executions."""
    ids = [server.start_run(notebook, **data) for notebook in notebooks]
    for exec_id in ids:
        server.wait_until_final(exec_id)
    return ids


def named(server: Server, name: str) -> Path:
    """A new folder whose name may stand in a picture."""
    folder = server.root / name
    folder.mkdir()
    return folder


def open_tab(page: Any, server: Server, folder: Any = "", exec_id: str = "") -> Any:
    open_tree(page, server, folder, fragment=TAB + (f"/{exec_id}" if exec_id else ""))
    page.wait_for_selector(f"{TAB}.active")
    return page


def rows(page: Any, text: str = "") -> Any:
    return page.locator(f"{TAB} tbody tr", has_text=text) if text else page.locator(f"{TAB} tbody tr")


def choose(page: Any, row: Any, entry: str) -> None:
    """Choose an entry of the menu of a row."""
    row.locator(".dropdown-toggle").click()
    row.locator(".dropdown-menu").get_by_text(entry, exact=True).click()


def confirm(page: Any, label: str) -> None:
    dialog = page.locator(".modal.in")
    dialog.get_by_role("button", name=label, exact=True).click()
    expect(page.locator(".modal")).to_have_count(0)


def open_details(page: Any, name: str) -> None:
    rows(page, name).first.locator("a.nbexec-details").click()
    expect(page.locator(".nbexec-detail h3")).to_have_text(name)


# -- the list -----------------------------------------------------------------------------------------------


def test_an_empty_list_says_how_to_begin(ui_server: Server, page: Any, picture: Callable[..., None]) -> None:
    open_tab(page, ui_server)
    expect(page.locator(".nbexec-empty")).to_contain_text("There are no executions")
    check_accessible(page, TAB)
    picture(page, "tree_empty", clip={"x": 0, "y": 0, "width": 1100, "height": 300})


def test_each_execution_has_name_folder_parameters_state_and_times(
        ui_server: Server, page: Any, picture: Callable[..., None]) -> None:
    folder = named(ui_server, "sales")
    good = write_notebook(folder / "report.ipynb", PARAMETERS, "region")
    bad = write_notebook(folder / "check.ipynb", FAILS)
    finished(ui_server, good, region="North", top_n="3")
    finished(ui_server, bad)
    write_notebook(folder / "nightly.ipynb", "1", GATE, "2", "3")
    ui_server.start_run(folder / "nightly.ipynb")
    open_tab(page, ui_server)
    expect(rows(page)).to_have_count(3)
    row = rows(page, "report.ipynb")
    expect(row.locator(".nbexec-folder")).to_have_text("sales")
    expect(row.locator("td.nbexec-parameters")).to_have_text("region=North, top_n=3")
    expect(row.locator(".label")).to_have_text("Completed")
    expect(row.locator("td.nbexec-started")).to_have_text(re.compile("seconds ago|a minute ago"))
    expect(row.locator("td.nbexec-duration")).to_have_text(re.compile(r"^[\d.]+ m?s$"))
    expect(rows(page, "check.ipynb").locator(".label")).to_have_text("Failed")
    expect(rows(page, "check.ipynb").locator(".nbexec-error-line")).to_have_text("ValueError: no such region: Mars")
    running = rows(page, "nightly.ipynb")
    expect(running.locator(".label")).to_have_text("Running")
    expect(running.locator("[role=progressbar]")).to_have_attribute("aria-valuenow", "25")
    expect(running.locator("td.nbexec-state")).to_contain_text("cell 2 of 4")
    names = rows(page).locator("a.nbexec-details").all_inner_texts()
    assert names == ["nightly.ipynb", "check.ipynb", "report.ipynb"], "the newest first"
    check_accessible(page, TAB)
    picture(page, "tree_list", clip={"x": 0, "y": 0, "width": 1100, "height": 400})
    page.set_viewport_size({"width": 390, "height": 720})
    assert page.evaluate("document.querySelector('#executions').scrollWidth") <= 390
    picture(page, "tree_narrow", clip={"x": 0, "y": 0, "width": 390, "height": 560})


def test_the_list_is_live_and_asks_once(ui_server: Server, ui_folder: Path, page: Any) -> None:
    source = write_notebook(ui_folder / "a.ipynb", "1", GATE, "2")
    asked = []
    page.on("request", lambda request: request.url.split("?")[0] == ui_server.api and asked.append(request.url))
    open_tree(page, ui_server)
    exec_id = ui_server.start_run(source)
    expect(page.locator("#tabs .badge")).to_have_text("1")  # before the tab is looked at
    page.click("#tabs a[href='#executions']")
    row = rows(page, "a.ipynb")
    expect(row.locator("td.nbexec-state")).to_contain_text("cell 2 of 3")
    first = row.locator("td.nbexec-duration").inner_text()
    expect(row.locator("td.nbexec-duration")).not_to_have_text(first)  # it goes on without an event
    (ui_folder / "go").touch()
    expect(row.locator(".label")).to_have_text("Completed")
    expect(page.locator("#tabs .badge")).to_be_hidden()
    expect(page.locator(f"{TAB} [role=status]").first).to_have_text("a.ipynb: Completed")
    ui_server.delete(f"/{exec_id}")
    expect(rows(page)).to_have_count(0)
    assert asked == [f"{ui_server.api}?order=newest&limit=1000&state=waiting%2Crunning",
                     f"{ui_server.api}?order=newest&limit=100"]
    expect(page.locator(".nbexec-empty")).to_contain_text("There are no executions")


def test_only_what_has_changed_is_written(ui_server: Server, ui_folder: Path, page: Any) -> None:
    """What is set to the same again makes the browser draw it again, fifty times over if fifty executions run."""
    finished(ui_server, write_notebook(ui_folder / "done.ipynb", "1"))
    ui_server.start_run(write_notebook(ui_folder / "a.ipynb", GATE, *["1"] * 30, GATE.replace("'go'", "'on'")))
    open_tab(page, ui_server)
    expect(rows(page, "a.ipynb")).to_contain_text("cell 1 of 32")
    expect(rows(page)).to_have_count(2)
    page.evaluate("""() => {
        const name = element => (element.closest('tr')?.querySelector('a')?.textContent ?? '') + ' ';
        window.written = new Set();
        window.watching = new MutationObserver(records => records.forEach(record => {
            const element = record.target.nodeType === Node.TEXT_NODE ? record.target.parentElement : record.target;
            window.written.add(name(element) + element.className);
        }));
        document.querySelectorAll('#tabs, .nbexec-toolbar, .nbexec-list').forEach(element => window.watching.observe(
            element, {attributes: true, characterData: true, childList: true, subtree: true}));
    }""")
    (ui_folder / "go").touch()
    expect(rows(page, "a.ipynb")).to_contain_text("cell 32 of 32")
    written = set(page.evaluate("() => { window.watching.disconnect(); return Array.from(window.written); }"))
    times = {f"{name} nbexec-{column}" for name in ("a.ipynb", "done.ipynb") for column in ("started", "duration")}
    assert written - times == {"a.ipynb nbexec-cell-number", "a.ipynb progress-bar"}


def test_result_and_notebook_open_in_pages_of_their_own(ui_server: Server, ui_folder: Path, page: Any) -> None:
    source = write_notebook(ui_folder / "a b%.ipynb", "1 + 1")
    finished(ui_server, source)
    open_tab(page, ui_server)
    for label, name in [("Open result", "a b%-Executed1"), ("Open notebook", "a b%")]:
        with page.context.expect_page() as opened:
            choose(page, rows(page).first, label)
        expect(opened.value.locator("#notebook_name")).to_have_text(name)
        opened.value.close()
    with page.context.expect_page() as opened:
        rows(page).first.locator(".nbexec-primary").click()
    expect(opened.value.locator("#notebook_name")).to_have_text("a b%-Executed1")


def test_a_run_is_stopped_after_a_question(ui_server: Server, ui_folder: Path, page: Any) -> None:
    source = write_notebook(ui_folder / "a.ipynb", GATE)
    exec_id = ui_server.start_run(source)
    open_tab(page, ui_server)
    stop = rows(page).locator(".nbexec-primary")
    expect(stop).to_have_text("Stop")
    stop.click()
    expect(page.locator(".modal.in")).to_contain_text("Output so far is kept")
    confirm(page, "Cancel")
    assert ui_server.model(exec_id)["status"] in ("initializing", "executing")
    expect(stop).to_be_focused()
    stop.click()
    confirm(page, "Stop")
    expect(rows(page).locator(".label")).to_have_text("Stopped")
    expect(stop).to_have_text("Open result")


def test_the_error_is_shown_and_leads_to_its_cell(
        ui_server: Server, page: Any, picture: Callable[..., None]) -> None:
    folder = named(ui_server, "month-end")
    finished(ui_server, write_notebook(folder / "check.ipynb", "print('read')", FAILS, "3"))
    open_tab(page, ui_server)
    button = rows(page).locator(".nbexec-primary")
    button.click()
    dialog = page.locator(".modal.in")
    expect(dialog.locator("pre")).to_contain_text("ValueError: no such region: Mars")
    expect(dialog).to_contain_text("cell 2 of 3")
    wait_until_still(page)
    check_accessible(page, ".modal")
    picture(page, "tree_error", clip={"x": 0, "y": 0, "width": 1100, "height": 420})
    dialog.get_by_role("button", name="Details").click()
    expect(page.locator(".nbexec-detail .nbexec-alert")).to_contain_text("ValueError: no such region: Mars")
    expect(page.locator(".nbexec-cell-failed .output_error")).to_contain_text("no such region: Mars")


def test_run_again_in_the_same_way_and_with_changes(ui_server: Server, ui_folder: Path, page: Any) -> None:
    source = write_notebook(ui_folder / "a.ipynb", PARAMETERS, "region")
    finished(ui_server, source, region="North", cell_timeout="30", overwrite="true",
             output_path=f"{ui_folder.name}/wanted.ipynb")
    open_tab(page, ui_server)
    choose(page, rows(page).first, "Run again")
    expect(page.locator(".nbexec-detail .label")).to_have_text("Completed")  # it shows the new one
    page.get_by_role("button", name="All executions").click()
    expect(rows(page)).to_have_count(2)
    choose(page, rows(page).first, "Run again with changes…")
    field = page.locator(".modal.in").get_by_label("region")
    expect(field).to_have_value("North")
    field.fill("South")
    page.locator(".modal.in").get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".nbexec-detail .nbexec-parameters-table")).to_contain_text("South")
    expect(page.locator(".nbexec-detail .label")).to_have_text("Completed")
    models = ui_server.get().json()["executions"]
    assert [model["params"] for model in models] == [{"region": "North"}, {"region": "North"}, {"region": "South"}]
    assert {(model["output_path"], model["overwrite"], model["cell_timeout"]) for model in models} == {
        (f"{ui_folder.name}/wanted.ipynb", True, 30)}
    page.get_by_role("button", name="Run a table of values…").click()
    dialog = page.locator(".modal.in")
    expect(dialog.get_by_label("Paste rows")).to_be_focused()  # the dialog has slid in
    dialog.get_by_label("Paste rows").fill("top_n\n1\n2")
    expect(dialog).to_contain_text("takes one of these values: region=South; otherwise")
    dialog.get_by_role("button", name="Run 2 executions").press("Enter")
    expect(dialog.locator(".nbexec-table-line")).to_have_text(re.compile("^2 of 2 done"))
    expect(dialog.get_by_role("button", name="Close", exact=True)).to_be_focused()
    models = ui_server.get().json()["executions"][3:]
    assert [(model["params"], model["cell_timeout"]) for model in models] == [
        ({"region": "South", "top_n": str(number)}, 30) for number in (1, 2)]
    assert {model["output_path"] for model in models} == {
        f"{ui_folder.name}/wanted-{number}.ipynb" for number in (1, 2)}
    with page.context.expect_page() as listed:
        dialog.get_by_role("link", name="Show in the list").click()
    expect(rows(listed.value)).to_have_count(5)


def test_a_refusal_is_told_in_a_dialog(ui_server: Server, ui_folder: Path, page: Any) -> None:
    source = write_notebook(ui_folder / "a.ipynb", "1")
    finished(ui_server, source)
    open_tab(page, ui_server)
    expect(rows(page)).to_have_count(1)
    source.unlink()
    choose(page, rows(page).first, "Run again")
    expect(page.locator(".modal.in .alert-danger")).to_contain_text("a.ipynb")
    confirm(page, "OK")
    expect(rows(page).locator(".dropdown-toggle")).to_be_focused()


def test_delete_one_and_all_that_have_finished(ui_server: Server, ui_folder: Path, page: Any) -> None:
    quick = write_notebook(ui_folder / "quick.ipynb", "1")
    finished(ui_server, quick, quick, quick)
    running = ui_server.start_run(write_notebook(ui_folder / "long.ipynb", GATE))
    open_tab(page, ui_server)
    expect(rows(page)).to_have_count(4)
    choose(page, rows(page, "quick").first, "Delete…")
    expect(page.locator(".modal.in").get_by_role("button", name="Cancel")).to_be_focused()
    page.mouse.click(5, 400)  # beside the dialog
    page.keyboard.press("Escape")
    expect(page.locator(".modal")).to_have_count(0)
    choose(page, rows(page, "quick").first, "Delete…")
    confirm(page, "Delete")
    expect(rows(page)).to_have_count(3)
    page.get_by_role("button", name="Delete finished").click()
    expect(page.locator(".modal.in")).to_contain_text("2 finished executions are removed")
    confirm(page, "Delete")
    expect(rows(page)).to_have_count(1)
    expect(page.get_by_role("button", name="Delete finished")).to_be_disabled()
    assert [model["exec_id"] for model in ui_server.get().json()["executions"]] == [running]
    assert (ui_folder / "quick-Executed1.ipynb").exists()


def test_filter_by_text_and_state(ui_server: Server, ui_folder: Path, page: Any) -> None:
    report = write_notebook(ui_folder / "report.ipynb", PARAMETERS)
    finished(ui_server, report, region="North")
    finished(ui_server, report, region="South")
    finished(ui_server, write_notebook(ui_folder / "check.ipynb", FAILS))
    open_tab(page, ui_server)
    expect(rows(page)).to_have_count(3)
    search = page.get_by_label("Filter executions")
    for text, count in [("REPORT", 2), ("report south", 1), ("no such region", 1), (ui_folder.name, 3), ("zebra", 0)]:
        search.fill(text)
        expect(rows(page)).to_have_count(count)
    expect(page.locator(".nbexec-empty")).to_have_text("No execution matches the filter.")
    search.fill("")
    states = page.get_by_role("group", name="Show executions by state")
    assert [button.inner_text() for button in states.locator("button").all()] == [
        "All 3", "Waiting 0", "Running 0", "Completed 2", "Failed 1", "Stopped 0"]
    states.get_by_text("Failed").click()
    expect(rows(page)).to_have_count(1)
    expect(states.locator("[aria-pressed=true]")).to_have_text("Failed 1")
    page.get_by_role("button", name="Delete finished").click()
    expect(page.locator(".modal.in")).to_contain_text("Only those that match the filter")
    confirm(page, "Delete")
    expect(rows(page)).to_have_count(0)
    states.get_by_text("All").click()
    expect(rows(page)).to_have_count(2)


# -- the details --------------------------------------------------------------------------------------------


def test_the_cells_stand_along_the_time_and_lead_to_source_and_output(
        ui_server: Server, page: Any, picture: Callable[..., None]) -> None:
    folder = named(ui_server, "reports")
    source = write_notebook(
        folder / "report.ipynb", v4.new_markdown_cell("# Sales"), PARAMETERS,
        "import time\nfor number in range(3):\n    print('file', number)\n    time.sleep(0.1)", "time.sleep(0.15)",
        "from IPython.display import HTML\n"
        "HTML(f'<table><tr><th>region</th></tr><tr><td>{region}</td></tr></table>')")
    exec_id, = finished(ui_server, source, region="North", cell_timeout="60")
    open_tab(page, ui_server)
    open_details(page, "report.ipynb")
    assert page.url.endswith(f"{TAB}/{exec_id}")
    facts = page.locator(".nbexec-facts")
    for text in ("report-Executed1.ipynb", exec_id, "1 min", "Started", "Ended", "Duration"):
        expect(facts).to_contain_text(text)
    expect(page.locator(".nbexec-parameters-table")).to_have_text(re.compile("region\\s*North"))
    bars = page.locator(".nbexec-bar")
    expect(bars).to_have_count(5)  # that of the markdown cell is not among them, that of the injected one is
    track = page.locator(".nbexec-track").bounding_box()
    boxes = [bar.bounding_box() for bar in bars.all()]
    model = ui_server.model(exec_id)
    span = model["completed_at"] - model["started_at"]
    cells = ui_server.output(model["output_path"]).cells
    times = [cell.metadata.nbexec for cell in cells if "nbexec" in cell.metadata]
    for box, time_ in zip(boxes, times):
        begin = datetime.fromisoformat(time_.start_time).timestamp() - model["started_at"]
        assert box["x"] - track["x"] == pytest.approx(begin / span * track["width"], abs=3)
        assert box["width"] == pytest.approx(max(time_.duration / span * track["width"], 4), abs=3)
    bars.nth(2).hover()
    expect(page.locator(".nbexec-hint")).to_contain_text("print('file', number)")
    expect(page.locator(".nbexec-hint")).to_contain_text("file 2")
    picture(page, "tree_details")
    bars.nth(4).click()
    cell = page.locator(".nbexec-cell").nth(4)
    expect(cell.locator(".nbexec-source")).to_contain_text("HTML(f'<table>")
    expect(cell.locator(".nbexec-outputs td")).to_have_text("North")
    expect(cell.locator(".nbexec-cell-line")).to_be_focused()
    check_accessible(page, TAB)


def test_no_cell_of_the_past_opens_by_itself(ui_server: Server, ui_folder: Path, page: Any) -> None:
    def cut(route: Any) -> None:
        """Let the connection break after the first cell has started."""
        response = route.fetch()
        body, _, _ = response.text().partition('{"seq": 3,')
        route.fulfill(response=response, body=body)

    exec_id, = finished(ui_server, write_notebook(ui_folder / "a.ipynb", "1", "2"))
    time.sleep(1)  # of a cell that has run for so long the output is shown
    page.route(re.compile(f"{exec_id}/events"), cut, times=1)
    open_tab(page, ui_server, exec_id=exec_id)
    expect(page.locator(".nbexec-bar")).to_have_count(2)
    expect(page.locator(".nbexec-cell-line[aria-expanded=false]")).to_have_count(2)


def test_a_link_to_the_details_and_the_way_back(ui_server: Server, ui_folder: Path, page: Any) -> None:
    exec_id, = finished(ui_server, write_notebook(ui_folder / "a.ipynb", "1"))
    open_tab(page, ui_server, exec_id=exec_id)
    expect(page.locator(".nbexec-detail h3")).to_have_text("a.ipynb")
    page.get_by_role("button", name="All executions").click()
    expect(rows(page).locator("a.nbexec-details")).to_be_focused()
    page.go_back()
    expect(page.locator(".nbexec-detail h3")).to_have_text("a.ipynb")
    ui_server.delete(f"/{exec_id}")
    expect(page.locator(".nbexec-detail")).to_contain_text("It was deleted")
    open_tab(page, ui_server, exec_id="00000000-0000-4000-8000-000000000000")
    expect(page.locator(".nbexec-detail")).to_contain_text("no longer exists")


def test_a_run_is_watched_with_the_output_of_its_cell(
        ui_server: Server, page: Any, picture: Callable[..., None]) -> None:
    folder = named(ui_server, "nightly")
    source = write_notebook(
        folder / "nightly.ipynb", "print('first')", "import time\ntime.sleep(0.3)",
        "import os, time\nprint('step 1')\nwhile not os.path.exists('go'): time.sleep(0.02)\n"
        "print('step 2')\nwhile not os.path.exists('on'): time.sleep(0.02)", "4")
    exec_id = ui_server.start_run(source)
    open_tab(page, ui_server, exec_id=exec_id)
    running = page.locator(".nbexec-bar-running")
    expect(running).to_have_class(re.compile("progress-bar-striped active"))
    cell = page.locator(".nbexec-cell-running")
    expect(cell.locator(".nbexec-outputs")).to_contain_text("step 1")
    width = running.bounding_box()["width"]
    wait_until(page, lambda: running.bounding_box()["width"] > width, what="the bar to grow")
    (folder / "go").touch()
    expect(cell.locator(".nbexec-outputs")).to_contain_text("step 2")
    assert ui_server.model(exec_id)["status"] == "executing"
    expect(page.locator(".nbexec-detail [role=progressbar]")).to_have_attribute("aria-valuenow", "50")
    check_accessible(page, TAB)
    picture(page, "tree_running")
    page.get_by_role("button", name="Show report").click()
    report = page.frame_locator(".nbexec-report-frame")
    expect(report.locator("main")).to_contain_text("first")
    expect(page.locator(".nbexec-report")).to_contain_text("this is its output so far")
    page.locator("summary", has_text="As a command").click()
    expect(page.get_by_label("nbexec run", exact=True)).to_have_value(re.compile("nightly.ipynb"))
    (folder / "on").touch()
    expect(page.locator(".nbexec-detail .label")).to_have_text("Completed")
    expect(report.locator("main")).to_contain_text("step 2")
    expect(page.locator(".nbexec-bar-done")).to_have_count(4)
    expect(page.get_by_role("link", name="Open result")).to_be_visible()


def test_a_failed_run_shows_its_cell_in_red_with_the_traceback(
        ui_server: Server, page: Any, picture: Callable[..., None]) -> None:
    folder = named(ui_server, "checks")
    exec_id, = finished(ui_server, write_notebook(
        folder / "check.ipynb", "import time\ntime.sleep(0.2)\nprint('read 3 files')", "data = {'Earth': 1}",
        FAILS, "4"))
    open_tab(page, ui_server, exec_id=exec_id)
    expect(page.locator(".nbexec-bar-failed")).to_have_count(1)
    red = page.locator(".nbexec-bar-failed").evaluate("bar => getComputedStyle(bar).backgroundColor")
    assert red == "rgb(201, 48, 44)"
    expect(page.locator(".nbexec-bar-done")).to_have_count(2)
    expect(page.locator(".nbexec-cell-failed .output_error")).to_contain_text("no such region: Mars")
    check_accessible(page, TAB)
    picture(page, "tree_failed")


def test_formulas_open_no_dialog(ui_server: Server, ui_folder: Path, page: Any) -> None:
    exec_id, = finished(ui_server, write_notebook(
        ui_folder / "a.ipynb", "from IPython.display import Latex, Markdown, display\n"
        "display(Markdown('# Sales\\n\\n$a_1 + b_1 < 2$ and *more*'))\ndisplay(Latex('$$e = mc^2$$'))"))
    open_tab(page, ui_server, exec_id=exec_id)
    page.locator(".nbexec-cell-line").click()
    outputs = page.locator(".nbexec-outputs")
    expect(outputs.locator("h1")).to_have_text("Sales")
    expect(outputs.locator("em")).to_have_text("more")
    expect(outputs).to_contain_text("$a_1 + b_1 < 2$")
    expect(outputs).to_contain_text("$$e = mc^2$$")
    assert not page.evaluate("document.body.classList.contains('modal-open')")


def test_a_stopped_cell_is_not_shown_as_done(ui_server: Server, ui_folder: Path, page: Any) -> None:
    exec_id = ui_server.start_run(write_notebook(ui_folder / "a.ipynb", "1", GATE))
    open_tab(page, ui_server, exec_id=exec_id)
    expect(page.locator(".nbexec-bar-running")).to_have_count(1)
    page.get_by_role("button", name="Stop").click()
    confirm(page, "Stop")
    expect(page.locator(".nbexec-detail .label")).to_have_text("Stopped")
    for _ in range(2):  # as it happens, and from the record
        expect(page.locator(".nbexec-cell-stopped .fa-stop")).to_have_count(1)
        expect(page.locator(".nbexec-bar-stopped")).to_have_count(1)
        expect(page.locator(".nbexec-cell-done")).to_have_count(1)
        page.reload()


def test_an_error_of_many_lines_is_told_by_its_first(ui_server: Server, ui_folder: Path, page: Any) -> None:
    rule = "-" * 18
    source = (f"rule = '''\n{rule}\n\nno error\n'''\n"
              f"raise ValueError('no such region\\nregions are:\\n{rule}\\n\\nNorth')")
    exec_id, = finished(ui_server, write_notebook(ui_folder / "a.ipynb", source))
    open_tab(page, ui_server)
    expect(rows(page).locator(".nbexec-error-line")).to_have_text("ValueError: no such region")
    open_tab(page, ui_server, exec_id=exec_id)
    expect(page.locator(".nbexec-detail .nbexec-alert")).to_contain_text("ValueError: no such region")


def test_live_output_is_followed_and_only_the_running_cell_stays_open(
        ui_server: Server, ui_folder: Path, page: Any) -> None:
    wait = "while not os.path.exists({!r}): time.sleep(0.02)"
    source = write_notebook(
        ui_folder / "a.ipynb",
        "import os, time\nfrom IPython.display import HTML, display\ndisplay(HTML('<b class=\"kept\">kept</b>'))\n"
        f"for i in range(200): print('line', i, flush=True)\n{wait.format('one')}\n"
        f"for i in range(100): print(f'\\r{{i}} %', end='', flush=True)\n{wait.format('two')}\nprint('last of all')\n"
        + wait.format("three"), wait.format("four"))
    exec_id = ui_server.start_run(source)
    open_tab(page, ui_server, exec_id=exec_id)
    first = page.locator(".nbexec-cell").first
    outputs = first.locator(".nbexec-outputs")
    expect(outputs).to_contain_text("line 199")

    def distance() -> float:
        return float(outputs.evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight"))

    wait_until(page, lambda: distance() < 2, what="the end in sight")
    assert outputs.evaluate("box => box.scrollTop") > 0
    first.locator(".kept").evaluate("element => { element.mark = 1; }")
    (ui_folder / "one").touch()
    expect(outputs).to_contain_text("99 %")
    wait_until(page, lambda: distance() < 2, what="the end in sight")
    assert first.locator(".kept").evaluate("element => element.mark") == 1, "not drawn anew"
    outputs.evaluate("box => { box.scrollTop = 0; }")  # somebody reads
    (ui_folder / "two").touch()
    expect(outputs).to_contain_text("last of all")
    assert outputs.evaluate("box => box.scrollTop") == 0
    (ui_folder / "three").touch()
    line = page.locator(".nbexec-cell-line")
    expect(line.nth(1)).to_have_attribute("aria-expanded", "true")
    expect(line.nth(0)).to_have_attribute("aria-expanded", "false")
    # What somebody has opened stays open.
    line.nth(0).click()
    (ui_folder / "four").touch()
    expect(page.locator(".nbexec-detail .label")).to_have_text("Completed")
    expect(line.nth(0)).to_have_attribute("aria-expanded", "true")


def test_the_time_goes_on_without_touching_every_bar(ui_server: Server, ui_folder: Path, page: Any) -> None:
    exec_id = ui_server.start_run(write_notebook(ui_folder / "a.ipynb", *["1"] * 300, GATE))
    open_tab(page, ui_server, exec_id=exec_id)
    expect(page.locator(".nbexec-bar")).to_have_count(301)
    # Whenever the time has doubled, the scale is drawn anew; that cannot happen twice in so short a time.
    assert min(bars_changed_as_time_goes_on(page) for _ in range(2)) <= 2


def bars_changed_as_time_goes_on(page: Any) -> int:
    """Return how many bars of the timeline are touched while they move by some pixels."""
    return int(page.evaluate("""() => new Promise(resolve => {
        const changed = new Set(), observer = new MutationObserver(records => {
            records.forEach(record => record.target.matches('.nbexec-bar') && changed.add(record.target));
        });
        const before = document.querySelectorAll('.nbexec-bar')[299].getBoundingClientRect().left;
        observer.observe(document.querySelector('.nbexec-track'), {attributes: true, subtree: true});
        const look = () => before - document.querySelectorAll('.nbexec-bar')[299].getBoundingClientRect().left > 5
            ? resolve(changed.size) : setTimeout(look, 100);
        look();
    })"""))


def test_nothing_is_claimed_before_it_is_known(ui_server: Server, ui_folder: Path, page: Any) -> None:
    exec_id = ui_server.start_run(write_notebook(ui_folder / "a.ipynb", "1", "2", GATE))
    wait_until(page, lambda: ui_server.model(exec_id)["progress"] == "3/3")
    held: List[Any] = []

    def hold(route: Any) -> None:
        if len(held) < 2 and route.request.method == "GET":
            held.append(route)
        else:
            route.continue_()

    page.route(re.compile(rf"executions(\?order=.*|/{exec_id}/events.*)$"), hold)
    open_tab(page, ui_server, exec_id=exec_id)
    detail = page.locator(".nbexec-detail")
    wait_until(page, lambda: len(held) == 2)
    expect(detail).to_contain_text("Loading…")
    expect(detail.get_by_role("heading", name="Parameters")).to_be_hidden()
    held[["events" not in route.request.url for route in held].index(True)].continue_()
    expect(detail).to_contain_text("Loading the cells…")
    assert "kernel" not in detail.locator(".nbexec-note").all_inner_texts()
    held[["events" in route.request.url for route in held].index(True)].continue_()
    expect(page.locator(".nbexec-bar")).to_have_count(3)


def test_a_result_that_is_gone_is_said_to_be(ui_server: Server, ui_folder: Path, page: Any) -> None:
    exec_id, = finished(ui_server, write_notebook(ui_folder / "a.ipynb", "1"))
    (ui_folder / "a-Executed1.ipynb").unlink()
    (ui_folder / "broken.ipynb").write_text("no notebook")
    broken, = finished(ui_server, ui_folder / "broken.ipynb")
    open_tab(page, ui_server, exec_id=exec_id)
    expect(page.locator(".nbexec-detail")).to_contain_text("the result can no longer be read")
    open_tab(page, ui_server, exec_id=broken)
    expect(page.locator(".nbexec-detail")).to_contain_text("No cell was run")


def test_the_keyboard_is_enough(ui_server: Server, ui_folder: Path, page: Any) -> None:
    finished(ui_server, write_notebook(ui_folder / "a.ipynb", "1", "2", "3"))
    open_tab(page, ui_server)
    rows(page).locator("a.nbexec-details").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".nbexec-detail h3")).to_be_focused()
    page.wait_for_selector(".nbexec-bar >> nth=2")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('nbexec-bar')"):
            break
    expect(page.locator(".nbexec-bar").first).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator(".nbexec-bar").nth(2)).to_be_focused()
    expect(page.locator(".nbexec-hint")).to_contain_text("Cell 3")
    page.keyboard.press("Enter")
    expect(page.locator(".nbexec-cell-line").nth(2)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".nbexec-cell-line").nth(2)).to_have_attribute("aria-expanded", "false")
    page.get_by_role("button", name="All executions").focus()
    page.keyboard.press("Enter")
    expect(rows(page).locator("a.nbexec-details")).to_be_focused()
    rows(page).locator(".dropdown-toggle").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(rows(page).locator(".dropdown-menu a").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(rows(page).locator(".dropdown-toggle")).to_be_focused()


# -- the files ----------------------------------------------------------------------------------------------


def test_a_selected_notebook_is_run_from_the_files(
        ui_server: Server, page: Any, picture: Callable[..., None]) -> None:
    folder = named(ui_server, "regions")
    write_notebook(folder / "report.ipynb", PARAMETERS, "print(region)")
    (folder / "a.txt").touch()
    (folder / "folder").mkdir()
    open_tree(page, ui_server, folder)
    button = page.locator(".nbexec-run-button")

    def tick(name: str) -> None:
        page.locator("#notebook_list .list_item", has_text=name).locator("input").click()

    expect(button).to_be_hidden()
    tick("report.ipynb")
    expect(button).to_be_visible()
    picture(page, "tree_files", clip={"x": 0, "y": 0, "width": 1100, "height": 300})
    tick("a.txt")
    expect(button).to_be_hidden()
    tick("report.ipynb")
    expect(button).to_be_hidden()
    tick("a.txt")
    tick("folder")
    expect(button).to_be_hidden()
    tick("folder")
    tick("report.ipynb")
    button.click()
    dialog = page.locator(".modal.in")
    dialog.get_by_label("region").fill("North")
    wait_until_still(page)
    check_accessible(page, ".modal")
    picture(page, "tree_form", clip={"x": 0, "y": 0, "width": 1100, "height": 400})
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".nbexec-detail h3")).to_have_text("report.ipynb")
    expect(page.locator(".nbexec-detail .label")).to_have_text("Completed")
    expect(page.locator(".nbexec-parameters-table")).to_contain_text("North")


# -- hostile names, parameters and outputs ------------------------------------------------------------------


def test_names_parameters_errors_and_outputs_are_shown_as_text(ui_server: Server, ui_folder: Path, page: Any) -> None:
    good = write_notebook(
        ui_folder / f"{HOSTILE}.ipynb", "# nbexec: params\nx = ''",
        "from IPython.display import HTML, Javascript, SVG, display\n"
        f"display(HTML({HOSTILE!r} + '<script>window.hacked=1</script><p>still here</p>'))\n"
        "display(Javascript('window.hacked = 1'))\n"
        "display(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"window.hacked=1\"></svg>'))")
    bad = write_notebook(ui_folder / "b.ipynb", f"raise ValueError({HOSTILE!r})")
    exec_id, = finished(ui_server, good, x=HOSTILE)
    finished(ui_server, bad)
    open_tab(page, ui_server)
    row = rows(page, f"{HOSTILE}.ipynb")
    expect(row.locator("td.nbexec-parameters")).to_have_text(f"x={HOSTILE}")
    expect(rows(page, "b.ipynb").locator(".nbexec-error-line")).to_have_text(f"ValueError: {HOSTILE}")
    rows(page, "b.ipynb").locator(".nbexec-primary").click()
    expect(page.locator(".modal.in pre")).to_contain_text(HOSTILE)
    confirm(page, "Close")
    choose(page, row, "Delete…")
    expect(page.locator(".modal.in")).to_contain_text(HOSTILE)
    confirm(page, "Cancel")
    open_details(page, f"{HOSTILE}.ipynb")
    expect(page.locator(".nbexec-bar")).to_have_count(3)
    page.locator(".nbexec-bar").last.hover()
    page.locator(".nbexec-bar").last.click()
    expect(page.locator(".nbexec-outputs")).to_contain_text("still here")
    page.locator(".nbexec-cell-line").first.click()
    assert page.evaluate("window.hacked") is None
    assert ui_server.model(exec_id)["params"] == {"x": HOSTILE}


# -- a server of its own: below a base URL, with a thousand records in a file -----------------------------------


@pytest.fixture(scope="module")
def other(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("other")
    store = ExecutionStore(str(folder / "records.sqlite"))
    for number in range(1000):
        arguments = RunArguments(f"old/{number}.ipynb", {"number": str(number)})
        store.save(Execution(str(uuid.uuid4()), arguments, f"old/{number}-Executed1.ipynb", status=COMPLETED,
                             progress="9/9", started_at=1.6e9 + number, completed_at=1.6e9 + number + 5))
    store.close()
    server = Server(folder, "--NotebookApp.show_banner=False", f"--NbExec.database_filepath={folder}/records.sqlite",
                    base_url="/some/where/", spares=True)
    write_notebook(server.root / "a.ipynb", PARAMETERS)
    yield server
    server.stop()


def test_a_thousand_records_are_listed_at_once(other: Server, page: Any, record_property: Callable[..., None]) -> None:
    open_tree(page, other)
    begin = time.monotonic()
    page.click(f"a[href='{TAB}']")
    expect(page.get_by_role("button", name=re.compile("^All"))).to_have_text("All 1000")
    expect(rows(page).first).to_contain_text("999.ipynb")
    listed = time.monotonic() - begin
    assert rows(page).count() < 200
    filtered = page.evaluate("""() => new Promise(resolve => {
        const search = document.querySelector('#nbexec_search'), begin = performance.now();
        search.value = 'old';
        search.dispatchEvent(new Event('input', {bubbles: true}));
        requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - begin)));
    })""")
    record_property("seconds to list", listed)
    record_property("milliseconds to filter", filtered)
    before = rows(page).count()
    page.get_by_role("button", name=re.compile("^Show more")).scroll_into_view_if_needed()
    wait_until(page, lambda: rows(page).count() > before, what="more rows")
    page.get_by_label("Filter executions").fill("number=77")
    expect(rows(page)).to_have_count(11)


def test_the_page_is_no_longer_than_the_window(other: Server, page: Any) -> None:
    overhang = "() => document.scrollingElement.scrollHeight - window.innerHeight"
    top = "document.querySelector('#header').getBoundingClientRect().top"
    page.goto(f"{other.url}tree?token={other.token}{TAB}")
    expect(rows(page).first).to_be_visible()
    assert page.evaluate(overhang) <= 0
    rows(page).nth(50).locator("a.nbexec-details").click()
    expect(page.locator(".nbexec-detail h3")).to_be_focused()
    assert page.evaluate(overhang) <= 0 and page.evaluate(top) == 0
    expect(page.locator("#tabs")).to_be_in_viewport()
    page.go_back()
    expect(rows(page).nth(50).locator("a.nbexec-details")).to_be_focused()
    expect(rows(page).nth(50)).to_be_in_viewport()
    assert page.evaluate(overhang) <= 0 and page.evaluate(top) == 0


def test_back_and_forward_lead_where_the_address_says(ui_server: Server, ui_folder: Path, page: Any) -> None:
    exec_id, = finished(ui_server, write_notebook(ui_folder / "a.ipynb", "1"))
    title, files = page.locator(".nbexec-detail h3"), page.locator("#notebook_list")
    open_tree(page, ui_server)
    page.locator("#notebook_list a", has_text=ui_folder.name).click()
    expect(files).to_contain_text("a.ipynb")
    page.click(f"a[href='{TAB}']")
    open_details(page, "a.ipynb")
    page.click("#tabs a[href='#running']")
    expect(page.locator("#running")).to_be_visible()
    page.click("#tabs a[href='#notebooks']")
    expect(files).to_be_visible()

    def shown() -> List[Any]:
        return [page.locator("#tabs li.active a").get_attribute("href"), title.is_visible(), rows(page).count() > 0
                and rows(page).first.is_visible()]

    def wait_for_shown(wanted: List[Any], when: str) -> None:
        wait_until(page, lambda: shown() == wanted, what=f"{wanted} {when}")

    steps = [["#notebooks", False, False], ["#running", False, False], [TAB, True, False], [TAB, False, True],
             ["#notebooks", False, False]]
    for wanted in steps[1:]:
        page.go_back()
        wait_for_shown(wanted, "after Back")
    expect(files).to_contain_text("a.ipynb")  # not another folder
    for wanted in steps[-2::-1]:
        page.go_forward()
        wait_for_shown(wanted, "after Forward")
    # The address, written anew.
    for fragment, wanted in [(f"{TAB}/{exec_id}", steps[2]), (TAB, steps[3]), ("#running", steps[1]), ("", steps[0])]:
        page.evaluate("fragment => { window.location.hash = fragment; }", fragment)
        wait_for_shown(wanted, f"at {fragment}")


def test_below_a_base_url(other: Server, page: Any) -> None:
    run_from_files(open_tree(page, other))


def test_a_lost_server_is_said_and_comes_back_by_itself(
        other: Server, page: Any, picture: Callable[..., None]) -> None:
    finished(other, "a.ipynb")
    open_tab(page, other)
    expect(rows(page).first).to_contain_text("a.ipynb")
    before = rows(page).count()
    other.stop()
    alert = page.locator(f"{TAB} [role=alert]")
    expect(alert).to_contain_text("cannot be reached")
    assert rows(page).count() == before
    check_accessible(page, TAB)
    picture(page, "tree_lost", clip={"x": 0, "y": 0, "width": 1100, "height": 330})
    other.start()
    expect(alert).to_be_hidden()
    write_notebook(other.root / "new.ipynb", "1")
    finished(other, "new.ipynb")
    expect(rows(page).first).to_contain_text("new.ipynb")
    expect(rows(page).first.locator(".label")).to_have_text("Completed")


def test_a_login_that_ended_is_said_and_another_one_is_enough(
        ui_server: Server, ui_folder: Path, new_page: Callable[..., Any]) -> None:
    page = new_page()
    def spoil(route: Any) -> None:
        """Give the page a token that is none, as it has after the server's was changed."""
        response = route.fetch()
        route.fulfill(response=response, body=response.text().replace(ui_server.token, "expired"))

    page.route(re.compile("/tree"), spoil)
    open_tree(page, ui_server)
    page.context.clear_cookies()
    page.click(f"a[href='{TAB}']")
    alert = page.locator(f"{TAB} [role=alert]")
    expect(alert).to_contain_text("You are no longer logged in")
    expect(alert.get_by_role("link", name="Log in")).to_have_attribute("href", "/login")
    check_accessible(page, TAB)
    open_tree(page.context.new_page(), ui_server)
    page.bring_to_front()
    expect(alert).to_be_hidden()
    finished(ui_server, write_notebook(ui_folder / "a.ipynb", "1"))
    expect(rows(page).locator(".label")).to_have_text("Completed")


def test_the_only_values_of_a_parameter_are_offered_as_a_list(page: Any, ui_server: Server, ui_folder: Path) -> None:
    definition = "mode: Literal['day', 'week'] = 'day'\nsize: Literal[1, 2] = None"
    write_notebook(ui_folder / "a.ipynb", f"# nbexec: params\nfrom typing import Literal\n{definition}",
                   "print(mode, size)")
    open_tree(page, ui_server, ui_folder)
    page.locator("#notebook_list .list_item", has_text="a.ipynb").locator("input").click()
    page.locator(".nbexec-run-button").click()
    form = page.locator(".modal.in")
    expect(form.get_by_label("mode").locator("option")).to_have_text(["day", "week"])
    expect(form.get_by_label("size").locator("option")).to_have_text(["None", "1", "2"])
    form.get_by_label("size").select_option("2")
    form.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_selector(".nbexec-detail .label-success")
    [model] = ui_server.get().json()["executions"]
    assert model["params"] == {"size": "2"}
    assert text_of(ui_server.output(model["output_path"]).cells[-1]) == "day 2\n"


def test_lists_dicts_and_null_are_entered_as_json(page: Any, ui_server: Server, ui_folder: Path) -> None:
    definition = "xs: List[int] = [1]\nlimits = {'low': 0.5}\nn: Optional[int] = 3\nflag: Optional[bool] = True"
    write_notebook(ui_folder / "a.ipynb", f"# nbexec: params\nfrom typing import List, Optional\n{definition}",
                   "print(xs, limits, n, flag)")
    open_tree(page, ui_server, ui_folder)
    page.locator("#notebook_list .list_item", has_text="a.ipynb").locator("input").click()
    page.locator(".nbexec-run-button").click()
    form = page.locator(".modal.in")
    expect(form.get_by_label("xs")).to_have_value("[1]")
    expect(form.get_by_label("limits")).to_have_value('{"low": 0.5}')
    form.get_by_label("xs").fill('[1, "2"]')
    form.get_by_label("n", exact=True).fill("null")
    form.get_by_label("flag").select_option("null")
    form.get_by_role("button", name="Run", exact=True).click()
    expect(form.locator("[data-name=xs] .nbexec-error")).to_contain_text('xs[1]: expected an int, got "2"')
    form.get_by_label("xs").fill("[1, 2]")
    form.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_selector(".nbexec-detail .label-success")
    [model] = ui_server.get().json()["executions"]
    assert model["params"] == {"xs": "[1, 2]", "n": "null", "flag": "null"}
    assert text_of(ui_server.output(model["output_path"]).cells[-1]) == "[1, 2] {'low': 0.5} None None\n"


def test_details_show_warnings(page: Any, ui_server: Server, ui_folder: Path) -> None:
    gone = {"kernelspec": {"name": "gone", "display_name": "Gone"}}
    exec_id = ui_server.run(write_notebook(ui_folder / "a.ipynb", "1", metadata=gone))[0]["exec_id"]
    open_tab(page, ui_server, ui_folder, exec_id)
    expect(page.locator(".nbexec-detail .nbexec-warnings")).to_contain_text("The notebook's kernel 'gone'")
    expect(page.locator(".nbexec-facts")).to_contain_text("Kernelpython3")
    expect(page.locator(".nbexec-facts")).not_to_contain_text("the notebook's own")


def test_all_parameters_and_results_are_shown(page: Any, ui_server: Server, ui_folder: Path) -> None:
    source = write_notebook(ui_folder / "a.ipynb", PARAMETERS + "\nnow = int('1')",
                            "from nbexec import result\nresult('rmse', 0.3)")
    exec_id, = finished(ui_server, source, region="North")
    open_tab(page, ui_server, ui_folder, exec_id)
    cells = page.locator(".nbexec-two .nbexec-parameters-table tr")
    expect(cells).to_have_text([re.compile("region *North *changed"), re.compile("top_n *5$")])
    expect(page.locator(".nbexec-results")).to_contain_text("rmse0.3")
    expect(page.locator(".nbexec-facts")).to_contain_text("python3")
    check_accessible(page, TAB)


def test_the_report_is_shown_in_a_frame_that_can_do_nothing(page: Any, ui_server: Server, ui_folder: Path) -> None:
    scripts = "<script>window.hacked=1</script><script type='text/x-mathjax-config'>window.hacked=1</script>"
    source = write_notebook(ui_folder / "a.ipynb", v4.new_markdown_cell(f"Mass $m^2$ {HOSTILE}"),
                            f"from IPython.display import HTML\nHTML({HOSTILE!r} + {scripts!r})")
    exec_id, = finished(ui_server, source)
    open_tab(page, ui_server, ui_folder, exec_id)
    page.get_by_role("button", name="Show report").click()
    frame = page.frame_locator(".nbexec-report-frame")
    expect(frame.locator("math msup").first).to_be_attached()  # the mathematics
    expect(frame.locator(".jp-CodeCell .jp-InputArea")).to_be_visible()
    inner = page.locator(".nbexec-report-frame").element_handle().content_frame()
    assert inner.evaluate("[window.hacked, window.origin]") == [None, "null"]
    page.get_by_label("Show code").uncheck()
    expect(frame.locator(".jp-CodeCell .jp-InputArea")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as notebook").click()
    assert download.value.suggested_filename == "a-Executed1.ipynb"
    check_accessible(page, f"{TAB} .nbexec-detail-buttons")


def test_a_result_that_was_deleted_is_not_opened(page: Any, ui_server: Server, ui_folder: Path) -> None:
    pages = len(page.context.pages)
    exec_id, = finished(ui_server, write_notebook(ui_folder / "a.ipynb", "1"))
    (ui_folder / "a-Executed1.ipynb").unlink()
    open_tab(page, ui_server)
    rows(page).locator(".nbexec-primary").click()
    expect(page.locator(".modal.in")).to_contain_text("a-Executed1.ipynb\" was deleted, moved or renamed.")
    confirm(page, "OK")
    choose(page, rows(page), "Open result")
    expect(page.locator(".modal.in")).to_contain_text("no longer exists")
    confirm(page, "OK")
    open_tab(page, ui_server, exec_id=exec_id)
    page.get_by_role("link", name="Open result").click()
    expect(page.locator(".modal.in")).to_contain_text("no longer exists")
    assert len(page.context.pages) == pages


def test_what_waits_is_not_counted_as_running(
        new_server: Callable[..., Server], page: Any) -> None:
    server = new_server("--NbExec.max_running=1", spares=True)
    notebook = write_notebook(server.root / "a.ipynb", GATE)
    for _ in range(3):
        server.start_run(notebook)
    open_tab(page, server)
    states = page.get_by_role("group", name="Show executions by state")
    expect(states.locator("button", has_text="Waiting")).to_have_text("Waiting 2")
    expect(states.locator("button", has_text="Running")).to_have_text("Running 1")


def test_after_a_logout_no_tab_runs_anything(
        ui_server: Server, ui_folder: Path, new_page: Callable[..., Any]) -> None:
    page = new_page()
    finished(ui_server, write_notebook(ui_folder / "a.ipynb", "1"))
    open_tab(page, ui_server)
    expect(rows(page)).to_have_count(1)
    other = page.context.new_page()
    other.goto(f"{ui_server.url}logout")
    choose(page, rows(page), "Run again")
    expect(page.locator(".modal.in .alert-danger")).to_contain_text("no longer logged in")
    confirm(page, "OK")
    assert len(ui_server.get().json()["executions"]) == 1


def test_order_and_filter_stand_in_the_address(other: Server, page: Any) -> None:
    """As a link to somebody else, and for Back; of ten columns of one kind the heads sort."""
    fragment = f"{TAB}?text=number%3D99&state=completed&until=2020-09-13&sort=name"
    open_tree(page, other, fragment=fragment)
    names = rows(page).locator("a.nbexec-details")
    expect(names).to_have_text(["99.ipynb", *(f"{number}.ipynb" for number in range(990, 1000))])
    expect(page.get_by_label("Filter executions")).to_have_value("number=99")
    started = page.get_by_role("columnheader", name="Started")
    started.get_by_role("button").click()
    expect(started).to_have_attribute("aria-sort", "descending")
    expect(names.first).to_have_text("999.ipynb")
    started.get_by_role("button").click()
    expect(names.first).to_have_text("99.ipynb")
    assert page.url.endswith(f"{TAB}?text=number%3D99&state=completed&until=2020-09-13&sort=started")
    names.last.click()
    expect(page.locator(".nbexec-detail h3")).to_have_text("999.ipynb")
    expect(page.locator(".nbexec-detail .nbexec-values")).to_have_text("number=999")
    assert page.title() == "Completed: 999.ipynb, number=999"
    page.go_back()
    expect(names).to_have_count(11)
    page.get_by_label("From this day").fill("2030-01-01")
    expect(rows(page)).to_have_count(0)
    page.evaluate("fragment => { window.location.hash = fragment; }", f"{TAB}?notebook=old%2F7.ipynb")
    expect(names).to_have_text(["7.ipynb"])
    check_accessible(page, TAB)
    page.get_by_role("button", name="All notebooks").click()
    expect(page.get_by_role("button", name=re.compile("^All \\d"))).to_have_text(
        re.compile(r"All 100\d"))  # other tests run notebooks on this server


def test_ticked_rows_are_run_again_stopped_compared_and_deleted(
        ui_server: Server, ui_folder: Path, page: Any) -> None:
    """Two executions of one notebook, whose outputs differ in one cell; and from there to the next two."""
    drawing = ("from IPython.display import Image, display\nimport base64\n"
               "display(Image(base64.b64decode('R0lGODlhAQABAAAAACw=')), region)")
    report = write_notebook(ui_folder / "report.ipynb", PARAMETERS, "print('same')", drawing)
    ids = [*finished(ui_server, report), *finished(ui_server, report, region="North")]
    open_tab(page, ui_server)
    expect(rows(page)).to_have_count(2)
    page.get_by_label("Select all", exact=True).check()
    bar = page.locator(".nbexec-selection")
    expect(bar).to_contain_text("2 selected")
    expect(bar.get_by_role("button", name="Stop")).to_be_disabled()
    check_accessible(page, TAB)
    bar.get_by_role("button", name="Compare").click()
    expect(page.locator(".nbexec-comparison h3")).to_be_focused()
    assert page.url.endswith(f"{TAB}/compare/{ids[0]}/{ids[1]}")
    facts = page.locator(".nbexec-compared")
    expect(facts.locator("tr", has_text="region")).to_have_text(re.compile("region *differs *all *North"))
    expect(facts.locator("tr", has_text="top_n")).to_have_text(re.compile("top_n *5 *5"))
    lines = page.locator(".nbexec-comparison .nbexec-cell-line")
    expect(lines).to_have_count(4)  # with the one that has the values
    expect(lines.nth(1)).to_contain_text("– / 2")
    columns = page.locator(".nbexec-comparison .nbexec-cell").nth(3).locator(".nbexec-column")
    expect(columns.locator("img")).to_have_count(2)
    expect(columns).to_have_text([re.compile("'all'"), re.compile("'North'")])
    expect(lines.nth(2)).to_have_attribute("aria-expanded", "false")
    check_accessible(page, TAB)
    page.get_by_label("Only differences").check()
    expect(lines.nth(2)).to_be_hidden()
    expect(facts.locator("tr", has_text="top_n")).to_be_hidden()
    page.get_by_role("button", name="All executions").click()
    bar.get_by_role("button", name="Run again").click()
    confirm(page, "Run")
    expect(rows(page)).to_have_count(4)
    expect(page.get_by_role("button", name=re.compile("^Completed"))).to_have_text("Completed 4")
    write_notebook(ui_folder / "long.ipynb", GATE)
    ui_server.start_run(ui_folder / "long.ipynb")
    rows(page, "long.ipynb").get_by_role("checkbox").check()
    bar.get_by_role("button", name="Stop").click()
    expect(page.locator(".modal.in")).to_contain_text("1 execution.")
    confirm(page, "Stop")
    expect(rows(page, "long.ipynb").locator(".label")).to_have_text("Stopped")
    bar.get_by_role("button", name="Delete…").click()
    confirm(page, "Delete")
    expect(rows(page)).to_have_count(2)
    expect(bar).to_be_hidden()
    open_details(page, "report.ipynb")
    bars = page.get_by_role("list", name="Durations").get_by_role("link")
    expect(bars).to_have_count(2)
    expect(bars.last).to_have_attribute("aria-current", "true")
    page.get_by_role("link", name="All 2 in the list").click()
    expect(page.locator(".nbexec-chip")).to_contain_text("report.ipynb")
    page.go_back()
    page.get_by_role("link", name="Compare with the previous one").click()
    expect(lines).to_have_count(4)


def test_from_the_first_click_to_a_comparison(ui_server: Server, ui_folder: Path, page: Any) -> None:
    """The section of that name in the documentation, click by click."""
    write_notebook(ui_folder / "report.ipynb", PARAMETERS, "from nbexec import result\nresult('shops', region)")
    open_tree(page, ui_server, ui_folder)
    page.locator("#notebook_list .list_item", has_text="report.ipynb").get_by_role("checkbox").check()
    page.get_by_role("button", name="Run with parameters…").click()
    form = page.locator(".modal.in")
    form.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".nbexec-detail h3")).to_be_focused()
    expect(page.locator(".nbexec-detail .label")).to_have_text("Completed")
    with page.context.expect_page() as result:
        page.get_by_role("link", name="Open result").click()
    with page.context.expect_page() as details:
        result.value.get_by_role("link", name="Execution details").click()
    assert details.value.url == page.url.replace(f"/{ui_folder.name}", "")
    result.value.close()
    details.value.close()
    page.get_by_role("button", name="Run again with changes…").click()
    form.get_by_label("region").fill("North")
    form.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".nbexec-detail .nbexec-values")).to_have_text("region=North")
    expect(page.locator(".nbexec-detail .label")).to_have_text("Completed")
    page.get_by_role("link", name="Compare with the previous one").click()
    facts = page.locator(".nbexec-compared tr")
    expect(facts.filter(has_text="region")).to_have_text(re.compile("region *differs *all *North"))
    page.go_back()
    page.get_by_role("button", name="All executions").click()
    rows(page).nth(0).get_by_role("checkbox").check()
    bar = page.locator(".nbexec-selection")
    expect(bar).to_contain_text("Select two executions to compare them.")
    rows(page).nth(1).get_by_role("checkbox").check()
    bar.get_by_role("button", name="Compare").click()
    expect(facts.filter(has_text="shops")).to_have_text(re.compile("shops *differs *all *North"))
    expect(facts.filter(has_text="Started")).not_to_contain_text("differs")
    outputs = page.locator(".nbexec-comparison .nbexec-columns").last.locator("pre")
    expect(outputs).to_have_text(['shops = "all"', 'shops = "North"'])


def test_the_list_and_the_details_are_used_with_the_keyboard(ui_server: Server, ui_folder: Path, page: Any) -> None:
    """Of what can be done with executions; the focus is always seen, and never lost."""
    finished(ui_server, *[write_notebook(ui_folder / "a.ipynb", PARAMETERS, "region")] * 2)
    gate = write_notebook(ui_folder / "b.ipynb", GATE)

    def press(*keys: str) -> None:
        for key in keys:
            page.keyboard.press(key)

    def tab_to(place: Any, key: str = "Tab") -> None:
        for _ in range(40):
            press(key)
            # A field for a day shows by itself which of its parts has the focus.
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle !== 'none'"
                                 " || document.activeElement.type === 'date'"), place
            if place.evaluate("place => place === document.activeElement"):
                return
        raise AssertionError(f"not reached: {place}")

    open_tab(page, ui_server)
    expect(rows(page)).to_have_count(2)
    page.locator("#tabs a", has_text="Executions").focus()
    tab_to(page.locator("button.nbexec-sort", has_text="Duration"))
    press("Enter")
    assert page.url.endswith("sort=-duration")
    ticks = rows(page).get_by_role("checkbox")
    tab_to(ticks.nth(0))
    press("Space")
    tab_to(ticks.nth(1))
    press("Space")
    compare, title = page.get_by_role("button", name="Compare"), page.locator(f"{TAB} h3:visible")
    tab_to(compare, "Shift+Tab")
    press("Enter")
    expect(title).to_have_text("Comparison")
    expect(title).to_be_focused()
    page.go_back()
    expect(compare).to_be_focused()
    tab_to(page.get_by_role("button", name="Select none"))
    press("Enter")
    expect(page.get_by_label("Select all", exact=True)).to_be_focused()
    menus = rows(page).locator(".dropdown-toggle")
    tab_to(menus.first)
    press("Enter", *["ArrowDown"] * 7, "Enter")
    dialog = page.locator(".modal.in")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    press("Escape")
    expect(menus.first).to_be_focused()
    press("Enter", *["ArrowDown"] * 7, "Enter")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    press("Tab", "Enter")
    expect(rows(page)).to_have_count(1)
    expect(ticks.first).to_be_focused()
    press("Tab", "Enter")
    expect(title).to_be_focused()
    bars = page.locator(".nbexec-bar")
    tab_to(bars.first)
    press("End", "Enter")
    expect(page.locator(".nbexec-cell-line").last).to_be_focused()
    tab_to(page.get_by_label("Source of cell 2"))
    tab_to(page.get_by_role("button", name="Delete…").locator("visible=true"), "Shift+Tab")
    press("Enter")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    press("Tab", "Enter")
    expect(page.locator(".nbexec-detail")).to_contain_text("no longer exists")
    back = page.get_by_role("button", name="All executions")
    expect(back).to_be_focused()
    ui_server.start_run(gate)
    press("Enter")
    expect(page.locator("#tabs a", has_text="Executions")).to_be_focused()  # its row is gone
    expect(rows(page, "b.ipynb").locator(".label")).to_have_text("Running")
    tab_to(rows(page).locator("a.nbexec-details"))
    press("Enter")
    stop = page.locator(".nbexec-detail").get_by_role("button", name="Stop")
    tab_to(stop)
    press("Enter")
    expect(dialog.get_by_role("button", name="Stop")).to_be_focused()
    press("Enter")
    expect(page.locator(".nbexec-detail .label")).to_have_text("Stopped")
    page.wait_for_function("document.activeElement.closest('.nbexec-detail')")


def test_of_a_great_deal_of_output_the_page_keeps_the_end(ui_server: Server, ui_folder: Path, page: Any) -> None:
    exec_id, = finished(ui_server, write_notebook(
        ui_folder / "a.ipynb", *["print('x' * 6_000_000)"] * 12, "print('the last one')"))
    open_tab(page, ui_server, exec_id=exec_id)
    lines = page.locator(".nbexec-cell-line")
    expect(lines).to_have_count(13)
    for number, text in ((1, "[large output: see the result]"), (13, "the last one")):
        lines.nth(number - 1).click()
        expect(page.get_by_label(f"Output of cell {number}", exact=True)).to_contain_text(text)


def test_cells_are_searched_and_sorted(ui_server: Server, ui_folder: Path, page: Any) -> None:
    exec_id, = finished(ui_server, write_notebook(
        ui_folder / "a.ipynb", "print('first')", "import time\ntime.sleep(0.3)", "print('th' + 'ird')", FAILS))
    open_tab(page, ui_server, exec_id=exec_id)
    numbers = page.locator(".nbexec-cell:visible .nbexec-cell-line .nbexec-cell-number")
    expect(numbers).to_have_text(["1", "2", "3", "4"])
    search = page.get_by_label("Search source and output")
    search.fill("THIRD")  # only its output has it
    expect(numbers).to_have_text(["3"])
    expect(page.locator(".nbexec-cell-tools")).to_contain_text("1 of 4 cells")
    page.get_by_role("button", name="Go to the failed cell").click()
    expect(page.locator(".nbexec-cell-failed .nbexec-cell-line")).to_be_focused()
    search.fill("")
    page.get_by_role("button", name="Slowest first").click()
    cells = ui_server.output(ui_server.model(exec_id)["output_path"]).cells
    slowest = max(range(4), key=lambda index: cells[index].metadata.nbexec.duration)
    expect(numbers.first).to_have_text(str(slowest + 1))
    check_accessible(page, TAB)
    page.get_by_role("button", name="Slowest first").click()
    expect(numbers).to_have_text(["1", "2", "3", "4"])
    page.evaluate("fragment => { window.location.hash = fragment; }", f"{TAB}?sort=__proto__&state=none&text=%")
    expect(rows(page)).to_have_count(0)  # a filter that somebody has typed
    page.get_by_label("Filter executions").fill("")
    expect(rows(page)).to_have_count(1)
