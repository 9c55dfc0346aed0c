"""A real Chromium for the tests of the pages, and what they do in it.

``pytest --screenshots`` takes the pictures of the documentation anew. Playwright keeps an event loop in the main
thread from the first page to the end of the session, so no test may call ``asyncio.run`` there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional
from urllib.parse import quote, urlsplit

import pytest
from helpers import Server, path_of, wait_for

DOCS = Path(__file__).parent.parent / "docs"
NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
HOW = ("no Chromium: apt-get install chromium, or playwright install chromium, "
       "or name the program in the environment variable CHROMIUM")
# Nothing on a page may be waited for longer than this, in milliseconds.
PATIENCE = 20_000
# A browser on a machine that is short of processors now and then stands still for longer; not so twice in a row.
ONCE_MORE = pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"])


def executable() -> Optional[str]:
    """Return the path of a Chromium that is installed."""
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES)]
    return next((path for path in found if path), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser of the session; tests which need it are skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")
    with sync_api.sync_playwright() as playwright:
        path = executable() or playwright.chromium.executable_path
        if not os.path.exists(path):
            pytest.skip(HOW)
        # Chromium refuses to put root into its sandbox; a small /dev/shm, as in containers, makes it crash.
        # One process for all pages compiles what they load once.
        options = ["--disable-dev-shm-usage", "--process-per-site", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def ui_server(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that the tests of the pages share."""
    server = Server(tmp_path_factory.mktemp("ui"), "--NotebookApp.show_banner=False", spares=True)
    yield server
    server.stop()


@pytest.fixture()
def ui_folder(ui_server: Server, request: pytest.FixtureRequest) -> Path:
    """An empty folder below the root of the shared server, named after the test."""
    return folder_of(ui_server, request.node.name)


def folder_of(server: Server, name: str) -> Path:
    number = sum(1 for _ in server.root.iterdir())
    folder = server.root / f"{re.sub(r'[^a-zA-Z0-9]+', '_', name)[:40]}_{number}"
    folder.mkdir()
    return folder


class Watch:
    """What a page says on its console and asks for in the network, as far as it concerns nbexec."""

    def __init__(self) -> None:
        self.complaints: List[str] = []
        self.outside: List[str] = []

    def on(self, page: Any) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._add(getattr(error, "stack", None) or str(error)))
        page.on("request", self._request)

    def _add(self, text: str) -> None:
        if "nbexec" in text:
            self.complaints.append(text)

    def _console(self, message: Any) -> None:
        # Chromium itself reports each answer of 400 and above, also those that a view shows to the user.
        refused = message.text.startswith("Failed to load resource")
        where = message.location.get("url", "")
        if message.type in ("error", "warning") and (not refused or "/nbextensions/" in where):
            self._add(f"{message.type}: {message.text} ({where})")

    def _request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in ("127.0.0.1", "localhost"):
            self.outside.append(request.url)


@pytest.fixture()
def watch() -> Watch:
    """What was seen in the pages of the test; one that complains on purpose empties `complaints`."""
    return Watch()


@pytest.fixture()
def new_page(chromium: Any, watch: Watch) -> Iterator[Callable[..., Any]]:
    """Open pages, each in a session of its own (no cookies shared); at the end they must not have complained."""
    contexts = []

    def new_page(width: int = 1100, height: int = 720, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, locale="en-US", **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        context.on("page", watch.on)
        return context.new_page()

    yield new_page
    for context in contexts:
        context.close()
    assert not watch.complaints, "\n".join(watch.complaints)
    assert not watch.outside


@pytest.fixture()
def page(new_page: Callable[..., Any]) -> Any:
    return new_page()


@pytest.fixture(scope="session")
def browsing(chromium: Any, ui_server: Server) -> Iterator[Any]:
    """A session that is logged in and has what a page loads: pages in it cost half of one in a new session."""
    context = chromium.new_context(viewport={"width": 1100, "height": 720}, locale="en-US")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    login(page, ui_server)
    page.goto(f"{ui_server.url}static/base/images/favicon.ico")  # it stays open, and does nothing
    yield context
    context.close()


@pytest.fixture()
def shared_page(browsing: Any, watch: Watch) -> Iterator[Any]:
    """A page in the shared session, for tests that leave it logged in; what they open is closed after them."""
    browsing.on("page", watch.on)
    yield browsing.new_page()
    browsing.remove_listener("page", watch.on)
    browsing.set_offline(False)  # a test that fails may leave it otherwise
    for page in browsing.pages[1:]:
        page.close()
    assert not watch.complaints, "\n".join(watch.complaints)
    assert not watch.outside


# -- pages --------------------------------------------------------------------------------------------


def login(page: Any, server: Server, password: Optional[str] = None) -> None:
    """Let the page in, by the password if one is given, else by the token."""
    if password is None:
        page.goto(f"{server.url}tree?token={server.token}")
    else:
        page.goto(f"{server.url}login")
        page.fill("#password_input", password)
        page.click("#login_submit")
    page.wait_for_selector("#notebook_list", state="attached")


def go(page: Any, server: Server, place: str, fragment: str = "", password: Optional[str] = None) -> None:
    """Open a place of the server; the page is let in on the way."""
    if password is not None:
        login(page, server, password)
    token = f"?token={server.token}" if password is None else ""
    page.goto(server.url + quote(place) + token + fragment)


def open_tree(page: Any, server: Server, path: Any = "", fragment: str = "", password: Optional[str] = None) -> Any:
    """Open the tree page at a folder and return the page."""
    go(page, server, f"tree/{path_of(server, path) if path else ''}", fragment, password)
    # Another tab may be in front.
    page.wait_for_selector("#notebook_list .list_item", state="attached")
    return page


def open_notebook(page: Any, server: Server, path: Any, password: Optional[str] = None) -> Any:
    """Open a notebook, wait until its kernel is connected, and return the page."""
    go(page, server, f"notebooks/{path_of(server, path)}", password=password)
    page.wait_for_function("() => window.Jupyter && Jupyter.notebook && Jupyter.notebook.kernel"
                           " && Jupyter.notebook.kernel.is_connected()")
    return page


def run_from_files(page: Any) -> None:
    """Run ``a.ipynb``, which takes a region, from the list of files, and open its result."""
    page.locator("#notebook_list .list_item", has_text="a.ipynb").locator("input").click()
    page.locator(".nbexec-run-button").click()
    page.locator(".modal.in").get_by_label("region").fill("North")
    page.locator(".modal.in").get_by_role("button", name="Run", exact=True).click()
    page.wait_for_selector(".nbexec-detail .label-success")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open result").click()
    opened.value.wait_for_selector("#notebook_name:text-is('a-Executed1')")


def wait_until(page: Any, condition: Callable[[], Any], timeout: float = 20, what: str = "") -> Any:
    """As ``wait_for``, but the page goes on meanwhile."""
    def step() -> Any:
        page.wait_for_timeout(20)
        return condition()

    return wait_for(step, timeout, what)


def wait_until_still(page: Any) -> None:
    """Wait until nothing fades or slides any more, such as a dialog.

    Its colours are others meanwhile, and keys may be lost, because Bootstrap takes the focus at the end.
    """
    page.wait_for_function("document.getAnimations().every(a => a.effect.getComputedTiming().endTime === Infinity)")


# -- what is looked at ------------------------------------------------------------------------------------


def violations(page: Any, selector: str) -> List[Dict[str, Any]]:
    """Return what axe-core has against the part of the page: a rule, how bad, and the elements.

    Outputs are left out: they look as the notebook's author and notebook want it.
    """
    axe = pytest.importorskip("axe_playwright_python", reason="no axe-core: pip install axe-playwright-python")
    if not page.evaluate("() => Boolean(window.axe)"):
        # Notebook's require.js would take axe for a module of its own if it could see define.
        source = (Path(axe.__file__).parent / "axe.min.js").read_text("utf-8")
        page.evaluate("source => { const kept = window.define; window.define = undefined; "
                      "try { (0, eval)(source); } finally { window.define = kept; } }", source)
    result = page.evaluate("selector => axe.run({include: [[selector]], exclude: [['.output']]},"
                           " {resultTypes: ['violations'], rules: {'label-content-name-mismatch': {enabled: true}}})",
                           selector)
    return [{"rule": found["id"], "impact": found["impact"], "help": found["help"],
             "nodes": [f"{node['html'][:200]}: {node['failureSummary']}" for node in found["nodes"]]}
            for found in result["violations"]]


def check_accessible(page: Any, selector: str) -> None:
    found = violations(page, selector)
    assert not found, json.dumps(found, indent=1)


# What themes such as those of jupyterthemes say in custom.css.
THEME = """body, #site, .tab-content, #tabs { background: #1d1f27 !important; color: #d8dee9 !important; }
a, .btn, input, select, textarea { color: #9fd0ff !important; background: #1d1f27 !important; }
.modal-content, #header, div.cell, .notebook_app { background: #1d1f27 !important; color: #d8dee9 !important; }"""
_TAKE = "() => new Promise(done => require(['nbextensions/nbexec/page_colours'], colours => {" \
        " colours.take(['#site', 'body']); done(); }))"


def modes(page: Any) -> Iterator[str]:
    """Show a page as different people see it, one after the other: `light`, `dark`, `forced`, `phone`, `zoom`."""
    size = page.viewport_size
    yield "light"
    style = page.add_style_tag(content=THEME)
    page.evaluate(_TAKE)
    yield "dark"
    style.evaluate("style => style.remove()")
    page.evaluate(_TAKE)
    page.emulate_media(forced_colors="active")
    yield "forced"
    page.emulate_media(forced_colors="none")
    page.set_viewport_size({"width": 360, "height": 720})
    yield "phone"
    page.set_viewport_size({"width": size["width"] // 2, "height": size["height"] // 2})  # at 200 %
    yield "zoom"
    page.set_viewport_size(size)


@pytest.fixture()
def picture(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Take a picture for the documentation, if ``--screenshots`` is given; of an element, or of a page."""
    def picture(subject: Any, name: str, **options: Any) -> None:
        if not request.config.getoption("--screenshots"):
            return
        target = DOCS / "screenshots" / f"{name}.png"
        target.parent.mkdir(exist_ok=True)
        subject.screenshot(path=str(target), animations="disabled", **options)
        shrink(target)

    return picture


def shrink(picture: Path) -> None:
    """Reduce the picture to a palette, as far as Pillow is there; matplotlib brings it."""
    image = pytest.importorskip("PIL.Image")
    with image.open(picture) as opened:
        opened.convert("RGB").quantize(128, dither=0).save(picture, optimize=True)
