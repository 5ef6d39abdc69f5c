"""A site moved from the embedded engines to PostgreSQL, S3 and a key manager, killed in the middle, and back again.

    services/engines.sh around python -m bench.move [--files N] [--kib K] [--manager file|openbao|aws-kms]

Attachments of up to twice ``K`` KiB. The first move is killed with SIGKILL when half of the blobs are there, and run
again. Then every blob is read by ``fsck --digests`` where it went, the log is verified, and the site moves back. Ends
with figures, or with exit 1 where anything is not as it was.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Thread

from bench.running import MIB
from domain.actor import SYSTEM
from server import open_site
from settings import Settings
from tests.big_engines import MANAGERS, big_engines
from tests.moving import add, embedded, settings_file
from tickets import TicketFact

BILAGA = [sys.executable, "-c", "from cli import main; main()"]
DONE = re.compile(r"(\d+) blobs")


def main() -> None:
    """Move there and back."""
    parser = argparse.ArgumentParser(prog="python -m bench.move")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--kib", type=int, default=256)
    parser.add_argument("--manager", choices=MANAGERS, default="openbao")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, big_engines(asked.manager) as big:
        folder = Path(name)
        size = fill(embedded(folder / "a"), asked.files, asked.kib)
        print(f"{asked.files} attachments, {size / MIB:.0f} MiB; to {asked.manager} keys, PostgreSQL and S3 on Ceph")
        ours = {"data_dir": str(folder / "a"), "space_reserve": "0"}
        there = {"data_dir": str(folder / "b"), **big}
        first = move(folder, ours, there, kill_at=asked.files // 2)
        print(f"killed after {first:.1f} s, with half of the blobs there")
        second = move(folder, ours, there)
        look(folder, there, asked.files)
        back = move(folder, there, {"data_dir": str(folder / "c"), "space_reserve": "0"})
        look(folder, {"data_dir": str(folder / "c"), "space_reserve": "0"}, asked.files)
        print(f"there {first + second:.1f} s in all, with a kill in the middle; back {back:.1f} s")


def fill(settings: Settings, files: int, kib: int) -> int:
    """Make the site; how many bytes its blobs have."""
    total = 0
    with open_site(settings, serving=True) as site:
        put = site.records.write(lambda unit: site.facts.put_ticket(unit, SYSTEM, TicketFact("BENCH-1")))
        for n in range(files):
            size = random.randrange(2 * kib << 10)
            add(site, put.ticket, size, name=f"{n}.bin")
            total += size
        site.log.checkpoint(site.records)
    return total


def environment(settings: dict[str, str]) -> dict[str, str]:
    """The settings as the service reads them."""
    return {**os.environ, **{f"BILAGA_{name.upper()}": value for name, value in settings.items()}}


def move(folder: Path, here: dict[str, str], there: dict[str, str], *, kill_at: int | None = None) -> float:
    """Seconds of ``bilaga move``, to its end or to its death at that blob."""
    file = settings_file(folder / "to.toml", **there)
    began = time.monotonic()
    command = [*BILAGA, "move", "--json", "--to", str(file)]
    with subprocess.Popen(
        command, env=environment(here), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        peaks = [0]
        watcher = Thread(target=watch, args=(running, peaks))
        watcher.start()
        said = []
        for line in running.stderr or ():
            said.append(line)
            done = DONE.match(line)
            if kill_at is not None and done and int(done[1]) >= kill_at:
                running.send_signal(signal.SIGKILL)
        result = running.stdout.read() if running.stdout else ""
    watcher.join()
    seconds = time.monotonic() - began
    if kill_at is not None:
        if running.returncode != -signal.SIGKILL:
            raise SystemExit(f"it came to its end before it could be killed: more files, please\n{''.join(said)}")
        return seconds
    if running.returncode:
        raise SystemExit(f"exit {running.returncode}\n{''.join(said)}")
    moved = json.loads(result)
    blobs = moved["blobs"]
    print(
        f"{moved['rows']} rows, {blobs['copied']} blobs copied, {blobs['there']} there already, in {seconds:.1f} s "
        f"({blobs['bytes'] / MIB / seconds:.0f} MiB/s); at most {peaks[0] / MIB:.0f} MiB of memory"
    )
    return seconds


def watch(running: subprocess.Popen[str], peaks: list[int]) -> None:
    """The highest resident memory."""
    status = Path(f"/proc/{running.pid}/status")
    while running.poll() is None:
        try:
            line = next(one for one in status.read_text(encoding="ascii").splitlines() if one.startswith("VmHWM:"))
        except (OSError, StopIteration):
            return
        peaks[0] = int(line.split()[1]) << 10
        time.sleep(0.05)


def look(folder: Path, there: dict[str, str], files: int) -> None:
    """Raises CalledProcessError where anything is not as it must be."""
    began = time.monotonic()
    for argv in (["fsck", "--digests"], ["audit", "verify"]):
        subprocess.run([*BILAGA, *argv], env=environment(there), cwd=folder, check=True, capture_output=True)
    print(f"fsck of {files} blobs by digest and audit verify: clean, {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
