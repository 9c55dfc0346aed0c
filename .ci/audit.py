"""Ask pip-audit for known vulnerabilities in what nbexec needs, in the versions that are installed here.

The data come from the package index or from OSV. Where neither has them, this says so in one line and does not fail.
"""

import json
import subprocess
import sys
import tempfile
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SERVICES = ("pypi", "osv")
PATIENCE = 120  # seconds for one service
# For older Pythons, whose life is over, many packages mend nothing any more.
MENDED = sys.version_info >= (3, 11)


def needed(package):
    """Return the versions of all that a package needs, directly and indirectly, by their names."""
    versions = {}
    todo, seen = [Requirement(package)], set()
    while todo:
        requirement = todo.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        for line in metadata.requires(requirement.name) or []:
            needs, extras = Requirement(line), ("", *requirement.extras)
            if needs.marker is None or any(needs.marker.evaluate({"extra": extra}) for extra in extras):
                versions[canonicalize_name(needs.name)] = metadata.version(needs.name)
                todo.append(needs)
    return versions


def ask(service, versions):
    """Return what a service knows of each package, nothing if it does not answer."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{name}=={version}\n" for name, version in versions.items())
        file.flush()
        try:
            answer = subprocess.run(
                [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--format", "json",
                 "--no-deps", "--disable-pip", "--progress-spinner", "off", "--requirement", file.name],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=PATIENCE)
            return [package for package in json.loads(answer.stdout)["dependencies"] if "vulns" in package]
        except (subprocess.TimeoutExpired, ValueError, KeyError):
            return []


def main():
    """Print what is known; the exit code is 1 if something is known that an upgrade mends."""
    versions = needed("nbexec")
    for service in SERVICES:
        known = ask(service, versions)
        if known:
            break
    else:
        print(f"not audited: neither {' nor '.join(SERVICES)} has data on vulnerabilities to be reached from here")
        return 0
    holes = [(package, hole) for package in known for hole in package["vulns"]]
    for package, hole in holes:
        print(f"{package['name']} {package['version']}: {hole['id']} {' '.join(hole['aliases'])}, "
              f"mended in {', '.join(hole['fix_versions']) or 'no version'}")
    print(f"{len(known)} of {len(versions)} packages audited with {service}: {len(holes)} known vulnerabilities")
    return int(MENDED and any(hole["fix_versions"] for _, hole in holes))


if __name__ == "__main__":
    sys.exit(main())
