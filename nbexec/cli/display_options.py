"""The options that say how an execution is shown while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, TypeVar

import click

if TYPE_CHECKING:
    from ..client.run_view import RunView

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Display:
    """What the options of a command say about the display.

    Parameters
    ----------
    quiet : bool
        Whether to show only errors and the result.
    as_json : bool
        Whether to print the events instead.
    live : bool
        Whether to show output of cells as it comes.
    """

    quiet: bool = False
    as_json: bool = False
    live: bool = False

    def view(self) -> RunView:
        """Return a view for one execution."""
        from ..client.run_view import new_view
        from .run_display import JsonView, LiveView, QuietView

        if self.as_json:
            return JsonView()
        if self.quiet:
            return QuietView()
        return LiveView() if self.live else new_view()


def display_options(command: Command) -> Command:
    """Give a command the options ``--quiet``, ``--json`` and ``--live``."""
    for option in (
            click.option("--live", is_flag=True, help="Show the output of cells as it comes."),
            click.option("--json", "as_json", is_flag=True, help="Print the events as lines of JSON."),
            click.option("-q", "--quiet", is_flag=True, help="Show only errors, and the result.")):
        command = option(command)
    return command
