"""Converts output notebooks to HTML and PDF by nbconvert."""

from __future__ import annotations

import os
import shutil
import warnings
from typing import Any, Callable, List, Sequence, TypeVar

import click

from .. import iri_grammar
from ..printable import printable
from .command_errors import CommandError
from .exit_codes import NOT_WRITTEN

Command = TypeVar("Command", bound=Callable[..., Any])
_MISSING = ("--pdf needs a browser or LaTeX, and {} missing. Either run pip install 'nbconvert[webpdf]' and "
            "playwright install chromium, or install pandoc and xelatex")


def export_options(command: Command) -> Command:
    """Give a command the options ``--html`` and ``--pdf``."""
    for option in (
            click.option("--pdf", is_flag=True, help="Convert the executed notebook to PDF as well."),
            click.option("--html", is_flag=True, help="Convert the executed notebook to HTML as well.")):
        command = option(command)
    return command


def check_exports(kinds: Sequence[str]) -> None:
    """Raise CommandError before anything runs if a kind of file cannot be made here."""
    if "pdf" in kinds and not (_has_browser() or not _missing_of_latex()):
        missing = ["the browser of playwright", *_missing_of_latex()]
        raise CommandError(_MISSING.format(" and ".join(missing) + (" are" if len(missing) > 1 else " is")))


def export(notebook: bytes, output: str, kinds: Sequence[str]) -> None:
    """Write an output notebook in other formats, beside it.

    Parameters
    ----------
    notebook : bytes
        The notebook.
    output : str
        Where it is; the other files differ in the suffix.
    kinds : sequence of str
        ``html`` and ``pdf``.

    Raises
    ------
    CommandError
        A file cannot be made, or cannot be written.
    """
    for kind in kinds:
        path = os.path.splitext(output)[0] + f".{kind}"
        try:
            _write(notebook, path, kind)
        except Exception as error:  # nbconvert and what it runs raise anything
            text = str(error).strip().partition("\n")[0] or type(error).__name__
            raise CommandError(f"{path} could not be written: {text}", NOT_WRITTEN) from error
        click.echo(f"{kind.upper()}: {printable(path)}", err=True)


def _write(notebook: bytes, path: str, kind: str) -> None:
    iri_grammar.defer()
    import nbformat

    nb = nbformat.reads(notebook.decode("utf-8"), as_version=4)
    title = os.path.splitext(os.path.basename(path))[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # named results are outputs that no page shows
        body, _ = _exporter(kind).from_notebook_node(nb, resources={"metadata": {"name": title}})
    with open(path, "wb") as file:
        file.write(body if isinstance(body, bytes) else body.encode("utf-8"))


def _exporter(kind: str) -> Any:
    from nbconvert import exporters

    if kind == "html":
        return exporters.HTMLExporter()
    if _has_browser():
        # Chromium refuses to run as root in its sandbox.
        return exporters.WebPDFExporter(disable_sandbox=getattr(os, "geteuid", lambda: 1)() == 0)
    return exporters.PDFExporter()


def _has_browser() -> bool:
    """Whether there is the browser that nbconvert uses."""
    try:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            return os.path.exists(playwright.chromium.executable_path)
    except Exception:  # it is not installed, or its program cannot be run
        return False


def _missing_of_latex() -> List[str]:
    return [program for program in ("pandoc", "xelatex") if shutil.which(program) is None]
