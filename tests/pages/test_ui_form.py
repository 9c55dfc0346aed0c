"""The form that a notebook is run with, in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, List

import pytest
from browser import ONCE_MORE, check_accessible, path_of, wait_until, wait_until_still
from helpers import Server, write_notebook
from nbformat import v4
from notebook_page import (
    PARAMETERS,
    edit,
    error_at,
    field,
    last_model,
    open_form,
    run,
    save,
    show,
    wait_for_state,
)

pytestmark = ONCE_MORE


@pytest.fixture()
def page(shared_page: Any) -> Any:
    return shared_page


def test_the_form_has_a_field_for_each_parameter(ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", PARAMETERS, "print(region, year)"))
    form = open_form(page)
    assert [(field(page, name).get_attribute("type"), field(page, name).input_value())
            for name in ("region", "year", "rate")] == [("text", "all"), ("text", "2024"), ("text", "1.5")]
    assert field(page, "weekends").get_attribute("type") == "checkbox" and field(page, "weekends").is_checked()
    text = form.inner_text()
    assert "Region of the shops" in text and "default: all" in text and "whole number, default: 2024" in text
    form.get_by_role("button", name="Set region to North").click()
    assert field(page, "region").input_value() == "North"
    field(page, "weekends").uncheck()
    page.click(".nbexec-run")
    wait_for_state(page, "Completed")
    # What was not changed is left to the notebook.
    assert last_model(ui_server)["params"] == {"region": "North", "weekends": "false"}
    assert "region=North" in page.inner_text(".nbexec-params")


def test_numbers_and_texts_are_what_was_written(ui_server: Server, ui_folder: Path, page: Any) -> None:
    notebook = write_notebook(
        ui_folder / "a.ipynb", "# nbexec: params\nlimit = 1e999\nzero = -0.0\none = 1.0\nmask = 7\nwhen = max(1, 2)\n"
        "year = 2024\nname = 'a'\nquery = 'a;b'\n"
        "{'limit': {'type': float}, 'zero': {'type': float}, 'one': {'type': float},"
        " 'mask': {'type': int, 'examples': ['0xff']}, 'when': {'type': int}, 'year': {'type': int},"
        " 'name': {'type': str}, 'query': {'type': str}}",
        "print(limit, zero, one, mask, when, year, repr(name), repr(query))")
    show(page, ui_server, notebook)
    open_form(page)
    assert [field(page, name).input_value() for name in ("limit", "zero", "one", "when")] == ["inf", "-0.0", "1.0", ""]
    assert field(page, "when").get_attribute("placeholder") == "computed by the notebook"
    assert "whole number, computed by the notebook" in page.inner_text("[data-name=when]")
    page.locator(".nbexec-examples button").click()
    wait_until_still(page)
    field(page, "one").fill("1e400")
    field(page, "year").fill("")
    field(page, "name").fill("")
    # An input would join the lines that are pasted.
    page.evaluate("""() => {
        const input = document.querySelector('.nbexec-form [name=query]'), clipboardData = new DataTransfer();
        clipboardData.setData('text/plain', 'x\\ny');
        input.setSelectionRange(2, 3);
        input.dispatchEvent(new ClipboardEvent('paste', {clipboardData, bubbles: true, cancelable: true}));
    }""")
    assert field(page, "query").input_value() == "a;x\ny"
    page.keyboard.press("End")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("z")
    page.click(".nbexec-run")
    wait_for_state(page, "Completed")
    # A number that was deleted is the default again; a text may be empty.
    assert last_model(ui_server)["params"] == {"mask": "0xff", "one": "1e400", "name": "", "query": "a;x\ny\nz"}
    assert page.inner_text(".nbexec-output").strip() == "inf -0.0 inf 255 2 2024 '' 'a;x\\ny\\nz'"


def test_run_saves_the_notebook_first_and_cancel_does_not(ui_server: Server, ui_folder: Path, page: Any) -> None:
    notebook = write_notebook(ui_folder / "a.ipynb", PARAMETERS, "print('old', region)")
    show(page, ui_server, notebook)
    page.wait_for_function("Jupyter.notebook.metadata.language_info")  # which is to be saved too
    save(page)
    before = notebook.read_bytes()
    form = open_form(page)
    assert form.locator(".nbexec-unsaved").count() == 0
    form.get_by_role("button", name="Cancel").click()
    page.wait_for_selector(".modal", state="detached")
    edit(page, 1, "print('edited', region)")
    form = open_form(page)
    assert "unsaved changes" in form.inner_text()
    field(page, "region").fill("North")
    form.get_by_role("button", name="Cancel").click()
    page.wait_for_selector(".modal", state="detached")
    assert notebook.read_bytes() == before
    open_form(page)
    field(page, "region").fill("North")
    page.click(".nbexec-run")
    wait_for_state(page, "Completed")
    assert "edited North" in page.inner_text(".nbexec-output") and "edited" in notebook.read_text()


def test_parameters_that_saving_changes_are_shown_before_they_are_used(
        ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", "# nbexec: params\nold = 'a'\nkept = 'k'", "1"))
    edit(page, 0, "# nbexec: params\nfresh = 'b'\nkept = 'k'")
    edit(page, 1, "print(fresh, kept)")
    open_form(page)
    field(page, "kept").fill("typed")
    page.click(".nbexec-run")
    page.wait_for_selector(".nbexec-form .alert:has-text('The parameters have changed')")
    assert field(page, "fresh").input_value() == "b" and field(page, "kept").input_value() == "typed"
    page.click(".nbexec-run")
    wait_for_state(page, "Completed")
    assert page.inner_text(".nbexec-output").strip() == "b typed"
    edit(page, 0, "# nbexec: params\nnewest = 'c'")
    page.click(".nbexec-close")
    open_form(page)
    page.get_by_role("button", name="Save now").click()
    page.wait_for_selector(".nbexec-form [name=newest]")
    assert page.locator(".nbexec-unsaved").count() == 0


def test_a_notebook_that_cannot_be_saved_is_not_run(ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", "1"))
    edit(page, 0, "print('mine')")
    before = len(ui_server.get().json()["executions"])
    page.route("**/api/contents/**",
               lambda route: route.abort() if route.request.method == "PUT" else route.continue_())
    run(page)
    page.wait_for_selector(".nbexec-form .alert:has-text('not run: The server cannot be reached.')")
    page.unroute("**/api/contents/**")
    # Somebody else has changed it.
    page.evaluate("Jupyter.notebook.last_modified = new Date(0)")
    page.click(".nbexec-run")
    page.click(".modal.in:has-text('Notebook changed') button:has-text('Cancel')")
    page.wait_for_selector(".modal:has-text('Notebook changed')", state="detached")
    page.wait_for_selector(".nbexec-run:enabled")
    assert len(ui_server.get().json()["executions"]) == before
    page.evaluate("Jupyter.notebook.last_modified = new Date(0)")
    page.click(".nbexec-run")
    page.click(".modal.in:has-text('Notebook changed') button:has-text('Overwrite')")
    wait_for_state(page, "Completed")
    assert "mine" in page.inner_text(".nbexec-output")


def test_what_nobody_has_touched_is_not_changed(ui_server: Server, ui_folder: Path, page: Any) -> None:
    notebook = write_notebook(
        ui_folder / "a.ipynb", "# nbexec: params\nbig = 123456789012345678901\nlines = 'a\\r\\nb\\rc'\n"
        "items = [1, {'a': 2}]\nflag = True\n"
        "{'big': {'type': int}, 'lines': {'type': str}, 'items': {'type': list}, 'unset': {'type': bool}, "
        "'flag': {'type': bool}, 'name': {'type': str}}", "unset = name = None\nprint(big, repr(lines), items, flag)")
    show(page, ui_server, notebook)
    form = open_form(page)
    assert "[object" not in form.inner_text() and '[1, {"a": 2}]' in form.inner_text()
    assert field(page, "big").input_value() == "123456789012345678901"
    assert field(page, "items").input_value() == '[1, {"a": 2}]'
    assert field(page, "unset").locator("option").all_inner_texts() == ["not set", "true", "false"]
    assert "no default: the notebook needs a value" in page.inner_text("[data-name=name]")
    page.click(".nbexec-more-button")
    assert "Executed1" not in (field(page, "output_path").get_attribute("placeholder") or "")
    before = len(ui_server.get().json()["executions"])
    page.click(".nbexec-run")
    # Where it may get its values from otherwise, nobody can tell: who insists may run it.
    assert "Enter a value" in error_at(page, "unset") and "Enter a value" in error_at(page, "name")
    page.wait_for_function("document.activeElement.name === 'unset'")  # once the dialog has slid in
    assert len(ui_server.get().json()["executions"]) == before
    page.click(".nbexec-run")
    wait_for_state(page, "Completed")
    assert last_model(ui_server)["params"] == {}
    assert page.inner_text(".nbexec-output").strip() == "123456789012345678901 'a\\r\\nb\\rc' [1, {'a': 2}] True"
    # Nor what an earlier execution was given.
    given = {"big": "999999999999999999999", "lines": "x\r\ny", "unset": "1", "flag": "false", "name": "n"}
    ui_server.run(notebook, **given)
    page.reload()
    page.wait_for_selector("#nbexec_buttons")
    page.evaluate("""values => require(['nbextensions/nbexec/form_view', 'nbextensions/nbexec/client'],
        (formView, client) => formView.FormView.open({
            client: new client.Client(Jupyter.notebook.base_url), path: Jupyter.notebook.notebook_path, values
        }))""", given)
    page.wait_for_selector(".nbexec-run:enabled")
    assert field(page, "unset").input_value() == "true"
    page.click(".nbexec-run")
    page.wait_for_selector(".modal", state="detached")
    wait_until(page, lambda: len(ui_server.get().json()["executions"]) and last_model(ui_server)["completed_at"])
    assert {**last_model(ui_server)["params"], "unset": "1"} == given


def test_every_wrong_value_is_marked(ui_server: Server, ui_folder: Path, page: Any) -> None:
    names = ["year", "count", "limit", "items", "facts", "day"]
    show(page, ui_server, write_notebook(
        ui_folder / "a.ipynb", "# nbexec: params\nyear = 2024\ncount = 3\nlimit = 1e999\nitems = [1.0]\n"
        "facts = {}\nday: date = '2024-05-31'\nmixed: Union[int, str] = 1\nwide = 7\noverwrite = 1"))
    form = open_form(page)
    assert "these names are reserved: overwrite." in form.inner_text()
    assert "date, such as 2024-05-31" in page.inner_text("[data-name=day]")
    for name, text in zip(names, ["20.5", "1__5", "much", "[1", "{'a': 1}", "31.5.2024"]):
        field(page, name).fill(text)
    field(page, "mixed").fill("text")
    field(page, "wide").fill("٤")  # digits of any script are digits
    page.click(".nbexec-run")
    page.wait_for_selector(".has-error")
    assert page.locator(".nbexec-form .has-error").evaluate_all("all => all.map(one => one.dataset.name)") == names
    assert error_at(page, "count") == "Enter a whole number." and error_at(page, "limit") == "Enter a number."
    assert "list in JSON" in error_at(page, "items") and "dict in JSON" in error_at(page, "facts")
    page.wait_for_function("document.activeElement.name === 'year'")


def test_a_table_of_values_runs_once_for_each_row(
        ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(
        ui_folder / "a.ipynb", "# nbexec: params\nx = 1\nname = 'n'\nrate = 0.5",
        "from nbexec import result\nresult('double', x * 2)\nresult('said', name)\nassert x != 3"))
    open_form(page)
    field(page, "rate").fill("0.25")
    page.click(".nbexec-table-button")
    area, button = page.get_by_label("Paste rows from a spreadsheet"), page.locator(".nbexec-run-table")
    area.fill("x\tnone\n1")
    page.wait_for_selector("#nbexec_table_status:has-text('\"none\" in the first row is not a parameter')")
    area.fill("x\tname\n1.5\ta\n2\tb\tc")
    page.wait_for_selector("#nbexec_table_status:has-text('Row 1, x: Enter a whole number.')")
    assert "Row 2 has more values" in page.inner_text("#nbexec_table_status") and button.is_disabled()
    check_accessible(page, ".nbexec-dialog")
    # A cell in quotes may have several lines, an empty one has the value of the form.
    area.fill('x\tname\n1\t"two\nlines ""q"""\n2\t\n3\tc\n')
    assert button.inner_text() == "Run 3 executions"
    refused = iter([True])  # as a server with a limit does
    page.route("**/api/executions", lambda route: route.fulfill(
        status=429, headers={"Retry-After": "1"}, json={"message": "The server is busy.", "reason": None})
        if route.request.method == "POST" and next(refused, False) else route.continue_())
    button.click()
    page.wait_for_selector(".nbexec-problem:has-text('The server is busy. Rows waiting to be sent: 3.')")
    page.wait_for_selector(".nbexec-table-line:has-text('3 of 3 done, 1 failed, 0 running')")
    rows = page.locator(".nbexec-table-results tr")
    texts = [row.locator("th, td").all_inner_texts() for row in rows.all()]
    assert texts[0] == ["#", "x", "name", "State", "Duration", "double", "said"]
    assert [[*row[:4], *row[5:]] for row in texts[1:]] == [
        ["1", "1", 'two\nlines "q"', "Completed", "2", 'two\nlines "q"'], ["2", "2", "", "Completed", "4", "n"],
        ["3", "3", "c", "Failed: AssertionError", "6", "c"]]
    check_accessible(page, ".nbexec-dialog")
    models = [model for model in ui_server.get().json()["executions"] if model["path"].startswith(ui_folder.name)]
    assert [model["params"] for model in models] == [
        {"rate": "0.25", "x": "1", "name": 'two\nlines "q"'}, {"rate": "0.25", "x": "2"},
        {"rate": "0.25", "x": "3", "name": "c"}]
    page.click(".nbexec-copy-table")
    assert page.locator(".nbexec-dialog [role=status]").last.inner_text() == "Copied"


HOSTILE_VALUES = ["it's $HOME `id` \"quoted\" \\ !!", "two\nlines\r\n!'\t", "ä=b&c%20 {x}", "-p", "@file", ""]


def test_the_form_has_commands_that_do_the_same(ui_server: Server, ui_folder: Path, page: Any) -> None:
    definition = ", ".join(f"'v{number}': {{'type': str}}" for number in range(len(HOSTILE_VALUES)))
    notebook = write_notebook(ui_folder / "it's a {b}.ipynb", "# nbexec: params\nkey = ''\n"
                              f"{{{definition}, 'key': {{'type': str, 'secret': True}}}}", "print(key)")
    values = {f"v{number}": text for number, text in enumerate(HOSTILE_VALUES)}
    show(page, ui_server, notebook)
    open_form(page)
    field(page, "v1").fill("x")
    field(page, "key").fill("hidden")
    page.click(".nbexec-commands-button")
    shown = page.locator(".nbexec-command textarea").evaluate_all("all => all.map(one => one.value)")
    assert all("-p v1=x" in text or "v1=x" in text for text in shown) and "hidden" not in "".join(shown)
    field(page, "v1").fill("y")
    assert "v1=y" in page.get_by_label("nbexec run", exact=True).input_value()
    page.get_by_role("button", name="Copy the command curl").click()
    page.wait_for_selector(".nbexec-command [role=status]:has-text('Copied')")
    check_accessible(page, ".nbexec-commands")
    fields = {"notebook": path_of(ui_server, notebook), "output_path": f"{ui_folder.name}/{{out}}.ipynb", **values}
    commands = page.evaluate("""fields => new Promise(resolve => require(['nbextensions/nbexec/command_text'], text =>
    {
        const all = Object.assign({key: '********', overwrite: 'true', cell_timeout: '60'}, fields);
        resolve(['curl', 'nbexecRun'].map(name => text[name](Jupyter.notebook.base_url, all)));
    }))""", fields)
    for command in commands:
        assert ui_server.token not in command
        subprocess.run(["bash", "-c", command], check=True, timeout=60, stdout=subprocess.DEVNULL, env={
            **os.environ, "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
            "NBEXEC_TOKEN": ui_server.token, "SECRET_key": "it's"})
        model = wait_until(page, lambda: [model for model in [last_model(ui_server)] if model["completed_at"]])[0]
        assert model["params"] == {**values, "key": "********"}
        assert (model["overwrite"], model["cell_timeout"], model["path"]) == (True, 60, fields["notebook"])
        assert model["output_path"] == fields["output_path"]


def test_many_parameters_can_be_searched(ui_server: Server, ui_folder: Path, page: Any) -> None:
    names = [f"number_{index}" for index in range(40)]
    entries = ", ".join(f"'{name}': {{'type': int, 'desc': 'of the {name[7:]}th shop'}}" for name in names)
    show(page, ui_server, write_notebook(
        ui_folder / "a.ipynb", "# nbexec: params\n" + "".join(f"{name} = 1\n" for name in names) + f"{{{entries}}}"))
    open_form(page)
    search = page.get_by_label("Find a parameter")
    search.fill("39TH shop")
    assert "1 of 40 parameters" in page.inner_text(".nbexec-search")
    shown = page.locator(".nbexec-form .form-group:visible")
    assert shown.evaluate_all("all => all.map(one => one.dataset.name)") == ["number_39"]
    page.keyboard.press("Enter")
    field(page, "number_39").fill("2")
    search.fill("")
    assert field(page, "number_0").is_visible()
    page.click(".nbexec-run")
    wait_for_state(page, "Completed")
    assert last_model(ui_server)["params"] == {"number_39": "2"}


def test_a_refused_value_is_told_at_its_field_in_the_words_of_the_api(
        ui_server: Server, ui_folder: Path, page: Any, picture: Callable[..., None]) -> None:
    notebook = write_notebook(ui_folder / "report.ipynb", PARAMETERS, "print(region, year)")
    path = notebook.relative_to(ui_server.root).as_posix()
    show(page, ui_server, notebook)
    open_form(page)
    field(page, "year").fill("20.5")
    page.click(".nbexec-run")
    assert error_at(page, "year") == ui_server.post(notebook=path, year="20.5").json()["message"]
    assert field(page, "year").get_attribute("aria-invalid") == "true"
    page.wait_for_function("document.activeElement.name === 'year'")  # once the dialog has slid in
    wait_until_still(page)
    picture(page, "notebook-refused")
    # In a part that is closed.
    field(page, "year").fill("2023")
    page.click(".nbexec-more-button")
    field(page, "output_path").fill("there/is/none.ipynb")
    page.click(".nbexec-more-button")
    page.click(".nbexec-run")
    wanted = ui_server.post(notebook=path, output_path="there/is/none.ipynb").json()["message"]
    assert error_at(page, "output_path") == wanted and field(page, "output_path").is_visible()
    assert page.locator("[data-name=year].has-error").count() == 0
    assert [model for model in ui_server.get().json()["executions"] if model["path"] == path] == []


def test_more_holds_what_few_need(ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", "1"))
    write_notebook(ui_folder / "out.ipynb", "2")
    out = (ui_folder / "out.ipynb").relative_to(ui_server.root).as_posix()
    open_form(page)
    assert not field(page, "output_path").is_visible()
    page.click(".nbexec-more-button")
    field(page, "output_path").fill(out)
    field(page, "overwrite").check()
    page.wait_for_selector("[name=jupyter_kernel] option[value=python3]", state="attached")
    field(page, "jupyter_kernel").select_option("python3")
    field(page, "cell_timeout").fill("30")
    page.click(".nbexec-run")
    wait_for_state(page, "Completed")
    model = last_model(ui_server)
    assert (model["output_path"], model["overwrite"], model["jupyter_kernel"], model["cell_timeout"]) == (
        out, True, "python3", 30)
    # Again, with the same.
    page.click(".nbexec-again")
    page.wait_for_selector(".nbexec-run:enabled")
    assert field(page, "output_path").input_value() == out and field(page, "overwrite").is_checked()
    assert field(page, "jupyter_kernel").input_value() == "python3"
    assert field(page, "cell_timeout").input_value() == "30"


def test_run_again_keeps_the_path_of_the_result(ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", "1"))
    wanted = f"{ui_folder.name}/wanted.ipynb"
    open_form(page)
    page.click(".nbexec-more-button")
    field(page, "output_path").fill(wanted)
    page.click(".nbexec-run")
    wait_for_state(page, "Completed")
    page.click(".nbexec-again")
    page.wait_for_selector(".nbexec-run:enabled")
    assert field(page, "output_path").input_value() == wanted and not field(page, "overwrite").is_checked()
    page.click(".nbexec-run")

    def results() -> List[str]:
        return [model["output_path"] for model in ui_server.get().json()["executions"]
                if model["path"].startswith(ui_folder.name) and model["completed_at"]]

    wait_until(page, lambda: results() == [wanted, f"{ui_folder.name}/wanted-1.ipynb"])


def test_the_answer_and_not_its_words_says_which_field_is_refused(
        ui_server: Server, ui_folder: Path, page: Any) -> None:
    def reword(route: Any) -> None:
        response = route.fetch()
        route.fulfill(response=response, json={"message": "Nein.", "reason": None})

    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", "# nbexec: params\nJahr_für_Bericht = 2024"))
    page.route("**/api/executions", reword)
    open_form(page)
    field(page, "Jahr_für_Bericht").fill("1.5")
    page.click(".nbexec-run")
    assert error_at(page, "Jahr_für_Bericht") == "Nein."


def test_a_notebook_without_parameters_is_told_how_to_define_them(
        ui_server: Server, ui_folder: Path, page: Any, picture: Callable[..., None]) -> None:
    notebook = write_notebook(ui_folder / "plain.ipynb", v4.new_markdown_cell("# Title"), "print('hello')")
    show(page, ui_server, notebook)
    form = open_form(page)
    assert "# nbexec: params" in form.inner_text()
    wait_until_still(page)
    picture(page, "notebook-plain")
    page.click(".nbexec-template")
    page.wait_for_selector(".nbexec-dialog", state="detached")
    assert page.evaluate("Jupyter.notebook.get_selected_index()") == 1
    save(page)
    open_form(page)
    assert [field(page, name).get_attribute("type") for name in ("name", "count", "verbose")] == [
        "text", "text", "checkbox"]
    page.click(".nbexec-run")
    wait_for_state(page, "Completed")
    assert "hello" in page.inner_text(".nbexec-output")


def test_a_mistake_in_the_parameter_cell_is_told(ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", "# nbexec: params\n{'a': {'type': set}}"))
    page.click("#nbexec_buttons button")
    page.wait_for_selector(".nbexec-form .alert:has-text('is not bool, int, float, str, list or dict')")
    assert page.locator(".nbexec-run").is_disabled()


def test_the_keyboard_is_enough(ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", PARAMETERS, "print(region)"))
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+R")
    page.wait_for_selector(".nbexec-run:enabled")
    page.wait_for_function("document.activeElement.name === 'region'")
    for _ in range(30):  # once around, and on
        page.keyboard.press("Tab")
        assert page.evaluate("Boolean(document.activeElement.closest('.nbexec-dialog'))")
    page.keyboard.press("Escape")
    page.wait_for_selector(".nbexec-dialog", state="detached")
    page.keyboard.press("Shift+R")
    page.wait_for_selector(".nbexec-run:enabled")
    page.wait_for_function("document.activeElement.name === 'region'")
    page.keyboard.type("South")
    page.keyboard.press("Enter")
    wait_for_state(page, "Completed")
    assert last_model(ui_server)["params"] == {"region": "South"}
    # The keys of the notebook do nothing while the focus is in the panel.
    cells = page.evaluate("Jupyter.notebook.ncells()")
    page.focus(".nbexec-close")
    page.keyboard.press("b")
    # Nor in a dialog that was opened there.
    page.focus(".nbexec-again")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.name === 'region'")
    page.keyboard.type("db")
    assert field(page, "region").input_value() == "db"
    assert page.evaluate("Jupyter.notebook.ncells()") == cells


def test_the_menu_and_the_command_palette_lead_to_the_form(ui_server: Server, ui_folder: Path, page: Any) -> None:
    show(page, ui_server, write_notebook(ui_folder / "a.ipynb", "1"))
    page.click("#kernellink")
    assert "Shift-R" in page.inner_text("#nbexec_run")
    page.click("#nbexec_run a")
    page.wait_for_function("document.activeElement.closest('.nbexec-dialog')")
    page.keyboard.press("Escape")
    page.wait_for_selector(".nbexec-dialog", state="detached")
    page.click("button[data-jupyter-action='jupyter-notebook:show-command-palette']")
    page.wait_for_selector(".cmd-palette input")
    page.keyboard.type("run with parameters")
    # Another part of the palette lies over what it has found.
    page.locator(".typeahead__list li:has-text('run with parameters') a").first.dispatch_event("click")
    page.wait_for_selector(".nbexec-run:enabled")
