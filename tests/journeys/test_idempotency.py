"""Retry safety (S-4): the same key and body get the first answer again, and nothing happens twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from domain.attachment import AttachmentState
from tests.journeys.kept import kept
from tests.journeys.nodes import until
from tests.journeys.service import Form, Service

LINKS = "/api/v1/tickets/I-1/upload-links"
ATTACHMENTS = "/api/v1/tickets/I-1/attachments"
NUMBERS = iter(range(10_000))


@pytest.fixture
def key() -> dict[str, str]:
    return {"Idempotency-Key": f"key-{next(NUMBERS)}"}


@pytest.fixture(scope="module", autouse=True)
def ticket(service: Service) -> None:
    service.put_ticket("I-1")


def test_json_is_answered_the_same_and_done_once(service: Service, key) -> None:
    agent = service.as_("agent")
    first = agent.post(LINKS, json_body={"max_files": 3}, headers=key)
    before = kept(service.data)
    again = agent.post(LINKS, json_body={"max_files": 3}, headers=key)
    assert (again.status, again.body) == (first.status, first.body) == (201, first.body)
    assert kept(service.data) == before
    assert service.anyone.get(again.json()["url"]).status == 200


def test_another_body_under_the_same_key_is_refused(service: Service, key) -> None:
    agent = service.as_("agent")
    assert agent.post(LINKS, json_body={"max_files": 3}, headers=key).status == 201
    before = kept(service.data)
    other = agent.post(LINKS, json_body={"max_files": 4}, headers=key)
    assert (other.status, other.problem) == (422, "idempotency-conflict")
    assert kept(service.data) == before


def test_the_same_key_of_another_caller_or_on_another_address_is_another_key(service: Service, key) -> None:
    service.put_ticket("I-2")
    agent, connector = service.as_("agent"), service.as_("connector")
    urls = {
        client.post(address, json_body={}, headers=key).json()["url"]
        for client in (agent, connector)
        for address in (LINKS, LINKS.replace("I-1", "I-2"))
    }
    assert len(urls) == 4


def test_a_refused_request_frees_its_key(service: Service, key) -> None:
    agent = service.as_("agent")
    assert agent.post(LINKS, json_body={"max_files": 0}, headers=key).status == 400
    assert agent.post(LINKS, json_body={"max_files": 1}, headers=key).status == 201


@pytest.mark.parametrize("way", ["form by link", "stream by link", "form by agent", "stream by agent"])
def test_an_upload_is_taken_once_by_every_way_in(service: Service, key, way: str) -> None:
    link = service.upload_link("I-1")

    def send(content: bytes):
        sender = service.anyone if "link" in way else service.as_("agent")
        if "form" in way:
            address = link if "link" in way else ATTACHMENTS
            return sender.post(address, form=Form.of(("a.txt", content), ("b.txt", b"same")), headers=key)
        return sender.put(f"{link}/put/a.txt" if "link" in way else f"{ATTACHMENTS}/a.txt", body=content, headers=key)

    first = send(b"one" * 50_000)
    assert first.status == 201
    before = kept(service.data)
    again, other = send(b"one" * 50_000), send(b"two" * 50_000)
    assert (again.status, again.body) == (201, first.body)
    assert (other.status, other.problem) == (422, "idempotency-conflict")
    assert kept(service.data) == before


def test_a_link_for_one_file_answers_the_retry_that_filled_it(service: Service, key) -> None:
    """The very case that retries are for: the answer was lost, and the link is full since."""
    link = service.upload_link("I-1", max_files=1)
    first = service.anyone.put(f"{link}/put/a.txt", body=b"only", headers=key)
    again = service.anyone.put(f"{link}/put/a.txt", body=b"only", headers=key)
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert service.anyone.put(f"{link}/put/a.txt", body=b"only").problem == "too-many"


def test_an_answer_of_the_past_is_none_for_a_revoked_key(service: Service, key) -> None:
    with service.site() as site:
        from domain.actor import SYSTEM, Role

        made = site.records.write(lambda unit: site.people.make_key(unit, SYSTEM, Role.AGENT, "Kort gäst"))
    service.secrets.add(made.token)
    bearer = {"Authorization": f"Bearer {made.token}"}
    assert service.anyone.post(LINKS, json_body={}, headers=key | bearer).status == 201
    service.cli("apikey", "revoke", made.principal.id)
    assert service.anyone.post(LINKS, json_body={}, headers=key | bearer).problem == "login-required"


def receiving(service: Service) -> bool:
    """Whether an upload has begun: its key is taken by then."""
    with service.site() as site:
        return bool(site.records.read(lambda unit: unit.inventory.in_states({AttachmentState.RECEIVING}, limit=1)))


def test_a_key_that_is_still_running_is_refused_and_harms_nothing(service: Service, key) -> None:
    link = service.upload_link("I-1")
    go_on, answers = threading.Event(), []

    def slow() -> Iterator[bytes]:
        yield b"first half, "
        assert go_on.wait(20)
        yield b"second half"

    def send() -> None:
        answers.append(service.anyone.put(f"{link}/put/a.txt", body=slow(), headers=key))

    running = threading.Thread(target=send)
    running.start()
    until(lambda: receiving(service), 20)
    meanwhile = service.anyone.put(f"{link}/put/a.txt", body=b"first half, second half", headers=key)
    assert (meanwhile.status, meanwhile.problem) == (409, "state-conflict")
    go_on.set()
    running.join(20)
    assert [answer.status for answer in answers] == [201]
    after = service.anyone.put(f"{link}/put/a.txt", body=b"first half, second half", headers=key)
    assert (after.status, after.body) == (201, answers[0].body)


def test_an_upload_that_broke_off_frees_its_key(service: Service, key) -> None:
    link = service.upload_link("I-1")
    before = kept(service.data)
    wire = service.wire()
    path = service.path(link)
    wire.sendall(
        f"PUT {path}/put/a.txt HTTP/1.1\r\nHost: {service.url[7:]}\r\nContent-Length: 1000\r\n"
        f"Idempotency-Key: {key['Idempotency-Key']}\r\n\r\nonly a part".encode()
    )
    wire.close()
    answer = None
    for _ in range(100):
        answer = service.anyone.put(f"{link}/put/a.txt", body=b"all of it", headers=key)
        if answer.status == 201:
            break
        assert answer.status == 409
    assert answer.status == 201
    new = {name: size for name, size in kept(service.data)["blobs"].items() if name not in before["blobs"]}
    assert len(new) == 1, "of the part that came first, nothing is left"
