"""The output notebook: its name, what is in it, and that it is there whatever happens; and sources old and broken."""

from __future__ import annotations

import codecs
import errno
import json
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Set

import nbformat
import pytest
import requests
from helpers import Event, Server, names, text_of, wait_for, write_notebook
from hypothesis import given, settings, strategies
from nbformat import v4
from nbformat.sign import NotebookNotary

from nbexec.files.accepted_directory import AcceptedDirectory
from nbexec.files.output_directory import OutputDirectory
from nbexec.files.output_names import output_names
from nbexec.files.permissions import Permissions
from nbexec.files.serialization import serialize

Document = Dict[str, Any]


def output_path(events: List[Event]) -> Optional[str]:
    """Return the API path of the output notebook, on which all that tell it agree."""
    last = events[-1]
    assert last.get("output_path", last["execution"]["output_path"]) == last["execution"]["output_path"]
    path: Optional[str] = last["execution"]["output_path"]
    return path


def run_to(server: Server, notebook: Path, **data: Any) -> str:
    """Execute a notebook to its end and return the name of the output notebook, which is beside it and valid."""
    events = server.run(notebook, **data)
    assert names(events)[-1] == "notebook_complete", events[-1]
    path = output_path(events)
    assert path is not None
    server.output(path)
    folder, _, name = path.rpartition("/")
    assert server.root / folder == notebook.parent
    return name


def names_in(folder: Path) -> Set[str]:
    return {path.name for path in folder.iterdir()}


def api_path(server: Server, path: Path) -> str:
    return path.relative_to(server.root).as_posix()


def strictly(path: Path) -> Document:
    """Return what is in a notebook file, which has to be JSON as browsers take it, too."""
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    document: Document = json.loads(path.read_text("utf-8"), parse_constant=refuse)
    return document


# -- names ----------------------------------------------------------------------------------------


def test_default_name_has_the_lowest_free_number(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    (folder / "a-Executed2.ipynb").touch()
    (folder / "a-Executed3.ipynb").mkdir()
    (folder / "a-Executed4.ipynb").symlink_to("nowhere")
    assert run_to(server, source) == "a-Executed1.ipynb"
    assert run_to(server, source) == "a-Executed5.ipynb"
    (folder / "a-Executed1.ipynb").unlink()
    assert run_to(server, source) == "a-Executed1.ipynb"


@pytest.mark.parametrize("name, output", [
    ("a.b.ipynb", "a.b-Executed1.ipynb"), ("a b%20ü#?&+.ipynb", "a b%20ü#?&+-Executed1.ipynb"),
    ("a-Executed1.ipynb", "a-Executed1-Executed1.ipynb"), ("a.json", "a-Executed1.ipynb"), ("a", "a-Executed1.ipynb")])
def test_default_name_is_made_from_the_stem(server: Server, folder: Path, name: str, output: str) -> None:
    (folder / "sub folder").mkdir()
    source = write_notebook(folder / "sub folder" / "notebook.ipynb", "1")
    source = source.rename(source.with_name(name))
    assert run_to(server, source) == output
    assert names_in(source.parent) == {name, output}


@pytest.mark.parametrize("requested, there, output", [
    ("out.ipynb", [], "out.ipynb"),
    ("out.ipynb", ["out.ipynb"], "out-1.ipynb"),
    ("out.ipynb", ["out.ipynb", "out-1.ipynb", "out-3.ipynb"], "out-2.ipynb"),
    ("out5.ipynb", ["out.ipynb"], "out5.ipynb"),
    ("out5.ipynb", ["out5.ipynb", "out5-1.ipynb"], "out5-2.ipynb"),
    ("out-1.ipynb", ["out-1.ipynb"], "out-1-1.ipynb"),
    ("sales-2024-05-31.ipynb", ["sales-2024-05-31.ipynb"], "sales-2024-05-31-1.ipynb"),
    ("2024.ipynb", ["2024.ipynb"], "2024-1.ipynb"),
    ("v1.9.ipynb", ["v1.9.ipynb"], "v1.9-1.ipynb"),
    ("x-Executed1.ipynb", ["x-Executed1.ipynb"], "x-Executed2.ipynb"),
    ("x-Executed9.ipynb", ["x-Executed9.ipynb", "x-Executed10.ipynb"], "x-Executed11.ipynb"),
    ("x-Executed1-Executed3.ipynb", ["x-Executed1-Executed3.ipynb"], "x-Executed1-Executed4.ipynb"),
    ("x-Executed.ipynb", ["x-Executed.ipynb"], "x-Executed-1.ipynb"),
    ("x-Executed1-a.ipynb", ["x-Executed1-a.ipynb"], "x-Executed1-a-1.ipynb"),
])
def test_a_requested_name_that_is_taken_is_counted_up(server: Server, folder: Path, requested: str, there: List[str],
                                                      output: str) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    for name in there:
        (folder / name).write_text("old")
    assert run_to(server, source, output_path=f"{folder.name}/{requested}", overwrite="false") == output
    assert [(folder / name).read_text() for name in there] == ["old"] * len(there)
    assert names_in(folder) == {"a.ipynb", output, *there}


def test_a_requested_path_may_be_in_another_directory(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    (folder / "b" / "c").mkdir(parents=True)
    events = server.run(source, output_path=f"/{folder.name}/b/../b/c/out.ipynb")
    assert output_path(events) == f"{folder.name}/b/c/out.ipynb"
    assert events[0]["execution"]["output_path"] == f"{folder.name}/b/c/out.ipynb"
    assert names_in(folder) == {"a.ipynb", "b"}
    assert names_in(folder / "b" / "c") == {"out.ipynb"}


# What a file system counts are bytes: 255 for a name, and "é" has two, "日" three, "🐙" four of them.
@pytest.mark.parametrize("letter", ["x", "é", "日", "🐙"])
@pytest.mark.parametrize("length", [235, 236, 240, 243, 248, 250, 254, 255])
def test_a_name_of_any_length_gets_a_number(server: Server, folder: Path, letter: str, length: int) -> None:
    width = len(letter.encode())
    stem = "a" * ((length - 6) % width) + letter * ((length - 6) // width)
    source = write_notebook(folder / "short.ipynb", "1").rename(folder / f"{stem}.ipynb")
    for number in (1, 2):
        name = run_to(server, source)
        assert name.endswith(f"-Executed{number}.ipynb") and len(name.encode()) <= 255
        assert stem.startswith(name[:-len("-Executed1.ipynb")])
        assert len(name.encode()) > 255 - width or name == f"{stem}-Executed{number}.ipynb"
    other = write_notebook(folder / "b.ipynb", "1")
    requested = f"{folder.name}/{stem[:-1]}b.ipynb"
    assert run_to(server, other, output_path=requested) == f"{stem[:-1]}b.ipynb"
    counted = run_to(server, other, output_path=requested)
    assert counted.endswith("-1.ipynb") and len(counted.encode()) <= 255
    assert f"{stem[:-1]}b".startswith(counted[:-len("-1.ipynb")])


def test_a_requested_name_that_no_file_can_have_is_refused_at_once(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    before = server.get().json()
    for stem in ("x" * 250, "é" * 125, "日" * 84):
        for overwrite in ("true", "false"):
            response = server.post(notebook=api_path(server, source), output_path=f"{folder.name}/{stem}.ipynb",
                                   overwrite=overwrite)
            assert response.status_code == 400 and "255 bytes" in response.json()["message"]
    assert server.get().json() == before


# -- overwriting ----------------------------------------------------------------------------------


def test_overwrite_replaces_the_file_and_keeps_its_mode(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "'new'")
    target = write_notebook(folder / "out.ipynb", "'old'")
    target.chmod(0o604)
    assert run_to(server, source, output_path=api_path(server, target), overwrite="true") == "out.ipynb"
    assert server.output(api_path(server, target)).cells[0].source == "'new'"
    assert stat.S_IMODE(target.stat().st_mode) == 0o604
    assert names_in(folder) == {"a.ipynb", "out.ipynb"}


def test_overwrite_needs_no_file_to_be_there(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    assert run_to(server, source, output_path=f"{folder.name}/out.ipynb", overwrite="true") == "out.ipynb"


def test_overwrite_leaves_the_old_file_to_who_reads_it(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "print('x' * 3_000_000)")
    target = write_notebook(folder / "out.ipynb", "'old'" * 300_000)
    old = target.read_text()
    with open(target) as file:
        assert file.read(1000) == old[:1000]
        run_to(server, source, output_path=api_path(server, target), overwrite="true")
        assert file.read() == old[1000:]


def test_a_reader_never_sees_a_part_of_a_file(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "print('x' * 10_000_000)")
    target = write_notebook(folder / "out.ipynb", "'old'")
    stop = threading.Event()
    sizes: Dict[str, Set[int]] = {}

    def read() -> None:
        while not stop.is_set():
            for path in folder.glob("*.ipynb"):
                sizes.setdefault(path.name, set()).add(path.stat().st_size)

    old = target.stat().st_size
    reader = threading.Thread(target=read)
    reader.start()
    try:
        run_to(server, source)
        run_to(server, source, output_path=api_path(server, target), overwrite="true")
    finally:
        stop.set()
        reader.join()
    assert sizes["a-Executed1.ipynb"] == {(folder / "a-Executed1.ipynb").stat().st_size}
    assert sizes["out.ipynb"] <= {old, target.stat().st_size}
    assert set(sizes) == names_in(folder) == {"a.ipynb", "a-Executed1.ipynb", "out.ipynb"}


# -- many at once ---------------------------------------------------------------------------------


@pytest.mark.parametrize("requested", [False, True])
def test_executions_at_once_get_different_files(server: Server, folder: Path, requested: bool) -> None:
    source = write_notebook(folder / "a.ipynb", "import uuid; print(uuid.uuid4(), end='')")
    data = {"output_path": f"{folder.name}/out.ipynb"} if requested else {}
    with ThreadPoolExecutor(12) as pool:
        runs = list(pool.map(lambda _: server.run(source, **data), range(12)))
    assert [names(events)[-1] for events in runs] == ["notebook_complete"] * 12
    printed = {output_path(events): text_of(events[-2]["cell"]) for events in runs}
    expected = {"out" + (f"-{number}" if number else "") + ".ipynb" for number in range(12)} if requested else {
        f"a-Executed{number}.ipynb" for number in range(1, 13)}
    assert names_in(folder) == {"a.ipynb", *expected}
    assert printed == {f"{folder.name}/{name}": text_of(server.output(f"{folder.name}/{name}").cells[0])
                       for name in expected}
    assert len(set(printed.values())) == 12


def test_executions_at_once_that_overwrite_leave_one_whole_file(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "import uuid; print(str(uuid.uuid4()) * 1000, end='')")
    with ThreadPoolExecutor(6) as pool:
        runs = list(pool.map(lambda _: server.run(source, output_path=f"{folder.name}/out.ipynb", overwrite="1"),
                             range(6)))
    printed = {text_of(events[-2]["cell"]) for events in runs}
    assert len(printed) == 6
    assert text_of(server.output(f"{folder.name}/out.ipynb").cells[0]) in printed
    assert names_in(folder) == {"a.ipynb", "out.ipynb"}


@pytest.mark.parametrize("has_links", [True, False])
def test_no_two_writers_get_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
    def refuse(source: str, target: str, **more: Any) -> None:
        raise PermissionError(errno.EPERM, "as on a file system without hard links", target)

    def write(number: int) -> str:
        with OutputDirectory(AcceptedDirectory.of(str(tmp_path), os.path.realpath(tmp_path), False)) as directory:
            return directory.write_new(b"%d" % number, output_names(None, "a.ipynb"), Permissions(0o640))

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(write, range(100)))
    assert sorted(written) == sorted(f"a-Executed{number}.ipynb" for number in range(1, 101))
    assert [(tmp_path / name).read_text() for name in written] == [str(number) for number in range(100)]
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in written} == {0o640}
    assert names_in(tmp_path) == set(written)


# -- the source -----------------------------------------------------------------------------------


def test_the_source_is_never_changed(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", v4.new_code_cell("x = 2", metadata={"tags": ["params"]}),
                            v4.new_code_cell("x", outputs=[v4.new_output("stream", text="old")]), "1/0")
    source.write_text(json.dumps(json.loads(source.read_text())))  # not as nbformat writes it
    before = source.read_bytes(), source.stat()
    for data in ({}, {"x": "5"}, {"output_path": f"{folder.name}/out.ipynb", "overwrite": "true"}):
        assert names(server.run(source, **data))[-1] == "notebook_error"
    after = source.read_bytes(), source.stat()
    assert after[0] == before[0]
    assert (after[1].st_mtime_ns, after[1].st_ino) == (before[1].st_mtime_ns, before[1].st_ino)


def test_results_of_the_source_are_dropped_first(server: Server, folder: Path) -> None:
    old = [v4.new_output("stream", text="old"), v4.new_output("display_data", {"text/plain": "old"})]
    cells = [v4.new_code_cell(source, outputs=old, execution_count=9) for source in ("'new'", "1/0", "'not run'", "")]
    events = server.run(write_notebook(folder / "a.ipynb", *cells))
    output = server.output(str(output_path(events)))
    assert "old" not in json.dumps(output)
    assert [cell.execution_count for cell in output.cells] == [1, 2, None, None]
    assert [len(cell.outputs) for cell in output.cells] == [1, 1, 0, 0]


# -- written whatever happens ---------------------------------------------------------------------

FIRST = "import os, time\nprint('first')"
SO_FAR = "print('so far', flush=True); time.sleep(0.3)\nopen('marker', 'w').close()\n"


def check_partial(server: Server, path: str) -> None:
    """Check that an output notebook has what the two cells printed, and nothing of the third."""
    first, second, third = server.output(path).cells
    assert text_of(first) == "first\n"
    assert text_of(second) == "so far\n"
    assert set(second.metadata["nbexec"]) == {"start_time", "end_time", "duration"}
    assert third.outputs == []
    assert third.execution_count is None
    assert "nbexec" not in third.metadata


@pytest.mark.parametrize("ending, reason", [
    ("1/0", "ZeroDivisionError"), ("time.sleep(600)", "cell_timeout"), ("os._exit(1)", "died"),
    ("os.kill(os.getpid(), 9)", "died")])
def test_it_is_written_when_the_run_goes_wrong(server: Server, folder: Path, ending: str, reason: str) -> None:
    source = write_notebook(folder / "a.ipynb", FIRST, SO_FAR + ending, "print('third')")
    events = server.run(source, cell_timeout="2")
    assert names(events)[-1] == "notebook_error"
    assert reason in events[-1]["error"]
    assert output_path(events) == f"{folder.name}/a-Executed1.ipynb"
    check_partial(server, f"{folder.name}/a-Executed1.ipynb")


def test_it_is_written_when_the_execution_is_shut_down(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", FIRST, SO_FAR + "time.sleep(600)", "print('third')")
    exec_id = server.start_run(source, output_path=f"{folder.name}/out.ipynb")
    wait_for((folder / "marker").exists)
    server.post(f"/{exec_id}", action="shutdown")
    assert server.wait_until_final(exec_id)["output_path"] == f"{folder.name}/out.ipynb"
    check_partial(server, f"{folder.name}/out.ipynb")


def test_it_is_written_when_the_execution_is_deleted(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", FIRST, SO_FAR + "time.sleep(600)", "print('third')")
    exec_id = server.start_run(source)
    wait_for((folder / "marker").exists)
    assert server.delete(f"/{exec_id}").status_code == 202
    wait_for((folder / "a-Executed1.ipynb").exists)
    check_partial(server, f"{folder.name}/a-Executed1.ipynb")


def test_output_that_cannot_be_written_is_an_error(server: Server, folder: Path) -> None:
    (folder / "sub").mkdir()
    source = write_notebook(folder / "sub" / "a.ipynb", "import os, shutil; shutil.rmtree(os.getcwd())")
    events = server.run(source)
    assert names(events)[-1] == "notebook_error"
    assert "could not be written" in events[-1]["error"]
    assert output_path(events) is None
    assert "ename" not in events[-1]


# -- content --------------------------------------------------------------------------------------


def test_it_keeps_the_metadata_of_the_source(server: Server, folder: Path) -> None:
    kernelspec = {"name": "python3", "display_name": "My Python", "language": "python", "more": 1}
    metadata = {"kernelspec": kernelspec, "title": "T", "authors": [{"name": "ä"}],
                "custom": {"a": [1, 2.5, None, "x"]}}
    markdown = v4.new_markdown_cell("![x](attachment:x.png)", attachments={"x.png": {"image/png": "eA==\n"}},
                                    metadata={"slideshow": {"slide_type": "skip"}})
    raw = v4.new_raw_cell("<b>", metadata={"format": "text/html"})
    code = v4.new_code_cell("1", metadata={"tags": ["a", "b"], "scrolled": True, "my": {"own": None}, "name": "n"})
    source = write_notebook(folder / "a.ipynb", markdown, raw, code, metadata=metadata)
    output = server.output(f"{folder.name}/{run_to(server, source)}")
    ran_on = output.metadata.pop("kernelspec")
    assert set(ran_on) == {"name", "display_name", "language"}
    assert (ran_on.name, ran_on.language) == ("python3", "python")
    del output.metadata["language_info"], output.metadata["papermill"], metadata["kernelspec"]
    for cell in output.cells:
        del cell.metadata["papermill"]
    assert output.metadata == metadata
    assert output.cells[:2] == [markdown, raw]
    assert {name: value for name, value in output.cells[2].metadata.items() if name != "nbexec"} == code.metadata
    assert output.cells[2].id == code.id


def test_it_says_what_it_ran_on(server: Server, folder: Path) -> None:
    metadata = {"language_info": {"name": "julia", "version": "0.1", "file_extension": ".jl"}}
    source = write_notebook(folder / "a.ipynb", "import sys; print(sys.version.split()[0], end='')", metadata=metadata)
    output = server.output(f"{folder.name}/{run_to(server, source, jupyter_kernel='python3')}")
    assert output.metadata.kernelspec.name == "python3"
    assert output.metadata.kernelspec.display_name
    assert output.metadata.language_info.name == "python"
    assert output.metadata.language_info.version == text_of(output.cells[0])
    assert output.metadata.language_info.file_extension == ".py"


def test_it_is_written_as_notebook_itself_writes(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", v4.new_markdown_cell("ä\n\n"),
                            "display({'text/html': 'a\\nb'}, raw=True)")
    path = folder / run_to(server, source)
    assert path.read_text("utf-8") == nbformat.writes(nbformat.read(str(path), 4)) + "\n"


# -- old and odd sources --------------------------------------------------------------------------


def notebook(*cells: Document, **more: Any) -> Document:
    """Return a notebook whose last cell gives 2."""
    last = {"cell_type": "code", "id": "last", "metadata": {}, "source": "1 + 1", "outputs": [],
            "execution_count": None}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [*cells, last], **more}


def changed(**changes: Any) -> Document:
    """Return a notebook with one cell, which has these values instead of its own; with ... it lacks the key."""
    document = notebook()
    cell = {**document["cells"][0], **changes}
    document["cells"] = [{key: value for key, value in cell.items() if value is not ...}]
    return document


def save(path: Path, content: Any) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def run_repaired(server: Server, folder: Path, content: Any) -> Document:
    """Execute a source that notebook would write otherwise, and return the output notebook, which is in order."""
    source = save(folder / "a.ipynb", content)
    name = run_to(server, source)
    output = strictly(folder / name)
    assert output["cells"][-1]["outputs"][0]["data"]["text/plain"] == ["2"]
    assert (output["nbformat"], output["nbformat_minor"] >= 5) == (4, True)
    ids = [cell["id"] for cell in output["cells"]]
    assert len(set(ids)) == len(ids)
    assert source.read_bytes() == (content if isinstance(content, bytes) else json.dumps(content).encode())
    return output


@pytest.mark.parametrize("minor", range(5))
def test_older_minors_of_nbformat_4_are_upgraded(server: Server, folder: Path, minor: int) -> None:
    run_repaired(server, folder, {**changed(id=...), "nbformat_minor": minor})


def test_nbformat_3_is_upgraded(server: Server, folder: Path) -> None:
    old = [{"output_type": "pyout", "prompt_number": 7, "text": "old", "metadata": {}}]
    cells = [{"cell_type": "heading", "level": 2, "source": "Title", "metadata": {}},
             {"cell_type": "code", "language": "python", "collapsed": False, "input": ["x = 1\n", "x + 1"],
              "outputs": old, "prompt_number": 7, "metadata": {}}]
    output = run_repaired(server, folder, {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "old"},
                                           "worksheets": [{"cells": cells, "metadata": {}}]})
    assert output["cells"][0]["source"] == ["## Title"]
    assert output["cells"][1]["source"] == ["x = 1\n", "x + 1"]
    assert set(output["metadata"]) == {"kernelspec", "language_info", "papermill"}


def test_nbformat_2_is_upgraded(server: Server, folder: Path) -> None:
    cells = [{"cell_type": "code", "language": "python", "collapsed": False, "input": "1 + 1", "outputs": []}]
    run_repaired(server, folder, {"nbformat": 2, "metadata": {"name": "x"}, "worksheets": [{"cells": cells}]})


MARKDOWN = {"cell_type": "markdown", "id": "text", "metadata": {}, "source": "x"}

REPAIRED: Dict[str, Any] = {
    "no ids": notebook({"cell_type": "markdown", "metadata": {}, "source": "x"}),
    "doubled ids": notebook(MARKDOWN, MARKDOWN, {**MARKDOWN, "id": "last"}),
    "odd ids": notebook({**MARKDOWN, "id": 5}, {**MARKDOWN, "id": ""}, {**MARKDOWN, "id": "x" * 65},
                        {**MARKDOWN, "id": "a b"}, {**MARKDOWN, "id": None}),
    "outputs on markdown cells": notebook({**MARKDOWN, "outputs": [], "execution_count": None}),
    "attachments on code cells": changed(attachments={}),
    "no cell metadata": changed(metadata=...),
    "no metadata": {name: value for name, value in notebook().items() if name != "metadata"},
    "no outputs and count": changed(outputs=..., execution_count=...),
    "odd outputs and count": changed(outputs=[{"output_type": "no such"}, {}], execution_count="x"),
    "odd cell metadata": changed(metadata={"collapsed": "x", "scrolled": 5, "name": ["x"]}),
    "no source": notebook({"cell_type": "code", "id": "x", "metadata": {}}),
    "lines": changed(source=["1 ", "+ ", "1"]),
    "kernelspec without display_name": notebook(metadata={"kernelspec": {"name": "python3"}}),
    "kernelspec without name": notebook(metadata={"kernelspec": {"display_name": "Python 3"}}),
    "odd kernelspec": notebook(metadata={"kernelspec": "python3"}),
    "odd name of a kernel": notebook(metadata={"kernelspec": {"name": ["x"], "display_name": 5}}),
    "kernel that is not there": notebook(metadata={"kernelspec": {"name": "../no such", "display_name": "x"}}),
    "odd language_info": notebook(metadata={"language_info": "python"}),
    "null in metadata": notebook(metadata={"kernelspec": None, "language_info": None}),
    "newer minor": notebook(nbformat_minor=99),
    "byte order mark": codecs.BOM_UTF8 + json.dumps(notebook()).encode(),
    "blank around": b"\n \t" + json.dumps(notebook()).encode() + b"\r\n",
    "numbers that are no JSON": json.dumps(notebook(metadata={"x": [float("nan"), float("inf")]})).encode(),
    "numbers that are too large": json.dumps(notebook(metadata={"x": 0})).replace(': 0}', ': -1e999}').encode(),
    "nested metadata": notebook(metadata={"x": json.loads("[" * 150 + "]" * 150)}),
}


@pytest.mark.parametrize("kind", REPAIRED)
def test_what_is_often_wrong_is_repaired(server: Server, folder: Path, kind: str) -> None:
    run_repaired(server, folder, REPAIRED[kind])


WHOLE = json.dumps(notebook(metadata={"x": 0}))

BROKEN: Dict[str, Any] = {
    "empty": b"",
    "blank": b" \n",
    "text": b"print(1)\n",
    "truncated": WHOLE[:-9].encode(),
    "two of them": (WHOLE + WHOLE).encode(),
    "UTF-16": WHOLE.encode("utf-16"),
    "Latin-1": WHOLE.replace("1 + 1", "'ä'").encode("latin-1"),
    "NUL bytes": b"\0" * 1000,
    "NUL byte within": WHOLE.replace("1 + 1", "1 \0+ 1").encode(),
    "all bytes": bytes(range(256)),
    "packed": codecs.encode(WHOLE.encode(), "zlib_codec"),
    "deep nesting": b"[" * 100_000 + b"]" * 100_000,
    "deep metadata": WHOLE.replace(": 0", ": " + "[" * 50_000 + "]" * 50_000).encode(),
    "list": [],
    "number": 5,
    "null": None,
    "no nbformat": {"cells": []},
    "nbformat 0": notebook(nbformat=0),
    "nbformat 5": notebook(nbformat=5),
    "huge nbformat": notebook(nbformat=10 ** 100),
    "nbformat as text": notebook(nbformat="4"),
    "nbformat 3 without worksheets": {"nbformat": 3, "nbformat_minor": 0, "metadata": {}},
    "no cells": {"nbformat": 4, "nbformat_minor": 5, "metadata": {}},
    "cells as object": {**notebook(), "cells": {}},
    "cells as text": {**notebook(), "cells": "1 + 1"},
    "cells as null": {**notebook(), "cells": None},
    "cell as number": notebook(5),  # type: ignore[arg-type]
    "cell as list": notebook([]),  # type: ignore[arg-type]
    "empty cell": notebook({}),
    "unknown cell type": changed(cell_type="magic"),
    "cell type as list": changed(cell_type=["code"]),
    "cell type as null": changed(cell_type=None),
    "source as number": changed(source=5),
    "source as object": changed(source={}),
    "source as numbers": changed(source=[1, 2]),
    "metadata as text": changed(metadata="x"),
    "metadata as list": notebook(metadata=["x"]),
    "unknown key": notebook(surplus=1),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_source_is_recorded_as_an_error(server: Server, folder: Path, kind: str) -> None:
    source = save(folder / "a.ipynb", BROKEN[kind])
    (event,) = server.run(source)
    assert set(event) == {"seq", "event", "timestamp", "exec_id", "output_path", "error", "execution", "kind"}
    assert event["event"] == "notebook_error"
    assert event["error"].startswith("the file is not a")
    model = event["execution"]
    assert model["status"] == "error: " + event["error"]
    assert (model["output_path"], model["progress"], model["last_cell_source"]) == (None, None, None)
    assert (model["started_at"], model["completed_at"]) == (None, event["timestamp"])
    assert server.model(event["exec_id"]) == model
    assert names_in(folder) == {"a.ipynb"}
    server.wait_until_quiet()


def test_a_broken_source_is_recorded_also_with_a_requested_path(server: Server, folder: Path) -> None:
    response = server.post(notebook=api_path(server, save(folder / "a.ipynb", b"")),
                           output_path=f"{folder.name}/out.ipynb")
    assert response.status_code == 202
    event = response.json()
    assert event["event"] == "notebook_error"
    assert event["output_path"] is event["execution"]["output_path"] is None
    assert response.headers["Location"].endswith(event["exec_id"])
    assert event["execution"] in server.get().json()["executions"]
    assert names_in(folder) == {"a.ipynb"}


# Neither is refused, for the text of a notebook is nobody's business; how it ends is up to its kernel.
@pytest.mark.parametrize("text", ["'\ud800'", "1 \0+ 1"])
def test_odd_characters_in_a_source_end_in_an_error(server: Server, folder: Path, text: str) -> None:
    events = server.run(save(folder / "a.ipynb", changed(source=text)))
    assert names(events) == ["notebook_start", "start", "end", "notebook_error"]
    assert server.output(str(output_path(events))).cells[0].source == text
    server.wait_until_quiet()


# -- contents managers of another kind ------------------------------------------------------------

MEMORY = '''
import asyncio
import datetime

from notebook.services.contents.filemanager import FileContentsManager
from tornado.web import HTTPError


class MemoryContentsManager(FileContentsManager):
    """Keeps notebooks in memory, and takes its time."""

    notebooks = {}

    def file_exists(self, path):
        return path.strip("/") in self.notebooks

    async def get(self, path, content=True, type=None, format=None):
        await asyncio.sleep(0.02)
        path = path.strip("/")
        if content and path == "unreadable.ipynb":
            raise HTTPError(400, "it cannot be read")
        now = datetime.datetime.now(datetime.timezone.utc)
        return {"name": path, "path": path, "type": "notebook", "writable": True, "created": now, "last_modified": now,
                "size": None, "mimetype": None, "format": "json" if content else None,
                "content": self.notebooks[path] if content else None}

    async def save(self, model, path=""):
        await asyncio.sleep(0.2)
        if "refused" in path:
            raise HTTPError(507, "no space")
        self.notebooks[path.strip("/")] = model["content"]
        return await self.get(path, content=False)
'''


@pytest.fixture()
def memory_server(new_server: Callable[..., Server], tmp_path: Path) -> Server:
    """A server whose notebooks are in memory: a.ipynb, which prints an id, and one that cannot be read."""
    config = tmp_path / "server0" / "config"
    config.mkdir(parents=True)
    (config / "memory_contents.py").write_text(MEMORY)
    (config / "jupyter_notebook_config.py").write_text(
        f"import sys; sys.path.append({str(config)!r})\n"
        "c.NotebookApp.contents_manager_class = 'memory_contents.MemoryContentsManager'\n")
    server = new_server()
    cells = [v4.new_code_cell("import uuid; print(uuid.uuid4())"), v4.new_code_cell("x = 1")]
    for name in ("a.ipynb", "unreadable.ipynb"):
        content = v4.new_notebook(cells=cells, metadata={"custom": [1]})
        response = requests.put(f"{server.url}api/contents/{name}", params={"token": server.token}, timeout=60,
                                json={"type": "notebook", "format": "json", "content": content})
        assert response.status_code == 201, response.text
    return server


def contents(server: Server, path: str) -> nbformat.NotebookNode:
    """Return a notebook as the contents manager has it; it has to be valid."""
    response = requests.get(f"{server.url}api/contents/{path}", params={"token": server.token}, timeout=60)
    assert response.status_code == 200, response.text
    nb = nbformat.from_dict(response.json()["content"])
    nbformat.validate(nb)
    return nb


def is_signed(server: Server, nb: nbformat.NotebookNode) -> bool:
    """Whether the notebook server trusts the notebook."""
    notary = NotebookNotary(data_dir=str(server.folder / "data"))
    try:
        return bool(notary.check_signature(nb))
    finally:
        notary.store.close()


def test_a_contents_manager_of_another_kind_is_used_for_all_files(memory_server: Server) -> None:
    before = contents(memory_server, "a.ipynb")
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: memory_server.run("a.ipynb"), range(8)))
        again = list(pool.map(lambda _: memory_server.run("a.ipynb", output_path="out.ipynb"), range(4)))
    assert [names(events)[-1] for events in runs + again] == ["notebook_complete"] * 12
    expected = {f"a-Executed{number}.ipynb" for number in range(1, 9)}
    assert {output_path(events) for events in runs} == expected
    assert {output_path(events) for events in again} == {"out.ipynb", "out-1.ipynb", "out-2.ipynb", "out-3.ipynb"}
    for events in runs + again:
        saved = contents(memory_server, str(output_path(events)))
        assert text_of(saved.cells[0]) == text_of(events[2]["cell"])
        assert saved.metadata["custom"] == [1]
        assert is_signed(memory_server, saved)
    assert contents(memory_server, "a.ipynb") == before
    assert names_in(memory_server.root) == set()

    events = memory_server.run("a.ipynb", output_path="out.ipynb", overwrite="true")
    assert output_path(events) == "out.ipynb"
    assert text_of(contents(memory_server, "out.ipynb").cells[0]) == text_of(events[2]["cell"])

    events = memory_server.run("a.ipynb", output_path="refused.ipynb")
    assert names(events)[-1] == "notebook_error"
    assert "no space" in events[-1]["error"]
    assert output_path(events) is None

    (event,) = memory_server.run("unreadable.ipynb")
    assert event["event"] == "notebook_error"
    assert "it cannot be read" in event["error"]
    assert output_path([event]) is None

    assert memory_server.post(notebook="no such.ipynb").status_code == 404


TEXTS = strategies.text(strategies.sampled_from("a\"\\\n\n\r\x00é\u2028\ud800"), max_size=90)


@given(strategies.lists(TEXTS, max_size=4))
@settings(deadline=None)
def test_a_file_is_laid_out_as_json_lays_it_out(texts: List[str]) -> None:
    outputs = [v4.new_output("stream", text=text) for text in texts]
    outputs += [v4.new_output("display_data", data={"text/html": text, "application/json": [text]}) for text in texts]
    nb = v4.new_notebook(cells=[v4.new_code_cell("\n".join(texts) * 9, outputs=outputs)])
    written = serialize(nb)
    ensure_ascii = any("\ud800" in text for text in texts)
    laid_out = json.dumps(json.loads(written), indent=1, sort_keys=True, ensure_ascii=ensure_ascii) + "\n"
    assert written.decode("utf-8") == laid_out
    assert v4.rwbase.rejoin_lines(nbformat.from_dict(json.loads(written))) == nb


# -- a failed run apart -----------------------------------------------------------------------------

APART = {"X-Failed-Output": "apart"}


def run_apart(server: Server, source: Path, requested: str, overwrite: str = "true", **data: str) -> Document:
    """Execute a notebook whose output path is for a complete run; return the final model."""
    answer = server.request("POST", headers=APART, data={
        "notebook": api_path(server, source), "output_path": requested, "overwrite": overwrite, **data})
    assert answer.status_code == 202, answer.text
    assert answer.json()["execution"]["output_path"] == requested
    return server.wait_until_final(answer.json()["execution"]["exec_id"])


def test_what_a_failed_run_has_so_far_can_be_kept_apart(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "print('so far')", "import os; assert os.path.exists('good')")
    requested = f"{folder.name}/out.ipynb"
    for overwrite, failed in (("true", "out-Failed.ipynb"), ("true", "out-Failed.ipynb"),
                              ("false", "out-Failed-1.ipynb")):
        model = run_apart(server, source, requested, overwrite)
        assert model["status"].startswith("error: ") and model["output_path"] == f"{folder.name}/{failed}"
        assert text_of(server.output(model["output_path"]).cells[0]) == "so far\n"
        assert not (folder / "out.ipynb").exists()
    (folder / "good").touch()
    model = run_apart(server, source, requested)
    assert (model["status"], model["output_path"]) == ("completed", requested)
    before = (folder / "out.ipynb").read_bytes()
    (folder / "good").unlink()
    assert run_apart(server, source, requested)["output_path"] == f"{folder.name}/out-Failed.ipynb"
    assert (folder / "out.ipynb").read_bytes() == before
    assert names_in(folder) == {"a.ipynb", "out.ipynb", "out-Failed.ipynb", "out-Failed-1.ipynb"}


@pytest.mark.parametrize("ending", ["import time; time.sleep(600)", "import os; os._exit(1)"])
def test_whatever_made_it_fail_it_is_apart(server: Server, folder: Path, ending: str) -> None:
    source = write_notebook(folder / "a.ipynb", "print('so far')", ending)
    model = run_apart(server, source, f"{folder.name}/out.ipynb", cell_timeout="2")
    assert model["output_path"] == f"{folder.name}/out-Failed.ipynb"
    assert names_in(folder) == {"a.ipynb", "out-Failed.ipynb"}


@pytest.mark.parametrize("value, data", [
    ("beside", {"output_path": "out.ipynb"}), ("", {"output_path": "out.ipynb"}), ("apart", {})])
def test_where_a_failed_run_goes_is_checked(server: Server, folder: Path, value: str, data: Dict[str, str]) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    answer = server.request("POST", headers={"X-Failed-Output": value},
                            data={"notebook": api_path(server, source), **data})
    assert answer.status_code == 400 and "X-Failed-Output" in answer.json()["message"]


def test_a_contents_manager_of_another_kind_keeps_it_apart_too(memory_server: Server) -> None:
    content = v4.new_notebook(cells=[v4.new_code_cell("1 / 0")])
    response = requests.put(f"{memory_server.url}api/contents/bad.ipynb", params={"token": memory_server.token},
                            json={"type": "notebook", "format": "json", "content": content}, timeout=60)
    assert response.status_code == 201, response.text
    model = run_apart(memory_server, memory_server.root / "bad.ipynb", "out.ipynb")
    assert model["output_path"] == "out-Failed.ipynb"
    assert contents(memory_server, "out-Failed.ipynb").cells[0].outputs[0].ename == "ZeroDivisionError"
