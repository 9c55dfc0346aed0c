"""The group of all commands, which ends with a defined exit code whatever happens.

No exception may reach Python, which would exit with 1, as if a notebook had failed.
"""

from __future__ import annotations

import os
import signal
from typing import Any, Optional, Sequence

import click

from ..printable import printable, printable_lines
from .command_errors import unforeseen
from .exit_codes import COMPLETED, NOT_WRITTEN, SIGNALLED, UNKNOWN
from .standard_streams import open_standard_streams, problem_of_output

_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())  # new in click 8.2


class CommandGroup(click.Group):
    """Commands that exit with one of the exit codes."""

    def main(  # type: ignore[override]
            self, args: Optional[Sequence[str]] = None, standalone_mode: bool = True, **options: Any) -> Any:
        """Run a command and exit with its exit code; called by the console script."""
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **options)
        open_standard_streams()
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            options["color"] = False
        code = self._code(args, options)
        problem = problem_of_output()
        if problem is not None and code == COMPLETED:
            click.echo(f"Error: cannot write to standard output: {problem.strerror}", err=True)
            code = NOT_WRITTEN
        raise SystemExit(code)

    def _code(self, args: Optional[Sequence[str]], options: Any) -> int:
        """Run a command and return its exit code."""
        try:
            return super().main(args, standalone_mode=False, **options) or COMPLETED
        except click.ClickException as error:
            return _show(error)
        except click.Abort:
            return SIGNALLED + signal.SIGINT
        except Exception as error:
            click.echo(f"Error: {unforeseen(error)}", err=True)
            return UNKNOWN


def _show(error: click.ClickException) -> int:
    """Show an error, and return its exit code."""
    one_line = isinstance(error, click.UsageError) and not isinstance(error, _HELP)
    text = (printable if one_line else printable_lines)(error.format_message())
    error.format_message = lambda: text  # type: ignore[method-assign]
    error.show()
    return error.exit_code
