"""Webhooks' signatures and secrets: the genuine one is read, everything else is turned away without detail."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.errors import BadInput, LoginRequired, Misconfigured
from domain.ticket import Standing, TicketStatus
from tickets import jira, request_tracker, zammad, zendesk
from tickets.desk import Delivery
from tickets.generic import make, recipe, signing_key, verify
from tickets.said import UNSAID

NOW = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
SECRET, OLD = "a-secret-of-some-length", "the-one-before-it-was"
# The vector that the specification's own libraries are tested with.
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
FIELDS = {
    "ref": "data.number", "status": "data.state", "subject": "data.title", "requester_email": "data.people.0.mail",
    "organisation": "data.customer.name", "contract_ends_on": "data.customer.until", "updated_at": "data.at",
    "deleted": "data.gone",
}  # fmt: skip
TICKET = {
    "number": 12, "state": "Löst", "title": "Skrivaren", "people": [{"mail": "asa@kund.example"}],
    "customer": {"name": "Kund AB", "until": "2027-03-31"}, "at": "2026-11-24T10:00:00Z", "gone": False,
}  # fmt: skip


def zendesk_delivery(body, secret=SECRET, at=NOW, **headers):
    written = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    signature = base64.b64encode(hmac.digest(secret.encode(), written.encode() + body, "sha256")).decode()
    own = {
        "x-zendesk-webhook-signature": signature,
        "x-zendesk-webhook-signature-timestamp": written,
        "x-zendesk-webhook-invocation-id": "i-1",
    }
    return Delivery({**own, **headers}, body, NOW)


def hub_delivery(body, digest, secret=SECRET, **headers):
    signature = f"{digest}={hmac.digest(secret.encode(), body, digest).hex()}"
    return Delivery({"x-hub-signature": signature, **headers}, body, NOW)


def generic(**more):
    section = {"kind": "generic", "webhook_secret": VECTOR_SECRET, "fields": FIELDS, "statuses": {"löst": "closed"}}
    return make({**section, **more}).hook


def standard_delivery(said, at=NOW, secret=VECTOR_SECRET, message_id="m-1"):
    body, seconds = json.dumps(said).encode(), str(int(at.timestamp()))
    signed = f"{message_id}.{seconds}.".encode() + body
    signature = "v1," + base64.b64encode(hmac.digest(signing_key(secret), signed, "sha256")).decode()
    headers = {"webhook-id": message_id, "webhook-timestamp": seconds, "webhook-signature": f"v1a,x {signature}"}
    return Delivery(headers, body, NOW)


def hooks():
    body = b'{"ticket": {"id": 12}, "issue": {"id": "12"}, "detail": {"id": "12"}}'
    zammad_section = {"url": "https://z.example", "token": "t", "webhook_secret": [OLD, SECRET]}
    jira_section = {**zammad_section, "user": "u", "projects": ["SUP"]}
    return {
        "zendesk": (zendesk.make({**zammad_section, "user": "u"}).hook, zendesk_delivery, body),
        "zammad": (
            zammad.make(zammad_section).hook,
            lambda *how, **more: hub_delivery(how[0], "sha1", *how[1:], **more),
            body,
        ),
        "jira": (
            jira.make(jira_section).hook,
            lambda *how, **more: hub_delivery(how[0], "sha256", *how[1:], **more),
            body,
        ),
    }


@pytest.mark.parametrize("kind", ["zendesk", "zammad", "jira"])
def test_a_signed_delivery_names_its_ticket_with_the_old_secret_too(kind):
    hook, delivery, body = hooks()[kind]
    for secret in (SECRET, OLD):
        assert hook.hint(delivery(body, secret)).ticket_ids == ("12",)
        assert hook.hint(delivery(body, secret)).facts == ()


@pytest.mark.parametrize("kind", ["zendesk", "zammad", "jira"])
def test_a_wrong_or_missing_signature_is_turned_away_before_the_body_is_read(kind):
    hook, delivery, body = hooks()[kind]
    genuine = delivery(body)
    for wrong in (
        delivery(body, "another-secret-of-some-length"),
        Delivery({}, body, NOW),
        Delivery(genuine.headers, body + b" ", NOW),
        Delivery(genuine.headers, b"no JSON", NOW),
        Delivery(dict.fromkeys(genuine.headers, "åäö\udcff"), body, NOW),
    ):
        with pytest.raises(LoginRequired):
            hook.hint(wrong)


@pytest.mark.parametrize("kind", ["zendesk", "zammad", "jira"])
@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"ticket": {"id": "x"}}', b'{"ticket": 3}', b"[" * 5000])
def test_a_signed_body_that_names_no_ticket_is_bad_input(kind, body):
    hook, delivery, _ = hooks()[kind]
    with pytest.raises(BadInput):
        hook.hint(delivery(body))


@pytest.mark.parametrize("late", [timedelta(minutes=6), -timedelta(minutes=6)])
def test_a_delivery_of_another_time_is_turned_away(late):
    hook, delivery, body = hooks()["zendesk"]
    assert hook.hint(delivery(body, at=NOW - late * 0.8)).key == "i-1"
    with pytest.raises(LoginRequired):
        hook.hint(delivery(body, at=NOW - late))
    with pytest.raises(LoginRequired):
        generic().hint(standard_delivery({"data": TICKET}, at=NOW - late))


def test_deliveries_are_told_apart_where_the_system_numbers_them():
    hook, delivery, body = hooks()["zammad"]
    assert hook.hint(delivery(body, **{"x-zammad-delivery": "d-1"})).key == "d-1"
    assert hook.hint(delivery(body)).key is None


def test_without_a_secret_there_is_no_hook():
    assert zammad.make({"url": "https://z.example", "token": "t"}).hook is None
    assert request_tracker.make({"url": "https://z.example", "token": "t"}).hook is None


def test_the_vector_of_the_specification_holds():
    message_id, seconds, body = VECTOR
    keys = [signing_key(VECTOR_SECRET)]
    assert verify(keys, message_id, str(seconds), body, VECTOR_SIGNATURE)
    assert verify(keys, message_id, str(seconds), body, f"v1,aGVq {VECTOR_SIGNATURE}")
    assert not verify(keys, message_id, str(seconds), body, VECTOR_SIGNATURE.replace("v1,", "v2,"))
    assert not verify(keys, message_id, str(seconds + 1), body, VECTOR_SIGNATURE)
    assert not verify(keys, message_id, str(seconds), body, "")


def test_what_is_said_is_taken_as_said():
    hint = generic(prefix="G-").hint(standard_delivery({"data": TICKET}))
    (source,), (organisation,) = hint.facts, hint.organisations
    assert (source.id, source.fact.ref, source.fact.status) == ("12", "G-12", TicketStatus.CLOSED)
    assert (source.fact.subject, source.fact.requester_email) == ("Skrivaren", "asa@kund.example")
    assert (organisation.ref, organisation.contract_ends_on) == ("Kund AB", date(2027, 3, 31))
    assert source.version == int(datetime(2026, 11, 24, 10, tzinfo=UTC).timestamp()) * 1_000_000
    assert (source.standing, source.fact.opened_at, hint.key) == (Standing.PRESENT, UNSAID, "m-1")


def test_several_tickets_come_in_a_list_and_null_is_none():
    fields = {"ref": "no", "organisation": "who", "deleted": "gone"}
    hook = generic(fields=fields, tickets="items")
    hint = hook.hint(standard_delivery({"items": [{"no": "a", "who": None}, {"no": "b", "gone": True}]}))
    assert [(one.id, one.fact.organisation, one.standing) for one in hint.facts] == [
        ("a", None, Standing.PRESENT),
        ("b", UNSAID, Standing.TRASHED),
    ]


@pytest.mark.parametrize(
    "wrong",
    [{}, {"data": []}, {"data": {**TICKET, "number": None}}, {"data": {**TICKET, "state": "ajar"}},
     {"data": {**TICKET, "customer": {"name": "x", "until": "soon"}}}],
)  # fmt: skip
def test_what_says_nothing_clear_is_bad_input(wrong):
    with pytest.raises(BadInput):
        generic().hint(standard_delivery(wrong))


@pytest.mark.parametrize(
    ("change", "field"),
    [({"fields": {}}, "fields"), ({"fields": {"ref": "a", "size": "b"}}, "fields"),
     ({"webhook_secret": "whsec_tooshortasecret"}, "webhook_secret"),
     ({"statuses": {"x": "ajar"}}, "statuses"), ({"url": "https://x.example"}, "url")],
)  # fmt: skip
def test_a_wrong_setting_of_the_generic_kind_is_named(change, field):
    with pytest.raises(Misconfigured) as caught:
        generic(**change)
    assert caught.value.field == field


def test_a_secret_that_is_made_here_is_shown_as_the_specification_writes_it():
    made = base64.urlsafe_b64encode(bytes(range(224, 256))).decode().rstrip("=")
    shown = next(word for word in recipe("https://b.example", made).split() if word.startswith("whsec_"))
    assert base64.b64decode(shown.removeprefix("whsec_"), validate=True) == signing_key(made) == bytes(range(224, 256))
