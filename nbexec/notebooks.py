"""Notebook files: their names, reading them and writing them.

A source is never written, and an output notebook appears under its name whole or not at all.
"""

from __future__ import annotations

import errno
import itertools
import json
import math
import os
import re
import stat
import uuid
import warnings
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Dict, Iterator, List, Optional, Set

import nbformat
from nbformat import NotebookNode, reader
from nbformat.v4.rwbase import strip_transient
from nbformat.validator import normalize

from .errors import NotebookUnreadableError, OutputNotWrittenError

SUFFIX = ".ipynb"
_LONG = 20  # lines from which on a text is long
_MINOR = 5  # cells have an id from nbformat 4.5 on
_CELL_ID = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_CELL_KEYS = {
    "code": {"id", "cell_type", "metadata", "source", "outputs", "execution_count"},
    "markdown": {"id", "cell_type", "metadata", "source", "attachments"},
    "raw": {"id", "cell_type", "metadata", "source", "attachments"},
}


# -- names ----------------------------------------------------------------------------------------


def output_names(requested: Optional[str], source: str) -> Iterator[str]:
    """Yield the names that an output notebook may have, the first choice first.

    Parameters
    ----------
    requested : str, optional
        The name that was asked for.
    source : str
        The name of the source notebook.
    """
    if requested is not None:
        return _counted_names(requested)
    stem = os.path.splitext(source)[0]
    return (f"{stem}-Executed{number}{SUFFIX}" for number in itertools.count(1))


def _counted_names(name: str) -> Iterator[str]:
    stem = name[: -len(SUFFIX)]
    digits = (re.search(r"[0-9]*$", stem) or [""])[0]
    base = stem[: len(stem) - len(digits)]
    yield name
    for number in itertools.count(int(digits or 0) + 1):
        yield f"{base}{str(number).zfill(len(digits))}{SUFFIX}"


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
    try:
        return _to_version_4(content)
    except Exception as error:  # nbformat raises almost anything on odd files
        raise NotebookUnreadableError(f"the file is not a notebook: {type(error).__name__}: {error}") from error


def _finite(number: str) -> Optional[float]:
    """Return a JSON number; one that is too large could not be written again."""
    value = float(number)
    return value if math.isfinite(value) else None


def _to_version_4(content: Any) -> NotebookNode:
    if not isinstance(content, dict) or not isinstance(content.get("nbformat"), int):
        raise ValueError("it has no nbformat number")
    major, minor = reader.get_version(content)
    if major not in nbformat.versions:
        raise ValueError(f"nbformat {major} is not known")
    if major == 4:
        _add_metadata(content)
    nb = nbformat.versions[major].to_notebook_json(content, minor=minor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nb if major == 4 else nbformat.convert(nb, 4)


def _add_metadata(content: Dict[str, Any]) -> None:
    """Add what nbformat cannot read a notebook without, and what is easily forgotten by who writes one by hand."""
    for holder in [content, *content["cells"]]:
        holder.setdefault("metadata", {})


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
    except Exception as error:  # a broken structure fails anywhere
        reason = str(error).strip().split("\n")[0]
        raise NotebookUnreadableError(f"the file is not a valid notebook: {reason}") from error


def _drop_results(nb: NotebookNode) -> None:
    for cell in nb.cells:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell["execution_count"] = None
        cell["metadata"].pop("nbexec", None)
    strip_transient(nb)


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


def write_new(data: bytes, directory: str, names: Iterator[str], temporary: str) -> str:
    """Write `data` under the first of `names` that is free in `directory`, and return that name.

    Any number of writers get different names, because the name is claimed by the link itself.

    Parameters
    ----------
    data : bytes
        The whole file.
    directory : str
        Where to write.
    names : iterator of str
        The names to try.
    temporary : str
        Name of the file, in `directory`, that exists until the name is claimed.

    Raises
    ------
    OutputNotWrittenError
        The system refused, with its reason.
    """
    scratch = os.path.join(directory, temporary)
    try:
        _write_scratch(scratch, data)
        return next(name for name in names if _claim(scratch, os.path.join(directory, name)))
    except OSError as error:
        raise _not_written(directory, error) from error
    finally:
        _remove(scratch)


def replace(data: bytes, target: str, temporary: str, source: Optional[str]) -> None:
    """Write `data` to `target`; whoever reads meanwhile sees the old file or the new one.

    Parameters
    ----------
    data : bytes
        The whole file.
    target : str
        The file, which need not be there; a link is followed.
    temporary : str
        Name of the file, beside the target, that exists until it takes its place.
    source : str, optional
        A file that is not replaced under any name.

    Raises
    ------
    OutputNotWrittenError
        The system refused, with its reason, or something else is there by now.
    """
    _check_replaceable(target, source)
    target = os.path.realpath(target)
    scratch = os.path.join(os.path.dirname(target), temporary)
    try:
        _write_scratch(scratch, data, _mode(target))
        os.replace(scratch, target)
    except OSError as error:
        raise _not_written(target, error) from error
    finally:
        _remove(scratch)


def _check_replaceable(target: str, source: Optional[str]) -> None:
    """See to what others have put there since the path was accepted."""
    try:
        if not os.path.lexists(target):
            return
        if not stat.S_ISREG(os.stat(target).st_mode):
            raise OSError("this is not a regular file any more")
        if source is not None and os.path.exists(source) and os.path.samefile(target, source):
            raise OSError("this is the source notebook by now")
    except OSError as error:
        raise _not_written(target, error) from error


def _write_scratch(scratch: str, data: bytes, mode: Optional[int] = None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
    with open(os.open(scratch, flags, 0o666), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if mode is not None:
        os.chmod(scratch, mode)


def _claim(scratch: str, target: str) -> bool:
    """Give the scratch file its name; false when the name is taken."""
    try:
        os.link(scratch, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES):
            raise
        return _claim_without_link(scratch, target)
    return True


def _claim_without_link(scratch: str, target: str) -> bool:
    """Do the same on a file system that has no hard links (FAT, some network mounts)."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except FileExistsError:
        return False
    try:
        os.replace(scratch, target)
    except OSError:
        _remove(target)  # the name was claimed by an empty file
        raise
    return True


def _mode(target: str) -> Optional[int]:
    try:
        return stat.S_IMODE(os.stat(target).st_mode)
    except FileNotFoundError:
        return None


def _remove(scratch: str) -> None:
    try:
        os.unlink(scratch)
    except OSError:
        pass  # renamed, or never made


def _not_written(where: str, error: OSError) -> OutputNotWrittenError:
    return OutputNotWrittenError(f"the output notebook could not be written to {where}: {error.strerror or error}")


def tags(cell: Dict[str, Any]) -> List[str]:
    """Return the tags of a cell."""
    found = cell.get("metadata", {}).get("tags", [])
    return found if isinstance(found, list) else []
