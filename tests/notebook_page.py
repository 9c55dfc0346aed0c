"""What a user does in the notebook page, and what is seen there, for the tests of its form and its panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List
from urllib.parse import quote

from browser import path_of
from helpers import Server

PARAMETERS = """# nbexec: params
region = "all"
year = 2024
rate = 1.5
weekends = True
{
    "region": {"type": str, "desc": "Region of the shops", "examples": ["all", "North"]},
    "year": {"type": int, "desc": "Year of the report"},
    "rate": {"type": float},
    "weekends": {"type": bool},
}"""
# Until the test lets it go on.
WAIT = "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.02)"


def show(page: Any, server: Server, notebook: Path) -> None:
    """Open a notebook in a page that is logged in, with a kernel that such pages share: most tests need none of it."""
    server.share_kernel(path_of(server, notebook))
    page.goto(f"{server.url}notebooks/{quote(path_of(server, notebook))}")
    page.wait_for_selector("#nbexec_buttons")
    page.wait_for_function("Jupyter.notebook._fully_loaded")


def open_form(page: Any) -> Any:
    page.click("#nbexec_buttons button")
    page.wait_for_selector(".nbexec-run:enabled")
    return page.locator(".nbexec-dialog")


def save(page: Any) -> None:
    """Save the notebook as its user would, and wait until it is."""
    page.evaluate("Jupyter.notebook.save_notebook()")
    page.wait_for_function("!Jupyter.notebook.dirty")


def run(page: Any) -> None:
    open_form(page)
    page.click(".nbexec-run")


def wait_for_state(page: Any, state: str) -> None:
    page.wait_for_selector(f".nbexec-state:has-text('{state}')")


def field(page: Any, name: str) -> Any:
    return page.locator(f".nbexec-form [name={name}]")


def error_at(page: Any, name: str) -> str:
    page.wait_for_selector(f"[data-name={name}].has-error")
    return str(page.inner_text(f"[data-name={name}] .nbexec-error"))


def last_model(server: Server) -> Dict[str, Any]:
    models: List[Dict[str, Any]] = server.get().json()["executions"]
    return max(models, key=lambda model: float(model["started_at"]))


def edit(page: Any, index: int, source: str) -> None:
    page.evaluate("([index, source]) => Jupyter.notebook.get_cell(index).set_text(source)", [index, source])


def marked(page: Any, name: str = "nbexec-running") -> List[int]:
    """The positions of the cells that are marked."""
    return list(page.evaluate("name => Jupyter.notebook.get_cells().map((cell, index) => "
                              "cell.element.hasClass(name) ? index : -1).filter(index => index >= 0)", name))
