"""The tree page, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from browser import open_notebook, open_tree, violations
from helpers import Server, write_notebook


def test_smoke(ui_server: Server, ui_folder: Path, page: Any) -> None:
    write_notebook(ui_folder / "a.ipynb", "1 + 1")
    open_tree(page, ui_server, ui_folder)
    print(page.title())
    print(len(violations(page, "#notebooks")))
    open_notebook(page, ui_server, ui_folder / "a.ipynb")
    page.screenshot(path="/tmp/hf_nb.png")
