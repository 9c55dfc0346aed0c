"""The pages in a dark theme and in the colours that the system forces upon them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser import ONCE_MORE, PATIENCE, check_accessible, open_tree
from helpers import STREAM, Server, write_notebook

pytestmark = ONCE_MORE

sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")
expect = sync_api.expect
expect.set_options(timeout=PATIENCE)

THEME = """body, #site, .tab-content, #tabs { background: #1d1f27 !important; color: #d8dee9 !important; }
a, .btn, input { color: #9fd0ff !important; background: #1d1f27 !important; }"""


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
    check_accessible(page, ".nbexec-facts")
    check_accessible(page, ".nbexec-cells")
    page.emulate_media(forced_colors="active")
    colour = "element => getComputedStyle(element).backgroundColor"
    assert page.locator(".nbexec-bar").first.evaluate(colour) != page.locator(".nbexec-track").evaluate(colour)
    check_accessible(page, ".nbexec-timeline")
    ui_server.delete(headers=STREAM)
