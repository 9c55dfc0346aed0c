"""Notebooks in which something is missing, null, or of a wrong kind: they run, or it is told what is wrong."""

from __future__ import annotations

import copy
import json
import random
import re
from typing import Any, Dict, Iterator, List, Tuple

import nbformat
import pytest
from helpers import Server, names, text_of

from nbexec.errors import NotebookUnreadableError
from nbexec.files import notebooks
from nbexec.files.serialization import serialize

Document = Dict[str, Any]
Place = Tuple[Any, ...]

WHOLE: Document = {
    "nbformat": 4, "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
                 "language_info": {"name": "python", "codemirror_mode": {"name": "ipython"}},
                 "widgets": {"application/x": {"state": {}}}, "authors": [{"name": "A"}], "title": "t",
                 "orig_nbformat": 4, "nbexec": {}},
    "cells": [
        {"cell_type": "code", "id": "one", "source": ["1 + 1\n", "2"], "execution_count": 5,
         "metadata": {"tags": ["params"], "nbexec": {}, "collapsed": True, "scrolled": "auto", "name": "n",
                      "jupyter": {"source_hidden": True}, "execution": {"a": "b"}},
         "outputs": [{"output_type": "display_data", "data": {"text/plain": ["x"]}, "metadata": {}},
                     {"output_type": "stream", "name": "stdout", "text": ["a"]},
                     {"output_type": "error", "ename": "a", "evalue": "b", "traceback": ["c"]}]},
        {"cell_type": "markdown", "id": "two", "source": ["a\n", "b"], "metadata": {"tags": []},
         "attachments": {"x.png": {"image/png": "eA=="}}},
        {"cell_type": "raw", "id": "three", "source": "x", "metadata": {"format": "x"}}]}
THIRD: Document = {
    "nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "x"},
    "worksheets": [{"metadata": {}, "cells": [
        {"cell_type": "code", "language": "python", "collapsed": False, "input": ["1 + 1"], "prompt_number": 1,
         "metadata": {}, "outputs": [{"output_type": "pyout", "text": ["2"], "prompt_number": 1, "metadata": {}},
                                     {"output_type": "stream", "stream": "stdout", "text": "x"}]},
        {"cell_type": "heading", "level": 2, "source": "h", "metadata": {}},
        {"cell_type": "markdown", "source": "h", "metadata": {}}]}]}
SECOND: Document = dict(copy.deepcopy(THIRD), nbformat=2)
FIRST: Document = {"cells": [{"cell_type": "code", "code": "1"}, {"cell_type": "text", "text": "1"}], "nbformat": 1}
ALL = [WHOLE, THIRD, SECOND, FIRST]
ODD: List[Any] = [None, "x", "\ud800x", [], [None], [[{}]], ["a", 1], {}, {"": None}, {"a": [1]}, True, False, 0, -1,
                  10 ** 30, 1.5, ...]
# What only a programmer of nbexec should have to read.
INTERNAL = re.compile(r"[A-Z]\w+(Error|Exception)\b|NoneType|object has no|not subscriptable|not iterable|unhashable|"
                      r"not supported between|positional argument|operand type|: ?$")


def places_in(document: Any, place: Place = ()) -> Iterator[Place]:
    if place:
        yield place
    parts = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(
        document, list) else ()
    for key, value in parts:
        yield from places_in(value, (*place, key))


def changed(document: Document, place: Place, value: Any) -> Document:
    """Return a notebook with another value at one place; with ... there is nothing there."""
    copied = copy.deepcopy(document)
    holder: Any = copied
    for key in place[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    return copied


def problem_of(document: Any) -> str:
    """Return what is said about a notebook, nothing if it can be run; then its copy is valid."""
    try:
        nb = notebooks.parse(json.dumps(document).encode())
        notebooks.clean(nb)
    except NotebookUnreadableError as error:
        return str(error)
    assert isinstance(nb.metadata.get("kernelspec", {"name": ""})["name"], str)
    assert isinstance(nb.metadata.get("language_info", {"name": ""})["name"], str)
    nbformat.validate(json.loads(serialize(nb)))
    return ""


@pytest.mark.parametrize("document", ALL, ids=lambda document: f"nbformat {document['nbformat']}")
def test_each_thing_that_is_odd_is_mended_or_told_by_its_place(document: Document) -> None:
    mended = 0
    for place in places_in(document):
        for value in ODD:
            problem = problem_of(changed(document, place, value))
            mended += not problem
            assert not INTERNAL.search(problem), (place, value)
            if problem:
                assert "expected" in problem or "structure" in problem or " is not " in problem, (place, value)
    assert mended > 10


def test_any_number_of_odd_things_is_no_worse() -> None:
    draw = random.Random(20240531)
    for _ in range(2000):
        document = draw.choice(ALL)
        for _ in range(draw.randint(2, 5)):
            places = list(places_in(document))
            if places:
                document = changed(document, draw.choice(places), draw.choice(ODD))
        assert not INTERNAL.search(problem_of(document)), document


@pytest.mark.parametrize("content", [None, True, 1, 1.5, "x", [], [[]], {}, {"nbformat": 4}])
def test_what_is_no_notebook_at_all_is_told(content: Any) -> None:
    assert "expected" in problem_of(content)


MENDED: Dict[str, Tuple[Place, Any]] = {
    "metadata null": (("metadata",), None), "metadata missing": (("metadata",), ...),
    "kernelspec null": (("metadata", "kernelspec"), None), "kernelspec text": (("metadata", "kernelspec"), "python3"),
    "kernelspec list": (("metadata", "kernelspec"), ["python3"]),
    "name of the kernelspec null": (("metadata", "kernelspec", "name"), None),
    "name of the kernelspec a list": (("metadata", "kernelspec", "name"), ["python3"]),
    "display name null": (("metadata", "kernelspec", "display_name"), None),
    "language a number": (("metadata", "kernelspec", "language"), 3),
    "language_info null": (("metadata", "language_info"), None),
    "language_info a list": (("metadata", "language_info"), []),
    "metadata of a cell null": (("cells", 0, "metadata"), None), "source null": (("cells", 1, "source"), None),
    "tags null": (("cells", 0, "metadata", "tags"), None), "tags text": (("cells", 0, "metadata", "tags"), "params"),
    "a tag a number": (("cells", 0, "metadata", "tags"), [1, "x"]), "outputs null": (("cells", 0, "outputs"), None),
    "outputs an object": (("cells", 0, "outputs"), {}), "an output null": (("cells", 0, "outputs", 0), None),
    "attachments null": (("cells", 1, "attachments"), None), "attachments a list": (("cells", 1, "attachments"), []),
    "execution_count text": (("cells", 0, "execution_count"), "5"), "id null": (("cells", 0, "id"), None),
    "nbformat_minor null": (("nbformat_minor",), None), "nbformat_minor text": (("nbformat_minor",), "5")}


def test_what_can_be_mended_is_run(server: Server, folder: Any) -> None:
    for number, (place, value) in enumerate(MENDED.values()):
        document = changed(WHOLE, ("cells", 0, "source"), "print('run')")
        (folder / f"{number}.ipynb").write_text(json.dumps(changed(document, place, value)))
    for number, name in enumerate(MENDED):
        events = server.run(folder / f"{number}.ipynb")
        assert names(events) == ["notebook_start", "start", "end", "notebook_complete"], name
        assert text_of(server.output(events[-1]["execution"]["output_path"]).cells[0]) == "run\n", name
        assert server.get("/parameters", params={"notebook": f"{folder.name}/{number}.ipynb"}).status_code == 200


@pytest.mark.parametrize("place, value, says", [
    (("metadata",), [], "metadata: expected an object, got a list"),
    (("cells",), None, "cells: expected a list, got null"), (("cells",), ..., "cells: expected a list, got nothing"),
    (("cells", 1), None, "cells[1]: expected an object, got null"),
    (("cells", 0, "cell_type"), "kode", "cells[0].cell_type: expected code, markdown or raw, got 'kode'"),
    (("cells", 0, "metadata"), "x", "cells[0].metadata: expected an object, got 'x'"),
    (("cells", 0, "source"), ["a", None], "cells[0].source: expected text or a list of texts, got a list"),
    (("nbformat",), "4", "nbformat: expected a number from 1 to 4, got '4'")])
def test_what_cannot_be_mended_is_told_by_its_place(server: Server, folder: Any, place: Place, value: Any,
                                                    says: str) -> None:
    source = folder / "a.ipynb"
    source.write_text(json.dumps(changed(WHOLE, place, value)))
    (event,) = server.run(source)
    assert event["error"] == f"the file is not a notebook: {says}"
    response = server.get("/parameters", params={"notebook": f"{folder.name}/a.ipynb"})
    assert response.status_code == 400 and says in response.json()["message"]
