"""A notebook server that nbexec starts itself, ``python -m nbexec.notebook_server``: it is up a second sooner."""

from __future__ import annotations

from . import iri_grammar


def main() -> None:
    """Be ``jupyter notebook``, with its command line."""
    iri_grammar.defer()
    from notebook.notebookapp import main as notebook_main

    notebook_main()


if __name__ == "__main__":
    main()
