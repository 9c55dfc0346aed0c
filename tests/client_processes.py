"""What other processes are told to do with a client; they import it by name."""

from __future__ import annotations

from typing import Any, Dict

from nbexec.client import Client, Result


def run(url: str, token: str, notebook: str, params: Dict[str, Any], check: bool = True) -> Result:
    """Run a notebook."""
    with Client(url, token) as client:
        return client.run(notebook, params, check=check)


def raise_again(error: BaseException) -> None:
    """Raise an error that came from another process."""
    raise error
