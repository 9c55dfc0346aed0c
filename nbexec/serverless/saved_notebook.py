"""An output notebook as nbformat reads it, without nbformat, which takes half a second to import."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator

Notebook = Dict[str, Any]


def read_notebook(path: str) -> Notebook:
    """Return a notebook that a runner has saved; its texts are in one piece, and not in lines as in the file."""
    with open(path, encoding="utf-8") as file:
        notebook: Notebook = json.load(file)
    for cell in notebook["cells"]:
        _join(cell, "source")
        for bundle in _bundles(cell):
            for kind in bundle:
                if not kind.endswith(("/json", "+json")):
                    _join(bundle, kind)
        for output in cell.get("outputs", []):
            _join(output, "text")
    return notebook


def _bundles(cell: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    yield from cell.get("attachments", {}).values()
    yield from (output["data"] for output in cell.get("outputs", []) if "data" in output)


def _join(holder: Dict[str, Any], name: str) -> None:
    if isinstance(holder.get(name), list):
        holder[name] = "".join(holder[name])
