"""The pages in a dark theme and in the colours that the system forces upon them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from browser import ONCE_MORE, PATIENCE, THEME, check_accessible, modes, open_tree, wait_until, wait_until_still
from helpers import STREAM, Server, write_notebook
from notebook_page import PARAMETERS, WAIT, open_form, show

pytestmark = ONCE_MORE

sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")
expect = sync_api.expect
expect.set_options(timeout=PATIENCE)

FITS = """() => document.scrollingElement.scrollWidth <= innerWidth
    && document.scrollingElement.scrollHeight <= innerHeight"""


def test_dark_themes_and_forced_colours(ui_server: Server, ui_folder: Path, shared_page: Any) -> None:
    ui_server.delete(headers=STREAM)
    page, source = shared_page, write_notebook(ui_folder / "a.ipynb", "1", "raise ValueError('no such region')")
    exec_id = ui_server.start_run(source)
    ui_server.wait_until_final(exec_id)
    page.route("**/custom.css*", lambda route: route.fulfill(body=THEME, content_type="text/css"))
    open_tree(page, ui_server, fragment=f"#executions/{exec_id}")
    expect(page.locator(".nbexec-bar")).to_have_count(2)
    expect(page.locator("html.nbexec-dark")).to_have_count(1)
    cell = page.locator("#executions .nbexec-cell").first
    assert cell.evaluate("cell => getComputedStyle(cell).backgroundColor") == "rgb(29, 31, 39)"
    page.emulate_media(forced_colors="active")
    colour = "element => getComputedStyle(element).backgroundColor"
    assert page.locator(".nbexec-bar").first.evaluate(colour) != page.locator(".nbexec-track").evaluate(colour)
    ui_server.delete(headers=STREAM)


def test_everybody_can_use_each_view(ui_server: Server, ui_folder: Path, shared_page: Any,
                                     picture: Callable[..., None]) -> None:
    ui_server.delete(headers=STREAM)
    page = shared_page

    def look(name: str, part: str) -> None:
        """Check a part of the page for each of those who use it otherwise, and take its pictures."""
        for mode in modes(page):
            if mode in ("dark", "forced"):  # the tests of each view check it in light colours
                check_accessible(page, part)
            # Notebook fits the page to its window a moment after that has another size.
            wait_until(page, lambda: page.evaluate(FITS), what=f"{name} in the mode {mode} to fit its window")
            picture(page, f"modes/{name}-{mode}")

    report = write_notebook(ui_folder / "report.ipynb", PARAMETERS,
                            "from nbexec import result\nresult('orders', 1200)\nprint('total for', region)")
    failing = write_notebook(ui_folder / "check.ipynb", "print('before')\nraise ValueError('no such region')")
    nightly = write_notebook(ui_folder / "nightly.ipynb", PARAMETERS, "print('day 1')\n" + WAIT)
    north, south, failed = (ui_server.start_run(report, region="North"), ui_server.start_run(report, region="South"),
                            ui_server.start_run(failing))
    for exec_id in (north, south, failed):
        ui_server.wait_until_final(exec_id)
    running = ui_server.start_run(nightly, region="West")
    open_tree(page, ui_server, fragment="#executions")
    expect(page.locator("#executions tbody tr")).to_have_count(4)
    look("list", "#executions")
    for name, exec_id, cells in (("completed", north, 3), ("failed", failed, 1), ("running", running, 3)):
        open_tree(page, ui_server, fragment=f"#executions/{exec_id}")
        expect(page.locator(".nbexec-bar")).to_have_count(cells)
        look(name, "#executions")
    open_tree(page, ui_server, fragment=f"#executions/compare/{north}/{south}")
    expect(page.locator(".nbexec-comparison .nbexec-columns").first).to_be_visible()
    look("comparison", "#executions")
    show(page, ui_server, nightly)
    expect(page.locator(".nbexec-output")).to_contain_text("day 1")
    look("panel", "#nbexec-panel")
    open_form(page)
    wait_until_still(page)
    look("form", ".nbexec-dialog")
    page.locator(".nbexec-dialog").get_by_role("button", name="Run a table of values…").click()
    page.locator("#nbexec_table").fill("region\tyear\nNorth\t2024\nSouth\t2025")
    expect(page.locator(".nbexec-dialog")).to_have_count(1)  # the form has gone
    look("table", ".nbexec-dialog")
    ui_server.delete(headers=STREAM)
