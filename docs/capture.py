"""Take the moving picture at the top of the README: ``python docs/capture.py`` writes ``docs/run.gif``.

It runs an example in a real server, with what the tests have: Chromium, and ``pip install ".[test]"``.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))

from browser import executable, open_notebook  # noqa: E402
from helpers import Server  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

SIZE = (960, 620)
SHOWN = (768, 496)
COLOURS = 192
FRAME = 400  # milliseconds
LINGER = 1800  # where there is something to read


class Film:
    """Frames of a page, each with the time that it is shown."""

    def __init__(self, page):
        self.page = page
        self.frames = []
        self.times = []

    def take(self, milliseconds=FRAME):
        """Take a frame; one that is as the last one makes that one longer."""
        frame = self.page.screenshot(animations="allow")
        if self.frames and frame == self.frames[-1]:
            self.times[-1] += milliseconds
        else:
            self.frames.append(frame)
            self.times.append(milliseconds)

    def take_until(self, condition):
        """Take frames as time goes, until the condition holds."""
        while not condition():
            self.take()
            self.page.wait_for_timeout(FRAME / 2)

    def save(self, target):
        images = [Image.open(io.BytesIO(frame)).convert("RGB").resize(SHOWN, Image.LANCZOS) for frame in self.frames]
        # One palette for all frames, or still parts of the picture would flicker and cost as much as those that move.
        strip = Image.new("RGB", (SHOWN[0], SHOWN[1] * len(images)))
        for number, image in enumerate(images):
            strip.paste(image, (0, SHOWN[1] * number))
        palette = strip.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1)
        first, *others = [image.quantize(palette=palette, dither=0) for image in images]
        first.save(target, save_all=True, append_images=others, duration=self.times, loop=0, optimize=True)


def act(page, server):
    """Run a notebook from its page, and look at it in the tree page."""
    film = Film(page)
    open_notebook(page, server, "slow.ipynb")
    page.wait_for_selector("#nbexec_buttons")
    page.wait_for_timeout(1500)  # for MathJax and the notifications of notebook
    film.take(LINGER)
    page.hover("#nbexec_buttons button")
    film.take()
    page.click("#nbexec_buttons button")
    page.wait_for_selector(".nbexec-run:enabled")
    page.wait_for_timeout(500)
    film.take(LINGER)
    page.fill(".nbexec-form [name=seconds]", "8")
    film.take(LINGER)
    page.click(".nbexec-run")
    film.take_until(lambda: page.locator(".nbexec-state:has-text('Completed')").count())
    film.take(LINGER)
    page.goto(f"{server.url}tree?token={server.token}#executions")
    page.wait_for_selector(".nbexec-details")
    page.wait_for_timeout(500)
    film.take(LINGER)
    page.click(".nbexec-details")
    page.wait_for_selector(".nbexec-bar >> nth=4")
    film.take(LINGER)
    page.hover(".nbexec-bar >> nth=3")
    film.take(2 * LINGER)
    return film


def main():
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "server", "--NotebookApp.show_banner=False", spares=True)
        shutil.copytree(DOCS.parent / "examples", server.root, dirs_exist_ok=True)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=executable(), args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, locale="en-US")
                film = act(page, server)
                browser.close()
        finally:
            server.stop()
    target = DOCS / "run.gif"
    film.save(target)
    print(f"{target}: {len(film.frames)} frames, {sum(film.times) / 1000:.0f} s, {target.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
