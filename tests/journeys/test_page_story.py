"""One upload's hard day: a line that comes and goes, a reload, a server that restarts; nothing acknowledged goes twice.

The page stands behind a slow line to a service that keeps its address when it is started anew.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, Response, Route, sync_playwright

from tests.faults.proxy import Faults, Proxy
from tests.journeys.nodes import Node, until
from tests.journeys.visitor import CHROMIUM, FLAGS, Visitor, visiting

FILM = random.Random(5).randbytes(24_000_000)
SLOW = Faults(latency=0.05)
"""Some 1.3 MB a second."""
SEGMENT = 1 << 20
HEADERS = 8 << 10
"""Of one request of a browser, and what it asks for besides the upload."""


@dataclass
class Offsets:
    """What the server acknowledged, and from where the page then sent: each request goes on at the last it was told, or
    behind it."""

    most: int = 0
    from_where: list[int] = field(default_factory=list)
    twice: list[tuple[int, int]] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("request", self._sent)
        page.on("response", self._told)

    def _sent(self, request: Request) -> None:
        if request.method == "PATCH":
            offset = int(request.headers["upload-offset"])
            self.from_where.append(offset)
            if offset < self.most:
                self.twice.append((offset, self.most))

    def _told(self, response: Response) -> None:
        self.most = max(self.most, int(response.headers.get("upload-offset", 0)))


@dataclass
class Road:
    """A service, and the line to it."""

    node: Node
    line: Proxy

    def link(self, ref: str) -> str:
        self.node.put_ticket(ref)
        return self.node.upload_link(ref)


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with Proxy("http://127.0.0.1:9") as line:
        node = Node(tmp_path_factory.mktemp("road"), "service", PUBLIC_URL=line.url, DRAIN_SECONDS="0.5")
        line.aim(node.url)
        node.start()
        try:
            yield Road(node, line)
            node.stop()
        finally:
            if node.process.poll() is None:
                node.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """On disk: chosen twice, it is the same to the browser."""
    path = tmp_path / "film.bin"
    path.write_bytes(FILM)
    return path


def further(visitor: Visitor) -> None:
    """Wait until the bar has got a good bit further than where it stands."""
    bar = visitor.row("film.bin").locator("progress")
    now = bar.evaluate("bar => bar.value")

    def moved() -> bool:
        visitor.page.wait_for_timeout(20)
        return bar.evaluate("bar => bar.value") > now + 0.03

    until(moved)


def arrived(visitor: Visitor) -> None:
    visitor.says("film.bin", "Received and", within=60)
    (entry,) = visitor.receipt()["attachments"]
    assert (entry["name"], entry["sha256"]) == ("film.bin", sha256(FILM).hexdigest())


@pytest.mark.slow
def test_a_line_that_goes_six_times_a_reload_and_a_restart_send_no_acknowledged_byte_twice(browser, road, film) -> None:
    link, offsets = road.link("S-1"), Offsets()
    with visiting(browser) as visitor:
        offsets.watch(visitor.page)
        visitor.page.on("dialog", lambda dialog: dialog.accept())
        visitor.page.goto(link)
        road.line.set(SLOW)
        road.line.sent_up = 0
        visitor.pick(film)
        for time in range(6):
            further(visitor)
            visitor.context.set_offline(True)
            visitor.says("film.bin", "Waiting for the connection")
            visitor.context.set_offline(False)
            if time == 1:
                further(visitor)
                visitor.page.reload()
                visitor.says("film.bin", "Choose film.bin again to go on from")
                visitor.pick(film, button="[data-deed=again]")
            if time == 3:
                further(visitor)
                road.node.ends()
                visitor.says("film.bin", "The server does not answer. It is tried again by itself", within=60)
                road.node.start()
        further(visitor)
        road.line.heal()
        arrived(visitor)
    assert offsets.twice == []
    assert len([request for request in visitor.requests if request.method == "POST"]) == 1
    assert sorted(offsets.from_where) == offsets.from_where
    assert len(offsets.from_where) >= 8, "it really was broken off and gone on with"
    twice = road.line.sent_up - len(FILM)
    print(f"8 times broken off, {len(FILM)} bytes: {twice} bytes more than the file went up, headers and all")
    assert twice <= 8 * SEGMENT + road.line.accepted * HEADERS


def test_what_is_only_so_for_now_is_tried_again_and_no_upload_is_begun_anew(browser, road, film) -> None:
    """Said by those that stand before a server too: 503 while it restarts, 408, 429."""
    said: dict[str, list[tuple[int, dict[str, str]]]] = {
        "PATCH": [(408, {})],
        "HEAD": [(503, {}), (429, {"Retry-After": "3"})],
    }

    def answer(route: Route) -> None:
        left = said.get(route.request.method)
        if not left:
            route.continue_()
            return
        status, headers = left.pop(0)
        route.fulfill(status=status, headers=headers)

    with visiting(browser) as visitor:
        visitor.page.goto(road.link("S-3"))
        visitor.page.route("**/files/*", answer)
        visitor.pick(film)
        arrived(visitor)
        assert said == {"PATCH": [], "HEAD": []}
        assert len(visitor.sent("POST")) == 1


def test_an_upload_that_is_gone_while_its_link_is_not_is_begun_anew(browser, road, film) -> None:
    with visiting(browser) as visitor:
        visitor.page.goto(road.link("S-4"))
        road.line.set(SLOW)
        visitor.pick(film)
        further(visitor)
        visitor.press("Pause", visitor.row("film.bin"))
        visitor.says("film.bin", "Paused")
        upload = visitor.sent("PATCH")[-1].url
        assert road.node.anyone.delete(road.node.path(upload), headers={"Tus-Resumable": "1.0.0"}).status == 204
        road.line.heal()
        visitor.press("Go on", visitor.row("film.bin"))
        arrived(visitor)
        assert len(visitor.sent("POST")) == 2


def test_a_creation_whose_answer_was_lost_takes_one_place_of_the_link(browser, road, film) -> None:
    road.node.put_ticket("S-5")
    link = road.node.upload_link("S-5", max_files=1)
    with visiting(browser) as visitor:
        visitor.page.goto(link)
        road.line.struck = 0
        road.line.set(Faults(lose=b"HTTP/1.1 201"))
        visitor.pick(film)
        arrived(visitor)
        assert road.line.struck == 1  # and Chromium or the page created it again
