"""Reads the parameters that a notebook file defines, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

import click

from .. import iri_grammar


def read_parameter_models(path: Path) -> List[Dict[str, Any]]:
    """Return the models of the parameters that a notebook file defines."""
    iri_grammar.defer()
    from ..files.notebooks import clean, parse
    from ..parameters import read_parameters

    try:
        data = path.read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read: {error.strerror}", param_hint="NOTEBOOK") from error
    nb = parse(data)
    clean(nb)
    parameters = read_parameters(nb.cells)
    return [parameter.model() for parameter in (parameters or {}).values()]
