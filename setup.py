"""The build is configured in setup.cfg; this file adds what depends on the address of the repository.

    NBEXEC_REPOSITORY=https://host/owner/nbexec python -m build

This is the address of a repository whose files are below ``/blob/main/``. Links and pictures in the README that a
package index displays then point there; without the address, only their text is kept, because they would be broken.
"""

import os
import re
from pathlib import Path

from setuptools import setup

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)]*)\)")


def for_the_index(readme, repository):
    """Return the README with links that work outside the source tree."""
    def outside(link):
        mark, text, path = link.groups()
        if not repository:
            return "" if mark else text
        return f"{mark}[{text}]({repository}/{'raw' if mark else 'blob'}/main/{path})"

    return LINK.sub(outside, readme)


def urls(repository):
    """Return the project URLs that an index displays next to the README."""
    if not repository:
        return {}
    return {"Source": repository, "Documentation": f"{repository}/blob/main/docs/index.rst",
            "Changelog": f"{repository}/blob/main/CHANGELOG.md", "Issues": f"{repository}/issues",
            "Security": f"{repository}/blob/main/SECURITY.md"}


if __name__ == "__main__":
    place = os.environ.get("NBEXEC_REPOSITORY", "").rstrip("/")
    setup(long_description=for_the_index(Path(__file__).with_name("README.md").read_text("utf-8"), place),
          long_description_content_type="text/markdown", project_urls=urls(place))
