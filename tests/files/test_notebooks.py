"""Reading a notebook and making it ready to run; odd structures are in test_notebook_structure.py."""

from __future__ import annotations

import json
from typing import Any, Dict, List

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from nbexec.errors import NotebookUnreadableError
from nbexec.files.notebooks import WIDGET_STATE, clean, hide_sources, is_error_mark, parse, tags, wanted_kernel


def as_bytes(nb: Any) -> bytes:
    return json.dumps(nb).encode("utf-8")


def cleaned(*cells: NotebookNode, **metadata: Any) -> NotebookNode:
    nb = parse(as_bytes(new_notebook(cells=list(cells), metadata=metadata)))
    clean(nb)
    return nb


def old_notebook() -> Dict[str, Any]:
    cell = {"cell_type": "code", "language": "python", "input": "1 + 1", "outputs": [], "collapsed": False,
            "prompt_number": 3, "metadata": {}}
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "old"},
            "worksheets": [{"cells": [cell], "metadata": {}}]}


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"{", b"[" * 100_000, b"\x00", b"{}x"])
def test_what_is_not_json_is_not_a_notebook(data: bytes) -> None:
    with pytest.raises(NotebookUnreadableError, match="the file is not a notebook: it is not JSON"):
        parse(data)


@pytest.mark.parametrize("content", [None, 1, [], {}, {"nbformat": 99, "nbformat_minor": 0}, {"nbformat": "4"},
                                     {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 1}])
def test_other_json_is_not_a_notebook(content: Any) -> None:
    with pytest.raises(NotebookUnreadableError):
        clean(parse(as_bytes(content)))


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse(b"\xef\xbb\xbf" + as_bytes(new_notebook())).cells == []


def test_numbers_that_json_does_not_have_become_null() -> None:
    data = as_bytes(new_notebook(metadata={"a": 0})).replace(b'"a": 0', b'"a": NaN, "b": -Infinity, "c": 1e999')
    assert parse(data).metadata == {"a": None, "b": None, "c": None}


def test_a_notebook_of_format_3_is_upgraded() -> None:
    nb = parse(as_bytes(old_notebook()))
    clean(nb)
    assert (nb.nbformat, nb.nbformat_minor, nb.cells[0].source) == (4, 5, "1 + 1")
    nbformat.validate(nb)


def test_outputs_and_counts_of_earlier_runs_are_dropped() -> None:
    cell = new_code_cell("1", execution_count=7, outputs=[nbformat.v4.new_output("stream", text="old")],
                         metadata={"nbexec": {"duration": 1}, "papermill": {"status": "completed"}, "kept": True})
    [cell] = cleaned(cell).cells
    assert (cell.execution_count, cell.outputs, cell.metadata) == (None, [], {"kept": True})


def test_marks_of_a_failed_papermill_run_are_removed() -> None:
    cells = [new_markdown_cell("An Exception was encountered", metadata={"tags": ["papermill-error-cell-tag"]}),
             new_markdown_cell("<span>", metadata={"tags": ["papermill-error-cell"]}),
             new_code_cell("1", metadata={"tags": ["papermill-error-cell"]})]
    assert [is_error_mark(cell) for cell in cells] == [True, True, False]
    assert [cell.source for cell in cleaned(*cells).cells] == ["1"]


def test_widget_state_is_dropped_and_what_others_keep_beside_it_stays() -> None:
    assert "widgets" not in cleaned(widgets={WIDGET_STATE: {"state": {}}}).metadata
    nb = cleaned(widgets={WIDGET_STATE: {"state": {}}, "application/x-other": {"a": 1}})
    assert nb.metadata.widgets == {"application/x-other": {"a": 1}}


@pytest.mark.parametrize("wrong", ["", "with space", "x" * 65, "the same", 7, None])
def test_each_cell_gets_a_valid_id_of_its_own(wrong: Any) -> None:
    nb = new_notebook(cells=[new_code_cell("a"), new_code_cell("b"), new_markdown_cell("c")])
    for cell in nb.cells:
        cell["id"] = wrong
    nb = parse(as_bytes(nb))
    clean(nb)
    assert len({cell.id for cell in nb.cells}) == 3
    nbformat.validate(nb)


def test_valid_ids_are_kept() -> None:
    assert [cell.id for cell in cleaned(new_code_cell("a", id="mine"), new_code_cell("b", id="yours")).cells] == [
        "mine", "yours"]


def test_keys_that_no_cell_has_are_removed() -> None:
    nb = new_notebook(cells=[new_code_cell("a"), new_markdown_cell("b")])
    nb.cells[0]["collapsed"] = True
    nb.cells[1]["outputs"] = []
    nb = parse(as_bytes(nb))
    clean(nb)
    assert "collapsed" not in nb.cells[0] and "outputs" not in nb.cells[1]


def test_what_cannot_be_repaired_is_told_with_its_place() -> None:
    nb = parse(as_bytes(new_notebook(cells=[new_code_cell("a")])))
    nb.cells[0]["source"] = 5
    with pytest.raises(NotebookUnreadableError, match=r"not a valid notebook: cells\[0\]"):
        clean(nb)


@pytest.mark.parametrize("metadata, expected", [
    ({}, (None, None)),
    ({"kernelspec": {"name": "ir", "language": "R"}}, ("ir", "R")),
    ({"kernelspec": {"name": "k"}, "language_info": {"name": "python"}}, ("k", "python")),
    ({"kernelspec": {"name": "", "language": ""}, "language_info": {"name": "julia"}}, (None, "julia")),
    ({"kernelspec": {"name": 3}, "language_info": []}, (None, None)),
    ({"kernelspec": "python3"}, (None, None))])
def test_a_notebook_names_its_kernel_and_language(metadata: Dict[str, Any], expected: Any) -> None:
    nb = nbformat.from_dict({"metadata": metadata})
    assert tuple(wanted_kernel(nb)[key] for key in ("kernel_name", "language")) == expected


@pytest.mark.parametrize("metadata, expected", [({}, []), ({"tags": ["a", "b"]}, ["a", "b"]), ({"tags": "a"}, [])])
def test_tags_of_a_cell_are_a_list(metadata: Dict[str, Any], expected: List[str]) -> None:
    assert tags({"metadata": metadata}) == expected
    assert tags({}) == []


def test_only_the_source_of_code_is_hidden() -> None:
    nb = new_notebook(cells=[new_code_cell("a", metadata={"jupyter": {"outputs_hidden": True}}),
                             new_code_cell("b"), new_markdown_cell("c")])
    nb.cells[1].metadata["jupyter"] = 3
    hide_sources(nb)
    assert nb.cells[0].metadata.jupyter == {"outputs_hidden": True, "source_hidden": True}
    assert nb.cells[1].metadata.jupyter == {"source_hidden": True}
    assert "jupyter" not in nb.cells[2].metadata
