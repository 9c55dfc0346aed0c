"""``nbexec params``: shows the parameters of a notebook."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Dict, List, Optional

import click

from ..printable import printable_lines
from .command_errors import shown_errors
from .completion import complete_notebooks
from .json_lines import json_option, print_json
from .server_options import named_server, server_options

if TYPE_CHECKING:
    from rich.table import Table

_NO_PARAMETERS = """This notebook has no parameter cell, so it takes no parameters.
To define parameters, assign their defaults in a code cell that has the tag "parameters" or begins with this comment:

    # nbexec: params
    name = "value"
"""


@click.command()
@click.argument("notebook", shell_complete=complete_notebooks)
@json_option
@server_options
def params(notebook: str, as_json: bool, server: Optional[str], token: Optional[str], cacert: Optional[str]) -> None:
    """Show the parameters of NOTEBOOK.

    No server is needed, unless NOTEBOOK is on a remote one.
    """
    from .notebook_parameters import read_parameter_models
    from .run_target import ServerChoice, existing_notebook, remote_client

    server = named_server(server)
    with shown_errors():
        if server is None:
            models = read_parameter_models(existing_notebook(notebook))
        else:
            with remote_client(ServerChoice(server, token, cacert)) as client:
                models = client.parameters(notebook)
    if as_json:
        print_json({"parameters": models})
    elif models:
        _print_table(models)
    else:
        click.echo(_NO_PARAMETERS, nl=False)


def _print_table(models: List[Dict[str, Any]]) -> None:
    from rich.console import Console

    Console(markup=False, emoji=False, highlight=False).print(_table(models))


def _table(models: List[Dict[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    table.add_column("name", no_wrap=True)
    for heading in ("type", "default", "description", "examples"):
        table.add_column(heading, overflow="fold")
    for model in models:
        default = _default_text(model["default"])
        examples = ", ".join(map(str, model["examples"] or model.get("choices", [])))
        row = (model["name"], model["type"], default, model["desc"] or "", examples)
        table.add_row(*(Text(printable_lines(cell)) for cell in row))
    return table


def _default_text(default: object) -> str:
    """Return a default as it is shown; a list or a dict as it would be given."""
    if isinstance(default, (list, dict)):
        return json.dumps(default, ensure_ascii=False)
    return "" if default is None else repr(default)
