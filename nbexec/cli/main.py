"""The command line: the group of all commands.

Modules that are slow to import are imported where they are used. Only the result goes to standard output, so that
scripts can use it; everything else goes to standard error.
"""

from __future__ import annotations

import click

from .._version import __version__
from .command_group import CommandGroup
from .completion import completion
from .doctor_command import doctor
from .execution_commands import COMMANDS
from .params_command import params
from .run_command import run
from .server_command import server


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nbexec")
def main() -> None:
    """Run Jupyter notebooks with parameters."""


for _command in (run, params, *COMMANDS, server, doctor, completion):
    main.add_command(_command)


if __name__ == "__main__":
    main()
