"""The option ``-p``, which accepts NAME VALUE as well as NAME=VALUE.

No name contains an equals sign, so the two forms can always be told apart: what follows the first one is the value.
"""

from __future__ import annotations

from itertools import islice
from typing import Dict, Iterator, List, Tuple

import click

_NAMES = ("-p", "--param")


class CommandWithParameters(click.Command):
    """A command with the option ``-p``."""

    def parse_args(self, context: click.Context, args: List[str]) -> List[str]:  # type: ignore[override]
        """Parse the arguments; called by click, which itself only supports options with a fixed number of words."""
        return super().parse_args(context, list(self._words(context, args)))

    def _words(self, context: click.Context, args: List[str]) -> Iterator[str]:
        try:
            yield from _split(args, self._numbers())
        except click.UsageError:
            if not context.resilient_parsing:  # as when a shell completes the name of a parameter
                raise

    def _numbers(self) -> Dict[str, int]:
        """Return the number of words that follow each option."""
        return {name: 0 if getattr(param, "is_flag", False) else param.nargs
                for param in self.params if isinstance(param, click.Option) for name in param.opts}


def _split(args: List[str], numbers: Dict[str, int]) -> Iterator[str]:
    """Yield the arguments, with NAME and VALUE of each parameter as separate words."""
    rest = iter(args)
    for arg in rest:
        name, words = _attached(arg)
        if name in _NAMES:
            yield from ("-p", *_pair([*words, *islice(rest, 1 - len(words))], rest))
        else:
            yield arg
            yield from islice(rest, numbers.get(arg, 0))
        if arg == "--":
            yield from rest


def _attached(arg: str) -> Tuple[str, List[str]]:
    """Return an option, and what is attached to it in the same word."""
    if arg.startswith("--param="):
        return "--param", [arg[len("--param="):]]
    if arg.startswith("-p") and len(arg) > 2:
        return "-p", [arg[2:]]
    return arg, []


def _pair(words: List[str], rest: Iterator[str]) -> Tuple[str, str]:
    """Return name and value; the value is the next word if the first one has none."""
    name, equals, value = "".join(words).partition("=")
    following = [] if equals else list(islice(rest, 1))
    if not words or not (equals or following):
        raise click.UsageError(f"-p: expected NAME VALUE or NAME=VALUE, got {' '.join(words) or 'nothing'!r}")
    return name, value if equals else following[0]
