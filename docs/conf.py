"""Configuration of Sphinx; `sphinx-build -W docs docs/_build/html` builds the pages from the installed package."""

import sys
from pathlib import Path

from nbexec import __version__

sys.path.insert(0, str(Path(__file__).parent))

project = "nbexec"
author = "nbexec developers"
copyright = "2026, nbexec developers"
release = version = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "autodoc_traits",
    "sphinx_click",
    "myst_parser",
    "openapi_page",
]
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = False
napoleon_numpy_docstring = True

html_theme = "furo"
html_title = f"nbexec {release}"
html_show_sphinx = False
html_show_copyright = False
