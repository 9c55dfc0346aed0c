"""A notebook that comes from standard input, and an output notebook that goes to standard output.

A notebook runs in its directory, so that what was piped in is a file in the working directory while it runs.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Iterator

from ..client.result import Tally
from .command_errors import CommandError
from .run_target import Target
from .run_targets import is_remote

PIPE = "-"


@contextmanager
def notebook_of_input() -> Iterator[str]:
    """Provide the notebook in standard input as a file in the working directory; the file is removed afterwards."""
    content = sys.stdin.buffer.read()
    try:
        descriptor, path = tempfile.mkstemp(prefix="stdin-", suffix=".ipynb", dir=os.curdir)
        with open(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise CommandError(f"the notebook cannot be written to the working directory: {error.strerror}") from error
    with ExitStack() as stack:
        stack.callback(_remove, path)
        yield os.path.basename(path)


def print_output(tally: Tally, target: Target, keep: bool) -> None:
    """Write the output notebook of an execution to standard output, and remove the file unless it is to be kept."""
    content = output_of(tally, target)
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
    if not keep and not is_remote(target):
        _remove(target.show(str(tally.model["output_path"])))


def output_of(tally: Tally, target: Target) -> bytes:
    """Return the output notebook of an execution, as it is in its file or as its server gives it.

    Raises
    ------
    CommandError
        There is none.
    """
    path = tally.model.get("output_path")
    if path is None:
        raise CommandError("there is no output notebook")
    if is_remote(target):
        execution: Any = target.client.execution(str(tally.model["exec_id"]))
        return json.dumps(execution.result_of(tally).notebook, indent=1).encode("ascii") + b"\n"
    try:
        with open(target.show(path), "rb") as file:
            return file.read()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error


def _remove(path: str) -> None:
    with suppress(OSError):
        os.remove(path)
