"""A site with something in every corner, to be moved; and what must be equal where it went."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from audit import kept_entries
from crypto import new_blob_id, new_id
from domain.actor import SYSTEM, Actor, Role
from domain.attachment import Attachment, AttachmentState, Scan, Source
from domain.errors import MoveUnfinished, SiteMoved
from domain.ids import AttachmentId, PrincipalId, TicketId
from domain.ticket import Ticket
from installation import Site
from keys import ATTACHMENT
from move import Moved, move_site
from retention import Reason
from server import open_site
from settings import Settings, load
from storage import Check, Unit
from tests.small_site import Crash, Steps
from tickets import OrganisationFact, TicketFact

ADMIN = Actor(Role.ADMIN, PrincipalId("admin-1"))
SIZES = (0, 1, 5000, (4 << 20) + 17)


def embedded(folder: Path) -> Settings:
    """Settings of a site in a folder."""
    return load({"BILAGA_DATA_DIR": str(folder), "BILAGA_SPACE_RESERVE": "0"})


def settings_file(path: Path, **values: Any) -> Path:
    """Settings in TOML, as ``--to`` takes them."""
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    return path


def fill(settings: Settings, *, files: int = 6, blob: int | None = None) -> list[AttachmentId]:
    """Make a site, and the ids of its living attachments. ``blob``: bytes of each, else they are of all sizes."""
    with open_site(settings, serving=True) as site:
        site.records.write(lambda unit: site.facts.put_organisation(unit, SYSTEM, OrganisationFact("Åkes Däck AB")))
        put = site.records.write(
            lambda unit: site.facts.put_ticket(
                unit, SYSTEM, TicketFact("T-1", organisation="Åkes Däck AB", subject="Det läcker – igen")
            )
        )
        site.records.write(lambda unit: site.people.make_key(unit, SYSTEM, Role.AGENT, "Nyckelns Ägare"))
        site.records.write(lambda unit: site.issuing.upload(unit, SYSTEM, "T-1"))
        living = [
            add(site, put.ticket, SIZES[n % len(SIZES)] if blob is None else blob, name=f"fil-{n} å.txt")
            for n in range(files)
        ]
        gone = add(site, put.ticket, 100, name="bort.txt")
        site.purge.erase(ADMIN, gone, Reason.ERASED)
        link = site.records.write(lambda unit: site.issuing.download(unit, SYSTEM, living[0])).link
        site.records.write(lambda unit: unit.passcode_failures.add(link.id, b"a" * 32, at=site.clock()))
        site.records.write(lambda unit: site.holds.place_on_ticket(unit, ADMIN, "T-1", "Tvist", None))
        site.rotation.rotate(SYSTEM)
        site.log.checkpoint(site.records)
    return living


def add(site: Site, ticket: Ticket, size: int, *, name: str) -> AttachmentId:
    """An available attachment of so many sealed bytes, key, name, room and all."""
    sealed = os.urandom(size)
    blob_id = new_blob_id()
    with site.blobs.create(blob_id, size) as writer:
        writer.write(sealed)
        writer.commit()
    attachment = Attachment(
        id=AttachmentId(new_id()),
        ticket_id=TicketId(ticket.id),
        link_id=None,
        receipt_id=None,
        blob_id=blob_id,
        name_sealed=None,
        declared_size=size,
        reserved_bytes=0,
        size=size,
        sealed_size=size,
        sha256=b"p" * 32,
        sealed_sha256=hashlib.sha256(sealed).digest(),
        commitment=b"c" * 32,
        segment_size=1 << 20,
        stream_format=1,
        media_type="text/plain",
        state=AttachmentState.AVAILABLE,
        scan=Scan.NONE,
        scanned_by=None,
        source=Source.AGENT,
        created_at=site.clock(),
        available_at=site.clock(),
        download_count=0,
        purge_reason=None,
        purged_at=None,
        certificate_id=None,
        version=1,
    )

    def keep(unit: Unit) -> None:
        site.keys.new(unit, attachment.id, ATTACHMENT)
        sealed_name = site.keys.seal_text(unit, attachment.id, ATTACHMENT, "name", name)
        unit.quotas.claim(ticket.id, size=size)
        unit.quotas.settle(ticket.id, reserved=size, size=size)
        unit.attachments.add(replace(attachment, name_sealed=sealed_name))

    site.records.write(keep)
    return attachment.id


def names(site: Site) -> dict[AttachmentId, str | None]:
    """Opened names by attachment: what only the right keys give."""

    def work(unit: Unit) -> dict[AttachmentId, str | None]:
        return {
            row.id: site.keys.open_text(unit, row.id, ATTACHMENT, "name", row.name_sealed)
            for row in unit.inventory.all()
            if row.name_sealed is not None
        }

    return site.records.read(work)


def entries(site: Site) -> list[Mapping[str, Any]]:
    """The audit log, oldest first."""
    return [json.loads(entry.body) for entry in kept_entries(site.records)]


def findings(site: Site) -> list[str]:
    """What fsck says, with every blob read."""
    generations = {one.number for one in site.ring.generations() if one.state.value != "destroyed"}
    check = Check(
        site.records,
        site.blobs,
        site.clock,
        generations=lambda: generations,
        digesting=site.digesting,
        grace=timedelta(),
    )
    return [f"{one.kind.value} {one.subject_id} {one.detail}" for one in check.run(digests=True)]


LOCAL = {"site": ("moved", "moving", "moving-blobs"), "leases": ("move",)}
"""Rows that belong to one database alone, by table and key."""


def dump(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of an embedded database, read past all of our code."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as driver:
        tables = [row[0] for row in driver.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        found = {name: sorted(driver.execute(f"SELECT * FROM {name}"), key=repr) for name in tables}
    return {name: [row for row in rows if row[0] not in LOCAL.get(name, ())] for name, rows in found.items()}


def is_usable(folder: Path) -> bool:
    """Whether the site in a folder can be served."""
    try:
        with open_site(embedded(folder), serving=True):
            return True
    except (SiteMoved, MoveUnfinished):
        return False


def move(here: Path, there: Path, **how: Any) -> Moved:
    """From folder to folder."""
    return move_site(embedded(here), embedded(there), **how)


def stopped(here: Path, there: Path, step: str, time: int = 1) -> None:
    """A move that was begun and died."""
    steps = Steps()
    steps.at = (step, time)
    with pytest.raises(Crash):
        move(here, there, steps=steps)
