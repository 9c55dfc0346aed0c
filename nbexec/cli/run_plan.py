"""Which executions a command asks for: its notebooks, with each set of values, and where each output goes."""

from __future__ import annotations

import glob
import os
import re
import string
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

import click

from ..errors import shown

_MAGIC = re.compile(r"[*?[]")
_OWN_OUTPUT = re.compile(r"-Executed\d+\.ipynb$")
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f]|^\.+")
Values = Dict[str, Any]


@dataclass(frozen=True)
class PlannedRun:
    """One execution that is asked for.

    Parameters
    ----------
    notebook : str
        Path of the notebook.
    params : dict
        Its parameters.
    output : str, optional
        Path of the output notebook.
    label : str
        What tells it from the others.
    """

    notebook: str
    params: Values
    output: Optional[str]
    label: str


def plan(notebooks: Sequence[str], params: Values, sweep: Sequence[Values], output: Optional[str]) -> List[PlannedRun]:
    """Return the executions in their order."""
    now = datetime.now()
    runs: List[PlannedRun] = []
    for notebook in notebooks:
        for values in sweep:
            given = {**params, **values}
            label = " ".join([*([notebook] if len(notebooks) > 1 else []),
                              *(f"{name}={value}" for name, value in values.items())])
            place = None if output is None else output_path(output, notebook, given, len(runs) + 1, now)
            runs.append(PlannedRun(notebook, given, place, label or notebook))
    return runs


def expanded(patterns: Sequence[str]) -> List[str]:
    """Return the notebooks that patterns match; output notebooks and hidden files are left out."""
    return [notebook for pattern in patterns for notebook in _matches(pattern)]


def _matches(pattern: str) -> Iterator[str]:
    if not _MAGIC.search(pattern) or os.path.exists(pattern):
        yield pattern
        return
    found = sorted(name for name in glob.glob(pattern, recursive=True)
                   if name.endswith(".ipynb") and not _OWN_OUTPUT.search(name))
    if not found:
        raise click.BadParameter(f"no notebook matches {pattern}", param_hint="NOTEBOOKS")
    yield from found


def output_path(template: str, notebook: str, params: Mapping[str, Any], index: int, now: datetime) -> str:
    """Return the path that a template such as ``{stem}-{date}-{region}`` stands for.

    Raises
    ------
    click.BadParameter
        The template has a name that stands for nothing.
    """
    stem = os.path.splitext(os.path.basename(notebook))[0]
    own = {"stem": stem, "date": now.strftime("%Y-%m-%d"), "time": now.strftime("%H%M%S"), "index": index}
    names = {**own, **params}
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        message = f"{error} in {shown(template)}; write {{{{ for a brace"
        raise click.BadParameter(message, param_hint="--output") from None
    path = "".join(text + ("" if name is None else _safe(_value(names, name))) for text, name, _, _ in parts)
    has_names = any(name is not None for _, name, _, _ in parts)
    return f"{path}.ipynb" if has_names and not path.endswith(".ipynb") else path


def _value(names: Mapping[str, Any], name: str) -> str:
    if name not in names:
        raise click.BadParameter(f"expected one of {', '.join(sorted(names))} in braces, got {shown(name)}",
                                 param_hint="--output")
    return str(names[name])


def _safe(value: str) -> str:
    """Return a value as a part of a file name: it leads to no other folder, and hides no file."""
    return _UNSAFE.sub("_", value)
