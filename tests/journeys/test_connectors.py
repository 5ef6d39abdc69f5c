"""A ticket system beside the real service: its webhooks, its tickets, the notes it gets, and its deletions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.desks.freshdesk import Freshdesk
from tests.journeys.service import Form, Service

KEY = "a-freshdesk-key"
SECRET = "x-freshdesk-webhook-secret"


@pytest.fixture(scope="module")
def desk() -> Iterator[Freshdesk]:
    with Freshdesk() as desk:
        yield desk


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, desk: Freshdesk) -> Iterator[Service]:
    settings = {
        "KIND": "freshdesk",
        "URL": desk.url,
        "TOKEN": KEY,
        "PREFIX": "FD-",
        "ALLOW_LOOPBACK": "true",
        "WELCOME": "note",
        "NOTES": "true",
        "EVERY": "PT1S",
    }
    sections = {f"CONNECTORS__FRESH__{name}": value for name, value in settings.items()}
    running = Service(tmp_path_factory.mktemp("connectors"), **sections)
    running.secrets.add(KEY)
    running.cli("connector", "add", "fresh")
    running.start()
    yield running
    running.stop()


def until(what: Callable[[], object], seconds: float = 60) -> object:
    """Wait for a state."""
    give_up_at = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < give_up_at, "it never came to that"
        time.sleep(0.1)
    return found


def written(desk: Freshdesk, number: int, words: str) -> bool:
    return any(words in str(one) for one in desk.account.said_in(number))


def test_a_new_ticket_gets_a_link_and_what_is_sent_by_it_is_told_of(service: Service, desk: Freshdesk) -> None:
    ticket = desk.account.create_ticket({"email": "pia@example.com", "name": "Pia", "subject": "It hums"})
    secret = json.loads(service.cli("connector", "add", "fresh", "--json"))["secret"]
    service.secrets.add(secret)
    ask = service.anyone
    body = json.dumps({"ticket_id": str(ticket["id"])}).encode()
    headers = {"Content-Type": "application/json"}
    assert ask.post("/hooks/fresh", body=body, headers=headers).status == 401
    assert ask.post("/hooks/fresh", body=body, headers={**headers, SECRET: "x" * 43}).status == 401
    assert ask.post("/hooks/nobody", body=body, headers={**headers, SECRET: secret}).status == 404
    assert ask.post("/hooks/fresh", body=b"x" * (300 << 10), headers={**headers, SECRET: secret}).status == 413
    assert ask.post("/hooks/fresh", body=body, headers={**headers, SECRET: secret}).status == 204

    agent = service.as_("agent")
    until(lambda: agent.get(f"/api/v1/tickets/FD-{ticket['id']}").status == 200)
    until(lambda: written(desk, ticket["id"], "bilaga-welcome"))
    note = next(one for one in desk.account.said_in(ticket["id"]) if "bilaga-welcome" in str(one))
    link = next(part for part in note["body"].split('"') if "/u/" in part)
    service.secrets.add(link.rpartition("/")[2])
    path = "/u/" + link.rpartition("/")[2]
    sent = ask.post(path, form=Form.of(("log.txt", b"hum")), headers={"Accept": "application/json"})
    assert sent.status == 201, sent.body
    until(lambda: written(desk, ticket["id"], "bilaga-files-"))


def test_commands_tell_how_it_is_and_a_deletion_arrives(service: Service, desk: Freshdesk) -> None:
    assert "ok" in service.cli("connector", "test", "fresh")
    ticket = desk.account.create_ticket({"email": "ove@example.com", "name": "Ove", "subject": "It rattles"})
    report = json.loads(service.cli("connector", "sync", "fresh", "--full", "--json"))
    assert (report["trouble"], report["refused"]) == (None, [])
    assert report["seen"] >= 1
    assert "as of" in service.cli("connector", "list")
    desk.account.delete_ticket(ticket["id"])
    service.cli("connector", "sync", "fresh", "--full")
    with service.site() as site:
        known = site.records.read(lambda unit: unit.tickets.by_source("fresh", str(ticket["id"])))
    assert known is not None
    assert known.standing == "trashed"
    text = service.as_("admin").get("/metrics").text
    assert 'bilaga_connector_read_age_seconds{connector="fresh"}' in text
