"""The errors that the client of the execution API raises."""

from __future__ import annotations

from typing import Optional, Sequence

from ..errors import NbExecError


class ApiError(NbExecError):
    """The server refused a request, or its answer was missing or not understood.

    Parameters
    ----------
    message : str
        What the server says, or what went wrong on the way.
    status : int, optional
        The HTTP status code; None if there was no answer.
    reason : str, optional
        The `reason` of the server's error.
    lost : bool
        Whether the server may have received the request although no answer arrived.
    field : str, optional
        The field of the request that was refused, if it was refused because of one.
    retry_after : float, optional
        Seconds after which to try again, if the server said so.
    """

    def __init__(self, message: str, status: Optional[int] = None, reason: Optional[str] = None,
                 lost: bool = False, field: Optional[str] = None,
                 retry_after: Optional[float] = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.lost = lost
        self.field = field
        self.retry_after = retry_after


class CertificateError(ApiError):
    """The certificate of a server cannot be verified.

    Parameters
    ----------
    url : str
        The server.
    cause : object
        Why not.
    """

    def __init__(self, url: str, cause: object) -> None:
        super().__init__(f"the certificate of {url} is not trusted ({cause}). Pass the certificate of its authority "
                         "with --cacert or in the variable REQUESTS_CA_BUNDLE, and use the host name that the "
                         "certificate was issued for.")


class StreamEndedError(ApiError):
    """The connection was lost before the execution ended; it may still be running.

    Parameters
    ----------
    exec_id : str, optional
        The execution; None if not even that is known.
    cause : str
        What happened last.
    """

    def __init__(self, exec_id: Optional[str], cause: str) -> None:
        which = f"execution {exec_id}" if exec_id else "the execution"
        super().__init__(f"the connection to the server was lost before {which} ended; it may still be running. "
                         f"{cause}", lost=True)
        self.exec_id = exec_id


class WaitTimeoutError(NbExecError, TimeoutError):
    """An execution did not end within the time to wait for it.

    Parameters
    ----------
    exec_id : str, optional
        The execution.
    timeout : float
        Seconds to wait.
    """

    def __init__(self, exec_id: Optional[str], timeout: float) -> None:
        super().__init__(f"execution {exec_id} did not end within {timeout:g} seconds")
        self.exec_id = exec_id
        self.timeout = timeout


class NoServerError(NbExecError):
    """No server was found, or more than one.

    Parameters
    ----------
    problem : str
        What was wrong.
    candidates : sequence of str
        URLs of the servers that were considered.
    """

    def __init__(self, problem: str, candidates: Sequence[str] = ()) -> None:
        super().__init__(f"{problem}. Pass a URL and a token, or set the variables NBEXEC_SERVER and NBEXEC_TOKEN.")
        self.candidates = list(candidates)
