"""The page that is made of the OpenAPI document has all of it."""

from __future__ import annotations

import re
import runpy
from typing import Any, Dict

import pytest
import yaml
from guide import DOCS

from nbexec.handlers.executions import OPENAPI

DOCUMENT: Dict[str, Any] = yaml.safe_load(OPENAPI.read_text("utf-8"))
SCHEMAS: Dict[str, Any] = DOCUMENT["components"]["schemas"]


@pytest.fixture(scope="module")
def reference() -> str:
    extension = runpy.run_path(str(DOCS / "openapi_page.py"))
    return "\n".join(extension["Reference"](DOCUMENT).lines())


def section(reference: str, title: str) -> str:
    return re.split(r"^###? ", reference.split(f"### {title}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def test_every_operation_has_its_parameters_and_answers(reference: str) -> None:
    for path, item in DOCUMENT["paths"].items():
        for method in {"get", "post", "delete"} & set(item):
            text = section(reference, f"{method.upper()} {path}")
            assert re.findall(r"^- \*\*(\d+)\*\*", text, re.MULTILINE) == list(item[method]["responses"])
            for parameter in item[method].get("parameters", []):
                assert f"**`{parameter.get('name', 'X-Response-Encoding')}`**" in text


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_every_schema_has_its_properties(reference: str, name: str) -> None:
    text = section(reference, name)
    assert all(f"- **`{key}`**" in text for key in SCHEMAS[name].get("properties", {}))


def test_every_link_leads_somewhere(reference: str) -> None:
    there = set(re.findall(r"^\((schema-\w+)\)=", reference, re.MULTILINE))
    assert there and set(re.findall(r"\]\(#(schema-\w+)\)", reference)) <= there
