"""The stand-in itself, driven by a public client of Freshdesk's that knows nothing of us (python-freshdesk): by its own
name, over TLS, through a proxy, as that client's settings allow."""

from __future__ import annotations

import base64
import http.client
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from freshdesk.api import API
from freshdesk.v2.errors import (
    FreshdeskAccessDenied,
    FreshdeskBadRequest,
    FreshdeskNotFound,
    FreshdeskRateLimited,
    FreshdeskUnauthorized,
)

from tests.desks.freshdesk import HOST, Freshdesk
from tests.desks.freshdesk_account import Account
from tests.desks.freshdesk_hooks import Rule, Webhooks

START = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    with Freshdesk(certificate=certificate(folder)) as desk:
        yield desk


@pytest.fixture
def desk(served):
    served.begin(Account(clock=lambda: START))
    return served


@pytest.fixture
def client(desk):
    return client_of(desk)


def client_of(desk, key=None):
    made = API(HOST, key or desk.account.key, verify=desk.certificate[0], proxies={"https": desk.url})
    # Whatever proxies and certificates the machine is set up for: not for this one.
    made._session.trust_env = False
    return made


def certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "desk.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "desk.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "desk.pem"), str(folder / "desk.key")


def test_a_ticket_is_made_read_changed_listed_and_put_into_the_trash(client, desk):
    made = client.tickets.create_ticket("It hums", email="pia@example.com", description="<p>hm</p>", tags=["vpn"])
    assert (made.subject, made.status, made.priority, made.source) == ("It hums", "open", "low", "portal")
    read = client.tickets.get_ticket(made.id, "requester", "stats", "conversations")
    assert (read.requester["email"], read.tags, read.conversations) == ("pia@example.com", ["vpn"], [])
    assert client.tickets.update_ticket(made.id, status=5, priority=3).status == "closed"
    assert client.tickets.get_ticket(made.id, "stats").stats["closed_at"] == "2026-11-24T11:00:00Z"
    for _ in range(104):
        desk.account.create_ticket({"email": "pia@example.com"})
    assert len(client.tickets.list_tickets(filter_name=None)) == 105
    client.tickets.delete_ticket(made.id)
    assert [one.id for one in client.tickets.list_deleted_tickets()] == [made.id]
    assert len(client.tickets.list_tickets(filter_name=None, updated_since="2020-01-01T00:00:00Z")) == 104


def test_notes_and_replies_are_written_and_listed_by_pages(client, desk):
    made = client.tickets.create_ticket("It hums", email="pia@example.com")
    note = client.comments.create_note(made.id, "<p>for us</p>")
    reply = client.comments.create_reply(made.id, "<p>for you</p>")
    assert (note.private, note.source, reply.private, reply.source) == (True, "note", False, "reply")
    for _ in range(103):
        desk.account.note(desk.account.ticket(made.id), {"body": "<p>more</p>"})
    assert len(client.comments.list_comments(made.id)) == 105


# That client leaves the files open that it sends.
leaves_files_open = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@leaves_files_open
def test_files_come_with_a_ticket_and_may_be_fetched_by_their_signed_address(client, desk, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a file")
    made = client.tickets.create_ticket("It hums", email="pia@example.com", attachments=[str(tmp_path / "a.txt")])
    (file,) = made.attachments
    assert (file["name"], file["size"]) == ("a.txt", 6)
    assert fetched(file["attachment_url"]) == (200, b"a file")
    assert fetched(file["attachment_url"], Authorization="Basic eA==")[0] == 400
    desk.account.clock = lambda: START + timedelta(minutes=6)
    assert fetched(file["attachment_url"])[0] == 403
    assert fetched(file["attachment_url"].replace(str(file["id"]), "1"))[0] == 403


@leaves_files_open
def test_twenty_megabytes_of_files_are_the_most(client, tmp_path):
    (tmp_path / "big.bin").write_bytes(bytes(20_000_001))
    with pytest.raises(FreshdeskBadRequest, match="attachments"):
        client.tickets.create_ticket("big", email="pia@example.com", attachments=[str(tmp_path / "big.bin")])


def test_companies_and_contacts_are_made_and_contacts_go_with_their_tickets(client):
    company = client.companies.create_company(name="Ymer AB", renewal_date="2027-03-31T00:00:00Z")
    assert client.companies.get_company(company.id).renewal_date == "2027-03-31T00:00:00Z"
    assert client.companies.update_company(company.id, renewal_date=None).renewal_date is None
    contact = client.contacts.create_contact(name="Pia", email="pia@example.com", company_id=company.id)
    made = client.tickets.create_ticket("It hums", email="pia@example.com")
    assert (made.requester_id, made.company_id) == (contact.id, company.id)
    client.contacts.soft_delete_contact(contact.id)
    assert client.tickets.get_ticket(made.id).id == made.id
    client.contacts.permanently_delete_contact(contact.id)
    with pytest.raises(FreshdeskNotFound):
        client.tickets.get_ticket(made.id)


def test_fields_and_the_key_s_owner_are_told(client):
    (status,) = client.ticket_fields.list_ticket_fields()
    assert status.choices["6"][0] == "Waiting on Customer"
    assert client.agents.currently_authenticated_agent().contact["email"] == "bilaga@example.com"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "missing_field"),
        ({"email": "a@b.se", "status": 77}, "invalid_value"),
        ({"email": "a@b.se", "status": "open"}, "datatype_mismatch"),
        ({"email": "a@b.se", "colour": "red"}, "invalid_field"),
    ],
)
def test_what_is_wrong_is_told_field_by_field(client, given, told):
    with pytest.raises(FreshdeskBadRequest, match=told):
        client.tickets.create_ticket("It hums", **given)


def test_a_stranger_is_refused_and_so_is_what_is_too_much(client, desk):
    with pytest.raises(FreshdeskUnauthorized):
        client_of(desk, "wrong").tickets.get_ticket(1)
    desk.account.calls_a_minute = 2
    with pytest.raises(FreshdeskRateLimited):
        for _ in range(3):
            client.agents.currently_authenticated_agent()
    desk.begin(Account())
    desk.weather.storm = 1
    with pytest.raises(FreshdeskRateLimited):
        client.agents.currently_authenticated_agent()


def test_a_file_is_deleted_once_and_never_read_by_its_number(client, desk):
    made = desk.account.create_ticket({"email": "pia@example.com"}, [("a.txt", b"a", "text/plain")])
    (number,) = desk.account.files
    assert asked(desk, "GET", f"/attachments/{number}")[0] == 405
    desk.account.undeletable.add(number)
    with pytest.raises(FreshdeskAccessDenied):
        client._delete(f"attachments/{number}")
    desk.account.undeletable.clear()
    assert [asked(desk, "DELETE", f"/attachments/{number}")[0] for _ in range(2)] == [204, 404]
    assert client.tickets.get_ticket(made["id"]).attachments == []


def test_tickets_are_merged_and_their_files_go_along(client, desk):
    files = [("a.txt", b"a", "text/plain")]
    desk.account.create_ticket({"email": "pia@example.com"})
    desk.account.create_ticket({"email": "pia@example.com"}, files)
    assert asked(desk, "PUT", "/tickets/merge", {"primary_id": 1, "ticket_ids": [2]})[0] == 204
    assert client.tickets.get_ticket(2).status == "closed"
    (said,) = client.comments.list_comments(1)
    assert [one["name"] for one in said.attachments] == ["a.txt"]
    assert asked(desk, "POST", "/tickets/bulk_delete", {"bulk_action": {"ids": [1, 2]}})[0] == 202
    assert asked(desk, "PUT", "/tickets/1/restore")[0] == 204
    assert [one.id for one in client.tickets.list_deleted_tickets()] == [2]


def test_lists_are_cut_at_three_hundred_pages_and_a_hundred_a_page(desk):
    assert asked(desk, "GET", "/tickets?page=301")[0] == 400
    assert asked(desk, "GET", "/tickets?per_page=101")[0] == 400


def test_webhooks_come_again_after_five_thirty_and_sixty_minutes_and_then_a_mail_goes_out(desk):
    answers, sent = [500, 500, 500, 500], []

    def post(headers, body):
        sent.append((headers, body))
        return answers.pop(0)

    hooks = Webhooks(desk.account, Rule({"X-Freshdesk-Webhook-Secret": "s"}, simple=True), post)
    desk.account.create_ticket({"email": "pia@example.com", "subject": "It hums"})
    times = [hooks.deliver(START + timedelta(minutes=minutes)) for minutes in (0, 4, 5, 34, 35, 94, 95, 500)]
    assert times == [1, 0, 1, 0, 1, 0, 1, 0]
    assert hooks.mails == 1
    told = json.loads(sent[0][1])["freshdesk_webhook"]
    assert (told["ticket_id"], told["ticket_status"], sent[0][0]["X-Freshdesk-Webhook-Secret"]) == (1, "Open", "s")
    desk.account.delete_ticket(1)  # nobody hears of it
    assert hooks.deliver(START + timedelta(days=1)) == 0


def fetched(address, **headers):
    where = urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    connection.request("GET", f"{where.path}?{where.query}", headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def asked(desk, method, path, body=None):
    where = urlsplit(desk.url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    word = base64.b64encode(f"{desk.account.key}:X".encode()).decode()
    headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
    connection.request(method, f"/api/v2{path}", None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found
