"""The build is described in setup.cfg; here is what depends on where the repository can be seen.

    NBEXEC_REPOSITORY=https://host/owner/nbexec python -m build

That is the address of a repository whose files are below ``/blob/main/``. A package index shows the README, with links
and pictures that lead there; without the address only their text is left, because they would lead nowhere.
"""

import os
import re
from pathlib import Path

from setuptools import setup

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)]*)\)")


def for_the_index(readme, repository):
    """Return the README with links that work outside of the tree."""
    def outside(link):
        mark, text, path = link.groups()
        if not repository:
            return "" if mark else text
        return f"{mark}[{text}]({repository}/{'raw' if mark else 'blob'}/main/{path})"

    return LINK.sub(outside, readme)


def urls(repository):
    """Return the addresses that an index shows beside the README."""
    if not repository:
        return {}
    return {"Source": repository, "Documentation": f"{repository}/blob/main/docs/index.rst",
            "Changelog": f"{repository}/blob/main/CHANGELOG.md", "Issues": f"{repository}/issues",
            "Security": f"{repository}/blob/main/SECURITY.md"}


if __name__ == "__main__":
    place = os.environ.get("NBEXEC_REPOSITORY", "").rstrip("/")
    setup(long_description=for_the_index(Path(__file__).with_name("README.md").read_text("utf-8"), place),
          long_description_content_type="text/markdown", project_urls=urls(place))
