"""Sends requests to one notebook server and interprets the responses.

The token is sent in a header only: URLs end up in logs, and nbexec ignores cookies.
"""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
import time
from typing import Any, Optional, Tuple
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

import requests
from urllib3.exceptions import ProtocolError

from ..errors import ERROR_FIELD, shown
from .api_error import ApiError, CertificateError
from .peer import Peer, PeerError
from .transport import certificates, new_session

_ROUTE = "api/executions"
_GATEWAY_STATUSES = (502, 503, 504)  # of a proxy that may have passed the request on
PASSING_STATUSES = (408, 425, 429, 500, *_GATEWAY_STATUSES)  # of a server or a proxy that may answer again
_DELAYS = (0.1, 0.5, 1.0, 2.0)  # seconds before a request is sent again
_LONGEST_DELAY = 10.0  # whatever the server asks for
# "identity" keeps compression, and the buffering that comes with it, out of streams.
CHUNKED = {"X-Response-Encoding": "chunked", "Accept-Encoding": "identity"}


class Connection:
    """Sends requests to one notebook server; threads may share it.

    Parameters
    ----------
    url : str
        Where the server is, with its base URL.
    token : str
        The server's Jupyter token.
    timeout, connect_timeout : float
        Seconds to wait for a response, and for a connection.
    retries : int
        How often to repeat a request that is safe to repeat.
    peer : Peer, optional
        The process of the server; nothing is sent to any other.
    cacert : str, optional
        A file, or a folder, with the authorities whose certificates count.
    proxy : str, optional
        The proxy to use instead of those in the environment; not used if there is a `peer`.

    Raises
    ------
    ValueError
        `url` is not the http or https URL of a server, or the token is none that a header can carry.
    ApiError
        There are no certificates in `cacert`.
    """

    def __init__(self, url: str, token: str, timeout: float = 60.0, connect_timeout: float = 10.0, retries: int = 3,
                 peer: Optional[Peer] = None, cacert: Optional[str] = None, proxy: Optional[str] = None) -> None:
        self.url = base_url(url)
        self.connect_timeout = min(connect_timeout, timeout)
        self._timeout = timeout
        self._retries = retries
        self._verify = certificates(cacert) if self.url.startswith("https:") else True
        self._token = _header_value(token)
        self._peer = peer
        # No proxy of the environment may come between this machine and itself.
        self._session = new_session(self._token, direct=peer is not None or is_loopback(self.url),
                                    check=None if peer is None else peer.check_connection)
        self._proxies = {"http": proxy, "https": proxy} if proxy and peer is None else None

    def close(self) -> None:
        """Close the open connections."""
        self._session.close()

    def is_gone(self) -> bool:
        """Whether the server is gone for good."""
        return self._peer is not None and self._peer.is_gone()

    def ask(self, key: str, kind: type, method: str, *parts: str, **options: Any) -> Any:
        """Send a request and return the value of `key` in the response."""
        return body_of(self.request(method, *parts, **options), key, kind)

    def ask_again(self, key: str, kind: type, method: str, *parts: str, **options: Any) -> Any:
        """Send a request that is safe to repeat, and return the value of `key` in the response."""
        return body_of(self.request_again(method, *parts, **options), key, kind)

    def request_again(self, method: str, *parts: str, **options: Any) -> requests.Response:
        """Send a request that is safe to repeat, several times if that may help."""
        return self.request_to_again(_path(*parts), method, **options)

    def request_to_again(self, path: str, method: str, **options: Any) -> requests.Response:
        """Send a request for any path that is safe to repeat, several times if that may help."""
        for number in range(self._retries):
            try:
                return self.request_to(path, method, **options)
            except ApiError as error:
                may_help = error.status in PASSING_STATUSES if error.status else not is_settled(error)
                if not may_help or self.is_gone():
                    raise
                delay = max(_DELAYS[min(number, len(_DELAYS) - 1)], error.retry_after or 0.0)
                time.sleep(min(delay, _LONGEST_DELAY))
        return self.request_to(path, method, **options)

    def request(self, method: str, *parts: str, **options: Any) -> requests.Response:
        """Send a request to the execution API.

        Raises
        ------
        ApiError
            It was refused, or there was no response.
        """
        return self.request_to(_path(*parts), method, **options)

    def request_to(self, path: str, method: str, **options: Any) -> requests.Response:
        """Send a request for any path. Redirects are not followed: the token must not go elsewhere."""
        options.setdefault("timeout", (self.connect_timeout, self._timeout))
        try:
            # `verify` is passed with each request, because the environment overrides that of the session.
            response = self._session.request(method, self.url + path, allow_redirects=False, verify=self._verify,
                                             proxies=self._proxies, **options)
            self._check(response)
        except PeerError as error:
            raise ApiError(f"nothing was sent to {self.url}: {error}") from error
        except requests.exceptions.SSLError as error:
            raise _tls_error(self.url, error) from error
        except requests.RequestException as error:
            raise ApiError(f"no response from {self.url}: {_cause(error)}", lost=_was_sent(error)) from error
        return response

    def _check(self, response: requests.Response) -> None:
        """Raise ApiError unless the server has accepted the request."""
        if response.ok and not response.is_redirect:
            return
        with response:
            message, reason = _refusal(response, self._token)
            field = response.headers.get(ERROR_FIELD)
        raise ApiError(message, response.status_code, reason, lost=response.status_code in _GATEWAY_STATUSES,
                       field=None if field is None else unquote(field),
                       retry_after=_seconds(response.headers.get("Retry-After")))


# -- requests -------------------------------------------------------------------------------------


def _path(*parts: str) -> str:
    return "/".join([_ROUTE, *(quote(part, safe="") for part in parts)])


def token_in(url: str) -> Optional[str]:
    """Return the token in the query of a URL, or None."""
    query = url.partition("#")[0].partition("?")[2]
    return next(iter(parse_qs(query).get("token", [])), None)


def base_url(url: str) -> str:
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


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


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


def body_of(response: requests.Response, key: str, kind: type) -> Any:
    """Return the value of `key` in the response."""
    try:
        value = json.loads(response.content)[key]
    except (ValueError, LookupError, TypeError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise ApiError(f"{response.url} does not respond as nbexec does", response.status_code)
    return value


def _seconds(text: Optional[str]) -> Optional[float]:
    """Return the seconds in a Retry-After; a date in it is passed over."""
    return float(text) if text and text.isdigit() else None


def is_settled(error: ApiError) -> bool:
    """Whether another attempt would fail in the same way."""
    return isinstance(error, CertificateError) or isinstance(error.__cause__, PeerError)


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
