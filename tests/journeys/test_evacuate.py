"""Files come home from a Freshdesk that stands in: by the service itself, and by hand beside it."""

from __future__ import annotations

import json
import re
from hashlib import sha256

import pytest

from tests.desks.freshdesk import Freshdesk
from tests.journeys.nodes import until
from tests.journeys.service import Service

REPORT = ("Rapport – slutlig.pdf", b"%PDF-1.7 " + b"en rapport " * 9000, "application/pdf")
TABLE = ("tabell.csv", b"a;b\n", "text/csv")


def settings(name: str, desk: Freshdesk, **more: str) -> dict[str, str]:
    said = {
        "KIND": "freshdesk",
        "URL": desk.url,
        "TOKEN": desk.account.key,
        "PREFIX": f"{name.upper()}-",
        "ALLOW_LOOPBACK": "true",
        "ALLOWED_HOSTS": "localhost",
        "EVERY": "PT1S",
        **more,
    }
    return {f"CONNECTORS__{name.upper()}__{key}": value for key, value in said.items()}


@pytest.fixture(scope="module")
def desks():
    with Freshdesk() as busy, Freshdesk() as old:
        yield busy, old


@pytest.fixture(scope="module")
def service(tmp_path_factory, desks):
    busy, old = desks
    how = settings("fd", busy, EVACUATE="true", DELETE="true") | settings("old", old)
    running = Service(tmp_path_factory.mktemp("journey"), **how).start()
    running.secrets |= {busy.account.key, REPORT[0], "pia@example.com"}
    yield running
    running.stop()


def new_ticket(desk: Freshdesk, *files: tuple[str, bytes, str]) -> int:
    with desk.account.lock:
        return desk.account.create_ticket({"email": "pia@example.com", "subject": "Det brummar"}, files)["id"]


def test_a_file_that_reached_freshdesk_is_soon_here_and_there_a_link_to_it(service, desks):
    desk, _ = desks
    number = new_ticket(desk, REPORT, TABLE)
    until(lambda: [one.gone for one in list(desk.account.files.values())] == [True, True])
    found = service.as_("agent").get(f"/api/v1/tickets/FD-{number}/attachments").json()["attachments"]
    assert {(one["name"], one["source"], one["state"]) for one in found} == {
        (REPORT[0], "connector", "available"),
        (TABLE[0], "connector", "available"),
    }
    assert {one["sha256"] for one in found} == {sha256(content).hexdigest() for _, content, _ in (REPORT, TABLE)}
    (note,) = [one.text for one in desk.account.happenings if one.kind == "note"]
    for address in re.findall(r'href="([^"]+)"', note):
        assert address.startswith(f"{service.url}/agent/")
    assert all(f"{service.url}/agent/attachments/{one['id']}/content" in note for one in found)
    content = service.as_("agent").get(f"/api/v1/attachments/{found[0]['id']}/content").body
    assert content in {REPORT[1], TABLE[1]}
    with desk.account.lock:
        desk.account.mail_from_requester(number, "en till", [("sen.txt", b"sen", "text/plain")])
    until(lambda: all(one.gone for one in list(desk.account.files.values())))
    assert sum(one.kind == "note" for one in desk.account.happenings) == 2


def test_by_hand_it_is_looked_at_first_and_what_is_left_is_named(service, desks):
    _, desk = desks
    new_ticket(desk, REPORT, TABLE)
    desk.account.undeletable.add(min(desk.account.files))
    seen = json.loads(service.cli("connector", "evacuate", "old", "--dry-run", "--json"))
    assert (seen["seen"], seen["kept_bytes"], seen["dry_run"]) == (2, len(REPORT[1]) + len(TABLE[1]), True)
    assert desk.account.happenings == []
    service.environment |= {f"BILAGA_CONNECTORS__OLD__{name}": "true" for name in ("EVACUATE", "DELETE")}
    told = service.cli("connector", "evacuate", "old", code=3)
    assert told == f"left: file {min(desk.account.files)} on ticket 1: not-deletable"
    assert [one.gone for one in desk.account.files.values()] == [False, True]
    desk.account.undeletable.clear()
    done = json.loads(service.cli("connector", "evacuate", "old", "--again", "--json"))
    assert (done["deleted"], done["left"], done["complete"]) == (1, [], True)
    assert sum(one.kind == "note" for one in desk.account.happenings) == 1
