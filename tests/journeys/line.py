"""A line that is cut again and again, a site behind it, and the tus clients of others that send over it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import shutil
import subprocess
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiotus

from tests.faults.proxy import Faults, Proxy
from tests.journeys.service import Service

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own, at import
    from tusclient import client as tuspy

MIB = 1 << 20
SEGMENT = MIB
LATENCY = 0.001
HEADERS = 4 << 10
"""Of one request, at the most."""
NAME = "film.bin"


@dataclass
class Line:
    """A site behind a line that breaks, and a file to send over it. ``service``: whom to ask, past the line."""

    service: Service
    proxy: Proxy
    file: Path
    digest: str
    cuts: int

    @property
    def size(self) -> int:
        return self.file.stat().st_size

    def page(self, ref: str) -> str:
        """The address of a new upload link."""
        self.service.put_ticket(ref)
        return self.service.upload_link(ref)

    def link(self, ref: str) -> str:
        """Where uploads of a new link are made."""
        return f"{self.page(ref)}/files"

    def breaks(self) -> None:
        """From now on the line is cut so often, all over the file."""
        self.proxy.sent_up = self.proxy.struck = self.proxy.accepted = 0
        # A cut line loses what is in the senders' buffers; the latency keeps those as empty as a slow line does.
        self.proxy.set(Faults(cut_up=self.size // (self.cuts + 2), times=self.cuts, latency=LATENCY))

    def arrived(self, ref: str, *, within: float = 60) -> dict[str, Any]:
        """The one file of the ticket, the very one that was sent; and how much came twice is told and bounded."""
        (row,) = self.attachments(ref, within=within)
        assert (row["name"], row["size"], row["sha256"]) == (NAME, self.size, self.digest)
        assert self.proxy.struck == self.cuts
        twice = self.proxy.sent_up - self.size
        print(f"{ref}: {self.size // MIB} MiB, {self.cuts} cuts, {twice / MIB:.2f} MiB sent twice")
        assert twice <= self.cuts * SEGMENT + self.proxy.accepted * HEADERS
        return row

    def attachments(self, ref: str, *, within: float = 60) -> list[dict[str, Any]]:
        """What the ticket has, once it has something and nothing is under way."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            answer = self.service.as_("agent").get(f"/api/v1/tickets/{ref}/attachments")
            listed: list[dict[str, Any]] = answer.json()["attachments"]
            if listed and all(one["state"] != "receiving" for one in listed):
                return listed
            time.sleep(0.1)
        raise AssertionError("nothing arrived")

    # -- the clients ---------------------------------------------------------------------------------------------------
    def by_tuspy(self, endpoint: str, *, chunk: int | None = None, checksums: bool = False) -> None:
        with self.file.open("rb") as file:
            tuspy.TusClient(endpoint).uploader(
                file_stream=file,
                metadata={"filename": NAME},
                retries=self.cuts + 100,
                retry_delay=0.05,
                chunk_size=chunk or self.size,
                upload_checksum=checksums,
            ).upload()

    async def by_aiotus(self, endpoint: str) -> None:
        """It needs the mark ``large``."""
        config = aiotus.RetryConfiguration(retry_attempts=self.cuts + 100, max_retry_period_seconds=0.05)
        with self.file.open("rb") as file:
            where = await aiotus.upload(endpoint, file, {"Filename": NAME.encode()}, config=config)
        assert where is not None

    async def by_aiotus_in_pieces(self, endpoint: str) -> None:
        """As two halves, which it has put together."""
        halves = [self.file.with_suffix(".1"), self.file.with_suffix(".2")]
        content = self.file.read_bytes()
        halves[0].write_bytes(content[: self.size // 3])
        halves[1].write_bytes(content[self.size // 3 :])
        with halves[0].open("rb") as one, halves[1].open("rb") as two:
            where = await aiotus.upload_multiple(endpoint, [one, two], {"filename": NAME.encode()})
        assert where is not None

    def by_node(self, library: Path, endpoint: str, *, parallel: int = 1, seconds: float = 110) -> None:
        """With tus-js-client, which is in ``library``."""
        found = shutil.which("node")
        assert found, "Node is needed for this test: apt-get install nodejs"
        script = str(Path(__file__).with_name("tus_client.mjs"))
        command = [found, script, str(library), endpoint, str(self.file), str(parallel)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        assert (done.returncode, done.stdout.strip()) == (0, "sent"), json.dumps([done.stdout, done.stderr])

    async def arrived_async(self, ref: str, **how: Any) -> dict[str, Any]:
        """As ``arrived``, beside a loop."""
        return await asyncio.to_thread(self.arrived, ref, **how)


def film(folder: Path, size: int) -> tuple[Path, str]:
    """A file of so many bytes, and its SHA-256."""
    chance, digest = random.Random(7), hashlib.sha256()
    path = folder / NAME
    with path.open("wb") as file:
        for _ in range(size // MIB):
            piece = chance.randbytes(MIB)
            digest.update(piece)
            file.write(piece)
    return path, digest.hexdigest()
