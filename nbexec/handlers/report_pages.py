"""Output notebooks as pages that can do nothing.

Such a page contains whatever a notebook printed. None of its scripts run, and it cannot load or send anything: it has
a policy of its own, in its head too, so that a frame with the text of the page keeps to it. Only MathJax of the server
runs, in a sandbox.
"""

from __future__ import annotations

import json
import re
import secrets
from html import escape

_HEAD = b"<head>"
_ELSEWHERE = re.compile(rb'<script src="https?://[^">]*">\s*</script>')  # they would not run, only be complained of
_POLICY = ("default-src 'none'; img-src data:; media-src data:; font-src data:; style-src 'unsafe-inline'; "
           "script-src 'nonce-{nonce}' 'strict-dynamic'; base-uri 'none'; form-action 'none'")
_MATHJAX = {
    "tex2jax": {"inlineMath": [["$", "$"], ["\\(", "\\)"]], "displayMath": [["$$", "$$"], ["\\[", "\\]"]],
                "processEscapes": True, "processEnvironments": True},
    "jax": ["input/TeX", "output/NativeMML"],  # which needs no fonts: the sandbox may not load any
    "extensions": ["tex2jax.js", "Safe.js"],
    "TeX": {"extensions": ["AMSmath.js", "AMSsymbols.js", "noErrors.js", "noUndefined.js"],
            "equationNumbers": {"autoNumber": "AMS", "useLabelIds": True}},
    "showMathMenu": False,
    "messageStyle": "none",
}


# MathJax executes scripts of its own type, which a notebook may contain: none is left when it comes.
_START = """window.MathJax = %s;
document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("script").forEach(function (script) { script.remove(); });
    document.head.appendChild(document.createElement("script")).src = %s;
});"""


class Policy:
    """The Content-Security-Policy of one page."""

    def __init__(self) -> None:
        self.nonce = secrets.token_urlsafe(18)
        self.text = _POLICY.format(nonce=self.nonce)


def page(html: bytes, policy: Policy, mathjax_url: str) -> bytes:
    """Return a page of nbconvert with the policy, and with MathJax if the server has it.

    Both come before anything of the notebook, which therefore cannot change their meaning.
    """
    before, head, after = _ELSEWHERE.sub(b"", html).partition(_HEAD)
    added = f'<meta http-equiv="Content-Security-Policy" content="{escape(policy.text)}">'
    if mathjax_url:
        start = (_START % (json.dumps(_MATHJAX), json.dumps(mathjax_url))).replace("<", "\\u003c")
        added += f'<script nonce="{policy.nonce}">{start}</script>'
    return before + head + added.encode("utf-8") + after
