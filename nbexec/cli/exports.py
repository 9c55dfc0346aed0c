"""Converts output notebooks to HTML and PDF by nbconvert."""

from __future__ import annotations

import os
import shutil
import warnings
from typing import Any, Callable, Dict, List, Sequence, TypeVar

import click

from .. import iri_grammar
from ..printable import printable
from .browser_pdf import find_browser, print_to_pdf
from .command_errors import CommandError
from .exit_codes import NOT_WRITTEN

Command = TypeVar("Command", bound=Callable[..., Any])
_MISSING = ("--pdf needs a browser or LaTeX, and {} missing. Install Chromium or Google Chrome (apt-get install "
            "chromium, or pip install playwright and playwright install chromium), or pandoc and xelatex")


def export_options(command: Command) -> Command:
    """Give a command the options ``--html`` and ``--pdf``."""
    for option in (
            click.option("--pdf", is_flag=True, help="Convert the executed notebook to PDF as well."),
            click.option("--html", is_flag=True, help="Convert the executed notebook to HTML as well.")):
        command = option(command)
    return command


def check_exports(kinds: Sequence[str]) -> None:
    """Raise CommandError before anything runs if a kind of file cannot be made here."""
    if "pdf" in kinds and find_browser() is None and _missing_of_latex():
        missing = ["Chromium", *_missing_of_latex()]
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
        content = _converted(nb, {"metadata": {"name": title}}, kind)
    with open(path, "wb") as file:
        file.write(content)


def _converted(nb: Any, resources: Dict[str, Any], kind: str) -> bytes:
    from nbconvert import exporters

    if kind == "html":
        return str(exporters.HTMLExporter().from_notebook_node(nb, resources)[0]).encode("utf-8")
    browser = find_browser()
    if browser is None:
        return bytes(exporters.PDFExporter().from_notebook_node(nb, resources)[0])
    return print_to_pdf(exporters.HTMLExporter(template_name="webpdf").from_notebook_node(nb, resources)[0], browser)


def _missing_of_latex() -> List[str]:
    return [program for program in ("pandoc", "xelatex") if shutil.which(program) is None]
