"""Messages of the API in the words of the command line, whose options have other names than its fields."""

from __future__ import annotations

import re

_OPTIONS = {"output_path": "--output", "overwrite": "--overwrite", "jupyter_kernel": "--kernel",
            "cell_timeout": "--timeout", "token": "--token"}
# What is quoted was given by the user, and `c.NbExec.cell_timeout` is the server's.
_FIELD = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?<![\w.])(?:""" + "|".join(_OPTIONS) + r")(?!\w)")
_NOTEBOOK = re.compile(r"notebook(?= (?:is missing|has the value)|:)")


def in_options(message: str) -> str:
    """Return a message with the options in place of the fields."""
    message = _FIELD.sub(lambda found: _OPTIONS.get(found.group(), found.group()), message)
    return _NOTEBOOK.sub("NOTEBOOK", message, count=1) if _NOTEBOOK.match(message) else message
