"""The output notebook of an execution by HTTP, as it is and as a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import List

import pytest
import requests
from helpers import Server, wait_for, write_notebook
from nbformat import v4

ATTACK = "<script>document.title = 'mine'</script><img src=x onerror=\"document.title = 'mine'\">"
CELLS: List[object] = [v4.new_markdown_cell(f"Mass $m$ {ATTACK}"),
                       f"from IPython.display import HTML\nHTML({ATTACK!r})", "print('shown' + ' output')"]


@pytest.fixture(scope="module")
def done(server: Server) -> str:
    """Return the id of an execution that has completed."""
    source = write_notebook(server.root / "output route é.ipynb", *CELLS)
    return str(server.run(source)[-1]["exec_id"])


def output(server: Server, exec_id: str, **query: str) -> requests.Response:
    return server.get(f"/{exec_id}/output", params=query)


def test_the_output_notebook_is_sent_as_it_is(server: Server, done: str) -> None:
    path = server.model(done)["output_path"]
    for query in ({}, {"format": "ipynb"}):
        response = output(server, done, **query)
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "application/x-ipynb+json"
        assert response.content == (server.root / path).read_bytes()
        assert "Content-Disposition" not in response.headers
    assert server.get(f"/{done}/output/").status_code == 200


def test_a_page_shows_outputs_and_code_if_wanted(server: Server, done: str) -> None:
    page = output(server, done, format="html")
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "shown output" in page.text and "jp-InputArea-editor" in page.text
    without = output(server, done, format="html", code="false").text
    assert "shown output" in without and "HighlightedCode" not in without.partition("<main>")[2]


def test_a_page_can_do_nothing_but_show_mathematics(server: Server, done: str) -> None:
    page = output(server, done, format="html")
    policy = page.headers["Content-Security-Policy"]
    assert "sandbox allow-scripts;" in policy and "default-src 'none';" in policy
    assert "unsafe-inline'; script-src 'nonce-" in policy and "connect-src" not in policy
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    head, _, rest = page.text.partition("</script><meta")
    assert head.count(nonce) == 2 and nonce not in rest, "its own policy and scripts, and no others"
    assert 'http-equiv="Content-Security-Policy"' in head and "MathJax.js" in head
    assert nonce not in output(server, done, format="html").headers["Content-Security-Policy"]


def test_a_download_has_the_name_of_the_file(server: Server, done: str) -> None:
    for kind in ("html", "ipynb"):
        response = output(server, done, format=kind, download="true")
        name = f"output%20route%20%C3%A9-Executed1.{kind}"
        assert response.headers["Content-Disposition"] == f"attachment; filename*=UTF-8''{name}"
        assert "nonce-" not in response.text and "sandbox" in response.headers["Content-Security-Policy"]


def test_what_is_asked_for_has_to_be_known(server: Server, done: str) -> None:
    for name, value in (("format", "pdf"), ("code", "maybe"), ("download", "")):
        response = output(server, done, **{"format": "html", name: value})
        assert (response.status_code, response.headers["X-Error-Field"]) == (400, name)


def test_only_the_token_opens_it(server: Server, done: str) -> None:
    assert requests.get(f"{server.api}/{done}/output?format=html", timeout=60).status_code == 401
    assert requests.get(f"{server.api}/nothing/output", timeout=60).status_code == 401


def test_without_an_output_notebook_there_is_none_to_send(server: Server, folder: Path) -> None:
    assert output(server, "nothing").status_code == 404
    exec_id = server.start_run(write_notebook(
        folder / "a.ipynb", "import os, time\nwhile not os.path.exists('go'): time.sleep(0.005)"))
    wait_for(lambda: server.model(exec_id)["progress"], what="its cell")
    pending = output(server, exec_id, format="html")
    assert (pending.status_code, "has not ended" in pending.json()["message"]) == (409, True)
    (folder / "go").touch()
    model = server.wait_until_final(exec_id)
    (server.root / model["output_path"]).unlink()
    gone = output(server, exec_id, format="html")
    assert (gone.status_code, "no longer exists" in gone.json()["message"]) == (404, True)
    broken = folder / "b.ipynb"
    broken.write_text("{")
    assert output(server, server.start_run(broken)).status_code == 404


def test_what_cannot_be_converted_is_422(server: Server, folder: Path) -> None:
    model = server.run(write_notebook(folder / "a.ipynb", "1"))[-1]["execution"]
    (server.root / model["output_path"]).write_text("{")
    response = output(server, model["exec_id"], format="html")
    assert (response.status_code, "not JSON" in response.json()["message"]) == (422, True)
    # nbconvert takes many times the memory of a notebook, which is limited.
    nb = json.loads(write_notebook(folder / "b.ipynb", "1").read_text())
    nb["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "<" * (80 << 20)}]
    (server.root / model["output_path"]).write_text(json.dumps(nb))
    assert output(server, model["exec_id"], format="html").status_code == 422
    assert output(server, model["exec_id"]).status_code == 200


def test_the_output_so_far_is_sent_while_a_notebook_runs(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "# nbexec: params\nx = 1", "print('x is', x)",
                            "import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)", "print('after')")
    exec_id = server.start_run(source, x=2)
    wait_for(lambda: server.model(exec_id)["progress"] == "4/5")
    assert output(server, exec_id).status_code == 409
    cells = output(server, exec_id, partial="true").json()["cells"]
    assert [cell["outputs"] for cell in cells[:2]] == [[], []] and "x is 2" in json.dumps(cells[2]["outputs"])
    assert cells[4]["outputs"] == []
    page = output(server, exec_id, partial="true", format="html")
    assert "x is 2" in page.text and "sandbox" in page.headers["Content-Security-Policy"]
    assert not list(folder.glob("a-*.ipynb"))
    (folder / "go").touch()
    assert server.wait_until_final(exec_id)["status"] == "completed"
    assert "after" in output(server, exec_id, partial="true").text
