"""The JSON of a notebook file, made into what nbformat takes for granted.

What is missing or null gets its default, and what is not needed to run the notebook is dropped if it is wrong.
An error names where anything else is wrong: nbformat would fail anywhere, with words about Python.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Tuple

_TYPES = ("code", "markdown", "raw")
_NAMES = {type(None): "null", bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}
_MISSING = object()


class StructureError(ValueError):
    """Something in a notebook file is not what it has to be.

    Parameters
    ----------
    where : str
        Where, such as ``cells[0].source``.
    value : object
        What is there.
    expected : str
        What has to be there.
    """

    def __init__(self, where: str, value: object, expected: str) -> None:
        super().__init__(f"{where}: expected {expected}, got {_named(value)}")
        self.where = where
        self.value = value
        self.expected = expected


def _named(value: object) -> str:
    if value is _MISSING:
        return "nothing"
    if isinstance(value, str) and len(value) <= 30:
        return ascii(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10 ** 9:
        return str(value)
    return _NAMES.get(type(value), "an object")


def check_version(content: Any, known: List[int]) -> int:
    """Return the major version of a notebook, and give it a minor one that is a number.

    Raises
    ------
    StructureError
        It is not a notebook, or has an unknown version.
    """
    if not isinstance(content, dict):
        raise StructureError("content", content, "an object")
    major = content.get("nbformat", _MISSING)
    if isinstance(major, bool) or not isinstance(major, int) or major not in known:
        raise StructureError("nbformat", major, f"a number from {min(known)} to {max(known)}")
    minor = content.get("nbformat_minor")
    if isinstance(minor, bool) or not isinstance(minor, int) or minor < 0:
        content["nbformat_minor"] = 0
    return major


def mend(content: Dict[str, Any]) -> None:
    """Mend a notebook of nbformat 4.

    Raises
    ------
    StructureError
        It cannot be mended without changing what it says.
    """
    metadata = _object(content, "metadata", "metadata")
    _mend_named(metadata, "kernelspec", ("display_name", "language"))
    _mend_named(metadata, "language_info", ())
    for where, cell in _objects(content, "cells", "cells"):
        if cell.get("cell_type") not in _TYPES:
            raise StructureError(f"{where}.cell_type", cell.get("cell_type", _MISSING), "code, markdown or raw")
        _mend_cell_metadata(_object(cell, "metadata", f"{where}.metadata"))
        _text(cell, "source", f"{where}.source")
        _drop_unless(cell, "attachments", _are_attachments)
        if not _are_outputs(cell.get("outputs", [])):
            cell["outputs"] = []


def mend_first(content: Dict[str, Any]) -> None:
    """Mend a notebook of nbformat 1.

    Raises
    ------
    StructureError
        It cannot be mended without changing what it says.
    """
    for where, cell in _objects(content, "cells", "cells"):
        name = {"code": "code", "text": "text"}.get(str(cell.get("cell_type")))
        if name is None:
            raise StructureError(f"{where}.cell_type", cell.get("cell_type", _MISSING), "code or text")
        _text(cell, name, f"{where}.{name}")
        cell[name] = "".join(cell[name])


def mend_old(content: Dict[str, Any]) -> None:
    """Mend a notebook of nbformat 2 or 3, as far as that has to be before it is converted.

    Raises
    ------
    StructureError
        It cannot be mended without changing what it says.
    """
    _object(content, "metadata", "metadata")
    for sheet_where, sheet in _objects(content, "worksheets", "worksheets"):
        _object(sheet, "metadata", f"{sheet_where}.metadata")
        for where, cell in _objects(sheet, "cells", f"{sheet_where}.cells"):
            if not isinstance(cell.get("cell_type"), str):
                raise StructureError(f"{where}.cell_type", cell.get("cell_type", _MISSING), "text")
            _object(cell, "metadata", f"{where}.metadata")
            name = "input" if cell["cell_type"] == "code" else "source"
            _text(cell, name, f"{where}.{name}")
            if cell["cell_type"] == "code":
                cell["outputs"] = []  # they are dropped before a run, and nothing else is done with so old a notebook


def _object(holder: Dict[str, Any], name: str, where: str) -> Dict[str, Any]:
    if holder.get(name) is None:
        holder[name] = {}
    if not isinstance(holder[name], dict):
        raise StructureError(where, holder[name], "an object")
    found: Dict[str, Any] = holder[name]
    return found


def _objects(holder: Dict[str, Any], name: str, where: str) -> Iterator[Tuple[str, Dict[str, Any]]]:
    found = holder.get(name, _MISSING)
    if not isinstance(found, list):
        raise StructureError(where, found, "a list")
    for index, item in enumerate(found):
        if not isinstance(item, dict):
            raise StructureError(f"{where}[{index}]", item, "an object")
        yield f"{where}[{index}]", item


def _text(holder: Dict[str, Any], name: str, where: str) -> None:
    if holder.get(name) is None:
        holder[name] = ""
    if not _is_text(holder[name]):
        raise StructureError(where, holder[name], "text or a list of texts")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or isinstance(value, list) and all(isinstance(line, str) for line in value)


def _drop_unless(holder: Dict[str, Any], name: str, is_right: Callable[[Any], bool]) -> None:
    if name in holder and not is_right(holder[name]):
        del holder[name]


def _mend_named(metadata: Dict[str, Any], key: str, others: Tuple[str, ...]) -> None:
    """Drop what has no name; of what has one, the parts that are no text."""
    _drop_unless(metadata, key, lambda found: isinstance(found, dict) and isinstance(found.get("name"), str))
    for other in others if key in metadata else ():
        _drop_unless(metadata[key], other, lambda found: isinstance(found, str))


def _mend_cell_metadata(metadata: Dict[str, Any]) -> None:
    if isinstance(metadata.get("tags"), list):
        metadata["tags"] = [tag for tag in metadata["tags"] if isinstance(tag, str)]
    _drop_unless(metadata, "tags", lambda found: isinstance(found, list))
    _drop_unless(metadata, "execution", lambda found: isinstance(found, dict) and all(
        isinstance(time, str) for time in found.values()))


def _are_attachments(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_bundle(bundle) for bundle in value.values())


def _are_outputs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(output, dict) and isinstance(output.get("output_type"), str)
        and _is_bundle(output.get("data", {})) and _is_text(output.get("text", "")) for output in value)


def _is_bundle(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_text(data) or "json" in mime for mime, data in value.items())
