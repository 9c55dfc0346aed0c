"""JSON on standard output: in ASCII, and without any character that a terminal would act on."""

from __future__ import annotations

import json
from typing import Any, Optional

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def print_json(value: Any, indent: Optional[int] = 2) -> None:
    """Print a value as JSON."""
    # DEL is the one control character that JSON does not escape.
    click.echo(json.dumps(value, indent=indent).replace("\x7f", "\\u007f"))


def print_json_line(value: Any) -> None:
    """Print a value as one line of JSON."""
    print_json(value, indent=None)
