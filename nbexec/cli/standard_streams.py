"""Standard output and error of a command that goes on when nobody reads them.

A run is not broken off because its terminal was closed, or because the disk with its log is full. What cannot be
written is lost, and said at the end.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any, Optional, TextIO


class _Output(io.FileIO):
    """A descriptor that takes everything, and remembers the first thing that it could not keep."""

    problem: Optional[OSError] = None

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)

    def write(self, data: Any) -> int:
        """Write what can be written; called by the buffer above."""
        try:
            while True:
                written = super().write(data)
                if written is not None:
                    return written
                select.select([], [self], [])  # somebody has made it one that does not wait
        except OSError as error:
            self.problem = self.problem or error
            return len(data)


def open_standard_streams() -> None:
    """Replace the streams, unless somebody else has done so before."""
    # A descriptor that was closed would be given to the next file or socket, which then gets what is printed.
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
    """Return why standard output could not be written, None if it could."""
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.problem if isinstance(raw, _Output) else None


def _text(descriptor: int, before: Optional[TextIO]) -> TextIO:
    return io.TextIOWrapper(io.BufferedWriter(_Output(descriptor)), encoding=before.encoding if before else "utf-8",
                            errors="backslashreplace", line_buffering=True)
