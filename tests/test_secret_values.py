"""Parameters that a notebook declares secret: their values reach the notebook and nothing else."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
from browser import ONCE_MORE, open_notebook, open_tree
from helpers import STREAM, Event, Server, add_kernel, names, text_of, wait_for, write_notebook
from hypothesis import given
from hypothesis import strategies as st

from nbexec.run_arguments import RunArguments
from nbexec.secret_values import MASK, SecretValues

SECRET = "s3cret-'\"\\-wört"
PIN = "483920177"
DEFINITION = """# nbexec: params
key = 'a default'
pin = 1
region = 'all'
{'key': {'type': str, 'secret': True, 'desc': 'A key'}, 'pin': {'type': int, 'secret': True},
 'region': {'type': str, 'secret': False}}"""
# Only what cannot be read back: it stands in the output.
CHECK = "import hashlib\nprint(hashlib.sha256(key.encode()).hexdigest(), pin % 1000, region)"


def shown(key: str = SECRET, pin: str = PIN, region: str = "North") -> str:
    return f"{hashlib.sha256(key.encode()).hexdigest()} {int(pin) % 1000} {region}\n"


def assert_hidden(*texts: Any) -> None:
    """None of the texts has one of the values, however it is written."""
    for text in texts:
        text = text if isinstance(text, str) else json.dumps(text)
        for value in (SECRET, json.dumps(SECRET)[1:-1], json.dumps(SECRET, ensure_ascii=False)[1:-1],
                      json.dumps(repr(SECRET))[1:-1], repr(SECRET), "s3cret", PIN):
            assert value not in text, text


def run_secretly(server: Server, source: Path, **more: str) -> List[Event]:
    return server.run(source, key=SECRET, pin=PIN, region="North", **more)


@pytest.mark.parametrize("kind", ["forked", "ordinary"])
def test_only_the_notebook_gets_them(server: Server, folder: Path, ordinary_kernel: str, kind: str) -> None:
    source = write_notebook(folder / "a.ipynb", DEFINITION, CHECK, "%history -n 1-3\nprint(In, _ih, _i, _ii, _oh)")
    kernel = {} if kind == "forked" else {"jupyter_kernel": ordinary_kernel}
    events = run_secretly(server, source, **kernel)
    assert names(events)[-1] == "notebook_complete", events[-1]
    assert text_of(events[6]["cell"]) == shown()
    assert events[0]["execution"]["params"] == {"key": MASK, "pin": MASK, "region": "North"}
    assert events[3]["cell"]["source"] == (
        f"# Parameters\n# key = {MASK} (secret)\n# pin = {MASK} (secret)\nregion = 'North'")
    exec_id = events[0]["exec_id"]
    assert_hidden(events, server.get(f"/{exec_id}").text, server.get().text, server.get(f"/{exec_id}/events").text,
                  (server.root / events[-1]["execution"]["output_path"]).read_text("utf-8"), server.log)
    assert [event["cell"]["execution_count"] for event in events if event["event"] == "end"] == [1, 2, 3, 4]


def test_the_last_cell_source_does_not_have_them(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", DEFINITION)
    model = run_secretly(server, source)[-1]["execution"]
    assert MASK in model["last_cell_source"]
    assert_hidden(model)


def test_errors_do_not_repeat_them(server: Server, folder: Path) -> None:
    code = ("%xmode Verbose\nfrom urllib.parse import quote\ndef call(secret, number):\n"
            "    raise ValueError(f'{secret} {secret!r} {number} {quote(secret)}')\ncall(key, pin)")
    events = run_secretly(server, write_notebook(folder / "a.ipynb", DEFINITION, code))
    last = events[-1]
    assert last["event"] == "notebook_error" and last["evalue"] == f"{MASK} {MASK} {MASK} {MASK}"
    assert_hidden(events, server.get(f"/{last['exec_id']}").text, server.log,
                  (server.root / last["output_path"]).read_text("utf-8"))
    assert_hidden(server.get(f"/{last['exec_id']}/events").text)


def test_a_cell_that_is_stopped_while_it_gets_them_does_not_show_them(server: Server, folder: Path) -> None:
    """Whoever makes the kernel fail just then would see what it executes in the traceback."""
    spoil = ("def fail(*arguments):\n    raise RuntimeError('spoilt')\n"
             "get_ipython().input_transformers_cleanup.append(lambda lines:\n"
             "    fail() if 'key = ' in str(lines) and 'params' not in str(lines) else lines)")
    events = run_secretly(server, write_notebook(folder / "a.ipynb", spoil, DEFINITION, CHECK))
    assert events[-1]["event"] == "notebook_error" and "secret parameters" in events[-1]["error"]
    assert_hidden(events, (server.root / events[-1]["output_path"]).read_text("utf-8"))


@pytest.mark.parametrize("params", [{"pin": "s3cret-no-int"}, {"kye": SECRET}, {"key": MASK}],
                         ids=["wrong type", "misspelt", "mask"])
def test_a_refusal_does_not_repeat_them(server: Server, folder: Path, params: Dict[str, str]) -> None:
    source = write_notebook(folder / "a.ipynb", DEFINITION)
    response = server.post(notebook=source.relative_to(server.root).as_posix(), **params)
    assert response.status_code == 400 and repr(MASK) in response.json()["message"]
    assert_hidden(response.text, server.log)


def test_the_log_has_no_value_from_a_url(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", DEFINITION)
    query = {"notebook": source.relative_to(server.root).as_posix(), "pin": "s3cret-no-int", "region": "s3cret-too"}
    assert server.request("POST", params=query).status_code == 400
    wait_for(lambda: "pin=[hidden]" in server.log)
    assert_hidden(server.log)
    assert query["notebook"] in server.log.replace("%2F", "/")


def test_the_list_of_parameters_masks_their_defaults(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", DEFINITION.replace("pin = 1\n", ""))
    listed = server.get("/parameters", params={"notebook": source.relative_to(server.root).as_posix()}).json()
    assert listed["parameters"] == [
        {"name": "key", "type": "str", "default": MASK, "desc": "A key", "examples": [], "secret": True},
        {"name": "pin", "type": "int", "default": None, "desc": "", "examples": [], "secret": True},
        {"name": "region", "type": "str", "default": "all", "desc": "", "examples": []}]


@pytest.mark.parametrize("value", ["'yes'", "1", "None", "hide"])
def test_a_declaration_that_is_neither_true_nor_false_is_refused(server: Server, folder: Path, value: str) -> None:
    source = write_notebook(folder / "a.ipynb", DEFINITION.replace("'secret': False", f"'secret': {value}"))
    for params in ({"key": SECRET}, {"region": "North"}):
        response = server.post(notebook=source.relative_to(server.root).as_posix(), **params)
        assert response.status_code == 400 and "'secret'" in response.json()["message"]
        assert_hidden(response.text)


def test_a_notebook_that_cannot_be_read_tells_none_of_its_values(server: Server, folder: Path) -> None:
    """Nobody knows then which of them are secret."""
    (folder / "a.ipynb").write_text("{")
    events = server.run(folder / "a.ipynb", key=SECRET, pin=PIN)
    assert names(events) == ["notebook_error"]
    assert events[0]["execution"]["params"] == {"key": MASK, "pin": MASK}
    assert_hidden(events, server.get().text)


def test_the_database_has_neither_them_nor_what_they_could_be_tried_by(new_server: Callable[..., Server],
                                                                        tmp_path: Path) -> None:
    file = tmp_path / "executions.sqlite"
    server = new_server(f"--NbExec.database_filepath={file}", "--NbExec.max_running=1")
    gate = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"
    write_notebook(server.root / "slow.ipynb", gate)
    write_notebook(server.root / "a.ipynb", DEFINITION, CHECK)
    (server.root / "broken.ipynb").write_text("{")
    server.start_run("slow.ipynb")
    values = {"key": SECRET, "pin": PIN, "region": "North"}

    def post(notebook: str, key: str, **more: str) -> Any:
        return server.request("POST", data={"notebook": notebook, **values, **more}, headers={"Idempotency-Key": key})

    waiting = post("a.ipynb", "one")  # its request is checked before it has its turn
    assert waiting.json()["event"] == "notebook_queue"
    (server.root / "go").touch()
    assert server.wait_until_final(waiting.json()["exec_id"])["status"] == "completed"
    assert server.wait_until_final(post("a.ipynb", "two").json()["exec_id"])["status"] == "completed"
    assert server.wait_until_final(post("broken.ipynb", "three").json()["exec_id"])["status"].startswith("error")
    assert server.stop() == 0
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("executions.sqlite*") if path.is_file())
    assert b"s3cret" not in stored and PIN.encode() not in stored
    guessed = [RunArguments("a.ipynb", values).digest(), RunArguments("broken.ipynb", values).digest()]
    with closing(sqlite3.connect(str(file))) as database:
        digests = [request for request, in database.execute("SELECT request FROM keys")]
    assert len(digests) == 3 and not set(digests) & set(guessed)
    server.start()
    assert post("a.ipynb", "two").status_code == 200
    assert post("a.ipynb", "two", region="South").status_code == 409


def test_the_command_line_does_not_print_them(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", DEFINITION, "raise ValueError(key)")
    program = [sys.executable, "-m", "nbexec.cli"]
    remote = ["--server", server.url, "--token", server.token]
    path = source.relative_to(server.root).as_posix()
    done = subprocess.run([*program, "run", path, *remote, "-p", "key", SECRET, "-p", "pin", PIN], cwd=folder,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 1 and MASK in done.stdout.decode()
    assert_hidden(done.stdout.decode())
    listed = subprocess.run([*program, "params", str(source), "--json"], stdout=subprocess.PIPE, timeout=120)
    assert json.loads(listed.stdout)["parameters"][0]["default"] == MASK


def test_a_kernel_of_another_interpreter_gets_them_too(server: Server, folder: Path) -> None:
    kernel = add_kernel(server, "started-anew", [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}",
                                                "--debug"])
    events = run_secretly(server, write_notebook(folder / "a.ipynb", DEFINITION, CHECK), jupyter_kernel=kernel)
    assert text_of(events[-2]["cell"]) == shown()
    assert_hidden(events)


# -- what is looked for in the text of errors -----------------------------------------------------


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text())
def test_every_form_of_a_value_is_masked(value: str, around: str) -> None:
    secrets = SecretValues([value])
    for form in (repr(value), json.dumps(value)):
        assert form not in secrets.mask(f"x{form}x")
    if len(value.strip()) >= 4 and value not in MASK:
        assert value not in secrets.mask(f"{value}").replace(MASK, "")


def test_what_occurs_by_chance_is_not_masked() -> None:
    assert SecretValues(["ab", "", 17, True]).mask("ab '' 17 True") == "ab '' 17 True"
    assert SecretValues([]).mask("text") == "text"


# -- in a browser ---------------------------------------------------------------------------------


@pytest.fixture()
def secret_page(page: Any, ui_server: Server, ui_folder: Path) -> Iterator[Any]:
    ui_server.delete(headers=STREAM)
    write_notebook(ui_folder / "a.ipynb", DEFINITION, CHECK)
    yield page
    ui_server.delete(headers=STREAM)


def fill_in(page: Any, form: Any) -> None:
    field = form.get_by_label("key")
    assert field.get_attribute("type") == form.get_by_label("pin").get_attribute("type") == "password"
    assert field.input_value() == "" and form.get_by_label("region").get_attribute("type") == "text"
    field.fill(SECRET)
    form.get_by_label("pin").fill(PIN)
    form.get_by_role("button", name="Run", exact=True).click()


@ONCE_MORE
def test_the_tree_page_asks_for_them_each_time_and_shows_none(secret_page: Any, ui_server: Server,
                                                               ui_folder: Path) -> None:
    page = open_tree(secret_page, ui_server, ui_folder)
    page.locator("#notebook_list .list_item", has_text="a.ipynb").locator("input").click()
    page.locator(".nbexec-run-button").click()
    fill_in(page, page.locator(".modal.in"))
    page.wait_for_selector(".nbexec-detail .label-success")
    assert page.locator(".nbexec-detail td", has_text=MASK).count() == 2
    assert_hidden(page.content())
    page.locator(".nbexec-detail").get_by_role("button", name="Run again", exact=True).click()
    fill_in(page, page.locator(".modal.in"))
    wait_for(lambda: [model["status"] for model in ui_server.get().json()["executions"]] == ["completed"] * 2)
    for model in ui_server.get().json()["executions"]:
        output = ui_server.output(model["output_path"])
        assert text_of(output.cells[-1]) == shown(region="all")


@ONCE_MORE
def test_the_notebook_page_shows_none(secret_page: Any, ui_server: Server, ui_folder: Path) -> None:
    page = open_notebook(secret_page, ui_server, ui_folder / "a.ipynb")
    page.locator("#nbexec_buttons button").click()
    fill_in(page, page.locator(".modal.in"))
    page.wait_for_selector(".nbexec-panel .label-success")
    assert MASK in page.locator(".nbexec-params").inner_text()
    assert_hidden(page.content())
