"""Runs the notebook server as ``python -m nbexec.notebook_server``, which starts a second faster."""

from __future__ import annotations

import sys

from . import iri_grammar
from .notebook_version import unfitness


def main() -> None:
    """Run ``jupyter notebook`` with its command line."""
    reason = unfitness()
    if reason:
        sys.exit(reason)
    iri_grammar.defer()
    from notebook.notebookapp import main as notebook_main

    notebook_main()


if __name__ == "__main__":
    main()
