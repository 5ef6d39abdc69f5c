from __future__ import annotations

from dataclasses import replace

import pytest

from domain.actor import Role
from domain.ids import OrganisationId, PrincipalId
from storage.records import Credential, CredentialKind, Principal, Records
from tests.contract.records.given import HOUR, T0, TICK, an_organisation, at_once, digest, number

AGENT = Principal(
    id=PrincipalId(number(1)),
    role=Role.AGENT,
    organisation_id=None,
    name_sealed=b"agent",
    created_at=T0,
    disabled_at=None,
)
CONTACT = Principal(
    id=PrincipalId(number(2)),
    role=Role.CONTACT,
    organisation_id=OrganisationId(number(1)),
    name_sealed=b"contact",
    created_at=T0,
    disabled_at=None,
)
KEY = Credential(
    kind=CredentialKind.API_KEY,
    principal=CONTACT,
    created_at=T0,
    expires_at=None,
    idle_at=None,
    digest=digest("key"),
)
SIGN_IN = replace(KEY, kind=CredentialKind.SIGN_IN, principal=AGENT, expires_at=T0 + HOUR, digest=digest("sign-in"))
SESSION = replace(
    KEY,
    kind=CredentialKind.SESSION,
    principal=AGENT,
    expires_at=T0 + 12 * HOUR,
    idle_at=T0 + HOUR,
    digest=digest("session"),
)


@pytest.fixture
def stored(records: Records) -> Records:
    """An agent with a sign-in link and a session, a contact with an API key."""

    def begin(unit):
        unit.organisations.put(an_organisation(1))
        for principal in (AGENT, CONTACT):
            unit.access.add_principal(principal)
        for credential in (KEY, SIGN_IN, SESSION):
            unit.access.add_credential(credential)

    records.write(begin)
    return records


def credential(records: Records, of: Credential, now=T0) -> Credential | None:
    return records.read(lambda unit: unit.access.credential(of.digest, now=now))


def test_principals_come_in_pages(stored):
    assert stored.read(lambda unit: unit.access.principals(after=None, limit=10)) == [AGENT, CONTACT]
    assert stored.read(lambda unit: unit.access.principals(after=None, limit=1)) == [AGENT]
    assert stored.read(lambda unit: unit.access.principals(after=AGENT.id, limit=10)) == [CONTACT]


def test_a_credential_comes_back_with_its_principal(stored):
    assert credential(stored, KEY) == KEY
    assert credential(stored, SESSION) == SESSION
    assert stored.read(lambda unit: unit.access.credential(digest("other"), now=T0)) is None


def test_a_key_without_an_end_has_none(stored):
    assert credential(stored, KEY, now=T0 + 100_000 * HOUR) == KEY


def test_an_expired_credential_is_not_in_force(stored):
    assert credential(stored, SIGN_IN, now=T0 + HOUR - TICK) == SIGN_IN
    assert credential(stored, SIGN_IN, now=T0 + HOUR) is None


def test_a_session_nobody_used_is_over(stored):
    assert credential(stored, SESSION, now=T0 + HOUR - TICK) == SESSION
    assert credential(stored, SESSION, now=T0 + HOUR) is None


def test_use_puts_off_a_sessions_idle_end_but_not_its_last(stored):
    stored.write(lambda unit: unit.access.touch(SESSION.digest, idle_at=T0 + 20 * HOUR))
    assert credential(stored, SESSION, now=T0 + 2 * HOUR) == replace(SESSION, idle_at=T0 + 20 * HOUR)
    assert credential(stored, SESSION, now=T0 + 12 * HOUR) is None


def test_an_older_use_never_brings_the_idle_end_nearer(stored):
    stored.write(lambda unit: unit.access.touch(SESSION.digest, idle_at=T0 + TICK))
    assert credential(stored, SESSION) == SESSION


def test_touching_a_key_gives_it_no_idle_end(stored):
    stored.write(lambda unit: unit.access.touch(KEY.digest, idle_at=T0 + HOUR))
    assert credential(stored, KEY) == KEY


def test_a_sign_in_is_consumed_once(stored):
    assert stored.write(lambda unit: unit.access.consume(SIGN_IN.digest, now=T0)) == SIGN_IN
    assert stored.write(lambda unit: unit.access.consume(SIGN_IN.digest, now=T0)) is None


def test_an_expired_sign_in_is_not_consumed(stored):
    assert stored.write(lambda unit: unit.access.consume(SIGN_IN.digest, now=T0 + HOUR)) is None


def test_of_many_tries_at_once_one_consumes(stored):
    got = at_once(16, lambda _: stored.write(lambda unit: unit.access.consume(SIGN_IN.digest, now=T0)))
    assert [one for one in got if one is not None] == [SIGN_IN]


def test_disabling_ends_a_principal_and_all_its_credentials(stored):
    assert stored.write(lambda unit: unit.access.disable(AGENT.id, at=T0 + TICK)) is True
    assert stored.write(lambda unit: unit.access.disable(AGENT.id, at=T0 + HOUR)) is False
    assert credential(stored, SESSION) is None
    assert stored.write(lambda unit: unit.access.consume(SIGN_IN.digest, now=T0)) is None
    assert stored.write(lambda unit: unit.access.end(SESSION.digest)) is False
    assert credential(stored, KEY) == KEY
    assert stored.read(lambda unit: unit.access.principals(after=None, limit=1)) == [
        replace(AGENT, disabled_at=T0 + TICK)
    ]


def test_a_credential_made_for_a_disabled_principal_is_never_in_force(stored):
    late = replace(SESSION, digest=digest("late"))
    stored.write(lambda unit: unit.access.disable(AGENT.id, at=T0))
    stored.write(lambda unit: unit.access.add_credential(late))
    assert credential(stored, late) is None
    assert stored.write(lambda unit: unit.access.consume(late.digest, now=T0)) is None


def test_signing_out_ends_that_session_alone(stored):
    assert stored.write(lambda unit: unit.access.end(SESSION.digest)) is True
    assert stored.write(lambda unit: unit.access.end(SESSION.digest)) is False
    assert credential(stored, SESSION) is None
    assert credential(stored, SIGN_IN) == SIGN_IN


def test_a_new_credential_carries_out_the_dead_ones(stored):
    new = replace(KEY, created_at=T0 + HOUR, digest=digest("new"))
    stored.write(lambda unit: unit.access.add_credential(new))
    # Asked for an instant at which they were in force: they are not hidden, they are gone.
    assert credential(stored, SIGN_IN) is None
    assert credential(stored, SESSION) is None
    assert credential(stored, KEY) == KEY
