"""Takes the README's pictures: a demonstration in a temporary folder, looked at by Debian's Chromium.

    make screenshots

What would differ from one run to the next (addresses with their tokens, dates) is replaced in the page before its
picture is taken, so that the pictures change only where the pages do.
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

from playwright.sync_api import Page, sync_playwright

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
    [r"\d{1,2} \w+ (\d{4}), \d\d:\d\d", "1 December $1, 09:30"],
    [r"\b20\d\d\b", "2026"],
    [r"[0-9a-f]{16}…", "f2ca1bb6c7e907d0…"],
]
REPLACE = """steady => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode())
        for (const [pattern, text] of steady)
            texts.currentNode.data = texts.currentNode.data.replace(new RegExp(pattern, "g"), text);
}"""


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


def take(page: Page, name: str) -> None:
    """One picture, with nothing in it that another run would show otherwise."""
    page.evaluate(REPLACE, STEADY)
    page.screenshot(path=IMAGES / name, full_page=True)


def main() -> None:
    """Take all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, demonstration(folder) as said, sync_playwright() as playwright:
        address = dict(re.findall(r"(?m)^(upload link|sign in as an agent).*?(http\S+)$", said))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(
            viewport={"width": 1000, "height": 700}, locale="en-GB", color_scheme="light", device_scale_factor=1
        )
        page = context.new_page()
        page.goto(address["upload link"])
        take(page, "upload.png")
        page.goto(address["sign in as an agent"])
        page.click("main button")
        page.wait_for_url("**/agent")
        page.goto(page.url + "/tickets/DEMO-1")
        take(page, "ticket.png")
        browser.close()


if __name__ == "__main__":
    main()
