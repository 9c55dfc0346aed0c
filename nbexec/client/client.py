"""The client of the execution API, for Python programs and for the command line.

The token is sent in a header only: URLs end up in logs, and nbexec ignores cookies.
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
from ..run_arguments import RESERVED, RunArguments
from .api_error import ApiError, CertificateError, StreamEndedError
from .execution_stream import CHUNKED, FINAL_EVENTS, Event, ExecutionStream
from .peer import Peer, PeerError
from .transport import certificates, new_session

__all__ = ["ApiError", "CertificateError", "Client", "Event", "FINAL_EVENTS", "Model", "RESERVED", "StreamEndedError",
           "token_in"]

Model = Dict[str, Any]

_CONNECT_TIMEOUT = 10.0
_ROUTE = "api/executions"
_GATEWAY_STATUSES = (502, 503, 504)  # from a proxy that may have passed the request on


class Client:
    """Talks to one notebook server.

    Parameters
    ----------
    url : str
        URL of the server, including its base URL: ``http://127.0.0.1:8888/`` or ``https://example.org/user/me/``.
    token : str
        The server's Jupyter token.
    timeout : float
        Seconds that the server may be silent; the stream of `run` may be silent for longer.
    peer : Peer, optional
        The process of the server; nothing is sent to any other process.
    cacert : str, optional
        File or folder with the certificates of the authorities to trust. By default, one named by the variables
        REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE.

    Raises
    ------
    ValueError
        `url` is not the http or https URL of a server, or the token cannot be sent in a header.
    ApiError
        `cacert` contains no certificates.
    """

    def __init__(self, url: str, token: str, timeout: float = 60.0, peer: Optional[Peer] = None,
                 cacert: Optional[str] = None) -> None:
        self.url = _base_url(url)
        self._timeout = timeout
        self._verify = certificates(cacert) if self.url.startswith("https:") else True
        # No proxy is used for servers on this machine.
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

    def run(self, notebook: str, params: Mapping[str, str], **options: Any) -> Iterator[Event]:
        """Run a notebook and yield its events as they happen; asking for the first one sends the request.

        A lost connection is re-established, and no event is repeated or missed.

        Parameters
        ----------
        notebook : str
            API path: relative to the server's root directory.
        params : mapping of str to str
            The notebook parameters, as text.
        **options
            What else a request can ask for, named as in `RunArguments`: `output_path`, `cell_timeout`, ….

        Raises
        ------
        ValueError
            A parameter has one of the names in `RESERVED`.
        ApiError
            The server refused the request.
        StreamEndedError
            The connection was lost before the final event, and could not be re-established.
        """
        arguments = RunArguments(notebook, _checked(params), **options)
        return iter(ExecutionStream(self._request, arguments.form(), arguments.headers(), self._is_gone))

    def parameters(self, notebook: str) -> List[Dict[str, Any]]:
        """Return the parameters that a notebook defines; an empty list if it has no parameter cell."""
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
        """Shut an execution down, and return its model once its kernel is gone."""
        response = self._request("POST", exec_id, data={"action": "shutdown"}, headers=CHUNKED)
        model: Model = _body(response, "execution", dict)
        return model

    def delete(self, exec_id: str) -> None:
        """Delete an execution, and return once its kernel is gone."""
        self._request("DELETE", exec_id, headers=CHUNKED)

    def delete_all(self) -> None:
        """Delete all executions, and return once their kernels are gone."""
        self._request("DELETE", headers=CHUNKED)

    def _request(self, method: str, *parts: str, **options: Any) -> requests.Response:
        """Send a request. Redirects are not followed: the API has none, and the token must not go elsewhere."""
        url = self.url + "/".join([_ROUTE, *(quote(part, safe="") for part in parts)])
        options.setdefault("timeout", (min(_CONNECT_TIMEOUT, self._timeout), self._timeout))
        try:
            # `verify` is passed with each request, because the environment overrides that of the session.
            response = self._session.request(method, url, allow_redirects=False, verify=self._verify, **options)
            self._check(response)
        except PeerError as error:
            raise ApiError(f"nothing was sent to {self.url}: {error}") from error
        except requests.exceptions.SSLError as error:
            raise _tls_error(self.url, error) from error
        except requests.RequestException as error:
            raise ApiError(f"no response from {self.url}: {_cause(error)}", lost=_was_sent(error)) from error
        return response

    def _is_gone(self) -> bool:
        return self._peer is not None and self._peer.is_gone()

    def _check(self, response: requests.Response) -> None:
        """Raise ApiError unless the server has accepted the request."""
        if response.ok and not response.is_redirect:
            return
        with response:
            message, reason = _refusal(response, self._token)
            field = response.headers.get(ERROR_FIELD)
        raise ApiError(message, response.status_code, reason, lost=response.status_code in _GATEWAY_STATUSES,
                       field=None if field is None else unquote(field))


# -- requests -------------------------------------------------------------------------------------


def token_in(url: str) -> Optional[str]:
    """Return the token in the query of a URL, or None."""
    query = url.partition("#")[0].partition("?")[2]
    return next(iter(parse_qs(query).get("token", [])), None)


def _base_url(url: str) -> str:
    """Return `url` without user, query and fragment, and with a trailing slash."""
    try:
        split = urlsplit(url)
        valid = split.scheme in ("http", "https") and split.hostname and split.port != 0
    except ValueError:  # its text may contain a password
        valid = False
    if not valid:
        raise ValueError(f"expected the http:// or https:// URL of a server, got {shown(_without_secrets(url))}")
    netloc = split.netloc.rpartition("@")[2]
    return urlunsplit((split.scheme, netloc, split.path.rstrip("/") + "/", "", ""))


def _without_secrets(url: str) -> str:
    """Return a text that was meant to be a URL without anything that may be a token or a password."""
    before, _, rest = re.split("[?#]", url)[0].rpartition("@")
    scheme = re.match("[a-zA-Z]*://", before)
    return (scheme.group() if scheme else "") + rest


def _header_value(token: str) -> str:
    """Return the token without surrounding white space, such as a line break."""
    token = token.strip()
    try:
        token.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError("the token cannot be encoded as UTF-8") from None
    if any(ord(char) < 32 or ord(char) == 127 for char in token):
        raise ValueError("the token contains a line break or another control character")
    return token


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _checked(params: Mapping[str, str]) -> Dict[str, str]:
    """Return the parameters, unless one has the name of a field of the API, which would change the request."""
    reserved = sorted(RESERVED & set(params))
    if reserved:
        raise ValueError(f"{reserved[0]} is reserved and cannot be used as a parameter name")
    return dict(params)


# -- answers --------------------------------------------------------------------------------------


def _refusal(response: requests.Response, token: str) -> Tuple[str, Optional[str]]:
    """Return message and reason of an error, which may come from something other than nbexec."""
    def said(text: object) -> str:
        return str(text).replace(token, "[token]")  # another program may repeat everything that it was sent

    try:
        body = json.loads(response.content)
        return said(body["message"]), body.get("reason")
    except (ValueError, LookupError, TypeError, RecursionError):
        target = f" to {said(response.headers['Location'])}" if response.is_redirect else ""
        answer = f"{response.status_code} {said(response.reason)}{target}"
        return f"{response.url} responds with {answer}: there is no nbexec at this URL", None


def _body(response: requests.Response, key: str, kind: type) -> Any:
    """Return the value of `key` in the response."""
    try:
        value = json.loads(response.content)[key]
    except (ValueError, LookupError, TypeError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise ApiError(f"{response.url} does not respond as nbexec does", response.status_code)
    return value


def _was_sent(error: requests.RequestException) -> bool:
    """Whether the server may have received the request."""
    inner = error.args[0] if error.args else None
    return isinstance(inner, ProtocolError) or isinstance(error, requests.ReadTimeout)


def _tls_error(url: str, error: requests.RequestException) -> ApiError:
    """Return the error for a failed TLS connection."""
    cause = _cause(error)
    inner = cause.args[0] if isinstance(cause, Exception) and cause.args else cause
    if isinstance(inner, ssl.SSLCertVerificationError):
        return CertificateError(url, inner.verify_message)
    return ApiError(f"no encrypted connection to {url}: {inner}")


def _cause(error: requests.RequestException) -> object:
    """Return the part of the error that is useful to the user."""
    inner = error.args[0] if error.args else error
    return getattr(inner, "reason", None) or inner
