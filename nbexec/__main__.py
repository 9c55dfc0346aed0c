"""``python -m nbexec``, which is the command ``nbexec``."""

from .cli.main import main

main(prog_name="nbexec")
