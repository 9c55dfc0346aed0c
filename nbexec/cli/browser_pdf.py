"""Prints HTML to PDF by the browser that is installed, Chromium or one of its relatives."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, List, Optional

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
_ON_MACOS = ("Chromium", "Google Chrome", "Microsoft Edge")
_OPTIONS = ("--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-pdf-header-footer",
            "--virtual-time-budget=10000", "--timeout=30000")  # milliseconds, for scripts and for what they load
_LONGEST = 90.0  # seconds for all of it


def find_browser() -> Optional[str]:
    """Return the path of a browser, None if there is none."""
    return next((path for path in _candidates() if os.access(path, os.X_OK)), None)


def _candidates() -> Iterator[str]:
    found = filter(None, map(shutil.which, _NAMES))
    yield from (path for path in found if not path.startswith("/snap/"))  # which see no temporary files of others
    yield from (f"/Applications/{name}.app/Contents/MacOS/{name}" for name in _ON_MACOS if sys.platform == "darwin")
    yield from _browser_of_playwright()


def _browser_of_playwright() -> List[str]:
    try:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            return [playwright.chromium.executable_path]
    except Exception:  # it is not installed, or its program cannot be run
        return []


def print_to_pdf(html: str, browser: str) -> bytes:
    """Return a page as PDF.

    Raises
    ------
    OSError
        The browser cannot be run, or does not make it.
    """
    folder = tempfile.mkdtemp(prefix="nbexec-pdf-")
    try:
        page, pdf = Path(folder, "page.html"), Path(folder, "page.pdf")
        page.write_text(html, "utf-8")
        done = _run([browser, *_OPTIONS, *_sandbox(), f"--user-data-dir={folder}/profile", f"--print-to-pdf={pdf}",
                     page.as_uri()])
        if not pdf.exists():
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise OSError(f"{browser} made no PDF: {words[-1] if words else f'exit code {done.returncode}'}")
        return pdf.read_bytes()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sandbox() -> List[str]:
    """Return the option without which Chromium refuses to run as root."""
    return ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []


def _run(command: List[str]) -> subprocess.CompletedProcess[bytes]:
    try:
        # In a session of its own, so that Ctrl-C in the terminal reaches only the command.
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              timeout=_LONGEST, start_new_session=True, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{command[0]} took longer than {_LONGEST:g} seconds") from error
