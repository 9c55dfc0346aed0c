"""What setup.cfg says of the packages that nbexec needs."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import List, Tuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Newest versions with a known vulnerability, for the Pythons that can have a newer one.
VULNERABLE = [
    ("tornado", "6.4.1", (3, 8)),  # CVE-2024-52804
    ("tornado", "6.5.8", (3, 9)),  # links out of a folder of static files; before it CVE-2026-31958 and more
    ("nbconvert", "7.17.0", (3, 9)),  # CVE-2026-39377, CVE-2026-39378
    ("jinja2", "3.1.5", (3, 8)),  # CVE-2025-27516
    ("requests", "2.32.3", (3, 8)),  # CVE-2024-47081
    ("requests", "2.32.5", (3, 10)),  # CVE-2026-25645
    ("jupyter-core", "5.7.2", (3, 8)),  # CVE-2025-30167
    ("ipython", "8.9.0", (3, 8)),  # CVE-2023-24816
    ("click", "8.3.2", (3, 10)),  # CVE-2026-7246
    ("setuptools", "82.0.1", (3, 12)),  # CVE-2026-59890
]


def requirements() -> List[Requirement]:
    """Return what nbexec needs on this Python."""
    every = map(Requirement, metadata.requires("nbexec") or [])
    return [needed for needed in every if needed.marker is None or needed.marker.evaluate({"extra": ""})]


def test_every_dependency_has_a_lower_bound() -> None:
    bounded = [needed for needed in requirements() if any(bound.operator == ">=" for bound in needed.specifier)]
    assert requirements() and bounded == requirements()


@pytest.mark.parametrize("name, version, python", VULNERABLE)
def test_no_version_with_a_known_vulnerability_is_let_in(name: str, version: str, python: Tuple[int, int]) -> None:
    if sys.version_info < python:
        pytest.skip(f"{name} has nothing newer for this Python")
    bounds = [needed.specifier for needed in requirements() if canonicalize_name(needed.name) == name]
    assert bounds and not any(bound.contains(version) for bound in bounds)
