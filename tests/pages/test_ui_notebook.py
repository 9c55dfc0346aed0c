"""The notebook page, in a real browser: the panel that follows a run, and what becomes of both when the
server or the network is away."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from pathlib import Path
from typing import Any, Callable, List

import pytest
from browser import (
    ONCE_MORE,
    PATIENCE,
    check_accessible,
    login,
    open_notebook,
    open_tree,
    wait_until,
    wait_until_still,
)
from helpers import Server, write_notebook
from nbformat import v4
from notebook_page import (
    PARAMETERS,
    WAIT,
    field,
    last_model,
    marked,
    open_form,
    run,
    show,
    wait_for_state,
)

pytestmark = ONCE_MORE

sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")
expect = sync_api.expect
expect.set_options(timeout=PATIENCE)


@pytest.fixture()
def page(shared_page: Any) -> Any:
    return shared_page


# -- the panel ------------------------------------------------------------------------------------------------


def test_the_panel_follows_a_run(ui_server: Server, ui_folder: Path, page: Any, picture: Callable[..., None]) -> None:
    (ui_folder / "shop.py").write_text("def count(day):\n    while day > 3 and not os.path.exists('go'):\n"
                                       "        time.sleep(0.02)\n    return 1200 * day\n\n\nimport os, time\n")
    notebook = write_notebook(
        ui_folder / "report.ipynb", v4.new_markdown_cell("# Report"), PARAMETERS, "import shop",
        "for day in range(1, 8):\n    print(f'day {day}: {shop.count(day)} orders', flush=True)",
        "print('total for', region)")
    show(page, ui_server, notebook)
    open_form(page)
    wait_until_still(page)
    picture(page, "notebook-form")
    field(page, "region").fill("North")
    page.click(".nbexec-run")
    page.wait_for_selector(".nbexec-output:has-text('day 3: 3600 orders')")
    # One cell more than in the notebook, which is put in for the parameters.
    assert page.inner_text(".nbexec-count") == "cell 5 of 6"
    assert page.get_attribute(".progress-bar", "aria-valuenow") == "66"
    assert marked(page) == [3]
    assert "for day in range(1, 8)" in page.inner_text(".nbexec-source pre")
    assert re.fullmatch(r"\d+ s", page.inner_text(".nbexec-time"))
    assert page.inner_text(".nbexec-kernel") == "kernel python3"
    assert not page.locator(".nbexec-result").is_visible()
    page.click(".nbexec-go")
    picture(page, "notebook-running")
    (ui_folder / "go").touch()
    wait_for_state(page, "Completed")
    assert marked(page) == []
    assert page.get_attribute(".progress-bar", "aria-valuenow") == "100"
    assert "total for North" in page.inner_text(".nbexec-output")
    wait_until_still(page)
    picture(page, "notebook-done")
    with page.expect_popup() as popup:
        page.click(".nbexec-result")
    popup.value.wait_for_selector(".output_text:has-text('total for North')")
    assert popup.value.url.endswith("/report-Executed1.ipynb")
    # The next one knows how long it takes.
    popup.value.close()
    (ui_folder / "go").unlink()
    page.click(".nbexec-again")
    page.wait_for_selector(".nbexec-run:enabled")
    assert field(page, "region").input_value() == "North"
    page.click(".nbexec-run")
    page.wait_for_selector(".nbexec-time:has-text('last time it took')")
    (ui_folder / "go").touch()
    wait_for_state(page, "Completed")


def test_outputs_that_are_rewritten_are_shown_as_they_are_now(ui_server: Server, ui_folder: Path, page: Any) -> None:
    notebook = write_notebook(
        ui_folder / "a.ipynb",
        "from IPython.display import clear_output\nprint('gone', flush=True)\nclear_output()\n"
        "for i in range(101):\n    print(f'\\r{i} %', end='', flush=True)\n" + WAIT)
    show(page, ui_server, notebook)
    run(page)
    page.wait_for_selector(".nbexec-output:has-text('100 %')")
    wait_until(page, lambda: page.inner_text(".nbexec-output").strip() == "100 %")
    (ui_folder / "go").touch()
    wait_for_state(page, "Completed")
    assert page.inner_text(".nbexec-output").strip() == "100 %"


def test_a_failure_is_shown_with_its_cell_and_traceback(
        ui_server: Server, ui_folder: Path, page: Any, picture: Callable[..., None]) -> None:
    notebook = write_notebook(ui_folder / "report.ipynb", *["# nothing"] * 20,
                              "def share(part, whole):\n    return part / whole", "print('before')\nshare(1, 0)", "1")
    show(page, ui_server, notebook)
    run(page)
    wait_for_state(page, "Failed")
    assert "Cell 22 of 23 failed with ZeroDivisionError: division by zero" in page.inner_text(".nbexec-failure")
    assert "share(1, 0)" in page.inner_text(".nbexec-source pre")
    output = page.inner_text(".nbexec-output")
    assert "before" in output and "Traceback" in output and "return part / whole" in output
    assert marked(page, "nbexec-failed") == [21]
    page.click(".nbexec-go")
    page.wait_for_function("Jupyter.notebook.get_selected_index() === 21")
    picture(page, "notebook-failed")
    for part in (".nbexec-header", ".nbexec-failure", ".nbexec-source"):  # the colours of a traceback are notebook's
        check_accessible(page, part)
    with page.expect_popup() as popup:
        page.click(".nbexec-result")
    popup.value.wait_for_selector(".output_error")
    popup.value.close()
    page.click(".nbexec-close")
    assert marked(page, "nbexec-failed") == []


def test_an_end_that_no_cell_has_caused_is_told(ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", "import os\nos._exit(3)"))
    run(page)
    wait_for_state(page, "Failed")
    assert "kernel died" in page.inner_text(".nbexec-failure")


def test_a_run_can_be_stopped(ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", WAIT))
    run(page)
    page.wait_for_selector(".nbexec-running")
    page.click(".nbexec-stop")
    page.click(".modal.in button:has-text('Cancel')")
    page.wait_for_selector(".modal", state="detached")
    assert last_model(ui_server)["completed_at"] is None
    page.click(".nbexec-stop")
    page.click(".modal.in .btn-warning")
    wait_for_state(page, "Stopped")
    assert "shut down" in last_model(ui_server)["status"]
    assert page.locator(".nbexec-result").is_visible() and marked(page) == []


def test_a_closed_panel_can_be_found_again(ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", WAIT, "print('end')"))
    page.click("#kernellink")
    assert "disabled" in (page.get_attribute("#nbexec_show", "class") or "")
    page.keyboard.press("Escape")
    run(page)
    page.wait_for_selector(".nbexec-running")
    height = page.evaluate("$('#site').height()")
    page.click(".nbexec-close")
    assert not page.locator("#nbexec-panel").is_visible()
    assert page.evaluate("$('#site').height()") > height
    assert page.inner_text("#nbexec_indicator").strip() == "1/2"
    page.click("#nbexec_indicator")
    page.wait_for_selector("#nbexec-panel")
    page.click(".nbexec-close")
    (ui_folder / "go").touch()
    page.wait_for_selector("#nbexec_indicator:has-text('Completed')")
    page.click("#kernellink")
    page.click("#nbexec_show a")
    page.wait_for_selector(".nbexec-output:has-text('end')")


def test_a_reload_finds_the_runs_that_are_under_way(ui_server: Server, ui_folder: Path, page: Any) -> None:
    cells = ["# nbexec: params\nname = 'a'", "print(name, flush=True)\n" + WAIT]
    notebook = write_notebook(ui_folder / "a.ipynb", *cells)
    ui_server.start_run(notebook, name="first")
    other = ui_server.start_run(write_notebook(ui_folder / "b.ipynb", WAIT))
    show(page, ui_server, notebook)
    page.wait_for_selector(".nbexec-output:has-text('first')")
    assert marked(page) == [1]
    assert not page.locator(".nbexec-runs").is_visible()
    ui_server.start_run(notebook, name="second")
    page.reload()
    page.wait_for_selector(".nbexec-output:has-text('second')")
    assert page.locator(".nbexec-runs option").count() == 2
    second, first = [option.get_attribute("value") for option in page.locator(".nbexec-runs option").all()]
    page.select_option(".nbexec-runs", first)
    page.wait_for_selector(".nbexec-output:has-text('first')")
    (ui_folder / "go").touch()
    wait_for_state(page, "Completed")
    page.select_option(".nbexec-runs", second)
    page.wait_for_selector(".nbexec-params:has-text('second')")
    wait_for_state(page, "Completed")
    page.reload()
    page.wait_for_selector("#nbexec_buttons")
    ui_server.wait_until_final(other)
    assert not page.locator("#nbexec-panel").is_visible()


def test_the_list_of_executions_is_live(ui_server: Server, ui_folder: Path, page: Any) -> None:
    notebook = write_notebook(ui_folder / "a.ipynb", WAIT, WAIT.replace("go", "on"))
    show(page, ui_server, notebook)
    run(page)
    page.wait_for_selector(".nbexec-running")
    (ui_folder / "go").touch()
    second, third = ui_server.start_run(notebook), ui_server.start_run(notebook)
    ui_server.start_run(write_notebook(ui_folder / "b.ipynb", WAIT))
    option = page.locator(".nbexec-runs option")
    wait_until(page, lambda: option.count() == 3, what="those that were started elsewhere")
    ui_server.delete(f"/{third}")
    wait_until(page, lambda: option.count() == 2, what="the deleted one to go")
    ui_server.post(f"/{second}", action="shutdown")
    page.wait_for_selector(".nbexec-runs option:has-text('Stopped')", state="attached")
    (ui_folder / "on").touch()
    wait_for_state(page, "Completed")


def test_a_renamed_notebook_finds_its_execution_again(ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", "print('early', flush=True)\n" + WAIT))
    run(page)
    page.wait_for_selector(".nbexec-output:has-text('early')")
    page.evaluate("Jupyter.notebook.rename('b.ipynb')")
    page.wait_for_function("Jupyter.notebook.notebook_name === 'b.ipynb'")
    page.reload()
    page.wait_for_selector(".nbexec-output:has-text('early')")
    (ui_folder / "go").touch()
    wait_for_state(page, "Completed")


def test_the_panel_has_keys(ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", WAIT))
    run(page)
    page.wait_for_selector(".nbexec-running")
    page.click(".nbexec-close")
    page.evaluate("Jupyter.notebook.focus_cell()")
    page.keyboard.press("Shift+E")
    page.wait_for_function("document.activeElement.closest('#nbexec-panel')")
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement.closest('.cell')")
    page.keyboard.press("Shift+S")
    page.wait_for_selector(".modal.in:has-text('Stop this execution?')")
    page.click(".modal.in button:has-text('Stop')")
    wait_for_state(page, "Stopped")
    page.keyboard.press("Shift+S")  # there is nothing left to stop
    assert page.locator(".modal.in").count() == 0
    page.click(".nbexec-again")
    page.wait_for_selector(".nbexec-run:enabled")
    page.click(".nbexec-run")
    page.wait_for_selector(".nbexec-running")
    page.focus(".nbexec-stop")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.textContent === 'Stop' && document.activeElement.closest('.modal')")
    page.keyboard.press("Enter")
    wait_for_state(page, "Stopped")
    page.wait_for_function("document.activeElement.closest('.nbexec-buttons')")  # "Stop" is gone
    assert page.get_attribute(".nbexec-details-link", "href") == f"/tree#executions/{last_model(ui_server)['exec_id']}"


def test_at_twice_the_size_the_panel_has_its_header(
        ui_server: Server, ui_folder: Path, new_page: Callable[..., Any]) -> None:
    page = new_page(550, 360)
    login(page, ui_server)
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", "print('x')\n" * 40, "1 / 0"))
    page.wait_for_function("Jupyter.notebook.kernel && Jupyter.notebook.kernel.is_connected()")
    ui_server.run(ui_folder / "a.ipynb")
    run(page)
    wait_for_state(page, "Failed")
    gap = ("document.querySelector('.nbexec-header').getBoundingClientRect().top"
           " - document.querySelector('#header').getBoundingClientRect().bottom")
    wait_until(page, lambda: page.evaluate(gap) >= 0, what="the panel to end below the header")
    page.locator(".nbexec-close").click()


def test_bars_of_widgets_move(ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(
        ui_folder / "a.ipynb", "import ipywidgets as w\n"
        "outer, inner, inside = w.IntProgress(0), w.IntProgress(0), w.Output()\n"
        "display(w.VBox([w.HBox([w.Label('outer'), outer]), inside]))\ndisplay(w.Image())\n"
        "with inside: display(inner)\nouter.value, inner.value = 50, 25\n" + WAIT
        + "\nouter.value = 100\ninside.clear_output()"))
    run(page)
    bars = page.locator(".nbexec-output pre").first
    expect(bars).to_have_text("outer |██████████          |\n|█████               |")
    assert page.locator(".nbexec-output pre").last.inner_text() == "[interactive widget: see the result]"
    (ui_folder / "go").touch()
    wait_for_state(page, "Completed")
    expect(bars).to_have_text("outer |████████████████████|")
    page.goto(f"{ui_server.url}tree#executions/{last_model(ui_server)['exec_id']}")  # and in the events of its result
    page.locator(".nbexec-cell-line").click()
    expect(page.locator(".nbexec-outputs pre").first).to_have_text("outer |████████████████████|")


def test_nested_progress_bars_are_shown_as_on_a_terminal(ui_server: Server, ui_folder: Path, page: Any) -> None:
    source = ("for outer in range(0, 101, 50):\n    print(f'\\router {outer} %', end='', flush=True)\n"
              "    for inner in range(0, 101, 50):\n"
              "        print(f'\\n\\r\\x1b[32minner\\x1b[0m {inner} %\\x1b[A', end='', flush=True)\n" + WAIT)
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", source))
    run(page)
    wait_until(page, lambda: page.inner_text(".nbexec-output").strip() == "outer 100 %\ninner 100 %")
    assert page.inner_text(".nbexec-output .ansi-green-fg") == "inner"
    (ui_folder / "go").touch()
    wait_for_state(page, "Completed")
    assert page.inner_text(".nbexec-output").strip() == "outer 100 %\ninner 100 %"


# What programs print to a terminal, and what stands there in the end.
PRINTED = {
    "bars of rich": ("\x1b[?25lone  10%\ntwo  10%\x1b[1A\r\x1b[2K\x1b[1B\r\x1b[2K\x1b[1A\rone 100%\ntwo 100%"
                     "\x1b[?25h",
                     "one 100%\ntwo 100%"),
    "a link": ("see \x1b]8;id=1;http://example.org\x1b\\here\x1b]8;;\x1b\\, \x1b]0;title\x07and go",
               "see here, and go"),
    "a cleared screen": ("old\nold\n\x1b[2J\x1b[Hnew", "new"),
    "to a column": ("....\x1b[1G[\x1b[5G]\x1b[3D#", "[.#.]"),
    "the rest erased": ("one two\nthree\x1b[F\x1b[3C\x1b[0J", "one"),
    "the begin erased": ("abc\x1b[2D\x1b[1K", "  c"),
    "lines above erased": ("one\ntwo\nthree\x1b[F\x1b[1J", " wo\nthree"),
    "colours": ("\x1b[31mred\x1b[0m\x1b[A, no more", "\x1b[0m\x1b[31mred\x1b[0m, no more"),
    "too much": ("a\x1b[A" + "x" * 1_000_000 + "\x1b[1K" * 60, "a\x1b[A" + "x" * 1_000_000 + "\x1b[1K" * 60),
    "far away": ("a\x1b[999999999B\x1b[999999999Ab\x1b[4D\x1b[999999999;1Hc", "cb"),
    "unknown": ("a\x1b[5n\x1b[>1u\x1b(B\x1b7\x1b[Kb", "ab"),
}


@pytest.mark.parametrize("name", PRINTED)
def test_what_moves_the_cursor_is_shown_as_on_a_terminal(ui_server: Server, page: Any, name: str) -> None:
    open_tree(page, ui_server)
    printed, shown = PRINTED[name]
    text = page.evaluate("""text => new Promise(done => require(['nbextensions/nbexec/terminal_text'],
        terminalText => done(terminalText.shown(text))))""", printed)
    assert text.rstrip() == shown


def test_a_page_that_nobody_sees_gives_its_connection_back(ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", WAIT, "print('later')"))
    page.evaluate("window.setTimeout = (original => (work, time) => original(work, time === 10000 ? 50 : time))"
                  "(window.setTimeout.bind(window))")
    run(page)
    page.wait_for_selector(".nbexec-running")
    seen = """hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
                          document.dispatchEvent(new Event('visibilitychange')); }"""
    streams: List[str] = []
    page.on("requestfailed", lambda request: streams.append(request.url))
    # A browser without a screen shows no notifications.
    page.evaluate("window.notified = []; window.Notification = function (title) { window.notified.push(title); };"
                  "Notification.permission = 'granted'")
    page.evaluate(seen, True)
    wait_until(page, lambda: any("/events" in url for url in streams), what="the stream to be given up")
    (ui_folder / "go").touch()
    ui_server.wait_until_final(last_model(ui_server)["exec_id"])
    page.wait_for_function("document.title.startsWith('✓ ')")
    assert page.evaluate("window.notified") == ["Completed: a.ipynb"]
    assert "Running" in page.inner_text(".nbexec-state")
    page.evaluate(seen, False)
    wait_for_state(page, "Completed")
    assert "later" in page.inner_text(".nbexec-output") and not page.title().startswith("✓")
    assert page.evaluate("window.notified.length") == 1


def test_hostile_names_parameters_and_outputs_are_shown_as_text(
        ui_server: Server, ui_folder: Path, page: Any) -> None:
    evil = "<img src=x onerror='window.hacked=1'>"
    notebook = write_notebook(
        ui_folder / f"{evil.replace('/', '')} & %s %1$s.ipynb",
        f"# nbexec: params\ntext = {evil!r}\n"
        f"{{'text': {{'type': str, 'desc': {evil!r}, 'examples': [{evil + '!'!r}]}}}}",
        "from IPython.display import HTML, Javascript, Markdown, SVG, display\n"
        f"print(text)\ndisplay(HTML('<p>shown</p><script>window.hacked=1</script>' + {evil!r}))\n"
        "display(Javascript('window.hacked=1'))\n"
        f"display(Markdown('**bold** [link](javascript:window.hacked=1) ' + {evil!r}))\n"
        "display(SVG(data='<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"window.hacked=1\"></svg>'))\n" + WAIT,
        f"raise RuntimeError({evil!r})")
    show(page, ui_server, notebook)
    form = open_form(page)
    assert form.inner_text().count(evil) >= 2 and evil in page.inner_text(".nbexec-path")
    form.locator(".nbexec-examples button").click()
    page.click(".nbexec-run")
    page.wait_for_selector(".nbexec-output:has-text('shown')")
    assert evil + "!" in page.inner_text(".nbexec-params") and evil + "!" in page.inner_text(".nbexec-output")
    page.locator(".nbexec-output a:has-text('link')").click()
    assert page.inner_text(".nbexec-output strong") == "bold"
    # Images may be shown, but run nothing.
    assert page.evaluate("$('#nbexec-panel [onerror], #nbexec-panel [onload], #nbexec-panel script').length") == 0
    (ui_folder / "go").touch()
    wait_for_state(page, "Failed")
    assert evil in page.inner_text(".nbexec-failure")
    assert page.locator("#nbexec-panel img").count() == 0
    assert page.evaluate("window.hacked") is None


def test_the_form_and_the_panel_are_accessible_and_fit_a_narrow_screen(
        ui_server: Server, ui_folder: Path, new_page: Callable[..., Any], picture: Callable[..., None]) -> None:
    page = new_page(390, 760)
    login(page, ui_server)
    notebook = write_notebook(ui_folder / "a.ipynb", PARAMETERS, "print('x' * 300, flush=True)\n" + WAIT)
    show(page, ui_server, notebook)
    open_form(page)
    page.click(".nbexec-more-button")
    wait_until_still(page)
    check_accessible(page, ".nbexec-dialog")
    assert page.evaluate("$('.nbexec-dialog')[0].scrollWidth") <= 390
    page.click(".nbexec-run")
    page.wait_for_selector(".nbexec-output:has-text('xxx')")
    check_accessible(page, "#nbexec-panel")
    check_accessible(page, "#nbexec_buttons")
    assert page.evaluate("$('#nbexec-panel')[0].scrollWidth") <= 390
    boxes = [page.locator(selector).bounding_box() for selector in (".nbexec-stop", ".nbexec-close", ".nbexec-output")]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    # The notebook ends where the panel begins, whatever the header has been filled with meanwhile.
    gap = "$('#nbexec-panel')[0].getBoundingClientRect().top - $('#site')[0].getBoundingClientRect().bottom"
    wait_until(page, lambda: abs(page.evaluate(gap)) < 2, what=f"no gap: {page.evaluate(gap)}")
    picture(page, "notebook-narrow")
    page.click(".nbexec-close")
    check_accessible(page, "#nbexec_indicator")
    (ui_folder / "go").touch()


# -- servers that come and go ---------------------------------------------------------------------------------


def test_a_network_that_was_lost_is_told_and_comes_back(ui_server: Server, ui_folder: Path, page: Any) -> None:
    notebook = write_notebook(ui_folder / "a.ipynb", "print('early', flush=True)\n" + WAIT, "print('late')")
    show(page, ui_server, notebook)
    run(page)
    page.wait_for_selector(".nbexec-output:has-text('early')")
    page.context.set_offline(True)
    page.click("#nbexec_buttons button")
    page.wait_for_selector(".nbexec-form .alert:has-text('The server cannot be reached')")
    page.click(".modal.in button:has-text('Cancel')")
    page.context.set_offline(False)
    # A connection that is dead without a word: what takes too long is given up, and tried again.
    page.evaluate("window.original = window.setTimeout; window.setTimeout = "
                  "(work, time) => window.original(work, time === 40000 ? 200 : time)")
    os.kill(ui_server.process.pid, signal.SIGSTOP)
    try:
        page.evaluate("window.dispatchEvent(new Event('online'))")
        page.wait_for_selector(".nbexec-problem:has-text('The server cannot be reached')")
        page.evaluate("window.setTimeout = window.original")
        (ui_folder / "go").touch()
    finally:
        os.kill(ui_server.process.pid, signal.SIGCONT)
    wait_for_state(page, "Completed")
    assert "late" in page.inner_text(".nbexec-output") and not page.locator(".nbexec-problem").is_visible()


def test_a_server_that_keeps_its_executions_goes_on_where_it_was(
        new_server: Callable[..., Server], new_page: Callable[..., Any], tmp_path: Path) -> None:
    page = new_page()
    server = new_server(f"--NbExec.database_filepath={tmp_path / 'executions.sqlite'}", spares=True)
    open_notebook(page, server, write_notebook(server.root / "a.ipynb", "print('early', flush=True)\n" + WAIT))
    run(page)
    page.wait_for_selector(".nbexec-output:has-text('early')")
    server.stop()
    # With another token: the page is still logged in by its cookie, and gets one of its own.
    server._options[:] = [option.replace(server.token, "another-token") for option in server._options]
    server.start()
    wait_for_state(page, "Failed")
    assert "early" in page.inner_text(".nbexec-output")
    assert "went away" in page.inner_text(".nbexec-failure") or "stopped" in page.inner_text(".nbexec-failure")


def test_a_server_that_is_away_a_login_that_is_over_and_a_run_that_is_forgotten_are_told(
        new_server: Callable[..., Server], new_page: Callable[..., Any], picture: Callable[..., None]) -> None:
    page = new_page()
    secret = "sha1:salt:" + hashlib.sha1(b"secret" + b"salt").hexdigest()
    server = new_server(f"--NotebookApp.password={secret}", "--NotebookApp.show_banner=False", token="",
                        base_url="/some/where/", spares=True)
    open_notebook(page, server, write_notebook(server.root / "a.ipynb", "print('early', flush=True)\n" + WAIT),
                  password="secret")
    # Such a page has no token and gets one by its login.
    assert page.evaluate("document.body.dataset.jupyterApiToken") is None
    run(page)
    page.wait_for_selector(".nbexec-output:has-text('early')")
    cookies = page.context.cookies()
    page.context.clear_cookies()
    server.stop(signal.SIGKILL)
    page.wait_for_selector(".nbexec-problem:has-text('The server cannot be reached')")
    assert "Running" in page.inner_text(".nbexec-state")
    picture(page.locator("#nbexec-panel"), "notebook-lost")
    server.start()
    page.wait_for_selector(".nbexec-problem:has-text('You are no longer logged in')")
    assert page.get_attribute(".nbexec-problem a", "href") == "/some/where/login"
    page.context.add_cookies(cookies)
    wait_for_state(page, "Unknown")
    assert "no longer knows this execution" in page.inner_text(".nbexec-problem")
    wait_until(page, lambda: marked(page) == [])
    # It is of use again without a reload.
    (server.root / "go").touch()
    page.evaluate("$('.modal.in').modal('hide')")  # notebook says too that there was no server
    page.wait_for_selector(".modal-backdrop", state="detached")
    run(page)
    wait_for_state(page, "Completed")
