"""Hands the catalogues of the pages to notebook, which puts those of the browser's languages into each page.

A catalogue, ``nbexec/catalogues/<language>.json``, leads from English to the translation, or to singular and plural.
What notebook translates itself stays as it is, so that a page has one word for one thing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Dict, List

CATALOGUES = Path(__file__).parents[1] / "catalogues"
# Whose pages are shown: notebook's, and under jupyter_server 2 those of nbclassic.
_MODULES = ("notebook.i18n", "nbclassic.i18n", "jupyter_server.i18n")


def add_translations() -> None:
    """Add the catalogues to those that the server has loaded, or will load."""
    modules = [sys.modules[name] for name in _MODULES if name in sys.modules]
    for file in CATALOGUES.glob("*.json"):
        own = catalogue(file)
        for module in modules:
            known = module.cached_load(file.stem)
            for text, translations in own.items():
                if not any(known.get(text, [])):
                    known[text] = translations


def catalogue(file: Path) -> Dict[str, List[str]]:
    """Return what a file translates."""
    translations: Dict[str, List[str]] = json.loads(file.read_text("utf-8"))
    return translations
