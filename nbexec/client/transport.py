"""How requests travel: with the token in their header, and on this machine only to the process that was meant."""

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
# In this order; those of requests, and that of Python's ssl.
_CERTIFICATE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def certificates(cacert: Optional[str]) -> Union[str, bool]:
    """Return the file or folder with the authorities to believe, as requests takes it; True for its own.

    Raises
    ------
    ApiError
        There are none where they are said to be.
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
    except OSError as error:  # with one of ssl for what is no certificate
        raise ApiError(f"{name}: expected a file with the certificates of authorities (PEM), got {shown(path)}: "
                       f"{error.strerror or error}") from error


def new_session(token: str, direct: bool, check: Optional[Check] = None) -> requests.Session:
    """Return a session that keeps no cookie and shows the token to nobody else.

    Parameters
    ----------
    token : str
        The Jupyter token.
    direct : bool
        Whether no proxy of the environment may come between.
    check : callable, optional
        Is given each new connection before anything is sent on it, and raises to have nothing sent.
    """
    session = requests.Session()
    session.trust_env = not direct
    session.auth = TokenAuth(token)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    if check is not None:
        adapter = _CheckedAdapter(check)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
    return session


class TokenAuth(AuthBase):
    """Puts the token into the header; given to requests as `auth`, so that no .netrc can replace it."""

    def __init__(self, token: str) -> None:
        self._header = b"token " + token.encode("utf-8", "surrogateescape")

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put it there; called by requests."""
        request.headers["Authorization"] = self._header  # type: ignore[assignment]
        return request


class _CheckedAdapter(HTTPAdapter):
    """Opens connections that are checked."""

    def __init__(self, check: Check) -> None:
        self._check = check
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools of connections; called by requests."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _checked_pools(self._check)


def _checked_pools(check: Check) -> Dict[str, Type[HTTPConnectionPool]]:
    """Return the classes of pools whose connections are checked as soon as they stand."""

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
