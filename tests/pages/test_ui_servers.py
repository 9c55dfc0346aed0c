"""The pages on servers which have no token to show: with a password alone, and under JupyterHub."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from browser import ONCE_MORE, open_tree, run_from_files
from helpers import Server, write_notebook
from hub import Hub, missing

pytestmark = ONCE_MORE

PARAMETERS = "# nbexec: params\nregion = 'all'"


def has_token(page: Any) -> bool:
    return bool(page.evaluate("document.body.dataset.jupyterApiToken"))


def test_with_a_password_and_no_token(new_server: Callable[..., Server], page: Any) -> None:
    from notebook.auth import passwd

    server = new_server(f"--NotebookApp.password={passwd('secret', 'sha1')}", token="")
    write_notebook(server.root / "a.ipynb", PARAMETERS)
    open_tree(page, server, password="secret")
    assert not has_token(page)
    run_from_files(page)


@pytest.fixture()
def hub(page: Any, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(tmp_path / "hub")
    yield hub
    for opened in page.context.pages:  # one that is still loading would complain of the end of the Hub
        opened.close()
    hub.stop()


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_under_jupyterhub(hub: Hub, page: Any) -> None:
    write_notebook(hub.root / "a.ipynb", PARAMETERS)
    page.goto(f"{hub.url}hub/login")
    page.fill("#username_input", "ann")
    page.fill("#password_input", "any")
    page.click("#login_submit")
    page.wait_for_selector("#notebook_list .list_item", timeout=60_000)
    assert "/user/ann/tree" in page.url and not has_token(page)
    run_from_files(page)
