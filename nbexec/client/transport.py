"""Sends requests: with the token in their header, and on this machine only to the intended process."""

from __future__ import annotations

import os
import socket
import ssl
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Callable, Dict, Optional, Type, Union

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ..errors import shown
from .api_error import ApiError

Check = Callable[[socket.socket], None]
_KEPT = 100  # idle connections; urllib3 warns of each that it does not keep
# In this order: the variables of requests, then that of Python's ssl.
_CERTIFICATE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def certificates(cacert: Optional[str]) -> Union[str, bool]:
    """Return the file or folder with the authorities to trust, as requests expects it; True for its default.

    Raises
    ------
    ApiError
        The file or folder contains no certificates.
    """
    named = [("--cacert", cacert)] if cacert else [(name, os.environ.get(name)) for name in _CERTIFICATE_VARIABLES]
    for name, path in named:
        if path:
            _check_certificates(name, path)
            return path
    return True


def _check_certificates(name: str, path: str) -> None:
    try:
        options = {"capath": path} if os.path.isdir(path) else {"cafile": path}
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(**options)
    except OSError as error:  # including SSLError for a file without certificates
        raise ApiError(f"{name}: expected a file with certificates of authorities (PEM), got {shown(path)}: "
                       f"{error.strerror or error}") from error


def new_session(token: str, direct: bool, check: Optional[Check] = None) -> requests.Session:
    """Return a session that stores no cookies and sends the token to nobody else.

    Parameters
    ----------
    token : str
        The Jupyter token.
    direct : bool
        Whether to ignore the proxies of the environment.
    check : callable, optional
        Called with each new connection before anything is sent; raises to prevent that.
    """
    session = requests.Session()
    session.trust_env = not direct
    session.auth = TokenAuth(token)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = HTTPAdapter(pool_maxsize=_KEPT) if check is None else _CheckedAdapter(check)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


class TokenAuth(AuthBase):
    """Sets the Authorization header; passed to requests as `auth`, so that no .netrc can override it."""

    def __init__(self, token: str) -> None:
        self._header = b"token " + token.encode("utf-8", "surrogateescape")

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header; called by requests."""
        request.headers["Authorization"] = self._header  # type: ignore[assignment]
        return request


class _CheckedAdapter(HTTPAdapter):
    """Opens connections that are checked before use."""

    def __init__(self, check: Check) -> None:
        self._check = check
        super().__init__(pool_maxsize=_KEPT)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Create the connection pools; called by requests."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _checked_pools(self._check)


def _checked_pools(check: Check) -> Dict[str, Type[HTTPConnectionPool]]:
    """Return pool classes whose connections are checked as soon as they are established."""

    class Connection(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            check(self.sock)

    class SecureConnection(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            check(self.sock)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}
