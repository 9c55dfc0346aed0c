"""Errors as the command line shows them, with their exit codes."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from types import TracebackType
from typing import Iterator, Optional

import click

from ..errors import NbExecError
from ..printable import printable
from .exit_codes import NO_SERVER, NOT_RUN, UNKNOWN


class CommandError(click.ClickException):
    """The command did not do what was requested.

    Parameters
    ----------
    message : str
        What went wrong.
    code : int
        The exit code.
    """

    def __init__(self, message: str, code: int = NOT_RUN) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]


@contextmanager
def shown_errors() -> Iterator[None]:
    """Turn errors into a message and an exit code."""
    try:
        yield
    except NbExecError as error:
        raise exception_for(error) from error
    except UnicodeEncodeError as error:
        raise CommandError(f"{error.object!r} cannot be encoded as UTF-8") from error


def exception_for(error: NbExecError) -> CommandError:
    """Return the error as the command line shows it."""
    from .option_names import with_option

    return CommandError(with_option(error), code_of(error))


def code_of(error: NbExecError) -> int:
    """Return the exit code for an error of a client, or of the search for a server."""
    from ..client import ApiError, CertificateError, NoServerError
    from .servers import ServerStartError

    if isinstance(error, (NoServerError, ServerStartError)):
        return NO_SERVER
    if not isinstance(error, ApiError):
        return NOT_RUN
    if error.lost:
        return UNKNOWN
    # A certificate that is not trusted is an answer, and so is one that cannot be understood.
    said_no = error.status is not None or isinstance(error, CertificateError) or not _is_silence(error)
    return NOT_RUN if said_no else NO_SERVER


def _is_silence(error: NbExecError) -> bool:
    """Whether no server answered."""
    from requests import RequestException

    from ..client.peer import PeerError

    return isinstance(error.__cause__, (RequestException, PeerError))


def unforeseen(error: BaseException) -> str:
    """Return an error of nbexec itself in one line, with its place in the source instead of a traceback."""
    return (f"nbexec has failed with {printable(f'{type(error).__name__}: {error}')}{_place(error.__traceback__)}; "
            "please report this")


def _place(trace: Optional[TracebackType]) -> str:
    """Return the last place in nbexec that an error has passed."""
    package = __name__.partition(".")[0]
    frames = [(frame.f_globals.get("__name__", ""), line) for frame, line in traceback.walk_tb(trace)]
    ours = [(name, line) for name, line in frames if name.partition(".")[0] == package]
    return " ({}, line {})".format(*ours[-1]) if ours else ""
