"""The options of the command line that are fields of a request, made from their definition."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, TypeVar

import click

from ..run_arguments import REQUEST_FIELDS, RequestField

Command = TypeVar("Command", bound=Callable[..., Any])
OPTIONS = {field.request_name: field.option for field in REQUEST_FIELDS if field.option}


def request_options(command: Command) -> Command:
    """Give a command an option for each field of a request; it takes their values by the names of the fields."""
    for field in reversed(REQUEST_FIELDS):
        if field.option:
            command = _option(field)(command)
    return command


def _option(field: RequestField) -> Callable[[Command], Command]:
    if field.kind.type is bool:
        return click.option(field.option, field.name, is_flag=True, help=field.help)
    return click.option(field.option, field.name, metavar=field.metavar, help=field.help, callback=_check(field))


def _check(field: RequestField) -> Callable[[click.Context, click.Parameter, Optional[str]], Any]:
    def check(context: click.Context, option: click.Parameter, text: Optional[str]) -> Any:
        if text is None:
            return None
        try:
            return field.kind.parse(text)
        except ValueError:
            unit = f" ({field.kind.unit})" if field.kind.unit else ""
            message = f"expected {field.kind.expected}{unit}, got {text!r}"
            raise click.BadParameter(message, context, option) from None

    return check


def check_needs(context: click.Context, values: Mapping[str, Any]) -> None:
    """Raise UsageError if a field was given without another one that it needs."""
    for field in REQUEST_FIELDS:
        if field.needs and values[field.name] and values[field.needs] is None:
            raise click.UsageError(f"{field.option} needs {OPTIONS[field.needs]}", context)
