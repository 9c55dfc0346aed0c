"""The command line as a whole: how its errors are shown and with which code it ends."""

from __future__ import annotations

import signal
import sys
from typing import Any, Optional, Sequence

import click

from .printable import printable, printable_lines

_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())  # new in click 8.2


class CommandGroup(click.Group):
    """Commands whose errors show what they repeat, such as the names of files, as it can be shown."""

    def main(  # type: ignore[override]
            self, args: Optional[Sequence[str]] = None, standalone_mode: bool = True, **options: Any) -> Any:
        """Run a command, and end with its exit code; called by Python."""
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **options)
        if sys.stdout is not None:
            sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        try:
            code = super().main(args, standalone_mode=False, **options)
        except click.ClickException as error:
            code = _show(error)
        except click.Abort:
            code = 128 + signal.SIGINT
        sys.exit(code)


def _show(error: click.ClickException) -> int:
    """Show an error, and return the exit code that stands for it."""
    one_line = isinstance(error, click.UsageError) and not isinstance(error, _HELP)
    text = (printable if one_line else printable_lines)(error.format_message())
    error.format_message = lambda: text  # type: ignore[method-assign]
    error.show()
    return error.exit_code
