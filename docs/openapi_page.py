"""A Sphinx extension that makes a page of nbexec's OpenAPI document, so that neither can say what the other does not.

The page is the docname `http_api`; its file has the introduction, and what is made of the document follows it.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List

import yaml

from nbexec.handlers.executions import OPENAPI

PAGE = "http_api"
METHODS = ("get", "post", "put", "patch", "delete")
Node = Dict[str, Any]


class Reference:
    """The OpenAPI document as lines of Markdown, in the dialect of MyST."""

    def __init__(self, document: Node) -> None:
        self._document = document

    def lines(self) -> Iterator[str]:
        yield from ("", self._document["info"]["description"], "## Routes", "")
        for path, item in self._document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield from self._operation(f"{method.upper()} {path}", item.get("parameters", []), item[method])
        yield from ("## Schemas", "")
        for name, schema in self._document["components"]["schemas"].items():
            yield from (f"(schema-{name})=", f"### {name}", "", *self._schema(schema))

    def _operation(self, title: str, shared: List[Node], operation: Node) -> Iterator[str]:
        yield from (f"(operation-{operation['operationId']})=", f"### {title}", "", operation["summary"], "")
        yield from (operation.get("description", ""), "")
        parameters = [self._resolved(parameter) for parameter in [*shared, *operation.get("parameters", [])]]
        if parameters:
            yield "**Parameters**\n"
            for parameter in parameters:
                kind = f"{parameter['in']}, {self._type(parameter['schema'])}"
                yield _item(parameter["name"], kind, parameter.get("required", False), parameter["description"])
        if "requestBody" in operation:
            yield from ("**Body**", "", *self._content(operation["requestBody"]["content"]), "")
        yield "**Answers**\n"
        for status, response in operation["responses"].items():
            yield from self._response(status, self._resolved(response))

    def _response(self, status: str, response: Node) -> Iterator[str]:
        yield f"- **{status}** {_indented(response['description'])}\n"
        for name, header in response.get("headers", {}).items():
            yield f"  - header `{name}`: {_indented(self._resolved(header)['description'], 4)}"
        yield from (f"  {line}" for line in self._content(response.get("content", {})))
        yield ""

    def _content(self, content: Node) -> Iterator[str]:
        for media_type, body in content.items():
            schema = body.get("x-itemSchema", body["schema"])
            each = "lines of " if "x-itemSchema" in body else ""
            yield f"- `{media_type}`: {each}{self._type(schema)}"
            for example in list(body.get("examples", {}).values())[:1]:
                shown = json.dumps(self._resolved(example)["value"], indent=2)
                yield from ("", "  ```json", *(f"  {line}" for line in shown.splitlines()), "  ```", "")

    def _schema(self, schema: Node) -> Iterator[str]:
        yield from (schema.get("description", ""), "")
        if "properties" not in schema:
            yield from (f"Type: {self._type(schema)}", "")
        for name, value in schema.get("properties", {}).items():
            text = self._resolved(value).get("description", "")
            yield _item(name, self._type(value), name in schema.get("required", []), text)
        more = schema.get("additionalProperties")
        if isinstance(more, dict) and "description" in more:
            yield _item("…", self._type(more), False, more["description"])

    def _type(self, schema: Node) -> str:
        """Return what kind of value it is, in a few words, with links to schemas that have names."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return f"[{name}](#schema-{name})"
        for key in ("oneOf", "anyOf"):
            if key in schema:
                return " or ".join(map(self._type, schema[key]))
        if "enum" in schema:
            return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
        if schema.get("type") == "array":
            return f"list of {self._type(schema['items'])}"
        if schema.get("type") == "object" and "properties" in schema:
            inner = (f"`{name}`: {self._type(value)}" for name, value in schema["properties"].items())
            return f"object with {', '.join(inner)}"
        return schema.get("type", "any") + (" or null" if schema.get("nullable") else "")

    def _resolved(self, node: Node) -> Node:
        """Return a part of the document, or what it refers to."""
        found: Any = node
        if "$ref" in node:
            found = self._document
            for key in node["$ref"].split("/")[1:]:
                found = found[key]
        return dict(found)


def _item(name: str, kind: str, required: bool, text: str) -> str:
    return f"- **`{name}`** ({kind}{', required' if required else ''})  \n  {_indented(text)}\n"


def _indented(text: str, width: int = 2) -> str:
    return text.strip().replace("\n", "\n" + " " * width)


def add_reference(app: Any, docname: str, source: List[str]) -> None:
    """Put the reference below the introduction; Sphinx calls this with the text of each page that it has read."""
    if docname == PAGE:
        app.env.note_dependency(str(OPENAPI))
        source[0] += "\n".join(Reference(yaml.safe_load(OPENAPI.read_text("utf-8"))).lines())


def setup(app: Any) -> Dict[str, bool]:
    """Register the extension; Sphinx calls this."""
    app.connect("source-read", add_reference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
