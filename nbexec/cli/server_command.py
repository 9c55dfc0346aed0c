"""``nbexec server``: a notebook server in the foreground, as a service manager wants it."""

from __future__ import annotations

import os
import sys
from typing import List, Optional

import click

from .command_errors import CommandError
from .exit_codes import NO_SERVER


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--root", metavar="DIR", default=".",
              help="Root directory of the server. Default: the current directory.")
@click.option("--ip", metavar="ADDRESS", help="Address to listen on. Default: localhost.")
@click.option("--port", metavar="PORT", type=int, help="Port to listen on. Default: 8888, or the next free one.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def server(root: str, ip: Optional[str], port: Optional[int], arguments: List[str]) -> None:
    """Start a notebook server with nbexec, without opening a browser.

    It runs until it gets SIGTERM, or Ctrl-C twice. ARGUMENTS are passed to jupyter notebook, whose configuration
    applies. The token is that of the configuration or of JUPYTER_TOKEN; otherwise a new one is generated. Other
    commands of the same user find the server by itself.
    """
    from ..notebook_version import unfitness

    reason = unfitness()
    if reason:
        raise CommandError(reason, NO_SERVER)
    if not os.path.isdir(root):
        raise click.BadParameter(f"{root} is not a directory", param_hint="--root")
    words = [sys.executable, "-m", "nbexec.notebook_server", "--no-browser", f"--notebook-dir={os.path.abspath(root)}",
             # that of an installation for development is enabled nowhere else
             "--NotebookApp.nbserver_extensions={'nbexec': True}", *_named("ip", ip), *_named("port", port),
             *arguments]
    sys.stdout.flush()
    # The server takes the place of this process: it gets the signals, and its exit code is the command's.
    os.execv(words[0], words)


def _named(name: str, value: object) -> List[str]:
    return [] if value is None else [f"--{name}={value}"]

