"""What is installed beside the modules, and what a package index shows."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest

TREE = Path(__file__).parent.parent
README = (TREE / "README.md").read_text("utf-8")
RELATIVE = re.compile(r"\]\((?!https?://|#)")


def test_nbextension_list_is_green(tmp_path: Path) -> None:
    if not Path(sys.prefix, "etc", "jupyter", "nbconfig", "tree.d", "nbexec.json").exists():
        pytest.skip("an editable installation places no files: pip install .")
    listed = subprocess.run([sys.executable, "-m", "notebook.nbextensions", "list"], stdout=subprocess.PIPE, text=True,
                            stderr=subprocess.STDOUT, env={**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path)}).stdout
    for page in ("notebook", "tree"):
        assert f"nbexec/{page} " in listed
        assert f"nbexec/{page}" not in [line.split()[-1] for line in listed.splitlines() if "require?" in line]


@pytest.fixture(scope="module")
def build() -> Dict[str, Any]:
    """The functions of setup.py."""
    pytest.importorskip("setuptools")
    return runpy.run_path(str(TREE / "setup.py"), run_name="build")


def test_the_readme_on_an_index_has_no_link_that_leads_nowhere(build: Dict[str, Any]) -> None:
    assert RELATIVE.search(README)
    assert not RELATIVE.search(build["for_the_index"](README, ""))
    assert build["urls"]("") == {}


def test_the_readme_on_an_index_leads_to_the_repository(build: Dict[str, Any]) -> None:
    shown = build["for_the_index"](README, "https://example.org/nbexec")
    assert not RELATIVE.search(shown)
    links = re.findall(r"\]\(https://example.org/nbexec/(?:blob|raw)/main/([^)]*)\)", shown)
    assert len(links) > 5 and [link for link in links if not (TREE / link).exists()] == []
