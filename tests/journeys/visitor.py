"""Somebody with Debian's Chromium on our pages. What the policy stops, or a script did not foresee, fails."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, FilePayload, Locator, Page, Request, expect

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
STOPPED = """document.addEventListener("securitypolicyviolation",
    stopped => console.error("policy:", stopped.violatedDirective, stopped.blockedURI, stopped.sample))"""
SECONDS = 20


def file(name: str, content: bytes = b"hej", kind: str = "application/octet-stream") -> FilePayload:
    """A file as it lies on somebody's disk."""
    return {"name": name, "mimeType": kind, "buffer": content}


class Visitor:
    """One person's browser, with one page open."""

    def __init__(self, browser: Browser, **how: Any) -> None:
        self.context: BrowserContext = browser.new_context(**({"locale": "en-GB"} | how))
        self.context.set_default_timeout(SECONDS * 1000)
        self.context.add_init_script(STOPPED)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.wrong: list[str] = []
        self.requests: list[Request] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108 (a builtin takes no wrapper)

    def _hear(self, said: ConsoleMessage) -> None:
        if "policy" in said.text.lower():
            self.wrong.append(said.text)

    # -- what a person does ------------------------------------------------------------------------------------------
    def pick(self, *files: FilePayload | Path, button: str = "[data-pick=files]") -> None:
        with self.page.expect_file_chooser() as chooser:
            self.page.click(f"{button}:visible")
        chooser.value.set_files(list(files))  # type: ignore[arg-type] # (files and folders may be mixed)

    def press(self, name: str, row: Locator | None = None) -> None:
        (row or self.page).get_by_role("button", name=re.compile(f"^{re.escape(name)}")).click()

    def row(self, name: str) -> Locator:
        return self.page.locator("bilaga-file").filter(has_text=name)

    def says(self, name: str, words: str | re.Pattern[str], *, within: float = SECONDS) -> None:
        """Wait until a file's row says so."""
        expect(self.row(name).locator("[data-part=state]")).to_have_text(
            words if isinstance(words, re.Pattern) else re.compile(re.escape(words)), timeout=within * 1000
        )

    def slow(self, bytes_a_second: int) -> None:
        """A line that takes in so much; 0: as fast as it goes."""
        devtools = self.context.new_cdp_session(self.page)
        devtools.send("Network.enable")
        line = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second or -1}
        devtools.send("Network.emulateNetworkConditions", line)

    def receipt(self) -> dict[str, Any]:
        """Open the receipt from the page, and read it as a program does."""
        self.page.get_by_role("link", name=re.compile("receipt|kvitto", re.IGNORECASE)).click()
        self.page.wait_for_url("**/r/*")
        found: dict[str, Any] = self.context.request.get(self.page.url, headers={"Accept": "application/json"}).json()
        return found

    # -- what can be seen ----------------------------------------------------------------------------------------------
    def sent(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]

    def faults(self, axe: str) -> list[str]:
        """What axe-core finds against WCAG 2.2 AA and its own good practice."""
        self.page.evaluate(axe)
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [f"{one['id']}: {json.dumps([node['html'] for node in one['nodes']])}" for one in found["violations"]]

    def width(self) -> tuple[int, int]:
        """How wide the page is, and how wide the window."""
        wide, window = self.page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
        return int(wide), int(window)


@contextmanager
def visiting(browser: Browser, **how: Any) -> Iterator[Visitor]:
    """A visitor, who must not have met anything wrong in the end."""
    visitor = Visitor(browser, **how)
    try:
        yield visitor
        assert visitor.wrong == []
    finally:
        visitor.context.close()
