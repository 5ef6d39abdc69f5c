"""Real tus clients against a real server over a line that is cut again and again: byte for byte, and little twice.

In short with every run; by ``make test-long`` with 256 MiB and twenty cuts for each (docs/uploads.md has the figures).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from playwright.sync_api import sync_playwright

from tests.faults.proxy import Faults, Proxy
from tests.journeys.line import MIB, Line, film
from tests.journeys.service import Service
from tests.journeys.visitor import CHROMIUM, FLAGS, visiting
from tests.npm import installed

MINUTES = 600
SHORT = pytest.param((32, 5), id="short")
FULL = pytest.param((256, 20), id="full", marks=[pytest.mark.long, pytest.mark.timeout(MINUTES)])
"""MiB and cuts."""
LARGE = pytest.mark.filterwarnings("ignore:Sending a large body directly")
"""What aiohttp says of aiotus's chunks of 4 MiB."""


@pytest.fixture(scope="module", params=[SHORT, FULL])
def line(request, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("line")
    size, cuts = request.param
    file, digest = film(folder, size * MIB)
    with Proxy("http://127.0.0.1:9") as proxy:
        service = Service(folder, PUBLIC_URL=proxy.url).start()
        proxy.aim(service.url)
        # The service's own client speaks to it directly; what a link says goes over the line.
        yield Line(service, proxy, file, digest, cuts)
        proxy.heal()
        service.stop()


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """tus-js-client, as the page has it."""
    return installed(tmp_path_factory.mktemp("npm")) / "node_modules" / "tus-js-client"


def test_tuspy(line):
    endpoint = line.link("TUSPY")
    line.breaks()
    line.by_tuspy(endpoint)
    line.arrived("TUSPY")


def test_tuspy_with_checksums_of_small_chunks(line):
    endpoint = line.link("TUSPY-2")
    line.proxy.heal()
    line.by_tuspy(endpoint, chunk=MIB, checksums=True)
    assert line.attachments("TUSPY-2")[0]["sha256"] == line.digest


@LARGE
async def test_aiotus(line):
    endpoint = line.link("AIOTUS")
    line.breaks()
    await line.by_aiotus(endpoint)
    await line.arrived_async("AIOTUS")


@LARGE
async def test_aiotus_puts_pieces_together(line):
    endpoint = line.link("AIOTUS-2")
    line.proxy.heal()
    await line.by_aiotus_in_pieces(endpoint)
    assert (await asyncio.to_thread(line.attachments, "AIOTUS-2"))[0]["sha256"] == line.digest


def test_tus_js_client(line, library):
    endpoint = line.link("TUS-JS")
    line.breaks()
    line.by_node(library, endpoint, seconds=MINUTES)
    line.arrived("TUS-JS")


def test_tus_js_client_in_parallel(line, library):
    endpoint = line.link("TUS-JS-2")
    line.proxy.heal()
    line.by_node(library, endpoint, parallel=3)
    assert line.attachments("TUS-JS-2")[0]["sha256"] == line.digest


def test_tus_js_client_that_did_not_hear_the_last_answer_asks_and_is_told_that_all_is_there(line, library):
    line.service.put_ticket("TUS-JS-3")
    endpoint = line.service.upload_link("TUS-JS-3", max_files=1) + "/files"
    line.proxy.struck = 0
    line.proxy.set(Faults(lose=b"HTTP/1.1 204"))  # to the PATCH, which used the link up
    line.by_node(library, endpoint)
    assert line.proxy.struck == 1
    assert [row["sha256"] for row in line.attachments("TUS-JS-3")] == [line.digest]


@pytest.mark.embedded("a browser sends to the engines as the others do")
def test_tus_js_client_in_chromium(line):
    page = line.page("CHROMIUM")
    line.breaks()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with visiting(chromium) as visitor:
            visitor.page.goto(page)
            visitor.pick(line.file)
            visitor.says(line.file.name, "Received and", within=MINUTES)
            assert len(visitor.sent("POST")) == 1
        chromium.close()
    line.arrived("CHROMIUM")
