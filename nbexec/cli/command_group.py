"""The group of all commands, which ends with a defined exit code whatever happens.

Scripts rely on the exit codes. In particular, 1 only ever means that a notebook failed, so no exception may reach
Python, which would exit with 1 as well.
"""

from __future__ import annotations

import signal
import traceback
from typing import Any, Optional, Sequence

import click

from ..printable import printable, printable_lines
from .standard_streams import open_standard_streams, problem_of_output

COMPLETED = 0
FAILED = 1  # the notebook failed; with `doctor`, there is a problem
NOT_RUN = 2  # also click's code for wrong usage
UNKNOWN = 3  # it was started, but the result is unknown
NOT_WRITTEN = 4  # it ran, but the output notebook or the result could not be written
SIGNALLED = 128  # plus the number of the signal
_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())  # new in click 8.2


class CommandGroup(click.Group):
    """Commands that exit with one of the exit codes."""

    def main(  # type: ignore[override]
            self, args: Optional[Sequence[str]] = None, standalone_mode: bool = True, **options: Any) -> Any:
        """Run a command and exit with its exit code; called by the console script."""
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **options)
        open_standard_streams()
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
        except Exception:
            click.echo("Error: nbexec has failed; please report this.\n" + printable_lines(traceback.format_exc()),
                       err=True, nl=False)
            return UNKNOWN


def _show(error: click.ClickException) -> int:
    """Show an error, and return its exit code."""
    one_line = isinstance(error, click.UsageError) and not isinstance(error, _HELP)
    text = (printable if one_line else printable_lines)(error.format_message())
    error.format_message = lambda: text  # type: ignore[method-assign]
    error.show()
    return error.exit_code
