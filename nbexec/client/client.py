"""A client of the execution API, for Python programs and for the command line.

The token goes into a header and nowhere else: a URL ends up in logs, and a cookie never counts with nbexec.
"""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
from types import TracebackType
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Type
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

import requests
from urllib3.exceptions import ProtocolError

from ..errors import ERROR_FIELD, shown
from .api_error import ApiError, CertificateError, StreamEndedError
from .execution_stream import CHUNKED, FINAL_EVENTS, Event, ExecutionStream
from .peer import Peer, PeerError
from .transport import certificates, new_session

__all__ = ["ApiError", "CertificateError", "Client", "Event", "FINAL_EVENTS", "Model", "RESERVED", "StreamEndedError",
           "token_in"]

Model = Dict[str, Any]

# Names that POST takes for itself: a notebook parameter with such a name would change the request.
RESERVED = ("notebook", "token", "output_path", "overwrite", "jupyter_kernel", "cell_timeout")
_CONNECT_TIMEOUT = 10.0
_ROUTE = "api/executions"
_GATEWAY_STATUSES = (502, 503, 504)  # of a proxy that may have passed the request on


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
    peer : Peer, optional
        The process of the server; nothing is sent to any other.
    cacert : str, optional
        A file, or a folder, with the authorities whose certificates count; else the variables REQUESTS_CA_BUNDLE,
        CURL_CA_BUNDLE or SSL_CERT_FILE name one.

    Raises
    ------
    ValueError
        `url` is not the http or https URL of a server, or the token is none that a header can carry.
    ApiError
        There are no certificates in `cacert`.
    """

    def __init__(self, url: str, token: str, timeout: float = 60.0, peer: Optional[Peer] = None,
                 cacert: Optional[str] = None) -> None:
        self.url = _base_url(url)
        self._timeout = timeout
        self._verify = certificates(cacert) if self.url.startswith("https:") else True
        # No proxy may come between this machine and itself.
        self._token = _header_value(token)
        self._peer = peer
        self._session = new_session(self._token, direct=peer is not None or _is_loopback(self.url),
                                    check=None if peer is None else peer.check_connection)

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
            cell_timeout: Optional[int] = None, failed_apart: bool = False) -> Iterator[Event]:
        """Run a notebook and yield its events as they happen; the request is sent when the first one is asked for.

        A connection that breaks is made again, and no event comes twice or is missing.

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
        failed_apart : bool
            Whether what a failed run has so far gets another name than `output_path`.

        Raises
        ------
        ValueError
            A parameter has one of the names in `RESERVED`.
        ApiError
            The server refused.
        StreamEndedError
            The connection was lost before `notebook_complete` or `notebook_error` came, and could not be made again.
        """
        form = _form(notebook, params, output_path, overwrite, jupyter_kernel, cell_timeout)
        headers = {"X-Failed-Output": "apart"} if failed_apart else {}
        return iter(ExecutionStream(self._request, form, headers, self._is_gone))

    def parameters(self, notebook: str) -> List[Dict[str, Any]]:
        """Return the parameters that a notebook defines, none if it has no parameter cell."""
        response = self._request("GET", "parameters", params={"notebook": notebook})
        found: List[Dict[str, Any]] = _body(response, "parameters", list)
        return found

    def executions(self) -> List[Model]:
        """Return the models of all executions."""
        models: List[Model] = _body(self._request("GET"), "executions", list)
        return models

    def get(self, exec_id: str) -> Model:
        """Return the model of one execution."""
        model: Model = _body(self._request("GET", exec_id), "execution", dict)
        return model

    def shutdown(self, exec_id: str) -> Model:
        """Shut an execution down, and return its model when its kernel is gone."""
        response = self._request("POST", exec_id, data={"action": "shutdown"}, headers=CHUNKED)
        model: Model = _body(response, "execution", dict)
        return model

    def delete(self, exec_id: str) -> None:
        """Delete an execution; returns when its kernel is gone."""
        self._request("DELETE", exec_id, headers=CHUNKED)

    def delete_all(self) -> None:
        """Delete all executions; returns when their kernels are gone."""
        self._request("DELETE", headers=CHUNKED)

    def _request(self, method: str, *parts: str, **options: Any) -> requests.Response:
        """Send a request; a redirect is not followed, because the API has none and the token must not travel."""
        url = self.url + "/".join([_ROUTE, *(quote(part, safe="") for part in parts)])
        options.setdefault("timeout", (min(_CONNECT_TIMEOUT, self._timeout), self._timeout))
        try:
            # `verify` is said with each request: that of a session stands back behind the environment.
            response = self._session.request(method, url, allow_redirects=False, verify=self._verify, **options)
            self._check(response)
        except PeerError as error:
            raise ApiError(f"nothing was sent to {self.url}: {error}") from error
        except requests.exceptions.SSLError as error:
            raise _tls_error(self.url, error) from error
        except requests.RequestException as error:
            raise ApiError(f"no answer from {self.url}: {_cause(error)}", lost=_was_sent(error)) from error
        return response

    def _is_gone(self) -> bool:
        return self._peer is not None and self._peer.is_gone()

    def _check(self, response: requests.Response) -> None:
        """Raise what the server says unless it has accepted the request."""
        if response.ok and not response.is_redirect:
            return
        with response:
            message, reason = _refusal(response, self._token)
            field = response.headers.get(ERROR_FIELD)
        raise ApiError(message, response.status_code, reason, lost=response.status_code in _GATEWAY_STATUSES,
                       field=None if field is None else unquote(field))


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
        raise ValueError(f"{reserved[0]} is reserved and cannot be used as a parameter name")
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


def _was_sent(error: requests.RequestException) -> bool:
    """Whether the server may have got the request."""
    inner = error.args[0] if error.args else None
    return isinstance(inner, ProtocolError) or isinstance(error, requests.ReadTimeout)


def _tls_error(url: str, error: requests.RequestException) -> ApiError:
    """Return what is wrong with the encryption, in words."""
    cause = _cause(error)
    inner = cause.args[0] if isinstance(cause, Exception) and cause.args else cause
    if isinstance(inner, ssl.SSLCertVerificationError):
        return CertificateError(url, inner.verify_message)
    return ApiError(f"no encrypted connection to {url}: {inner}")


def _cause(error: requests.RequestException) -> object:
    """Return the part of the error that tells a user something."""
    inner = error.args[0] if error.args else error
    return getattr(inner, "reason", None) or inner
