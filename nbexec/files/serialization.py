"""A notebook as the text of its file."""

from __future__ import annotations

import json
import uuid
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Dict, List

from nbformat import NotebookNode

_LONG = 20  # lines from which on a text is long


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
