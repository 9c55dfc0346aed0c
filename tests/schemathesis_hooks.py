"""What Schemathesis cannot know about this API; it imports this module itself."""

from __future__ import annotations

import json
from typing import Any, Dict, List

import schemathesis
import yaml
from openapi_schema_validator import OAS30Validator

from nbexec.handlers.executions import OPENAPI
from nbexec.handlers.streams import NDJSON

EVENT = {"$ref": "#/components/schemas/Event", "components": yaml.safe_load(OPENAPI.read_text("utf-8"))["components"]}
FINAL = ("notebook_complete", "notebook_error")


def lines(content: bytes) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines() if line]  # an empty one is a heartbeat


@schemathesis.deserializer(NDJSON)
def first_event(context: schemathesis.DeserializationContext, response: schemathesis.Response) -> Dict[str, Any]:
    """Return what a link needs; the other lines are checked below."""
    return lines(response.content)[0]


@schemathesis.check
def a_stream_has_events_and_ends(context: schemathesis.CheckContext, response: schemathesis.Response,
                                 case: schemathesis.Case) -> None:
    if response.headers.get("content-type") != [NDJSON]:
        return
    events = lines(response.content)
    for event in events:
        OAS30Validator(EVENT).validate(event)
    assert [event["event"] in FINAL for event in events] == [False] * (len(events) - 1) + [True]


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: Dict[str, Any]) -> None:
    """Leave the token to the header: a form that has another one is another user's."""
    if isinstance(case.body, dict) and isinstance(case.body.get("token"), str):
        del case.body["token"]
