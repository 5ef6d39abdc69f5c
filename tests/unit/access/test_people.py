"""Principals: made with one token, signed in once, and out for good."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

from access import Made, People
from crypto import TokenPurpose, is_token, token_digest
from domain.actor import SYSTEM, Role
from domain.errors import BadInput, LinkUnknown, NotFound
from domain.ids import OrganisationId
from domain.ticket import Organisation
from storage import Credential
from tests.small_site import START, SmallSite


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SmallSite]:
    site = SmallSite(tmp_path)
    yield site
    site.close()


@pytest.fixture
def people(site: SmallSite) -> People:
    secret = site.ring.secret("people")
    return People(site.log, site.clock, secret, idle=timedelta(minutes=30), longest=timedelta(hours=12))


def credential(site: SmallSite, token: str) -> Credential | None:
    return site.records.read(lambda unit: unit.access.credential(token_digest(token), now=site.clock()))


def sign_in(site: SmallSite, people: People, role: Role = Role.AGENT) -> Made:
    link = site.records.write(lambda unit: people.make_sign_in(unit, SYSTEM, role, "Åsa"))
    return site.records.write(lambda unit: people.sign_in(unit, link.token))


def test_a_key_proves_its_principal_until_that_is_disabled(site: SmallSite, people: People) -> None:
    made = site.records.write(lambda unit: people.make_key(unit, SYSTEM, Role.AGENT, "Åsa"))
    assert is_token(TokenPurpose.API_KEY, made.token)
    found = credential(site, made.token)
    assert found is not None
    assert found.principal == made.principal
    assert people.name(made.principal) == "Åsa"
    site.records.write(lambda unit: people.disable(unit, SYSTEM, made.principal.id))
    assert credential(site, made.token) is None
    with pytest.raises(NotFound):
        site.records.write(lambda unit: people.disable(unit, SYSTEM, made.principal.id))


def test_a_name_is_not_in_the_rows(site: SmallSite, people: People) -> None:
    made = site.records.write(lambda unit: people.make_key(unit, SYSTEM, Role.AGENT, "Åsa Öberg"))
    assert "Öberg".encode() not in made.principal.name_sealed


def test_a_contact_has_an_organisation_and_nobody_else_has(site: SmallSite, people: People) -> None:
    acme = Organisation(OrganisationId("o1"), "acme", None, None, START, START)
    site.records.write(lambda unit: unit.organisations.put(acme))
    made = site.records.write(lambda unit: people.make_key(unit, SYSTEM, Role.CONTACT, "Bo", organisation_ref="acme"))
    assert made.principal.organisation_id == acme.id
    with pytest.raises(BadInput):
        site.records.write(lambda unit: people.make_key(unit, SYSTEM, Role.CONTACT, "Bo"))
    with pytest.raises(BadInput):
        site.records.write(lambda unit: people.make_key(unit, SYSTEM, Role.AGENT, "Bo", organisation_ref="acme"))
    with pytest.raises(NotFound):
        site.records.write(lambda unit: people.make_key(unit, SYSTEM, Role.CONTACT, "Bo", organisation_ref="no"))


@pytest.mark.parametrize("role", [Role.REQUESTER, Role.SYSTEM])
def test_some_roles_are_given_to_nobody(site: SmallSite, people: People, role: Role) -> None:
    with pytest.raises(BadInput):
        site.records.write(lambda unit: people.make_key(unit, SYSTEM, role, "x"))
    with pytest.raises(BadInput):
        site.records.write(lambda unit: people.make_sign_in(unit, SYSTEM, role, "x"))


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
def test_a_name_is_one_short_line(site: SmallSite, people: People, name: str) -> None:
    with pytest.raises(BadInput):
        site.records.write(lambda unit: people.make_key(unit, SYSTEM, Role.AGENT, name))


def test_of_many_who_sign_in_with_one_link_one_gets_in(site: SmallSite, people: People) -> None:
    link = site.records.write(lambda unit: people.make_sign_in(unit, SYSTEM, Role.ADMIN, "first"))
    got: list[Made] = []

    def attempt() -> None:
        with contextlib.suppress(LinkUnknown):
            got.append(site.records.write(lambda unit: people.sign_in(unit, link.token)))

    threads = [Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    assert credential(site, got[0].token) is not None


def test_a_sign_in_link_is_over_after_a_day(site: SmallSite, people: People) -> None:
    link = site.records.write(lambda unit: people.make_sign_in(unit, SYSTEM, Role.AGENT, "late"))
    assert site.records.read(lambda unit: people.knows(unit, link.token))
    site.clock.go(hours=24)
    assert not site.records.read(lambda unit: people.knows(unit, link.token))
    with pytest.raises(LinkUnknown):
        site.records.write(lambda unit: people.sign_in(unit, link.token))


def test_a_key_is_no_sign_in_link(site: SmallSite, people: People) -> None:
    made = site.records.write(lambda unit: people.make_key(unit, SYSTEM, Role.AGENT, "Åsa"))
    with pytest.raises(LinkUnknown):
        site.records.write(lambda unit: people.sign_in(unit, made.token))
    assert credential(site, made.token) is not None


def test_a_session_ends_unused_and_at_the_latest_after_its_longest(site: SmallSite, people: People) -> None:
    session = sign_in(site, people)
    for _ in range(24):
        site.clock.go(minutes=29)
        found = credential(site, session.token)
        assert found is not None
        site.records.write(lambda unit, found=found: people.stay(unit, found))  # type: ignore[misc]
    site.clock.go(minutes=25)
    assert credential(site, session.token) is None
    idle = sign_in(site, people)
    site.clock.go(minutes=30)
    assert credential(site, idle.token) is None


def test_signing_out_ends_the_session(site: SmallSite, people: People) -> None:
    session = sign_in(site, people)
    found = credential(site, session.token)
    assert found is not None
    site.records.write(lambda unit: people.sign_out(unit, found, SYSTEM))
    assert credential(site, session.token) is None
