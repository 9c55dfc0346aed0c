"""Which server a client talks to, and by which token, when it is not told all of that.

A token that the environment names belongs to the server that the environment names. It is given to one that the
program names only if the environment names none, or the same.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional

from .api_error import ApiError, NoServerError
from .connection import base_url, is_loopback, token_in
from .peer import Peer
from .running_servers import RunningServer, probe, real_path, running

_SERVER = "NBEXEC_SERVER"
_TOKENS = ("NBEXEC_TOKEN", "JUPYTER_TOKEN")


@dataclass(frozen=True)
class ServerAddress:
    """A server, as far as it is known.

    Parameters
    ----------
    url, token : str
        Where it is, and what it lets in.
    root : Path, optional
        Its root directory, if it is one of this machine.
    peer : Peer, optional
        Its process, if it was found by that.
    """

    url: str
    token: str = field(repr=False)
    root: Optional[Path] = None
    peer: Optional[Peer] = None


def find_server(url: Optional[str], token: Optional[str], cacert: Optional[str] = None) -> ServerAddress:
    """Return the server that is named, by the caller or by the environment, or one of this user that runs.

    Raises
    ------
    NoServerError
        There is none, or there are several and none of them serves the working directory.
    ValueError
        The URL is none.
    """
    named = url or os.environ.get(_SERVER)
    if named:
        return _named(named, token or token_in(named) or _token_of_environment(named))
    return _address_of(_running(cacert), token)


def _named(url: str, token: Optional[str]) -> ServerAddress:
    url = base_url(url)
    if token:
        return ServerAddress(url, token)
    for server in running():  # its own file has the token of a server that runs here
        if base_url(server.url) == url:
            return _address_of(server)
    raise NoServerError(f"there is no token for {url}", [url])


def _token_of_environment(url: str) -> Optional[str]:
    theirs = os.environ.get(_SERVER)
    if theirs and base_url(theirs) != base_url(url):
        return None
    # JUPYTER_TOKEN is set for a server on this machine, often without a thought of any other.
    names = _TOKENS if theirs or is_loopback(url) else _TOKENS[:1]
    tokens = [token_in(theirs) if theirs else None, *map(os.environ.get, names)]
    return next(filter(None, tokens), None)


def _address_of(server: RunningServer, token: Optional[str] = None) -> ServerAddress:
    return ServerAddress(server.url, token or server.token, server.root, server.peer)


def _running(cacert: Optional[str]) -> RunningServer:
    """Return the server with nbexec that serves the working directory, or the only one that there is."""
    problems: List[str] = []
    usable: List[RunningServer] = []
    for server in running():
        try:
            probe(server, cacert)
            usable.append(server)
        except ApiError as error:
            problems.append(f"{server.url}: {error}")
    here = real_path(Path.cwd())
    near = sorted((server for server in usable if server.serves(here)), key=lambda server: len(server.root.parts))
    if near:
        return near[-1]
    if len(usable) == 1:
        return usable[0]
    urls = [server.url for server in usable]
    if usable:
        raise NoServerError(f"several notebook servers run ({', '.join(urls)}), and none serves {here}", urls)
    passed_over = f" ({'; '.join(problems)})" if problems else ""
    raise NoServerError(f"no notebook server of yours with nbexec and a token runs on this machine{passed_over}")
