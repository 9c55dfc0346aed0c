r"""Keeps secrets out of the log of the server, and control characters away from the terminal that shows it.

Whoever writes a record, and for whatever reason: what it repeats of a request is somebody else's text. Values are
hidden wherever they stand and however they are spelled in a URL, because a token gets into paths, referers and
exceptions by many ways.
"""

from __future__ import annotations

import json
import logging
import re
from collections import OrderedDict
from typing import Any, Iterable, Iterator, Optional, Set
from urllib.parse import unquote

from .page_tokens import PATTERN

HIDDEN = "[secret]"
_SHORTEST = 4  # characters; a shorter token would hide half of every line
_MOST = 100  # secrets that are remembered
_LAYERS = 4  # of URL-encoding
_NAMED = re.compile(r"(token(?:=|%(?:25)*3D))(?!\[secret\])[^&\s\"'<>]+", re.IGNORECASE)
_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_OWN = frozenset(vars(logging.makeLogRecord({})))  # attributes that every record has


class SecretFilter(logging.Filter):
    """Hides secrets in records, and escapes control characters.

    Parameters
    ----------
    secrets : iterable of str
        What is hidden, besides page tokens and whatever is called a token.
    announced_in : set of str
        Source files whose records may have them: the server tells its owner how to log in.
    """

    def __init__(self, secrets: Iterable[str], announced_in: Iterable[str] = ()) -> None:
        super().__init__()
        self._announced_in: Set[str] = set(announced_in)
        self._spellings: OrderedDict[str, None] = OrderedDict()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Hide this value too, from now on."""
        for text in _spellings(secret) if len(secret) >= _SHORTEST else ():
            self._spellings[text] = None
        while len(self._spellings) > _MOST:
            self._spellings.popitem(last=False)

    def hide(self, text: str) -> str:
        """Return the text without secrets; it is decoded if one can be read in it only then."""
        text = self._hide_values(text)
        if "%" in text:
            decoded = _decoded(text)
            without = self._hide_values(decoded)
            if without != decoded:
                text = without.replace("\n", "\\n")
        return _NAMED.sub(rf"\1{HIDDEN}", text)

    def _hide_values(self, text: str) -> str:
        for secret in self._spellings:
            text = text.replace(secret, HIDDEN)
        return PATTERN.sub(HIDDEN, text)

    def clean(self, text: str) -> str:
        """Return the text without secrets, and with control characters escaped."""
        return _CONTROL.sub(lambda match: repr(match[0])[1:-1], self.hide(text))

    # -- records ----------------------------------------------------------------------------------

    def install(self, logger: Optional[logging.Logger]) -> None:
        """Clean every record of this process from now on, whatever its logger and wherever it goes."""
        make = logging.getLogRecordFactory()

        def make_clean(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = make(*args, **kwargs)
            self.filter(record)
            return record

        logging.setLogRecordFactory(make_clean)
        while logger is not None:  # for what is added to a record when it has been made
            for handler in logger.handlers:
                handler.addFilter(self)
            logger = logger.parent

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean a record; called by logging too."""
        if record.pathname in self._announced_in:
            return True
        try:
            self._clean_message(record)
        except Exception:  # its arguments do not fit its text: logging tells that, where it is shown
            return True
        if record.exc_info and not record.exc_text:
            self._clean_traceback(record)
        for name in set(vars(record)) - _OWN:
            setattr(record, name, self._cleaned(getattr(record, name)))
        return True

    def _clean_message(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        cleaned = self.clean(message)
        if record.name.split(".")[0] == "nbexec":  # has one line each, whatever is repeated in it
            cleaned = cleaned.replace("\n", "\\n")
        if cleaned != message:
            record.msg, record.args = cleaned, ()

    def _clean_traceback(self, record: logging.LogRecord) -> None:
        assert record.exc_info
        text = logging.Formatter().formatException(record.exc_info)
        cleaned = self.clean(text)
        if cleaned != text:
            record.exc_info, record.exc_text = None, cleaned

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {name: self._cleaned(item) for name, item in value.items()}
        return value


def _spellings(secret: str) -> Iterator[str]:
    """Yield how a secret stands in text: as it is, in quotes, and as tornado reads the bytes of a request."""
    yield from {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], secret.encode().decode("latin-1")}


def _decoded(text: str) -> str:
    for _ in range(_LAYERS):
        decoded = unquote(text)
        if decoded == text:
            break
        text = decoded
    return text
