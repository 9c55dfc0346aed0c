"""Every text of the pages has a translation in each catalogue."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Dict, List

import pytest
import requests
from helpers import Server

import nbexec

PACKAGE = Path(nbexec.__file__).parent
CATALOGUES = sorted(PACKAGE.glob("catalogues/*.json"))
LITERAL = r'"(?:[^"\\]|\\.)*"'
JOINED = rf"{LITERAL}(?:\s*\+\s*{LITERAL})*"
CALL = re.compile(rf"i18n\.msg\.(?:_|ngettext)\(\s*({JOINED})\s*(?:,\s*({JOINED}))?")
PLACEHOLDER = re.compile(r"%(?:\d\$)?[sd]")


def texts() -> Dict[str, int]:
    """What the pages say, in English, with the number of its forms."""
    found = {}
    for file in PACKAGE.glob("static/*.js"):
        source = file.read_text("utf-8")
        calls = list(CALL.finditer(source))
        assert len(calls) == len(re.findall(r"i18n\.msg\.(?:_|ngettext)\(", source)), f"{file}: a text is no literal"
        for one, other in (call.groups() for call in calls):
            found[joined(one)] = 2 if other else 1
    return found


def joined(literals: str) -> str:
    return "".join(map(json.loads, re.findall(LITERAL, literals)))


def forms(catalogue: Path) -> Dict[str, List[str]]:
    translations: Dict[str, List[str]] = json.loads(catalogue.read_text("utf-8"))
    return translations


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda file: str(file.stem))
def test_each_text_has_a_translation_with_the_same_placeholders(catalogue: Path) -> None:
    translations, wanted = forms(catalogue), texts()
    assert sorted(set(wanted) - set(translations)) == []
    assert sorted(set(translations) - set(wanted)) == [], "no page says this any more"
    for text, translated in translations.items():
        assert len(translated) == wanted[text]
        for form in translated:
            assert form.strip()
            assert sorted(PLACEHOLDER.findall(form)) == sorted(PLACEHOLDER.findall(text))


@pytest.mark.parametrize("language, word", [("fr-FR,fr;q=0.9,en;q=0.8", ["Exécutions"]), ("zh-CN", ["执行记录"]),
                                            ("en-US,en;q=0.9,fr-FR;q=0.5", None)])
def test_a_page_has_the_texts_of_the_language_of_the_browser(server: Server, language: str, word: object) -> None:
    page = requests.get(f"{server.url}tree?token={server.token}", headers={"Accept-Language": language}, timeout=30)
    found = re.search(r"document\.nbjs_translations = (.*);", page.text)
    assert found
    assert json.loads(found.group(1))["locale_data"]["nbjs"].get("Executions") == word
