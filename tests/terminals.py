"""What programs show on a terminal."""

from __future__ import annotations

import os


def read_terminal(descriptor: int) -> bytes:
    """Return what is shown on a pseudo-terminal until its programs have closed it, and close it."""
    shown = b""
    try:
        for data in iter(lambda: os.read(descriptor, 65536), b""):
            shown += data
    except OSError:
        pass  # Linux says so that the other side is closed
    os.close(descriptor)
    return shown
