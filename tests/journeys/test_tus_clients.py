"""Real tus clients against a real server over a line that is cut again and again: byte for byte, and little twice.

``TEST_TUS_MIB`` is the size of the file (256 for the figure of docs/uploads.md), and ``TEST_TUS_CUTS``
how often each line is cut.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiotus
import pytest

from tests.faults.proxy import Faults, Proxy
from tests.journeys.service import Service
from tests.npm import installed

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own, at import
    from tusclient import client as tuspy

MIB = 1 << 20
SIZE = int(os.environ.get("TEST_TUS_MIB", "32")) * MIB
CUTS = int(os.environ.get("TEST_TUS_CUTS", "5"))
SEGMENT = MIB
LATENCY = 0.001
HEADERS = 4 << 10
"""Of one request, at the most."""

LARGE = pytest.mark.filterwarnings("ignore:Sending a large body directly")
"""What aiohttp says of aiotus's chunks of 4 MiB."""


@dataclass
class Line:
    """A service behind a line that breaks, and a file to send over it."""

    service: Service
    proxy: Proxy
    file: Path
    digest: str

    def link(self, ref: str) -> str:
        self.service.put_ticket(ref)
        return f"{self.service.upload_link(ref)}/files"

    def breaks(self, times: int = CUTS) -> None:
        """From now on the line is cut so often, all over the file."""
        self.proxy.sent_up = self.proxy.struck = self.proxy.accepted = 0
        # A cut line loses what is in the senders' buffers; the latency keeps those as empty as a slow line does.
        self.proxy.set(Faults(cut_up=SIZE // (CUTS + 2), times=times, latency=LATENCY))

    def arrived(self, ref: str, *, cuts: int = CUTS) -> dict[str, Any]:
        """The one file of the ticket, the very one that was sent; and how much came twice is told and bounded."""
        listed = self.attachments(ref)
        assert len(listed) == 1
        assert (listed[0]["size"], listed[0]["sha256"]) == (SIZE, self.digest)
        assert self.proxy.struck == cuts
        twice = self.proxy.sent_up - SIZE
        print(f"{ref}: {SIZE // MIB} MiB, {cuts} cuts, {twice / MIB:.2f} MiB sent twice")
        assert twice <= cuts * SEGMENT + self.proxy.accepted * HEADERS
        return listed[0]

    def attachments(self, ref: str) -> list[dict[str, Any]]:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            answer = self.service.as_("agent").get(f"/api/v1/tickets/{ref}/attachments")
            listed: list[dict[str, Any]] = answer.json()["attachments"]
            if listed and all(one["state"] != "receiving" for one in listed):
                return listed
            time.sleep(0.1)
        raise AssertionError("nothing arrived")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("line")
    file = folder / "film.bin"
    chance = random.Random(7)
    content = b"".join(chance.randbytes(MIB) for _ in range(SIZE // MIB))
    file.write_bytes(content)
    with Proxy("http://127.0.0.1:9") as proxy:
        service = Service(folder, PUBLIC_URL=proxy.url).start()
        proxy.aim(service.url)
        # The service's own client speaks to it directly; what a link says goes over the line.
        yield Line(service, proxy, file, hashlib.sha256(content).hexdigest())
        proxy.heal()
        service.stop()


def test_tuspy(line):
    endpoint = line.link("TUSPY")
    line.breaks()
    with line.file.open("rb") as file:
        tuspy.TusClient(endpoint).uploader(
            file_stream=file, metadata={"filename": "film.bin"}, retries=CUTS + 5, retry_delay=0, chunk_size=SIZE
        ).upload()
    assert line.arrived("TUSPY")["name"] == "film.bin"


def test_tuspy_with_checksums_of_small_chunks(line):
    endpoint = line.link("TUSPY-2")
    line.proxy.heal()
    with line.file.open("rb") as file:
        tuspy.TusClient(endpoint).uploader(
            file_stream=file, metadata={"filename": "film.bin"}, chunk_size=MIB, upload_checksum=True
        ).upload()
    assert line.attachments("TUSPY-2")[0]["sha256"] == line.digest


@LARGE
async def test_aiotus(line):
    endpoint = line.link("AIOTUS")
    line.breaks()
    config = aiotus.RetryConfiguration(retry_attempts=CUTS + 5, max_retry_period_seconds=0.05)
    with line.file.open("rb") as file:
        where = await aiotus.upload(endpoint, file, {"Filename": b"film.bin"}, config=config)
    assert where is not None
    row = await asyncio.to_thread(line.arrived, "AIOTUS")
    assert row["name"] == "film.bin"


@LARGE
async def test_aiotus_puts_pieces_together(line):
    endpoint = line.link("AIOTUS-2")
    line.proxy.heal()
    halves = [line.file.with_suffix(".1"), line.file.with_suffix(".2")]
    content = line.file.read_bytes()
    halves[0].write_bytes(content[: SIZE // 3])
    halves[1].write_bytes(content[SIZE // 3 :])
    with halves[0].open("rb") as one, halves[1].open("rb") as two:
        where = await aiotus.upload_multiple(endpoint, [one, two], {"filename": b"film.bin"})
    assert where is not None
    assert (await asyncio.to_thread(line.attachments, "AIOTUS-2"))[0]["sha256"] == line.digest


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """tus-js-client, as the page has it."""
    return installed(tmp_path_factory.mktemp("npm")) / "node_modules" / "tus-js-client"


def node(line: Line, library: Path, endpoint: str, parallel: int = 1) -> None:
    found = shutil.which("node")
    assert found, "Node is needed for this test: apt-get install nodejs"
    script = str(Path(__file__).with_name("tus_client.mjs"))
    command = [found, script, str(library), endpoint, str(line.file), str(parallel)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "sent"), json.dumps([done.stdout, done.stderr])


def test_tus_js_client(line, library):
    endpoint = line.link("TUS-JS")
    line.breaks()
    node(line, library, endpoint)
    assert line.arrived("TUS-JS")["name"] == "film.bin"


def test_tus_js_client_in_parallel(line, library):
    endpoint = line.link("TUS-JS-2")
    line.proxy.heal()
    node(line, library, endpoint, parallel=3)
    assert line.attachments("TUS-JS-2")[0]["sha256"] == line.digest
