"""One attachment, erased now: by right, by its requester, and never under a hold."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from domain.actor import SYSTEM, Action, Actor, Role
from domain.attachment import AttachmentState
from domain.errors import (
    AlreadyPurged,
    BlobsUnavailable,
    NotAllowed,
    NotFound,
    UnderHold,
)
from domain.event import EventKind
from domain.ids import AttachmentId, CertificateId, PrincipalId
from retention import Reason, find_certificate
from storage.blobs.file import FileBlobStore
from tests.small_site import Crash
from tests.unit.retention.purged import ADMIN, certificates, due, gone, key_of


# -- one by one --------------------------------------------------------------------------------------------------------
def test_an_admin_erases_now_and_gets_the_certificate(site):
    attachment = site.send(site.put("T-1"))
    certificate = site.purge.erase(ADMIN, attachment.id, Reason.ERASED)
    assert gone(site, attachment)["reason"] == "erased"
    found = site.records.read(lambda unit: find_certificate(unit, ADMIN, certificate.id))
    assert json.loads(found.document)["certificate_id"] == certificate.id
    with pytest.raises(AlreadyPurged):
        site.purge.erase(ADMIN, attachment.id, Reason.ERASED)
    assert len(certificates(site)) == 1


def test_an_agent_reads_the_certificate_of_its_own_act_and_of_no_other(site):
    may_erase = frozenset({Action.ERASE_FILE})
    agent, other = (Actor(Role.AGENT, PrincipalId(name), granted=may_erase) for name in ("agent-1", "agent-2"))
    attachment = site.send(site.put("T-1"))
    certificate = site.purge.erase(agent, attachment.id, Reason.ERASED)
    assert site.records.read(lambda unit: find_certificate(unit, agent, certificate.id)) == certificate
    for actor in (other, Actor(Role.CONTACT, PrincipalId("agent-1")), Actor(Role.CONNECTOR, PrincipalId("agent-1"))):
        with pytest.raises(NotAllowed):
            site.records.read(lambda unit, actor=actor: find_certificate(unit, actor, certificate.id))
    with pytest.raises(NotAllowed):  # whether there is one is not theirs to know
        site.records.read(lambda unit: find_certificate(unit, agent, CertificateId("unknown")))


def test_a_requester_takes_back_a_file_of_its_own_ticket_only(site):
    mine, other = site.send(site.put("T-1")), site.send(site.put("T-2"))
    requester = Actor(Role.REQUESTER, ticket_id=mine.ticket_id)
    with pytest.raises(NotFound):
        site.purge.erase(requester, other.id, Reason.WITHDRAWN)
    with pytest.raises(NotAllowed):
        site.purge.erase(requester, mine.id, Reason.ERASED)
    site.purge.erase(requester, mine.id, Reason.WITHDRAWN)
    assert gone(site, mine)["reason"] == "withdrawn"
    assert site.state(other) == other


def test_a_hold_refuses_erasure_and_the_log_has_the_try(site):
    attachment = site.send(site.put("T-1"))
    site.records.write(lambda unit: site.holds.place_on_ticket(unit, ADMIN, "T-1", "court", None))
    with pytest.raises(UnderHold):
        site.purge.erase(ADMIN, attachment.id, Reason.ERASED)
    assert site.state(attachment) == attachment
    assert site.events(EventKind.PURGE_FAILED, attachment.id)[0]["facts"] == {"code": "under-hold"}


@pytest.mark.parametrize("role", [Role.AGENT, Role.CONTACT, Role.AUDITOR, Role.CONNECTOR, Role.REQUESTER])
def test_who_may_not_erase_is_refused(site, role):
    attachment = site.send(site.put("T-1"))
    for reason in Reason:
        with pytest.raises(NotAllowed):
            site.purge.erase(Actor(role), attachment.id, reason)
    with pytest.raises(NotAllowed):
        site.purge.run(Actor(role))
    assert site.state(attachment) == attachment


def test_an_agent_erases_where_the_sites_policy_says_so(site):
    attachment = site.send(site.put("T-1"))
    site.purge.erase(Actor(Role.AGENT, granted=frozenset({Action.ERASE_FILE})), attachment.id, Reason.ERASED)
    gone(site, attachment)


def test_what_is_not_there_or_not_received_yet_is_not_found(site):
    with pytest.raises(NotFound):
        site.purge.erase(ADMIN, AttachmentId("none"), Reason.ERASED)
    attachment = site.send(site.put("T-1"))
    receiving = replace(site.state(attachment), state=AttachmentState.RECEIVING, version=2)
    site.records.write(lambda unit: unit.attachments.save(receiving))
    with pytest.raises(NotFound):
        site.purge.erase(ADMIN, attachment.id, Reason.ERASED)


def test_an_erasure_that_the_store_refused_is_finished_by_the_same_call(site):
    attachment = site.send(site.put("T-1"))
    site.blobs.failing.add(attachment.blob_id)
    with pytest.raises(BlobsUnavailable):
        site.purge.erase(ADMIN, attachment.id, Reason.ERASED)
    assert (site.state(attachment).state, key_of(site, attachment)) == (AttachmentState.PURGING, None)
    site.blobs.failing.clear()
    site.purge.erase(ADMIN, attachment.id, Reason.ERASED)
    assert gone(site, attachment)["reason"] == "erased"


def test_a_withdrawal_cut_off_by_a_crash_is_finished_by_the_run_with_its_own_reason(site):
    attachment = site.send(site.put("T-1"))
    site.steps.at = ("key-destroyed", 1)
    with pytest.raises(Crash):
        site.purge.erase(ADMIN, attachment.id, Reason.WITHDRAWN)
    site.steps.at = None
    report = site.purge.run(SYSTEM)
    assert (report.purged, report.resumed) == (1, 1)
    assert gone(site, attachment)["reason"] == "withdrawn"


def test_files_in_a_folder_go_too(site, tmp_path):
    site.blobs = FileBlobStore(tmp_path / "blobs", reserve=0)
    files = due(site, files=5)
    report = site.purge_with().run(SYSTEM)
    assert report.purged == 5
    for one in files:
        gone(site, one)
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file() and path.stat().st_size > 30]


def test_neither_certificate_nor_log_names_anybody(site):
    (attachment,) = due(site)
    site.purge.run(SYSTEM)
    said = str(site.events()) + str([one.document for one in certificates(site)])
    for private in ("a@x.se", "a.txt", attachment.sha256.hex(), "T-1"):
        assert private not in said
