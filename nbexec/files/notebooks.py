"""Reads notebooks, and makes them ready to run."""

from __future__ import annotations

import json
import math
import re
import uuid
import warnings
from typing import Any, Dict, List, Optional, Set

import nbformat
from nbformat import NotebookNode
from nbformat.v4.rwbase import strip_transient
from nbformat.validator import normalize

from ..errors import NotebookUnreadableError
from .notebook_structure import StructureError, check_version, mend, mend_first, mend_old

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
_SHOWN = 200  # characters of a reason
_OF_A_RUN = ("nbexec", "papermill")  # in the metadata of a cell
_ODD = "it does not have the structure of its nbformat"
_MINOR = 5  # cells have an id from nbformat 4.5 on
_CELL_ID = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
ERROR_MARK = "papermill-error-cell-tag"
_CELL_KEYS = {
    "code": {"id", "cell_type", "metadata", "source", "outputs", "execution_count"},
    "markdown": {"id", "cell_type", "metadata", "source", "attachments"},
    "raw": {"id", "cell_type", "metadata", "source", "attachments"},
}


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
    """Return a JSON number, or None for one that is too large to be written."""
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
        It is not valid, and cannot be repaired without changing its meaning.
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
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    reason = str(error.message).strip().split("\n")[0]
    reason = reason if len(reason) <= _SHOWN else f"{reason[:_SHOWN]}…"
    return f"{where}: {reason}" if where else reason


def _drop_results(nb: NotebookNode) -> None:
    nb.cells[:] = [cell for cell in nb.cells if not is_error_mark(cell)]
    for cell in nb.cells:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell["execution_count"] = None
        for name in _OF_A_RUN:
            cell["metadata"].pop(name, None)
    widgets = nb["metadata"].pop("widgets", None)
    if isinstance(widgets, dict) and widgets.keys() - {WIDGET_STATE}:  # their state is that of a run
        nb["metadata"]["widgets"] = NotebookNode({kind: widgets[kind] for kind in widgets if kind != WIDGET_STATE})
    found = nb["metadata"].get("nbexec")
    if isinstance(found, dict) and found.get("partial"):
        del nb["metadata"]["nbexec"]  # it was saved in the middle of a run
    strip_transient(nb)


def is_error_mark(cell: NotebookNode) -> bool:
    """Whether papermill has inserted the cell to point to an exception; papermill removes such cells too."""
    marks = tags(cell)
    return ERROR_MARK in marks or ("papermill-error-cell" in marks and cell["cell_type"] == "markdown")


def _repair(nb: NotebookNode) -> None:
    """Repair what is often wrong in files that the notebook page opens without complaint."""
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


def hide_sources(nb: NotebookNode) -> None:
    """Have pages and exports show the code cells of `nb` without their source."""
    for cell in nb.cells:
        if cell["cell_type"] == "code":
            jupyter = NotebookNode(_mapping(cell["metadata"].get("jupyter")), source_hidden=True)
            cell["metadata"]["jupyter"] = jupyter


def wanted_kernel(nb: NotebookNode) -> Dict[str, Optional[str]]:
    """Return the kernel that a notebook names, and its language, where given."""
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
