"""Two nodes of one site, and a line that is cut again and again and then leads to the other one: what one node began
the other goes on with, whatever client sends.

On PostgreSQL and Ceph, whatever the run stands on: in short with every run, and in full by ``make test-long``, with 256
MiB and twenty cuts for each client.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.faults.proxy import Proxy
from tests.journeys.line import MIB, Line, film
from tests.journeys.nodes import Node
from tests.journeys.visitor import CHROMIUM, FLAGS, visiting
from tests.npm import installed
from tests.site import on_engines

SIZE, CUTS = 256 * MIB, 20
MINUTES = 600
LARGE = pytest.mark.filterwarnings("ignore:Sending a large body directly")
"""What aiohttp says of aiotus's chunks of 4 MiB."""


@contextmanager
def two_behind(folder: Path, size: int, cuts: int) -> Iterator[Line]:
    """A line to two nodes, to the other one after each cut."""
    file, digest = film(folder, size)
    with ExitStack() as stack:
        engines = stack.enter_context(on_engines())
        proxy = stack.enter_context(Proxy("http://127.0.0.1:9"))
        nodes = [Node(folder, name, **engines, PUBLIC_URL=proxy.url) for name in ("one", "other")]
        one, other = nodes
        other.keys, other.secrets = one.keys, one.secrets
        for node in nodes:
            stack.callback(_gone, node)
            node.start()
        proxy.aim(one.url, other.url)
        yield Line(one, proxy, file, digest, cuts)
        proxy.heal()
        for node in nodes:
            node.stop()


def _gone(node: Node) -> None:
    if node._process is not None and node.process.poll() is None:
        node.kill()


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """tus-js-client, as the page has it."""
    return installed(tmp_path_factory.mktemp("npm")) / "node_modules" / "tus-js-client"


@pytest.mark.slow
def test_what_one_node_began_the_other_goes_on_with(tmp_path):
    with two_behind(tmp_path, 24 * MIB, 6) as line:
        endpoint = line.link("SHORT")
        line.breaks()
        line.by_tuspy(endpoint)
        line.arrived("SHORT")


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with two_behind(tmp_path_factory.mktemp("far"), SIZE, CUTS) as line:
        yield line


@pytest.mark.long
@pytest.mark.timeout(MINUTES)
def test_tuspy(far):
    endpoint = far.link("TUSPY")
    far.breaks()
    far.by_tuspy(endpoint)
    far.arrived("TUSPY", within=MINUTES)


@pytest.mark.long
@pytest.mark.timeout(MINUTES)
@LARGE
async def test_aiotus(far):
    endpoint = far.link("AIOTUS")
    far.breaks()
    await far.by_aiotus(endpoint)
    await far.arrived_async("AIOTUS", within=MINUTES)


@pytest.mark.long
@pytest.mark.timeout(MINUTES)
def test_tus_js_client(far, library):
    endpoint = far.link("TUS-JS")
    far.breaks()
    far.by_node(library, endpoint, seconds=MINUTES)
    far.arrived("TUS-JS", within=MINUTES)


@pytest.mark.long
@pytest.mark.timeout(MINUTES)
def test_tus_js_client_in_chromium(far):
    page = far.page("CHROMIUM")
    far.breaks()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with visiting(chromium) as visitor:
            visitor.page.goto(page)
            visitor.pick(far.file)
            visitor.says(far.file.name, "Received and", within=MINUTES)
            assert len(visitor.sent("POST")) == 1
        chromium.close()
    far.arrived("CHROMIUM", within=MINUTES)
