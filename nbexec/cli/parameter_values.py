"""Where the values of parameters come from: files, text in YAML, and lists of values to try.

As with papermill, later kinds win: ``-b``, then ``-f``, ``-y`` and ``-p``.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import date, datetime
from itertools import product
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Sequence, Tuple, TypeVar

import click

from ..errors import shown
from ..run_arguments import RESERVED

Command = TypeVar("Command", bound=Callable[..., Any])
Values = Dict[str, Any]


def value_options(command: Command) -> Command:
    """Give a command the options ``-f``, ``-y``, ``-b`` and ``--sweep``."""
    for option in (
            click.option("--sweep", "sweeps", multiple=True, metavar="NAME=VALUE,…",
                         help="Run once for each value. Repeated for several parameters: once for each combination. "
                              "A JSON list is accepted as well."),
            click.option("-b", "--parameters_base64", "base64_texts", multiple=True, metavar="BASE64",
                         help="Parameters as base64-encoded YAML."),
            click.option("-y", "--parameters_yaml", "yaml_texts", multiple=True, metavar="YAML",
                         help="Parameters as a YAML mapping."),
            click.option("-f", "--parameters_file", "files", multiple=True, metavar="FILE",
                         shell_complete=lambda context, option, text: [click.shell_completion.CompletionItem(
                             text, type="file")],
                         help="File with parameters, in YAML or JSON.")):
        command = option(command)
    return command


def read_values(base64_texts: Sequence[str], files: Sequence[str], yaml_texts: Sequence[str]) -> Values:
    """Return the parameters in texts and files.

    Raises
    ------
    click.BadParameter
        One of them cannot be read, or contains no parameters.
    """
    values: Values = {}
    for text in base64_texts:
        values.update(_mapping(_decoded(text), "-b"))
    for file in files:
        values.update(_mapping(_content(file), f"-f {file}", is_json=file.endswith(".json")))
    for text in yaml_texts:
        values.update(_mapping(text, "-y"))
    for name in values:
        check_name(name)
    return values


def check_name(name: str) -> None:
    """Raise unless a parameter may have this name."""
    if name in RESERVED:
        raise click.BadParameter(f"{name} is reserved and cannot be used as a parameter name")


def read_sweeps(texts: Sequence[str]) -> List[Values]:
    """Return the combinations of the values in texts such as ``x=1,2,3``; one that is empty if there are none."""
    named: Dict[str, List[Any]] = {}
    for text in texts:
        name, values = _sweep(text)
        if name in named:
            raise click.BadParameter(f"{name} is given twice", param_hint="--sweep")
        check_name(name)
        named[name] = values
    return [dict(zip(named, combination)) for combination in product(*named.values())]


def _sweep(text: str) -> Tuple[str, List[Any]]:
    name, equals, values = text.partition("=")
    if not (name and values):
        raise click.BadParameter(f"expected NAME=VALUE,VALUE,…, got {shown(text)}", param_hint="--sweep")
    if values.startswith("["):
        try:
            found = json.loads(values)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list) and found:
            return name, found
    return name, list(values.split(","))


def _decoded(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise click.BadParameter(f"expected base64-encoded YAML, got {shown(text)}", param_hint="-b") from None


def _content(file: str) -> str:
    try:
        return Path(file).read_text("utf-8")
    except OSError as error:
        raise click.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="-f") from error
    except ValueError:
        raise click.BadParameter(f"{file} is not encoded as UTF-8", param_hint="-f") from None


def _mapping(text: str, where: str, is_json: bool = False) -> Values:
    values = _json(text, where) if is_json else _yaml(text, where)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise click.BadParameter(f"expected a mapping of names to values, got {shown(values)}", param_hint=where)
    return {str(name): _plain(value) for name, value in values.items()}


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"expected JSON: {error}", param_hint=where) from None


def _yaml(text: str, where: str) -> Any:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError:
        raise click.UsageError(f"{where}: reading YAML needs PyYAML; run pip install pyyaml, or use a file that ends "
                               "in .json") from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise click.BadParameter(f"expected YAML: {reason}", param_hint=where) from None


def _plain(value: Any) -> Any:
    """Return a value of YAML as JSON has it: dates become text."""
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [_plain(item) for item in value]
    return value
