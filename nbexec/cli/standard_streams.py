"""Standard output and error that never stop a command.

An execution does not end because its terminal was closed or the disk with its log is full. What cannot be written is
lost, and the command reports it at the end.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any, Optional, TextIO


class _Output(io.FileIO):
    """A file descriptor that accepts all data, and remembers the first error that occurred when writing it."""

    problem: Optional[OSError] = None

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)

    def write(self, data: Any) -> int:
        """Write the data if possible; called by the buffered writer."""
        try:
            while True:
                written = super().write(data)
                if written is not None:
                    return written
                select.select([], [self], [])  # someone else has made it non-blocking
        except OSError as error:
            self.problem = self.problem or error
            return len(data)


def open_standard_streams() -> None:
    """Replace the standard streams, unless they have been replaced already."""
    # The next file or socket would get the number of a closed descriptor, and then everything that is printed.
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(2, sys.stderr)


def problem_of_output() -> Optional[OSError]:
    """Return the error that occurred when writing standard output, None if there was none."""
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.problem if isinstance(raw, _Output) else None


def _text(descriptor: int, before: Optional[TextIO]) -> TextIO:
    return io.TextIOWrapper(io.BufferedWriter(_Output(descriptor)), encoding=before.encoding if before else "utf-8",
                            errors="backslashreplace", line_buffering=True)
