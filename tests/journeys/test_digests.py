"""Digest fields on every way in: what does not match is not kept, and what is wanted is told (RFC 9530)."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.journeys.service import Form, Service

SMALL, LARGE = b"hej", b"0123456789abcdef" * 40_000


@pytest.fixture(scope="module")
def link(service: Service) -> str:
    service.put_ticket("R-1")
    return service.upload_link("R-1", max_files=1000)


def field(algorithm: str, content: bytes) -> str:
    digest = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{base64.b64encode(digest).decode()}:"


def files(service: Service) -> int:
    return len(service.as_("agent").get("/api/v1/tickets/R-1/attachments").json()["attachments"])


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("name", ["Content-Digest", "Repr-Digest"])
@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
def test_a_file_that_is_what_it_says_is_taken_and_another_is_not(service, link, content, name, algorithm):
    right = service.anyone.put(f"{link}/put/a.txt", body=content, headers={name: field(algorithm, content)})
    assert right.status == 201, right.body
    before = files(service)
    wrong = service.anyone.put(f"{link}/put/a.txt", body=content, headers={name: field(algorithm, content + b"!")})
    assert (wrong.status, wrong.problem) == (460, "checksum-mismatch")
    assert files(service) == before


def test_agents_and_forms_are_held_to_it_as_well(service, link):
    where, agent = "/api/v1/tickets/R-1/attachments", service.as_("agent")
    wrong = {"Content-Digest": field("sha-256", b"other")}
    before = files(service)
    assert agent.put(f"{where}/a.txt", body=SMALL, headers=wrong).problem == "checksum-mismatch"
    assert service.anyone.post(link, form=Form.of(("a.txt", SMALL)), headers=wrong).problem == "checksum-mismatch"
    assert files(service) == before
    body = Form.of(("a.txt", SMALL)).encode()[1]
    right = {"Content-Digest": field("sha-256", body)}
    assert service.anyone.post(link, form=Form.of(("a.txt", SMALL)), headers=right).status == 201
    assert agent.put(f"{where}/a.txt", body=SMALL, headers={"Repr-Digest": field("sha-512", SMALL)}).status == 201


def test_a_malformed_digest_is_refused_before_the_body(service, link):
    answer = service.anyone.put(f"{link}/put/a.txt", body=SMALL, headers={"Content-Digest": "sha-256=abc"})
    assert (answer.status, answer.problem, answer.json()["field"]) == (400, "bad-request", "Content-Digest")


def test_digests_that_are_not_fit_are_passed_over(service, link):
    answer = service.anyone.put(f"{link}/put/a.txt", body=SMALL, headers={"Content-Digest": "md5=:AAAA:"})
    assert answer.status == 201


def test_whoever_wants_the_digest_is_told(service, link):
    answer = service.anyone.put(f"{link}/put/a.txt", body=SMALL, headers={"Want-Repr-Digest": "sha-256=5"})
    assert answer.headers["Repr-Digest"] == field("sha-256", SMALL)
    assert "Repr-Digest" not in service.anyone.put(f"{link}/put/a.txt", body=SMALL).headers
