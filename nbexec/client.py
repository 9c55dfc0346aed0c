"""A client of the execution API, for Python programs and for the command line.

The token goes into a header and nowhere else: a URL ends up in logs, and a cookie never counts with nbexec.
"""

from __future__ import annotations

import ipaddress
import json
import re
from types import TracebackType
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Type
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import requests

from .errors import NbExecError, shown
from .events import NOTEBOOK_COMPLETE, NOTEBOOK_ERROR
from .peer import PeerError
from .transport import Check, new_session

Event = Dict[str, Any]
Model = Dict[str, Any]

FINAL_EVENTS = (NOTEBOOK_COMPLETE, NOTEBOOK_ERROR)
# Names that POST takes for itself: a notebook parameter with such a name would change the request.
RESERVED = ("notebook", "token", "output_path", "overwrite", "jupyter_kernel", "cell_timeout")
_CONNECT_TIMEOUT = 10.0
_ROUTE = "api/executions"
# "identity" keeps compression, and the buffering that comes with it, out of the stream.
_CHUNKED = {"X-Response-Encoding": "chunked", "Accept-Encoding": "identity"}
_STREAMED = {**_CHUNKED, "X-Heartbeat": "30"}  # seconds, half of what a proxy usually takes for too long


class ApiError(NbExecError):
    """The server refused a request, or gave no answer that could be understood.

    Parameters
    ----------
    message : str
        What the server says, or what went wrong on the way.
    status : int, optional
        The HTTP status code, None when there was no answer.
    reason : str, optional
        The `reason` of the server's error.
    """

    def __init__(self, message: str, status: Optional[int] = None, reason: Optional[str] = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason


class StreamEndedError(ApiError):
    """The stream of events ended before the execution did; the execution may still go on.

    Parameters
    ----------
    exec_id : str, optional
        The execution, None when not even its first event came.
    """

    def __init__(self, exec_id: Optional[str]) -> None:
        which = f"execution {exec_id}" if exec_id else "the execution"
        super().__init__(f"the server stopped sending events before {which} ended; it may still be running.")
        self.exec_id = exec_id


class Client:
    """Talks to one notebook server.

    Parameters
    ----------
    url : str
        Where the server is, with its base URL: ``http://127.0.0.1:8888/`` or ``https://example.org/user/me/``.
    token : str
        The server's Jupyter token.
    timeout : float
        How many seconds the server may be silent; the stream of `run` may be silent for any time.
    check : callable, optional
        Is given each new connection before anything is sent on it; raises `PeerError` if it leads to somebody else.

    Raises
    ------
    ValueError
        `url` is not the http or https URL of a server, or the token is none that a header can carry.
    """

    def __init__(self, url: str, token: str, timeout: float = 60.0, check: Optional[Check] = None) -> None:
        self.url = _base_url(url)
        self._timeout = timeout
        # No proxy may come between this machine and itself.
        self._token = _header_value(token)
        self._session = new_session(self._token, direct=check is not None or _is_loopback(self.url), check=check)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the server."""
        self._session.close()

    def run(self, notebook: str, params: Mapping[str, str], output_path: Optional[str] = None,
            overwrite: bool = False, jupyter_kernel: Optional[str] = None,
            cell_timeout: Optional[int] = None) -> Iterator[Event]:
        """Run a notebook and yield its events as they happen; the request is sent when the first one is asked for.

        Parameters
        ----------
        notebook, output_path : str
            API paths: relative to the root directory of the server.
        params : mapping of str to str
            The notebook parameters, as text.
        overwrite : bool
            Whether `output_path` may be replaced.
        jupyter_kernel : str, optional
            Name of the kernel.
        cell_timeout : int, optional
            Seconds that one cell may take.

        Raises
        ------
        ValueError
            A parameter has one of the names in `RESERVED`.
        ApiError
            The server refused.
        StreamEndedError
            The stream ended without `notebook_complete` and without `notebook_error`.
        """
        form = _form(notebook, params, output_path, overwrite, jupyter_kernel, cell_timeout)
        response = self._request("POST", data=form, headers=_STREAMED, stream=True, timeout=(_CONNECT_TIMEOUT, None))
        with response:
            yield from _events(response)

    def parameters(self, notebook: str) -> List[Dict[str, Any]]:
        """Return the parameters that a notebook defines, none if it has no parameter cell."""
        response = self._request("GET", "parameters", params={"notebook": notebook})
        found: List[Dict[str, Any]] = _body(response, "parameters", list)
        return found

    def list_(self) -> List[Model]:
        """Return the models of all executions."""
        models: List[Model] = _body(self._request("GET"), "executions", list)
        return models

    def get(self, exec_id: str) -> Model:
        """Return the model of one execution."""
        model: Model = _body(self._request("GET", exec_id), "execution", dict)
        return model

    def shutdown(self, exec_id: str) -> Model:
        """Shut an execution down, and return its model when its kernel is gone."""
        response = self._request("POST", exec_id, data={"action": "shutdown"}, headers=_CHUNKED)
        model: Model = _body(response, "execution", dict)
        return model

    def delete(self, exec_id: str) -> None:
        """Delete an execution; returns when its kernel is gone."""
        self._request("DELETE", exec_id, headers=_CHUNKED)

    def delete_all(self) -> None:
        """Delete all executions; returns when their kernels are gone."""
        self._request("DELETE", headers=_CHUNKED)

    def _request(self, method: str, *parts: str, **options: Any) -> requests.Response:
        """Send a request; a redirect is not followed, because the API has none and the token must not travel."""
        url = self.url + "/".join([_ROUTE, *(quote(part, safe="") for part in parts)])
        options.setdefault("timeout", (min(_CONNECT_TIMEOUT, self._timeout), self._timeout))
        try:
            response = self._session.request(method, url, allow_redirects=False, **options)
            self._check(response)
        except PeerError as error:
            raise ApiError(f"nothing was sent to {self.url}: {error}") from error
        except requests.RequestException as error:
            raise ApiError(f"no answer from {self.url}: {_cause(error)}") from error
        return response

    def _check(self, response: requests.Response) -> None:
        """Raise what the server says unless it has accepted the request."""
        if response.ok and not response.is_redirect:
            return
        with response:
            message, reason = _refusal(response, self._token)
        raise ApiError(message, response.status_code, reason)


# -- requests -------------------------------------------------------------------------------------


def token_in(url: str) -> Optional[str]:
    """Return the token in the query of a URL, None if there is none."""
    query = url.partition("#")[0].partition("?")[2]
    return next(iter(parse_qs(query).get("token", [])), None)


def _base_url(url: str) -> str:
    """Return `url` without user, query and fragment, with a slash at the end."""
    try:
        split = urlsplit(url)
        valid = split.scheme in ("http", "https") and split.hostname and split.port != 0
    except ValueError:  # whose text may have a password in it
        valid = False
    if not valid:
        raise ValueError(f"{shown(_without_secrets(url))} is not the http:// or https:// URL of a server")
    netloc = split.netloc.rpartition("@")[2]
    return urlunsplit((split.scheme, netloc, split.path.rstrip("/") + "/", "", ""))


def _without_secrets(url: str) -> str:
    """Return any text that was meant as a URL without what may be a token or a password."""
    before, _, rest = re.split("[?#]", url)[0].rpartition("@")
    scheme = re.match("[a-zA-Z]*://", before)
    return (scheme.group() if scheme else "") + rest


def _header_value(token: str) -> str:
    """Return the token without the end of the line that it was read from."""
    token = token.strip()
    try:
        token.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError("the token is not text that can be sent") from None
    if any(ord(char) < 32 or ord(char) == 127 for char in token):
        raise ValueError("the token has a line end or another control character in it")
    return token


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _form(notebook: str, params: Mapping[str, str], output_path: Optional[str], overwrite: bool,
          jupyter_kernel: Optional[str], cell_timeout: Optional[int]) -> Dict[str, str]:
    """Return what POST takes; what was not asked for is left out."""
    reserved = sorted(set(params) & set(RESERVED))
    if reserved:
        raise ValueError(f"{reserved[0]} is reserved and cannot be the name of a notebook parameter")
    form = {"notebook": notebook, "output_path": output_path, "jupyter_kernel": jupyter_kernel,
            "overwrite": "true" if overwrite else None,
            "cell_timeout": None if cell_timeout is None else str(cell_timeout)}
    return {**params, **{name: value for name, value in form.items() if value is not None}}


# -- answers --------------------------------------------------------------------------------------


def _refusal(response: requests.Response, token: str) -> Tuple[str, Optional[str]]:
    """Return message and reason of an error; what does not come from nbexec is told apart."""
    def said(text: object) -> str:
        return str(text).replace(token, "[token]")  # what is not nbexec may repeat all that it was sent

    try:
        body = json.loads(response.content)
        return said(body["message"]), body.get("reason")
    except (ValueError, LookupError, TypeError, RecursionError):
        target = f" to {said(response.headers['Location'])}" if response.is_redirect else ""
        answer = f"{response.status_code} {said(response.reason)}{target}"
        return f"{response.url} answers {answer}: there is no nbexec at this URL", None


def _body(response: requests.Response, key: str, kind: type) -> Any:
    """Return what the answer has under `key`."""
    try:
        value = json.loads(response.content)[key]
    except (ValueError, LookupError, TypeError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise ApiError(f"{response.url} does not answer as nbexec does", response.status_code)
    return value


def _cause(error: requests.RequestException) -> object:
    """Return the part of the error that tells a user something."""
    inner = error.args[0] if error.args else error
    return getattr(inner, "reason", None) or inner


# -- the stream -----------------------------------------------------------------------------------


def _events(response: requests.Response) -> Iterator[Event]:
    """Yield the events of a stream up to the final one."""
    exec_id: Optional[str] = None
    try:
        for line in _lines(response.iter_content(chunk_size=None)):
            event = _event(line, response)
            exec_id = event.get("exec_id", exec_id)
            yield event
            if event["event"] in FINAL_EVENTS:
                return
    except requests.RequestException as error:
        raise StreamEndedError(exec_id) from error
    raise StreamEndedError(exec_id)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each line when it is complete; what follows the last line end was cut off and is dropped.

    An empty line is a heartbeat, and passed over.
    """
    pending: List[bytes] = []
    for chunk in chunks:
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join([*pending, lines[0]])
            pending = []
            yield from filter(None, lines)
        pending.append(rest)


def _event(line: bytes, response: requests.Response) -> Event:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or "event" not in event:
        raise ApiError(f"{response.url} does not answer as nbexec does", response.status_code)
    return event
