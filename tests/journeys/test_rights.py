"""Who may what (contract): every route of the API × every role × what belongs to somebody else, and every refusal is
in the audit log (S-59)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.journeys.kept import kept
from tests.journeys.service import Answer, Form, Service
from web import api_routes

API = "/api/v1"
ROLES = ("agent", "admin", "auditor", "connector", "contact", "stranger")
"""``stranger``: a contact of another organisation."""

# Route: what agent, admin, auditor, connector, the organisation's own contact and another's contact are answered.
TABLE: dict[str, tuple[int, int, int, int, int, int]] = {
    # send a file to a ticket
    "POST /tickets/{ref}/attachments": (201, 201, 403, 201, 201, 404),
    "PUT /tickets/{ref}/attachments/{filename}": (201, 201, 403, 201, 201, 404),
    # read a ticket's files
    "GET /attachments/{id}/content": (200, 403, 403, 403, 200, 404),
    "HEAD /attachments/{id}/content": (200, 403, 403, 403, 200, 404),
    "GET /tickets/{ref}/attachments.zip": (200, 403, 403, 403, 200, 404),
    # what there is: names and numbers, no content
    "GET /tickets": (200, 200, 200, 200, 200, 200),
    "GET /tickets/{ref}": (200, 200, 200, 200, 200, 404),
    "GET /tickets/{ref}/attachments": (200, 200, 200, 200, 200, 404),
    "GET /attachments/{id}": (200, 200, 200, 200, 200, 404),
    "GET /attachments/{id}/retention": (200, 200, 200, 200, 200, 404),
    "GET /retention/due": (200, 200, 200, 200, 200, 200),
    "GET /organisations": (200, 200, 200, 200, 200, 200),
    "GET /organisations/{ref}": (200, 200, 200, 200, 200, 404),
    "GET /me": (200, 200, 200, 200, 200, 200),
    # make or revoke links
    "POST /tickets/{ref}/upload-links": (201, 403, 403, 201, 201, 404),
    "POST /attachments/{id}/download-links": (201, 403, 403, 201, 201, 404),
    "GET /tickets/{ref}/links": (200, 200, 403, 200, 200, 404),
    "DELETE /links/{id}": (204, 204, 403, 204, 204, 404),
    # hold, purge, keys, policy; ticket and contract facts
    "PUT /tickets/{ref}": (200, 200, 403, 200, 403, 403),
    "PUT /organisations/{ref}": (403, 200, 403, 200, 403, 403),
    "PUT /tickets/{ref}/hold": (403, 201, 403, 403, 403, 403),
    "DELETE /tickets/{ref}/hold": (403, 204, 403, 403, 403, 403),
    "PUT /organisations/{ref}/hold": (403, 201, 403, 403, 403, 403),
    "DELETE /organisations/{ref}/hold": (403, 204, 403, 403, 403, 403),
    "DELETE /attachments/{id}": (403, 204, 403, 403, 403, 403),
    "POST /retention/purge": (403, 200, 403, 403, 403, 403),
    "GET /holds": (403, 200, 200, 403, 403, 403),
    "GET /retention/policy": (403, 200, 200, 403, 403, 403),
    "POST /retention/policy/confirm": (403, 409, 403, 403, 403, 403),
    # data subjects
    "POST /subjects/export": (403, 200, 403, 403, 403, 403),
    "POST /subjects/erase": (403, 200, 403, 403, 403, 403),
    # audit log, certificates
    "GET /audit": (200, 200, 200, 403, 403, 403),
    "GET /certificates/{id}": (403, 200, 200, 403, 403, 403),
}
BODIES: dict[str, Any] = {
    "PUT /tickets/{ref}": {"status": "open"},
    "PUT /organisations/{ref}": {"name": "Bolaget"},
    "PUT /tickets/{ref}/hold": {"reason": "tvist"},
    "DELETE /tickets/{ref}/hold": {"reason": "över"},
    "PUT /organisations/{ref}/hold": {"reason": "tvist"},
    "DELETE /organisations/{ref}/hold": {"reason": "över"},
    "POST /tickets/{ref}/upload-links": {},
    "POST /attachments/{id}/download-links": {},
    "POST /retention/purge": {"dry_run": True},
    "POST /retention/policy/confirm": {"proposal": "none"},
    "POST /subjects/export": {"email": "nobody@example.com"},
    "POST /subjects/erase": {"email": "nobody@example.com"},
}


@dataclass
class World:
    service: Service
    numbers: Iterator[int]

    def target(self, route: str) -> dict[str, str]:
        """A thing of its own for each try, all of the organisation ``own`` or of one of its kind."""
        number = next(self.numbers)
        service, admin = self.service, self.service.as_("admin")
        organisation = "own"
        if "/organisations/{ref}/hold" in route:
            organisation = f"own-{number}"
        ref = f"R-{number}"
        made: dict[str, str] = {"ref": ref, "filename": "a.txt"}
        assert admin.put(f"{API}/organisations/{organisation}", json_body={}).status in {200, 201}
        service.put_ticket(ref, organisation=organisation)
        if "organisations" in route:
            made["ref"] = organisation
        if "attachments" in route or "certificates" in route or "links" in route:
            made["id"] = service.attach(ref)
        if route == "DELETE /links/{id}":
            answer = service.as_("agent").post(f"{API}/tickets/{ref}/upload-links", json_body={})
            made["id"] = answer.json()["id"]
        if route == "GET /certificates/{id}":
            answer = admin.delete(f"{API}/attachments/{made['id']}")
            made["id"] = answer.headers["Location"].rsplit("/", 1)[1]
        if route.startswith("DELETE") and route.endswith("/hold"):
            what = "organisations" if "organisations" in route else "tickets"
            assert admin.put(f"{API}/{what}/{made['ref']}/hold", json_body={"reason": "tvist"}).status == 201
        return made

    def ask(self, client: Any, route: str, target: dict[str, str]) -> Answer:
        method, path = route.split(" ", 1)
        address = API + path.format(**target)
        if route.startswith("POST /tickets/{ref}/attachments"):
            return client.post(address, form=Form.of(("a.txt", b"hej")))
        if "{filename}" in route:
            return client.put(address, body=b"hej")
        return client(method, address, json_body=BODIES.get(route))

    def client(self, role: str) -> Any:
        if role == "stranger":
            return self.service.as_("contact", "other")
        return self.service.as_(role, "own" if role == "contact" else None)

    def refusals(self) -> list[dict[str, Any]]:
        """All entries of the log that say somebody was refused."""
        from storage import JournalFilter

        with self.service.site() as site:
            what = JournalFilter(kind="access.refused")
            found = site.records.read(lambda unit: unit.journal.find(what, before=None, limit=2000))
        return [json.loads(entry.body) for entry in reversed(found)]


@pytest.fixture(scope="module")
def world(service: Service) -> World:
    for organisation in ("own", "other"):
        answer = service.as_("admin").put(f"{API}/organisations/{organisation}", json_body={})
        assert answer.status == 201
    world = World(service, iter(range(1, 10_000)))
    for role in ROLES:
        world.client(role)
    return world


def test_the_table_names_every_route_there_is() -> None:
    assert TABLE.keys() == {route.name for route in api_routes()}


@pytest.mark.parametrize("route", TABLE)
def test_each_role_gets_what_the_contract_says(world: World, route: str) -> None:
    for role, wanted in zip(ROLES, TABLE[route], strict=True):
        target = world.target(route)
        client = world.client(role)
        before, refused = kept(world.service.data), world.refusals()
        answer = world.ask(client, route, target)
        assert answer.status == wanted, (role, answer.status, answer.body)
        if wanted in {403, 404}:
            assert route.startswith("HEAD") or answer.problem == {403: "forbidden", 404: "not-found"}[wanted], role
            assert kept(world.service.data) == before, role
            (new,) = world.refusals()[len(refused) :]
            assert new["facts"] == {"route": route, "problem": "forbidden" if wanted == 403 else "not-found"}, role
            assert new["actor"]["role"] == ("contact" if role == "stranger" else role)


@pytest.mark.parametrize("route", TABLE)
def test_nobody_gets_anywhere_without_a_credential(world: World, route: str) -> None:
    target = {"ref": "R-1", "id": "x", "filename": "a.txt"}
    before = kept(world.service.data)
    answer = world.ask(world.service.anyone, route, target)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert kept(world.service.data) == before


def test_lists_hold_an_organisations_own_things_only(world: World) -> None:
    service = world.service
    world.target("GET /tickets")
    own, other = world.client("contact"), world.client("stranger")
    assert {ticket["organisation"] for ticket in own.get(f"{API}/tickets?limit=200").json()["tickets"]} == {"own"}
    assert {ticket["organisation"] for ticket in other.get(f"{API}/tickets?limit=200").json()["tickets"]} <= {"other"}
    assert other.get(f"{API}/tickets?organisation=own").json()["tickets"] == []
    assert [one["ref"] for one in own.get(f"{API}/organisations").json()["organisations"]] == ["own"]
    assert other.get(f"{API}/retention/due?before=2199-01-01T00:00:00Z").json()["due"] == []
    assert service.as_("agent").get(f"{API}/audit").status == 200


def test_an_agent_reads_its_own_acts_only_whatever_it_asks_for(world: World) -> None:
    agent = world.client("agent")
    world.service.put_ticket("R-mine")
    me = agent.get(f"{API}/me").json()["id"]
    for query in ("", "&principal=somebody", "&kind=credential.made"):
        entries = agent.get(f"{API}/audit?limit=200{query}").json()["entries"]
        assert {one["entry"]["actor"]["principal_id"] for one in entries} == (set() if "kind" in query else {me}), query


def test_rights_follow_the_ticket_when_it_moves(world: World) -> None:
    """S-52, S-60: what a contact could read yesterday is private once the ticket is another customer's."""
    target = world.target("GET /attachments/{id}/content")
    address = f"{API}/attachments/{target['id']}/content"
    assert world.client("contact").get(address).status == 200
    assert world.service.as_("admin").put(f"{API}/organisations/third", json_body={}).status == 201
    world.service.put_ticket(target["ref"], organisation="third")
    assert world.client("contact").get(address).status == 404
    assert world.service.as_("contact", "third").get(address).status == 200


def test_a_disabled_key_is_refused_at_once(world: World) -> None:
    from domain.actor import SYSTEM, Role

    with world.service.site() as site:
        made = site.records.write(lambda unit: site.people.make_key(unit, SYSTEM, Role.AGENT, "Slutar idag"))
    world.service.secrets.add(made.token)
    bearer = {"Authorization": f"Bearer {made.token}"}
    assert world.service.anyone.get(f"{API}/me", headers=bearer).status == 200
    world.service.cli("apikey", "revoke", made.principal.id)
    assert world.service.anyone.get(f"{API}/me", headers=bearer).status == 401


def test_what_the_site_adds_by_policy_is_given_and_nothing_else(tmp_path) -> None:
    policy = {"POLICY__AGENT": "place-hold,erase-file", "POLICY__ADMIN": "read-file"}
    service = Service(tmp_path, **policy).start()
    try:
        service.put_ticket("P-1")
        attachment = service.attach("P-1")
        agent, admin = service.as_("agent"), service.as_("admin")
        assert admin.get(f"{API}/attachments/{attachment}/content").body == b"hej"
        assert agent.put(f"{API}/tickets/P-1/hold", json_body={"reason": "x"}).status == 201
        assert agent.delete(f"{API}/attachments/{attachment}").problem == "state-conflict"
        assert agent.delete(f"{API}/tickets/P-1/hold").problem == "forbidden"
        assert admin.delete(f"{API}/tickets/P-1/hold").status == 204
        assert agent.delete(f"{API}/attachments/{attachment}").status == 204
        assert agent.post(f"{API}/retention/purge", json_body={}).problem == "forbidden"
        assert service.as_("auditor").get(f"{API}/attachments/{attachment}/content").problem == "forbidden"
    finally:
        service.stop()


def test_a_files_name_and_digest_are_shown_to_those_alone_who_may_read_it(world: World) -> None:
    target = world.target("GET /attachments/{id}")
    for role in ("agent", "contact", "auditor", "admin", "connector"):
        client = world.client(role)
        listed = client.get(f"{API}/tickets/{target['ref']}/attachments").json()["attachments"]
        one = client.get(f"{API}/attachments/{target['id']}").json()
        assert listed == [one], role
        assert (one["name"] is None, one["sha256"] is None) == ((role not in {"agent", "contact"},) * 2), role
        assert (one["id"], one["size"], one["state"]) == (target["id"], listed[0]["size"], "available"), role
