"""The output notebook of an execution, as it is or as a page.

A page shows what a notebook has put into it, so it must not be able to do anything: see `report_pages`.
"""

from __future__ import annotations

from urllib.parse import quote

from ..errors import InvalidArgumentError
from . import arguments, report_pages
from .base import ExecutionAPIHandler

_TYPES = {"html": "text/html; charset=utf-8", "ipynb": "application/x-ipynb+json"}


class OutputHandler(ExecutionAPIHandler):
    """``/api/executions/<exec_id>/output``: the output notebook of one execution."""

    async def on_get(self, exec_id: str) -> None:
        """Send it."""
        fields = self.fields()
        kind = fields.get("format", "ipynb")
        if kind not in _TYPES:
            raise InvalidArgumentError("format", kind, "'html' or 'ipynb'")
        has_code = "code" not in fields or arguments.flag(fields, "code")
        is_download = arguments.flag(fields, "download")
        output = await self.manager.get_output(exec_id, kind, has_code, arguments.flag(fields, "partial"))
        self.set_header("Content-Type", _TYPES[kind])
        content = output.content
        if is_download:
            self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(output.file_name, safe='')}")
        policy = report_pages.Policy()
        self.set_header("Content-Security-Policy", f"frame-ancestors 'self'; sandbox allow-scripts; {policy.text}")
        if kind == "html" and not is_download:
            content = report_pages.page(content, policy, self.mathjax_url)
        self.finish(content)
