"""Runs the command ``nbexec`` as ``python -m nbexec``."""

from .cli.main import main

main(prog_name="nbexec")
