"""Evacuation under fire: files of a Freshdesk that stands in come home while SIGKILL comes at every step and at random.

    python -m bench.evacuate [--tickets N] [--files N] [--kills N] [--seed S] [--folder FOLDER]

A process evacuates and is killed: after each of its steps, at requests that arrive and at requests that took effect and
were not answered yet, and at moments of no meaning; the next one goes on. In the end the stand-in's log of what took
effect is held against what is kept: no file unlinked, none deleted before its receipt and its note, none twice.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from threading import Lock

from tests.crash.vault import PATIENCE, Child, Nest, Vault, inside
from tests.desks.evacuating import CONNECTOR, settings_of
from tests.desks.freshdesk import Freshdesk, unmet
from tests.evacuations import check_happenings, kept_here, rows_of

STEPS = (
    "finished",
    "evacuation-written",
    "evacuation-removed",
    "evacuation-kept",
    "evacuation-noted",
    "sealed",
    "evacuation-deleting",
    "evacuation-noting",
    "claimed",
    "evacuation-deleted",
    "evacuation-seen",
)
"""Those first that a careless evacuation would not survive."""


class Evacuees:
    """An account full of files, and the site that brings them home."""

    def __init__(self, folder: Path, nest: Nest, *, tickets: int, files: int, seed: int) -> None:
        """``files``: altogether; of a ticket's, some come with answers to it."""
        self.dice = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.desk = Freshdesk()
        self.nest = nest
        self.folder = folder
        self.tickets, self.files = tickets, files

    def run(self, kills: int) -> Counter[str]:
        """Kill so many times and let it come to its end; what was done. Raises AssertionError."""
        began = time.monotonic()
        with self.desk:
            self._fill()
            vault = Vault(self.folder, self.nest, made=True, **settings_of(self.desk))
            try:
                for number in range(kills):
                    self._kill(vault, number)
                self._end(vault)
                self._look(vault)
            finally:
                vault.close()
        self.counts["seconds"] = round(time.monotonic() - began)
        self.counts["requests to the API"] = len(self.desk.calls())
        return self.counts

    def _fill(self) -> None:
        account, dice = self.desk.account, self.dice
        for number in range(self.tickets):
            account.create_ticket({"email": f"p{number}@example.com", "subject": f"Ticket {number}"})
        for number in range(self.files):
            ticket = account.tickets[number % self.tickets + 1]
            content = dice.randbytes(dice.choice((0, 1, 900, 40_000, 300_000)))
            file = (f"file {number}.bin", content, "application/octet-stream")
            if number % 3:
                account.reply(ticket, {"body": "see this"}, [file])
            else:
                account.attach([file], ticket["id"], None)
        account.happenings.clear()

    def _kill(self, vault: Vault, number: int) -> None:
        """One run that is killed: after a step's so-and-so-many-th time, at a request, at a moment of no meaning."""
        by_step, others = number % 2 == 0, number // 2
        if by_step:
            child = vault.spawn("evacuate", *[STEPS[others % len(STEPS)]] * self.dice.randint(1, 4))
        else:
            child = vault.spawn("evacuate", "armed")  # a way without an end: it dies by our hand
            if others % 2 == 0:
                self._at_request(child)
            else:
                time.sleep(self.dice.uniform(0.2, 2.5))
                child.kill()
        code = child.wait(patience=PATIENCE * 5)
        self.desk.meeting = unmet
        self.counts["kills" if code == -signal.SIGKILL else "runs that ended first"] += 1
        self._as_started_again(vault)

    def _at_request(self, child: Child) -> None:
        """Kill it at a request that comes, or that took effect and is not answered."""
        left, lock = [self.dice.randint(1, 40)], Lock()
        moment = self.dice.choice(("before", "done"))

        def meet(now: str, *_: str) -> None:
            if now != moment:
                return
            with lock:
                left[0] -= 1
                due = left[0] == 0
            if due:
                child.kill()

        self.desk.meeting = meet

    def _as_started_again(self, vault: Vault) -> None:
        """What a start of the service does to the leases of the dead: else the next run waits for theirs to end."""
        with inside(vault) as site:
            site.records.write(lambda unit: unit.leases.end_all())

    def _end(self, vault: Vault) -> None:
        for _ in range(20):
            child = vault.spawn("evacuate", "armed")
            assert child.wait(patience=PATIENCE * 20) == 0, child.said()
            said = json.loads(child.said().splitlines()[0])
            assert said["stopped"] is None, child.said()
            if said["waiting"] == 0:
                break
            self._as_started_again(vault)
        assert (said["left"], said["waiting"]) == (0, 0), said

    def _look(self, vault: Vault) -> None:
        vault.start()  # what the killed left half received is taken away
        vault.stop()
        account = self.desk.account
        with inside(vault) as site:
            rows, kept = rows_of(site.records, CONNECTOR), kept_here(site)
        check_happenings(rows, self.desk, kept)
        assert all(file.gone for file in account.files.values())
        assert len(rows) == len(kept) == len(account.files), (len(rows), len(kept), len(account.files))
        kinds = Counter(one.kind for one in account.happenings)
        assert kinds["delete"] == self.files
        vault.assert_sound()
        self.counts += Counter(
            {"tickets": self.tickets, "files": self.files, "downloads": kinds["download"], "notes": kinds["note"]}
        )


def main() -> int:
    """As the module's docstring says; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.evacuate")
    parser.add_argument("--tickets", type=int, default=500)
    parser.add_argument("--files", type=int, default=1500)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="kept; else a temporary one, kept only after a violation")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="bilaga-evacuate-"))
    nest = Nest()
    try:
        done = Evacuees(folder, nest, tickets=given.tickets, files=given.files, seed=given.seed).run(given.kills)
    except AssertionError as violation:
        print(f"VIOLATION: {violation}\nthe site is in {folder}", file=sys.stderr)
        return 1
    finally:
        nest.close()
    for what, count in sorted(done.items()):
        print(f"{count:10}  {what}")
    if given.folder is None:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
