"""What the clients of a site under fire were told, and what therefore has to be true of it after every restart."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from threading import Lock

from tests.crash.vault import Vault


class Violation(Exception):
    """Something acknowledged is lost, something erased is back, or something half done can be seen."""


class Fate(Enum):
    """What may be found of an acknowledged file."""

    KEPT = "kept"
    DUE = "due"
    """Its erasure was asked for: it is whole, or gone."""
    GONE = "gone"


@dataclass
class Sent:
    """One file that was sent, whatever became of it. ``batch``: the form it came in, whole or not at all."""

    name: str
    ticket: str
    size: int
    digest: str
    batch: str
    id: str | None = None
    fate: Fate = Fate.KEPT


@dataclass
class OneTime:
    """A link for one download. ``given``: downloads that began with an answer; ``lost``: requests whose answer never
    came."""

    path: str
    file: Sent
    given: int = 0
    lost: int = 0
    revoked: bool = False


@dataclass
class Ledger:
    """Everything that was sent and said. Thread-safe where clients write."""

    sent: dict[str, Sent] = field(default_factory=dict)
    by_id: dict[str, Sent] = field(default_factory=dict)
    links: list[OneTime] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def sending(self, files: dict[str, bytes], ticket: str, batch: str) -> list[Sent]:
        """Files are about to be sent."""
        made = [Sent(name, ticket, len(body), sha256(body).hexdigest(), batch) for name, body in files.items()]
        with self.lock:
            self.sent.update({one.name: one for one in made})
        return made

    def acknowledged(self, name: str, attachment: str, said: dict[str, object]) -> None:
        """A 201 named this file."""
        one = self.sent[name]
        if (said["name"], said["size"], said["sha256"]) != (name, one.size, one.digest):
            raise Violation(f"{name} was acknowledged as something else: {said}")
        with self.lock:
            if one.id not in {None, attachment}:
                raise Violation(f"{name} is there twice: {one.id} and {attachment}")
            if one.id is None:
                self.counts["uploads acknowledged"] += 1
            one.id = attachment
            self.by_id[attachment] = one

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def some(self, dice: random.Random, fate: Fate, count: int, ticket: str | None = None) -> list[Sent]:
        """A few acknowledged files of one fate."""
        with self.lock:
            found = [one for one in self.by_id.values() if one.fate is fate and ticket in {None, one.ticket}]
        return dice.sample(found, min(count, len(found)))

    # -- after a restart -----------------------------------------------------------------------------------------------
    def check_ticket(self, vault: Vault, ref: str) -> int:
        """A ticket's list against all that was said about it; how many files it has. What was not acknowledged and is
        there anyway (its answer was lost) must be whole, and counts from now on."""
        listed = vault.listed(ref)
        names: Counter[str] = Counter()
        for attachment, shown in listed.items():
            one = self.by_id.get(attachment)
            if shown["state"] == "purged":
                if one is not None and one.fate is Fate.KEPT:
                    raise Violation(f"{attachment} ({one.name}) is gone and nobody asked for that")
                if one is not None:
                    one.fate = Fate.GONE
                continue
            if shown["state"] != "available":
                raise Violation(f"{attachment} is {shown['state']}")
            names[shown["name"]] += 1
            if one is None:
                if shown["name"] not in self.sent:
                    raise Violation(f"{attachment}: nobody sent {shown['name']}")
                self.counts["answers lost, files there"] += 1
                self.acknowledged(shown["name"], attachment, shown)
            elif one.fate is Fate.GONE:
                raise Violation(f"{attachment} ({one.name}) is back")
            elif (shown["name"], shown["size"], shown["sha256"]) != (one.name, one.size, one.digest):
                raise Violation(f"{attachment} ({one.name}) changed: {shown}")
        if names and max(names.values()) > 1:
            raise Violation(f"{ref} has a file twice: {names.most_common(1)}")
        self._check_missing(ref, set(listed))
        return names.total()

    def _check_missing(self, ref: str, listed: set[str]) -> None:
        batches: dict[str, set[bool]] = {}
        for one in self.sent.values():
            if one.ticket != ref:
                continue
            if one.id is not None and one.id not in listed:
                raise Violation(f"{one.id} ({one.name}) was acknowledged and is lost")
            batches.setdefault(one.batch, set()).add(one.id is not None)
        for batch, found in batches.items():
            if len(found) > 1:
                raise Violation(f"form {batch} came in part")

    def check_bytes(self, vault: Vault, files: list[Sent]) -> None:
        """Read files: those kept byte by byte, those gone not at all."""
        for one in files:
            read = vault.read(one.id)
            if one.fate is Fate.DUE and read.status == 410:
                one.fate = Fate.GONE
            if one.fate is Fate.GONE:
                if read.status != 410:
                    raise Violation(f"{one.id} ({one.name}) was erased and answers {read.status}")
            elif (read.status, read.short) != (200, False) or sha256(read.body).hexdigest() != one.digest:
                raise Violation(f"{one.id} ({one.name}) reads {read.status}, {len(read.body)} bytes of {one.size}")
            self.counts["files read back"] += 1

    def check_links(self, vault: Vault, links: list[OneTime]) -> None:
        """A one-time link gives nothing after its one time, and never more than once in all."""
        for link in links:
            again = vault.bare("GET", f"{link.path}/content")
            if again.status == 200:
                link.given += 1
            if link.given > 1 or (link.revoked and again.status == 200):
                raise Violation(f"link of {link.file.id}: {link}, and {again.status} after a restart")
            fresh = link.given + link.lost == 0 and not link.revoked and link.file.fate is Fate.KEPT
            if fresh and again.status != 200:
                raise Violation(f"link of {link.file.id} was not used and answers {again.status}")
