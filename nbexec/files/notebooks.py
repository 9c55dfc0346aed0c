"""Notebook files: their names, what is in them, and what is to be written into them."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import uuid
import warnings
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Dict, Iterator, List, Optional, Set

import nbformat
from nbformat import NotebookNode
from nbformat.v4.rwbase import strip_transient
from nbformat.validator import normalize

from ..errors import NotebookUnreadableError
from .notebook_structure import StructureError, check_version, mend, mend_first, mend_old

SUFFIX = ".ipynb"
LONGEST_NAME = 255  # bytes, on most file systems
_EXECUTED = "-Executed"
_NUMBER = re.compile(f"{_EXECUTED}([0-9]+)$")
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
_LONG = 20  # lines from which on a text is long
_SHOWN = 200  # characters of a reason
_ODD = "it does not have the structure of its nbformat"
_MINOR = 5  # cells have an id from nbformat 4.5 on
_CELL_ID = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_ERROR_MARK = "papermill-error-cell-tag"
_CELL_KEYS = {
    "code": {"id", "cell_type", "metadata", "source", "outputs", "execution_count"},
    "markdown": {"id", "cell_type", "metadata", "source", "attachments"},
    "raw": {"id", "cell_type", "metadata", "source", "attachments"},
}


# -- names ----------------------------------------------------------------------------------------


def output_names(requested: Optional[str], source: str, longest: int = LONGEST_NAME) -> Iterator[str]:
    """Yield the names that an output notebook may have, the first choice first.

    Parameters
    ----------
    requested : str, optional
        The name that was asked for.
    source : str
        The name of the source notebook.
    longest : int
        How many bytes a name may have. The stem is cut if there is no room for a number behind it.
    """
    if requested is None:
        return _numbered(os.path.splitext(source)[0], _EXECUTED, itertools.count(1), longest)
    stem = requested[: -len(SUFFIX)]
    number = _NUMBER.search(stem)
    if number is None:
        others = _numbered(stem, "-", itertools.count(1), longest)
    else:
        others = _numbered(stem[:number.start()], _EXECUTED, itertools.count(int(number[1]) + 1), longest)
    return itertools.chain([requested], others)


def _numbered(stem: str, before: str, numbers: Iterator[int], longest: int) -> Iterator[str]:
    for number in numbers:
        yield _fitting(stem, f"{before}{number}{SUFFIX}", longest)


def failed_name(requested: str) -> str:
    """Return the name of what a failed run has so far, if that is not to have the name that was asked for."""
    return _fitting(requested[: -len(SUFFIX)], f"-Failed{SUFFIX}", LONGEST_NAME)


def _fitting(stem: str, end: str, longest: int) -> str:
    while stem and len(os.fsencode(stem + end)) > longest:
        stem = stem[:-1]
    return stem + end


# -- reading --------------------------------------------------------------------------------------


def parse(data: bytes) -> NotebookNode:
    """Return the notebook that `data` holds, as nbformat 4 and otherwise as it is.

    Raises
    ------
    NotebookUnreadableError
        It is not JSON or not nbformat.
    """
    try:
        content = json.loads(data.decode("utf-8-sig"), parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise NotebookUnreadableError(f"the file is not a notebook: it is not JSON ({error})") from error
    return _to_version_4(content)


def _finite(number: str) -> Optional[float]:
    """Return a JSON number; one that is too large could not be written again."""
    value = float(number)
    return value if math.isfinite(value) else None


def _to_version_4(content: Any) -> NotebookNode:
    try:
        major = check_version(content, sorted(nbformat.versions))
        {1: mend_first, 4: mend}.get(major, mend_old)(content)
        nb = nbformat.versions[major].to_notebook_json(content, minor=content["nbformat_minor"])
        return nb if major == 4 else _upgrade(nb)
    except StructureError as error:
        raise NotebookUnreadableError(f"the file is not a notebook: {error}") from error
    except Exception as error:  # nbformat raises almost anything on odd files
        raise NotebookUnreadableError(f"the file is not a notebook: {_ODD}") from error


def _upgrade(nb: NotebookNode) -> NotebookNode:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        upgraded = nbformat.convert(nb, 4)
    mend(upgraded)
    return upgraded


def clean(nb: NotebookNode) -> None:
    """Make `nb` ready to run: valid nbformat 4.5, without anything that an earlier run left in it.

    Raises
    ------
    NotebookUnreadableError
        It is not valid and cannot be made so without changing what it says.
    """
    try:
        _drop_results(nb)
        _repair(nb)
        _validate(nb)
    except nbformat.ValidationError as error:
        raise NotebookUnreadableError(f"the file is not a valid notebook: {_invalid(error)}") from error
    except Exception as error:  # a broken structure fails anywhere
        raise NotebookUnreadableError(f"the file is not a valid notebook: {_ODD}") from error


def _invalid(error: Any) -> str:
    """Return where a notebook is not valid, and why."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    reason = str(error.message).strip().split("\n")[0]
    reason = reason if len(reason) <= _SHOWN else f"{reason[:_SHOWN]}…"
    return f"{place}: {reason}" if place else reason


def _drop_results(nb: NotebookNode) -> None:
    nb.cells[:] = [cell for cell in nb.cells if not _is_error_mark(cell)]
    for cell in nb.cells:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell["execution_count"] = None
        cell["metadata"].pop("nbexec", None)
    widgets = nb["metadata"].pop("widgets", None)
    if isinstance(widgets, dict) and widgets.keys() - {WIDGET_STATE}:  # their state is that of a run
        nb["metadata"]["widgets"] = NotebookNode({kind: widgets[kind] for kind in widgets if kind != WIDGET_STATE})
    strip_transient(nb)


def _is_error_mark(cell: NotebookNode) -> bool:
    """Whether papermill has put the cell in, to say that an exception was encountered; it takes them out likewise."""
    marks = tags(cell)
    return _ERROR_MARK in marks or ("papermill-error-cell" in marks and cell["cell_type"] == "markdown")


def _repair(nb: NotebookNode) -> None:
    """Mend what is often wrong in files that notebook itself opens without a complaint."""
    nb["nbformat_minor"] = max(_MINOR, nb.get("nbformat_minor", 0))
    kernelspec = nb["metadata"].get("kernelspec")
    if isinstance(kernelspec, dict) and "name" in kernelspec:
        kernelspec.setdefault("display_name", kernelspec["name"])
    seen: Set[str] = set()
    for cell in nb.cells:
        for key in set(cell) - _CELL_KEYS.get(cell["cell_type"], set(cell)):
            del cell[key]
        cell.setdefault("source", "")
        _repair_id(cell, seen)


def _repair_id(cell: NotebookNode, seen: Set[str]) -> None:
    cell_id = cell.get("id")
    if not isinstance(cell_id, str) or not _CELL_ID.match(cell_id) or cell_id in seen:
        cell["id"] = uuid.uuid4().hex[:8]
    seen.add(cell["id"])


def _validate(nb: NotebookNode) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            nbformat.validate(nb)
        except nbformat.ValidationError:
            _, repaired = normalize(nb, strip_invalid_metadata=True)
            nbformat.validate(repaired)
            nb.update(repaired)


# -- writing --------------------------------------------------------------------------------------


def serialize(nb: NotebookNode) -> bytes:
    """Return the bytes of the file for `nb`: sorted keys, one line of text per line of the file."""
    texts = _Texts()
    document = dict(nb, cells=[_split_cell(cell, texts) for cell in nb["cells"]])
    document.pop("signature", None)
    try:
        return texts.dump(document, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair: only an escape can carry it
        return texts.dump(document, ensure_ascii=True).encode("ascii")


class _Texts:
    """The texts of a notebook, which are written as lists of lines.

    Python's encoder takes its time for long lists if it is to indent them. A mark stands for such a list in what it
    encodes, and the lines are put in its place afterwards.
    """

    def __init__(self) -> None:
        self._name = uuid.uuid4().hex  # that no notebook can contain
        self._long: List[List[str]] = []

    def split(self, text: Any) -> Any:
        """Return what stands for a text in the document."""
        if not isinstance(text, str):
            return text
        lines = text.splitlines(True)
        if len(lines) < _LONG:
            return lines
        self._long.append(lines)
        return f"{self._name} {len(self._long) - 1}"

    def dump(self, document: Dict[str, Any], ensure_ascii: bool) -> str:
        """Return the document as JSON, one line of text per line."""
        dumped = json.dumps(document, ensure_ascii=ensure_ascii, indent=1, sort_keys=True, separators=(",", ": "))
        encode = encode_basestring_ascii if ensure_ascii else encode_basestring
        before, *others = dumped.split(f'"{self._name} ')
        parts = [before]
        for other in others:
            number, _, after = other.partition('"')
            line = before[before.rfind("\n") + 1:]
            indent = "\n" + " " * (len(line) - len(line.lstrip(" ")))
            parts += ["[", indent, " ", f",{indent} ".join(map(encode, self._long[int(number)])), indent, "]", after]
            before = after
        return "".join([*parts, "\n"])


def _split_cell(cell: Dict[str, Any], texts: _Texts) -> Dict[str, Any]:
    split = dict(cell, source=texts.split(cell["source"]))
    if "outputs" in cell:
        split["outputs"] = [_split_output(output, texts) for output in cell["outputs"]]
    return split


def _split_output(output: Dict[str, Any], texts: _Texts) -> Dict[str, Any]:
    if "text" in output:
        return dict(output, text=texts.split(output["text"]))
    if "data" in output:
        data = {mime: value if is_json(mime) else texts.split(value) for mime, value in output["data"].items()}
        return dict(output, data=data)
    return output


def is_json(mime: str) -> bool:
    """Whether data of the type `mime` is kept as JSON, not as text."""
    return mime == "application/json" or (mime.startswith("application/") and mime.endswith("+json"))


def wanted_kernel(nb: NotebookNode) -> Dict[str, Optional[str]]:
    """Return the kernel that a notebook names, and the language that it is written in, as far as it says so."""
    kernelspec, language_info = (_mapping(nb["metadata"].get(name)) for name in ("kernelspec", "language_info"))
    wanted = {"kernel_name": kernelspec.get("name"),
              "language": kernelspec.get("language") or language_info.get("name")}
    return {key: value if isinstance(value, str) and value else None for key, value in wanted.items()}


def _mapping(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def tags(cell: Dict[str, Any]) -> List[str]:
    """Return the tags of a cell."""
    found = cell.get("metadata", {}).get("tags", [])
    return found if isinstance(found, list) else []
