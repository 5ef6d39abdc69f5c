from __future__ import annotations

from dataclasses import replace

from domain.actor import EVERYTHING, Role
from domain.ids import GrantId, LinkId, PrincipalId
from domain.link import Terms
from storage.records import Credential, CredentialKind, Ended, Principal, Records
from tests.contract.records.given import (
    HOUR,
    T0,
    TICK,
    a_download_link,
    a_grant,
    a_ticket,
    an_attachment,
    an_upload_link,
    digest,
    number,
)

AGENT = Principal(PrincipalId(number(1)), Role.AGENT, None, b"agent", T0, None)


def test_what_may_have_been_used_up_since_a_backup_ends(records: Records):
    expired = replace(a_download_link(5), terms=Terms(expires_at=T0, max_downloads=1))

    def begin(unit):
        unit.tickets.put(a_ticket(1))
        unit.attachments.add(an_attachment(1))
        unit.links.add(an_upload_link(1), digest("upload"))
        unit.links.add(a_download_link(2), digest("counted"))
        unit.links.add(a_download_link(3, max_downloads=None), digest("free"))
        unit.links.add(a_download_link(4), digest("revoked"))
        unit.links.revoke(LinkId(number(4)), at=T0)
        unit.links.add(expired, digest("expired"))
        unit.grants.add(a_grant(1, link=2), digest("grant"))
        unit.grants.add(a_grant(2, link=3), digest("free grant"))
        unit.codes.put(LinkId(number(3)), digest=digest("code"), expires_at=T0 + HOUR, tries=3, sent_at=T0)
        unit.access.add_principal(AGENT)
        for kind in CredentialKind:
            unit.access.add_credential(Credential(kind, AGENT, T0, T0 + HOUR, None, digest(kind)))

    records.write(begin)
    assert records.write(lambda unit: unit.restores.end_all(at=T0)) == Ended(sessions=2, grants=2, links=1)
    assert records.write(lambda unit: unit.restores.end_all(at=T0 + TICK)) == Ended(sessions=0, grants=0, links=0)

    def revoked(unit):
        return [unit.links.get(LinkId(number(n)), EVERYTHING).revoked_at for n in range(1, 6)]

    assert records.read(revoked) == [None, T0, None, T0, None]
    assert not records.write(lambda unit: unit.grants.spend(GrantId(number(2)), size=1, now=T0))
    assert not records.write(lambda unit: unit.codes.redeem(LinkId(number(3)), digest=digest("code"), now=T0))

    def alive(unit):
        return [kind for kind in CredentialKind if unit.access.credential(digest(kind), now=T0) is not None]

    assert records.read(alive) == [CredentialKind.API_KEY]
