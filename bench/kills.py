"""A site under fire: SIGKILL at seeded random moments of upload, purge, redemption and key rotation.

    python -m bench.kills [--kills N] [--seed S] [--sites N] [--folder FOLDER]

Clients send files by form, stream and API, erase some, let others fall due, redeem one-time links and rotate keys;
every answer is written down. After each kill the site is started again and held to what was answered; every fiftieth
time, and at the end, also by ``fsck`` and ``audit verify``. Ends with figures, or at the first violation with exit 1.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

from bench.ledger import Fate, Ledger, OneTime, Sent, Violation
from tests.crash.vault import PATIENCE, Answer, Child, Lost, Nest, Vault, form

LONGEST = 0.8
"""Seconds of load before a kill, at the most."""
STARTING = 0.15
"""Share of the kills that come while the service starts, and finds what the kill before left."""
FULL_EVERY = 50
UNLIMITED: dict[str, Any] = {"BILAGA_RATES__LINK": "0", "BILAGA_RATES__ADDRESS": "0"}


class Siege:
    """One site, its clients and their ledger."""

    def __init__(self, folder: Path, nest: Nest, seed: int) -> None:
        self.vault = Vault(folder, nest, **UNLIMITED)
        self.ledger = Ledger()
        self.dice = random.Random(seed)
        self.cycle = 0
        self.tickets: list[str] = []
        self.fresh: list[str] = []
        self.links: dict[str, str] = {}
        self.receipts: dict[str, str] = {}
        self.repeats: list[tuple[Callable[[], Answer], list[Sent]]] = []
        self.failures: list[BaseException] = []
        self.stopping = Event()

    def run(self, kills: int) -> Counter[str]:
        """Kill so many times; what was done. Raises Violation."""
        began = time.monotonic()
        done = 0
        try:
            while done < kills:
                self.vault.service = self.vault.spawn("bilaga", argv=("serve", "--port", "0"))
                if self.tickets and self.dice.random() < STARTING:
                    time.sleep(self.dice.uniform(0, 0.4))
                    self.vault.kill()
                    self.ledger.count("kills while starting")
                else:
                    self.vault.await_service()
                    self._look()
                    self._fire()
                    self.ledger.count("kills under load")
                done += 1
                if done % FULL_EVERY == 0 or done == kills:
                    self._look_through(everything=done == kills)
                    self._tell(done, time.monotonic() - began)
        finally:
            self.vault.close()
        self.ledger.counts["kills"] = done
        self.ledger.counts["seconds"] = round(time.monotonic() - began)
        return self.ledger.counts

    # -- looking -------------------------------------------------------------------------------------------------------
    def _look(self) -> None:
        """After a restart: the tickets that were in use, and some of all that is older."""
        ledger, vault, dice = self.ledger, self.vault, self.dice
        for ref in {*self.fresh, *dice.sample(self.tickets, min(2, len(self.tickets)))}:
            ledger.check_ticket(vault, ref)
        for repeat, files in self.repeats:
            self._receive(repeat(), files)
            ledger.count("requests repeated")
        self.repeats.clear()
        for fate in Fate:
            ledger.check_bytes(vault, ledger.some(dice, fate, 2))
        used = [link for link in ledger.links[-8:] if link.given or link.lost or link.revoked]
        ledger.check_links(vault, dice.sample(used, min(2, len(used))))

    def _look_through(self, *, everything: bool) -> None:
        """All of it, by the site's own means too."""
        vault, ledger = self.vault, self.ledger
        vault.start()
        self._purge_all()
        live = sum(ledger.check_ticket(vault, ref) for ref in self.tickets)
        before = ledger.counts["uploads acknowledged"]
        for repeat, files in self.repeats:
            self._receive(repeat(), files)
        self.repeats.clear()
        files = list(ledger.by_id.values())
        ledger.check_bytes(vault, files if everything else self.dice.sample(files, min(100, len(files))))
        ledger.check_links(vault, [link for link in ledger.links if everything or link.given])
        vault.settle(blobs=live + ledger.counts["uploads acknowledged"] - before)
        vault.stop()
        vault.bilaga("fsck", *(["--digests"] if everything else []))
        found = vault.audit()
        if (found["intact"], found["signed"]) != (True, found["entries"]):
            raise Violation(f"the audit log: {found}")
        ledger.count("looked through")
        ledger.counts["audit entries"] = found["entries"]

    def _purge_all(self) -> None:
        """Leave nothing that is due, so that nothing goes while it is counted."""
        end = time.monotonic() + PATIENCE
        while (answer := self.vault.ask("POST", "/retention/purge", {}, key=self.vault.admin)).status == 409:
            if time.monotonic() > end:
                raise Violation(f"the purge never gets its turn: {answer}")
            time.sleep(0.1)
        if answer.status != 200 or not answer.json["complete"]:
            raise Violation(f"the purge was answered {answer}")

    def _tell(self, done: int, seconds: float) -> None:
        print(f"{done} kills, {seconds:.0f} s: {dict(self.ledger.counts)}", flush=True)

    # -- firing --------------------------------------------------------------------------------------------------------
    def _fire(self) -> None:
        """Load for a while, and then death. The first kill of all may come as early as any."""
        self.cycle += 1
        self.stopping.clear()
        beside: list[Child] = []
        self.fresh = []
        self._open(f"K-{self.cycle}")
        works: list[Callable[[random.Random], object]] = [
            self._sends,
            self._sends,
            self._sends,
            self._erases,
            self._ages,
            self._redeems,
        ]
        clients = [
            Thread(target=self._client, args=(partial(work, random.Random(self.dice.random())),)) for work in works
        ]
        for client in clients:
            client.start()
        if self.dice.random() < 0.2:
            beside.append(self._command())
        time.sleep(self.dice.uniform(0, LONGEST))
        self.vault.service.send(signal.SIGKILL)
        self.stopping.set()
        for child in beside:
            if self.dice.random() < 0.5:
                child.send(signal.SIGKILL)
        for client in clients:
            client.join()
        self.vault.dies()
        for child in beside:
            self._ended(child)
        if self.failures:
            raise self.failures[0]

    def _open(self, ref: str) -> None:
        """A new ticket with an upload link."""
        self.vault.ticket(ref)
        self.tickets.append(ref)
        self.fresh.append(ref)
        self.links[ref] = self.vault.upload_link(ref)

    def _client(self, work: Callable[[], object]) -> None:
        try:
            while not self.stopping.is_set():
                work()
        except Lost:
            self.ledger.count("answers lost")
        except BaseException as error:  # noqa: BLE001  it is raised where the kills are counted
            self.failures.append(error)

    def _command(self) -> Child:
        """A command beside the service; it may be killed too."""
        argv = self.dice.choice(
            [("keys", "rotate"), ("keys", "rewrap"), ("keys", "destroy", "1", "--force"), ("fsck",)]
        )
        self.ledger.count(f"bilaga {' '.join(argv[:2])}")
        return self.vault.spawn("bilaga", argv=argv)

    def _ended(self, child: Child) -> None:
        code = child.wait()
        # 5: fsck may catch the killed service's uploads and purges half done; 70 is a bug in any command.
        if code not in {0, 5, -signal.SIGKILL} and "still wraps" not in child.said() and "active" not in child.said():
            raise Violation(f"a command beside the service: exit {code}, {child.said()}")

    # -- clients -------------------------------------------------------------------------------------------------------
    def _body(self, dice: random.Random) -> bytes:
        kind = dice.random()
        size = (
            0 if kind < 0.05
            else dice.randrange(10_000) if kind < 0.6
            else dice.randrange(200_000) if kind < 0.85
            else dice.choice([1_048_520, 1_048_521, dice.randrange(3_000_000)])
        )  # fmt: skip
        return (b"sent\n" + dice.randbytes(size))[:size]

    def _sends(self, dice: random.Random, ref: str | None = None) -> list[Sent]:
        """Send a form or a stream, as a requester or an agent, with a key to repeat it by or without."""
        ref = ref or f"K-{self.cycle}"
        batch = f"{self.cycle}-{dice.getrandbits(48):012x}"
        alone = dice.random() < 0.6
        bodies = {f"{batch}-{n}.bin": self._body(dice) for n in range(1 if alone else dice.randint(1, 3))}
        files = self.ledger.sending(bodies, ref, batch)
        headers = {"Accept": "application/json"}
        keyed = dice.random() < 0.5
        if keyed:
            headers["Idempotency-Key"] = f'"{batch}"'
        by_link = dice.random() < 0.6
        prefix = self.links[ref] if by_link else f"/tickets/{ref}/attachments"
        if alone:
            method, path, body = (
                "PUT",
                f"{prefix}/put/{files[0].name}" if by_link else f"{prefix}/{files[0].name}",
                None,
            )
            body = next(iter(bodies.values()))
        else:
            method, path = "POST", prefix
            body, more = form(bodies)
            headers.update(more)
        ask = self.vault.bare if by_link else self.vault.ask
        send = partial(ask, method, path, body, **headers)
        try:
            answer = send()
        except Lost:
            if keyed and dice.random() < 0.7:
                with self.ledger.lock:
                    self.repeats.append((send, files))
            raise
        self._receive(answer, files)
        return files

    def _receive(self, answer: Answer, files: list[Sent]) -> None:
        if answer.status != 201:
            raise Violation(f"an upload was answered {answer}")
        said = answer.json
        for one in said.get("attachments", [said]):
            self.ledger.acknowledged(one["name"], one["id"], one)
        if any(one.id is None for one in files):
            raise Violation(f"a file was left out of {answer}")
        if "receipt_url" in said:
            self.receipts[files[0].batch] = "/r/" + said["receipt_url"].rpartition("/r/")[2]

    def _erases(self, dice: random.Random) -> None:
        """Erase files: an administrator, or the requester who takes one back."""
        for one in self.ledger.some(dice, Fate.KEPT, 1, dice.choice([f"K-{self.cycle}", None])):
            if one.ticket.startswith("D-"):
                continue
            receipt = self.receipts.get(one.batch)
            one.fate = Fate.DUE
            if receipt is not None and dice.random() < 0.5:
                answer = self.vault.bare(
                    "POST", f"{receipt}/withdraw", f'{{"attachment":"{one.id}"}}'.encode(),
                    Content_Type="application/json", Accept="application/json",
                )  # fmt: skip
                self.ledger.count("withdrawn")
            else:
                answer = self.vault.ask("DELETE", f"/attachments/{one.id}", key=self.vault.admin)
            if answer.status >= 300:
                raise Violation(f"erasing {one.id} was answered {answer}")
            one.fate = Fate.GONE
            self.ledger.count("erasures acknowledged")
        time.sleep(0.01)

    def _ages(self, dice: random.Random) -> None:
        """Let a ticket fall due with its files, and run the purge."""
        ref = f"D-{self.cycle}-{len(self.fresh)}"
        self._open(ref)
        for one in self._sends(dice, ref):
            one.fate = Fate.DUE
        self.vault.age(ref)
        due = [one for one in self.ledger.some(dice, Fate.DUE, 1000, ref) if one.id is not None]
        answer = self.vault.ask("POST", "/retention/purge", {}, key=self.vault.admin)
        if answer.status == 409:  # another run is at work, or one that was killed has its lease for a while
            self.ledger.count("purges told to wait")
            time.sleep(0.05)
        elif answer.status != 200 or not answer.json["complete"]:
            raise Violation(f"the purge was answered {answer}")
        else:
            for one in due:
                one.fate = Fate.GONE
            self.ledger.count("purge runs acknowledged")
            self.ledger.counts["purged by runs"] += answer.json["purged"]

    def _redeems(self, dice: random.Random) -> None:
        """Use a one-time link more often than it allows, or revoke it first."""
        for one in self.ledger.some(dice, Fate.KEPT, 1, f"K-{self.cycle}"):
            made = self.vault.ask("POST", f"/attachments/{one.id}/download-links", {"max_downloads": 1})
            if made.status != 201:
                if one.fate is Fate.KEPT:
                    raise Violation(f"a link was refused: {made}")
                continue
            link = OneTime("/d/" + made.json["url"].rpartition("/d/")[2], one)
            self.ledger.links.append(link)
            if dice.random() < 0.3:
                link.lost += 1
                link.revoked = self.vault.ask("DELETE", f"/links/{made.json['id']}").status == 204
                link.lost -= 1
            for _ in range(2):
                link.lost += 1
                answer = self._redeem(link, by_button=dice.random() < 0.5)
                link.lost -= 1
                link.given += answer.status in {200, 303}
            if link.given > 1 or (link.revoked and link.given):
                raise Violation(f"{link} gave too much")
            self.ledger.count("one-time links used")
        time.sleep(0.02)

    def _redeem(self, link: OneTime, *, by_button: bool) -> Answer:
        if not by_button:
            return self.vault.bare("GET", f"{link.path}/content")
        answer = self.vault.bare("POST", link.path, b"", Content_Type="application/x-www-form-urlencoded")
        if answer.status == 303:
            read = self.vault.bare("GET", answer.headers["location"])
            if link.file.fate is Fate.KEPT and read.status != 200:
                raise Violation(f"a grant gives {read}")
        return answer


def besiege(folder: Path, seed: int, kills: int) -> Counter[str]:
    """One siege from beginning to end, with a nest of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    nest = Nest()
    try:
        return Siege(folder, nest, seed).run(kills)
    finally:
        nest.close()


def main() -> int:
    """As the module's docstring says; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.kills")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--sites", type=int, default=1, help="so many at once, the kills shared out among them")
    parser.add_argument("--folder", type=Path, help="kept; else a temporary one, kept only after a violation")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="bilaga-kills-"))
    total: Counter[str] = Counter()
    try:
        with ProcessPoolExecutor(given.sites) as pool:
            share = given.kills // given.sites
            runs = [pool.submit(besiege, folder / str(n), given.seed + n, share) for n in range(given.sites)]
            for run in runs:
                total += run.result()
    except (Violation, AssertionError) as violation:
        print(f"VIOLATION: {violation}\nthe site is in {folder}", file=sys.stderr)
        return 1
    for what, count in sorted(total.items()):
        print(f"{count:10}  {what}")
    if given.folder is None:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
