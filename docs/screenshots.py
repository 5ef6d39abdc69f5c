"""Takes the pictures of README and docs: a demonstration in a temporary folder, looked at by Debian's Chromium.

    make screenshots

What would differ from one run to the next (addresses with their tokens, dates, speeds) is replaced in the page before
its picture is taken, so that the pictures change only where the pages do.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import FilePayload, Page, ViewportSize, expect, sync_playwright

IMAGES = Path(__file__).parent / "images"
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What stands in the pictures instead of what a run happens to have: pattern and text, on every text of the page.
STEADY = [
    [r"127\.0\.0\.1:\d+", "files.example.org"],
    [r"http://files\.example\.org", "https://files.example.org"],
    [r"/([ud])/\1[A-Za-z0-9_-]{43}", "/$1/$1Xq3mZ0vT7k2cN9wRb5yHs1"],
    [r"\d{1,2} \w+ (\d{4})(,| at| kl\.) \d\d:\d\d", "1 December $1$2 09:30"],
    [r"[0-9a-f]{64}", "3bbf97a94f2a1c53fbef50ac4b1c2bbe41c0d2a6bd5ce8a0d8bbd9a50a4bdbb5"],
    [r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "01a20e43-5186-731e-bddb-66ee28cf92b1"],
    [r"\d+% · .*", "63% · 4.2 MB/s · 2 minutes left"],
    [r"\b\d\d%", "63%"],
    [r"\b20\d\d\b", "2026"],
    [r"[0-9a-f]{16}…", "f2ca1bb6c7e907d0…"],
]
REPLACE = """steady => {
    // A row may change at any moment; its picture is that of a copy, which does not.
    for (const row of document.querySelectorAll("bilaga-file")) {
        const copy = row.cloneNode(true);
        copy.className = "copy";
        row.hidden = true;
        row.after(copy);
    }
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode())
        for (const [pattern, text] of steady)
            texts.currentNode.data = texts.currentNode.data.replace(new RegExp(pattern, "g"), text);
    for (const bar of document.querySelectorAll("progress"))
        if (bar.value > 0 && bar.value < 1) bar.value = 0.63;
}"""
RESTORE = """() => {
    for (const copy of document.querySelectorAll(".copy")) {
        copy.previousSibling.hidden = false;
        copy.remove();
    }
}"""
FILM = b"film" * 5_000_000
SLOW = 2_000_000


@contextmanager
def demonstration(folder: str) -> Iterator[str]:
    """A running ``bilaga demo``; gives what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BILAGA_")}
    program = subprocess.Popen(
        [Path(sys.executable).with_name("bilaga"), "demo", "--port", "0"],
        env=environment | {"BILAGA_DATA_DIR": f"{folder}/data"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert program.stdout is not None
        said = ""
        while "sign in as an agent" not in said:
            line = program.stdout.readline()
            if not line:
                raise SystemExit("error: the demonstration did not start")
            said += line
        yield said
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait(timeout=60)


def take(page: Page, name: str, part: str | None = None) -> None:
    """One picture, of the page or a part of it, with nothing in it that another run would show otherwise."""
    page.mouse.move(0, 0)
    page.evaluate(REPLACE, STEADY)
    if part is None:
        page.screenshot(path=IMAGES / name, full_page=True)
    else:
        page.locator(part).screenshot(path=IMAGES / name)
    page.evaluate(RESTORE)


def pick(page: Page, *files: FilePayload) -> None:
    """Choose files on the upload page."""
    with page.expect_file_chooser() as chooser:
        page.click("[data-pick=files]")
    chooser.value.set_files(list(files))


def film() -> FilePayload:
    """A large file."""
    return {"name": "Screen recording.mp4", "mimeType": "video/mp4", "buffer": FILM}


def says(page: Page, name: str, words: str) -> None:
    """Wait until a file's row says so."""
    row = page.locator("bilaga-file").filter(has_text=name)
    expect(row.locator("[data-part=state]")).to_have_text(re.compile(words), timeout=60_000)


def sending(page: Page) -> None:
    """Every state of a file on the upload page, in ``docs/images/page-….png``."""
    part = "bilaga-upload"
    devtools = page.context.new_cdp_session(page)
    line = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": SLOW}
    devtools.send("Network.emulateNetworkConditions", line)
    note: FilePayload = {"name": "What I did.txt", "mimeType": "text/plain", "buffer": b"I pressed the button."}
    program: FilePayload = {"name": "setup.exe", "mimeType": "application/x-msdownload", "buffer": b"MZ"}
    pick(page, film(), note, program)
    says(page, "What I did", "accepted")
    says(page, "Screen", "left$")
    take(page, "page-sending.png", "main")
    page.context.set_offline(offline=True)
    says(page, "Screen", "Waiting")
    take(page, "page-waiting.png", part)
    page.context.set_offline(offline=False)
    page.get_by_role("button", name="Remove setup.exe").click()
    page.get_by_role("button", name="Pause Screen recording.mp4").click()
    says(page, "Screen", "Paused")
    take(page, "page-paused.png", part)
    page.reload()
    says(page, "Screen", "Choose")
    take(page, "page-reloaded.png", part)
    page.get_by_role("button", name="Remove Screen recording.mp4").click()
    devtools.send("Network.emulateNetworkConditions", line | {"uploadThroughput": -1})
    pick(page, film())
    says(page, "Screen", "accepted")
    take(page, "page-arrived.png", "main")
    page.get_by_role("link", name="Open the receipt").click()
    page.wait_for_url("**/r/*")
    take(page, "receipt.png")


def main() -> None:
    """Take all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, demonstration(folder) as said, sync_playwright() as playwright:
        address = dict(re.findall(r"(?m)^(upload link|sign in as an agent).*?(http\S+)$", said))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)

        def look(scheme: Literal["light", "dark"] = "light", width: int = 1000, language: str = "en-GB") -> Page:
            size: ViewportSize = {"width": width, "height": 700}
            return browser.new_context(
                viewport=size, locale=language, timezone_id="UTC", color_scheme=scheme, has_touch=width < 500
            ).new_page()

        page = look()
        page.goto(address["upload link"])
        take(page, "upload.png")
        sending(page)
        phone = look("dark", 390, "sv-SE")
        phone.goto(address["upload link"])
        take(phone, "upload-phone-dark.png")
        page.goto(address["upload link"][:-1])
        take(page, "gone.png")
        page.goto(address["sign in as an agent"])
        page.click("main button")
        page.wait_for_url("**/agent")
        page.goto(page.url + "/tickets/DEMO-1")
        take(page, "ticket.png")
        page.get_by_role("button", name="One-time link").first.click()
        page.goto(page.inner_text("#new-link"))
        take(page, "download.png")
        browser.close()


if __name__ == "__main__":
    main()
