"""``nbexec doctor``: shows what the checks of this installation find."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import click

from ..printable import printable
from .exit_codes import FAILED
from .json_lines import json_option, print_json
from .server_options import cacert_option

_COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}


@click.command()
@cacert_option
@json_option
@click.pass_context
def doctor(context: click.Context, cacert: Optional[str], as_json: bool) -> None:
    """Check the installation, and show how each kernel is started.

    The exit code is 1 if there is a problem.
    """
    from . import doctor as checks

    findings: List[Dict[str, Any]] = []
    for finding in checks.examine(cacert):
        findings.append(finding._asdict())
        if not as_json:
            state = click.style(f"{finding.state:8}", fg=_COLOURS[finding.state])
            click.echo(f"{state} {printable(finding.subject)}: {printable(finding.text)}")
    if as_json:
        print_json({"findings": findings})
    if any(finding["state"] == checks.PROBLEM for finding in findings):
        context.exit(FAILED)
