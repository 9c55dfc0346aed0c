"""What a server may not show after something went wrong around it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from census import census
from helpers import Server

_FAILURES = ("Traceback", "never retrieved", "was destroyed", "was never awaited", "Uncaught", "nbexec failed")


@contextmanager
def harmless(server: Server) -> Iterator[None]:
    """Check that what is done meanwhile leaves nothing, neither in the server nor in its log."""
    before = len(server.log)
    with census(server):
        yield
    found = [line for line in server.log[before:].splitlines() if any(failure in line for failure in _FAILURES)]
    assert found == []
