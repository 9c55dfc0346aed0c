"""Parses a request and checks its values.

Everything that can be refused without looking at a file is refused here, before anything starts.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import islice
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple
from urllib.parse import parse_qsl

from ..errors import AsWritten, InvalidArgumentError, RequestBodyError, shown
from ..parameters import check_identifier
from ..run_arguments import (
    FLAG,
    FORM_FIELDS,
    FORM_NAMES,
    HEADER_FIELDS,
    RESERVED,
    TOKEN,
    RequestField,
    RunArguments,
    parse,
)
from . import flat_json
from .flat_json import JsonText

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MULTIPART = "multipart/form-data"
NOTEBOOK = "the path of a notebook, relative to the server's root directory"
MAX_FIELDS = 1000
_SCALAR = "text, a number, true or false"
_OWN = RESERVED | {"action", "since", "outputs"}
_SHORTEST_HEARTBEAT = 0.5  # seconds

Pairs = List[Tuple[str, str]]


def is_form(content_type: str) -> bool:
    """Whether a body of this type is a form."""
    return _kind(content_type) == FORM


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


# -- decoding -------------------------------------------------------------------------------------


def decode_query(query: str) -> Pairs:
    """Return the names and values of a query string.

    Raises
    ------
    RequestBodyError
        It cannot be decoded.
    """
    return _decode_form(query.encode("latin-1"), "the query")  # as tornado has decoded it


def decode_body(body: bytes, content_type: str) -> Pairs:
    """Return the names and values in a request body.

    Raises
    ------
    RequestBodyError
        It cannot be decoded, or is of a type that is not accepted.
    """
    kind = _kind(content_type)
    if not body:
        return []
    if kind == FORM:
        return _decode_form(body, "the form body")
    if kind == JSON:
        return _decode_json(body)
    hint = " (with curl, use -d instead of -F)" if kind == MULTIPART else ""
    raise RequestBodyError(f"Content-Type: expected {FORM} or {JSON}, got {shown(content_type)}{hint}")


def _decode_form(text: bytes, where: str) -> Pairs:
    try:
        return parse_qsl(text.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError as error:
        raise RequestBodyError(f"{where} is not valid: expected URL-encoded UTF-8") from error
    except ValueError as error:
        raise RequestBodyError(f"{where} has more than {MAX_FIELDS} fields") from error


def _decode_json(body: bytes) -> Pairs:
    try:
        found = list(islice(flat_json.pairs(body.decode("utf-8")), MAX_FIELDS + 1))
    except flat_json.NoObjectError as error:
        raise RequestBodyError("the JSON body is not an object; expected one with the parameters by name") from error
    except flat_json.HalfPairError as error:
        raise InvalidArgumentError(error.name, AsWritten(error.value), _SCALAR) from error
    except (ValueError, RecursionError) as error:
        raise RequestBodyError(f"the JSON body cannot be decoded: {error}") from error
    if len(found) > MAX_FIELDS:
        raise RequestBodyError(f"the JSON body has more than {MAX_FIELDS} fields")
    for name, value in found:
        if name in RESERVED and isinstance(value, JsonText):
            raise InvalidArgumentError(name, AsWritten(value), _SCALAR)
    return found


def without_values(uri: str) -> str:
    """Return `uri` for the log, without the values of notebook parameters, which may be secret."""
    path, mark, query = uri.partition("?")
    return path + mark + "&".join(map(_without_value, query.split("&")))


def _without_value(pair: str) -> str:
    name, sign, _ = pair.partition("=")
    return pair if not sign or name in _OWN else f"{name}=[hidden]"


# -- checking -------------------------------------------------------------------------------------


def merge(pairs: Pairs) -> Dict[str, str]:
    """Return the pairs as a mapping, without the token.

    Raises
    ------
    InvalidArgumentError
        A name is given twice.
    """
    pairs = [pair for pair in pairs if pair[0] != TOKEN]
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            values = [value for other, value in pairs if other == name]
            raise InvalidArgumentError(name, values, "one value, given once in the query or in the body")
    return dict(pairs)


def run_arguments(form: Mapping[str, str], headers: Mapping[str, str]) -> RunArguments:
    """Return the arguments of a POST; every name in its form that the API does not use is a notebook parameter.

    Raises
    ------
    InvalidArgumentError
        A value is not accepted.
    """
    given = _given(FORM_FIELDS, form)
    arguments = RunArguments(
        required(form, "notebook", NOTEBOOK), {name: value for name, value in form.items() if name not in FORM_NAMES},
        **_parsed(given))
    arguments.structures = sorted(name for name, value in arguments.params.items() if isinstance(value, JsonText))
    for name in arguments.params:
        check_identifier(name, arguments.params[name])
    in_headers = _given(HEADER_FIELDS, headers)
    arguments = replace(arguments, **_parsed(in_headers))
    for field, text in {**given, **in_headers}.items():
        if field.needs and getattr(arguments, field.name) and getattr(arguments, field.needs) is None:
            raise InvalidArgumentError(field.request_name, text, field.expected_alone)
    return arguments


def _given(fields: Iterable[RequestField], texts: Mapping[str, str]) -> Dict[RequestField, str]:
    return {field: texts[field.request_name] for field in fields if field.request_name in texts}


def _parsed(given: Mapping[RequestField, str]) -> Dict[str, Any]:
    return {field.name: field.parse(text) for field, text in given.items()}


def idempotency_key(value: Optional[str]) -> Optional[str]:
    """Return the key in the header Idempotency-Key, None without one; quotes around it are not part of it.

    Raises
    ------
    InvalidArgumentError
        It is not accepted.
    """
    if value is None:
        return None
    key = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    if not re.fullmatch(r"[!-~]{1,255}", key):
        raise InvalidArgumentError("Idempotency-Key", value, "1 to 255 printable ASCII characters without spaces")
    return key


def since(fields: Mapping[str, str], last_event_id: Optional[str]) -> int:
    """Return the number of the last event that a client knows, from the query or from its browser.

    Raises
    ------
    InvalidArgumentError
        That is no number.
    """
    return max(_number("since", fields.get("since")), _number("Last-Event-ID", last_event_id))


def _number(name: str, value: Optional[str]) -> int:
    if value is None:
        return 0
    if not re.fullmatch("[0-9]{1,18}", value):
        raise InvalidArgumentError(name, value, "the number of an event, or 0 for all events")
    return int(value)


def flag(fields: Mapping[str, str], name: str) -> bool:
    """Return the field `name`, false if it is not there.

    Raises
    ------
    InvalidArgumentError
        It is neither true nor false.
    """
    return name in fields and parse(name, fields[name], FLAG)


def required(fields: Mapping[str, str], name: str, expected: str) -> str:
    """Return the field `name`, which must be there and not be empty.

    Raises
    ------
    InvalidArgumentError
        It is not.
    """
    if not fields.get(name):
        raise InvalidArgumentError(name, fields.get(name), expected)
    return fields[name]


def heartbeat(value: Optional[str]) -> Optional[float]:
    """Return after how many seconds of silence the header ``X-Heartbeat`` asks for a heartbeat.

    Raises
    ------
    InvalidArgumentError
        It is not such a number.
    """
    if value is None:
        return None
    seconds = float(value) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value) else 0.0
    if seconds < _SHORTEST_HEARTBEAT:
        raise InvalidArgumentError("X-Heartbeat", value, f"{_SHORTEST_HEARTBEAT} seconds or more")
    return seconds
