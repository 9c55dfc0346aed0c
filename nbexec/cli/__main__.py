"""``python -m nbexec.cli``, which is the command ``nbexec``."""

from .main import main

main(prog_name="nbexec")
