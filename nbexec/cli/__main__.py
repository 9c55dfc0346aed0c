"""Runs the command ``nbexec`` as ``python -m nbexec.cli``."""

from .main import main

main(prog_name="nbexec")
