"""Take the picture of the terminal in the README: ``python docs/terminal.py`` writes ``docs/terminal.svg``.

It runs an example in a pseudo-terminal, with what ``pip install ".[examples]"`` brings. A first run fills the caches,
so that the second is not held up; the machine should have nothing else to do.
"""

import io
import os
import pty
import re
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).parent
COMMAND = ["nbexec", "run", "examples/report.ipynb", "-p", "region", "North", "-p", "top_n", "4"]
WIDTH = 100
FRAME = re.compile(r"\r(?:\x1b\[2K)")  # where the progress bar is drawn again
OTHER = re.compile(r"\x1b\[\?25[lh]")  # hides and shows the cursor
FONTS = re.compile(r"@font-face {.*?}\n", re.DOTALL)  # that would be fetched from elsewhere
SHOWN = "cell 13 of 17"


def run():
    """Run the command in a terminal and return what it has written there."""
    written = io.BytesIO()

    def read(descriptor):
        data = os.read(descriptor, 1 << 16)
        written.write(data)
        return data if not data else b" "  # nothing of it is for this terminal

    os.environ.update(COLUMNS=str(WIDTH), TERM="xterm-256color")
    status = pty.spawn(COMMAND, read)
    assert status == 0, f"{COMMAND} ended with {status}"
    return OTHER.sub("", written.getvalue().decode().replace("\r\n", "\n"))


def draw(written):
    """Return the picture: the command, one moment of its progress, and the end."""
    first, *frames = FRAME.split(written)
    during = [frame for frame in frames if SHOWN in frame][-1]
    *_, last = frames
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ " + " ".join(COMMAND), style="bold"))
    notice = re.sub(r"\(/.*/python\)", "(/home/ann/nbexec/.venv/bin/python)", first.splitlines()[0])
    for part in (notice, during, "… and when it is done:", last):
        text = Text.from_ansi(part.strip("\n"))
        text.rstrip()
        console.print(text, soft_wrap=True)
    return FONTS.sub("", console.export_svg(title="nbexec")).replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")


def main():
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(DOCS.parent / "examples", Path(folder) / "examples")
        os.chdir(folder)
        run()
        for output in Path(folder).glob("examples/*-Executed*.ipynb"):
            output.unlink()
        picture = draw(run())
    (DOCS / "terminal.svg").write_text(picture, "utf-8")
    print(f"{DOCS / 'terminal.svg'}: {len(picture) // 1024} KiB", file=sys.stderr)


if __name__ == "__main__":
    main()
