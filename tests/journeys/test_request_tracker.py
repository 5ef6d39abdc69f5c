"""A support desk on Request Tracker 5: a ticket with a file, brought home, closed and reopened."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.desks.request_tracker import SECRET, RequestTrackerSite
from tests.journeys.service import Service

pytestmark = [
    pytest.mark.slow,
    pytest.mark.embedded("what is tried here is Request Tracker; once is enough"),
]
CONTENT = bytes(range(256)) * 4096
PATIENCE = 60


@pytest.fixture(scope="module")
def rt():
    site = RequestTrackerSite()
    yield site
    site.call_us_at(None)


@pytest.fixture(scope="module")
def service(tmp_path_factory, rt):
    section = rt.section(prefix="RT-", organisation="cf:Customer", contract_field="Contract end")
    section |= {"evacuate": "true", "delete": "true", "welcome": "none", "every": "PT1H", "webhook_secret": SECRET}
    settings = {f"CONNECTORS__RT__{name.upper()}": str(value) for name, value in section.items()}
    running = Service(tmp_path_factory.mktemp("journey"), **settings)
    with running.site() as site:
        # What others put there stays there.
        mark = json.dumps({"since": rt.newest()})
        site.records.write(lambda unit: unit.site.put("evacuation:rt", mark))
    running.start()
    rt.call_us_at(f"{running.url}/hooks/rt")
    yield running
    running.stop()


def told(service, ref, **expected):
    """The ticket as it is here, once it is as expected."""
    until = time.monotonic() + PATIENCE
    while True:
        answer = service.as_("agent").get(f"/api/v1/tickets/{ref}")
        found = answer.json() if answer.status == 200 else {}
        if answer.status == 200 and all(found[name] == value for name, value in expected.items()):
            return found
        assert time.monotonic() < until, (answer.status, answer.body)
        time.sleep(0.1)


def attached(service, ref):
    """The ticket's one file, once it is here."""
    until = time.monotonic() + PATIENCE
    while True:
        found = service.as_("agent").get(f"/api/v1/tickets/{ref}/attachments").json()["attachments"]
        if found and found[0]["state"] == "available":
            return found[0]
        assert time.monotonic() < until, service.log()
        time.sleep(0.1)


def left_at_its_source(service, number):
    """What the report says of the ticket's file."""
    report = json.loads(service.cli("connector", "evacuate", "rt", "--json", code=3))
    (left,) = [one for one in report["left"] if one["ticket"] == number]
    return left


def another_second(rt):
    """RT's clock, which counts in seconds, has moved on."""
    before = rt.call("GET", "rt")[2]["date"]
    while rt.call("GET", "rt")[2]["date"] == before:
        pass


def test_a_ticket_with_a_file_comes_home_and_its_due_date_follows(service, rt):
    number = rt.new_ticket(("ritning.bin", "application/octet-stream", CONTENT))
    ref = f"RT-{number}"
    # RT's own scrip told of it; nobody asked.
    opened = told(service, ref, status="open")
    assert opened["requester"]["email"] == "kund@example.test"

    # The service brings it home by itself; RT deletes nothing for anybody, and the file is named, with what to do.
    kept = attached(service, ref)
    left = left_at_its_source(service, number)
    assert left["reason"] == "not-deletable"
    assert (kept["name"], kept["size"]) == ("ritning.bin", len(CONTENT))
    assert service.as_("agent").get(f"/api/v1/attachments/{kept['id']}/content").body == CONTENT
    notes = [one["Content"] for one in rt.parts(number) if one["ContentType"] == "text/html"]
    assert any(re.search(r'href="http[^"]+"', note) and "ritning.bin" in note for note in notes), notes

    another_second(rt)
    rt.put(number, Status="resolved")
    closed = told(service, ref, status="closed")
    another_second(rt)
    rt.put(number, Status="open")
    reopened = told(service, ref, status="open")
    due = [one["retention"]["purge_due_at"] for one in (opened, closed, reopened)]
    assert due == sorted(set(due)), due
