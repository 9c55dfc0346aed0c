"""The options that choose a server."""

from __future__ import annotations

import os
from typing import Any, Callable, Optional, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

VARIABLE = "NBEXEC_SERVER"
cacert_option = click.option(
    "--cacert", metavar="FILE", help="Certificate of the authority that signed the server's certificate, in PEM. "
                                     "Default: REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE.")
_server_option = click.option(
    "--server", metavar="URL", help="Server to use, as URL with its base URL. Paths are then relative to its root. "
                                    "Default: NBEXEC_SERVER.")
_token_option = click.option(
    "--token", metavar="TOKEN", envvar="NBEXEC_TOKEN", show_envvar=True,
    help="Token of --server. A token in the URL (?token=…) takes precedence.")


def server_options(command: Command) -> Command:
    """Give a command the options ``--server``, ``--token`` and ``--cacert``."""
    return _server_option(_token_option(cacert_option(command)))


def named_server(server: Optional[str]) -> Optional[str]:
    """Return the server that an option or NBEXEC_SERVER names."""
    return server or os.environ.get(VARIABLE) or None


def client_of(server: Optional[str], token: Optional[str], cacert: Optional[str]) -> Any:
    """Return a client of the server that the options or NBEXEC_SERVER name, or else of the one that is running."""
    from ..client import Client, token_in

    try:
        # The client knows which server a token in the environment is for.
        return Client(server, server and (token_in(server) or token), cacert=cacert)
    except ValueError as error:
        raise click.UsageError(f"--server: {error}") from error
