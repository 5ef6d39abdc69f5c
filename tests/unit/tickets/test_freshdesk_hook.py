"""Freshdesk's webhooks: the secret, the shapes of a body, and what says nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.errors import BadInput, LoginRequired
from tests.desks.freshdesk_account import Account
from tests.desks.freshdesk_hooks import Rule, Webhooks
from tickets.desk import Delivery
from tickets.freshdesk_hook import FreshdeskHook

SECRET = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


def hint(body: bytes, secret: str = SECRET, **headers: str):
    fields = {"x-freshdesk-webhook-secret": secret, "content-type": "application/json", **headers}
    return FreshdeskHook(["an older secret of it", SECRET]).hint(Delivery(fields, body, NOW))


@pytest.mark.parametrize(
    "body",
    [
        b'{"freshdesk_webhook":{"ticket_id":12,"ticket_status":"Ge\\u00f6ffnet","ticket_subject":"\\u00c4rende"}}',
        b'{"ticket_id":"12"}',
        b'{"ticket_id":"#12","comment":"<p>\\"quoted\\"</p>"}',
        b'{"ticket":{"id":12}}',
        b'{"event":"updated","data":{"ticket":{"id":"12"}}}',
        b'\n {"id": 12}',
    ],
)
def test_a_ticket_is_found_in_every_shape_that_is_sent(body):
    assert hint(body).ticket_ids == ("12",)


def test_a_form_will_do_as_well():
    found = hint(b"ticket_id=12&subject=hm", **{"content-type": "application/x-www-form-urlencoded; charset=utf-8"})
    assert found.ticket_ids == ("12",)


@pytest.mark.parametrize(
    "body",
    [
        b'{"ticket_id":"12","subject":"he said "hello""}',
        b'{"ticket_id":""}',
        b'{"ticket_id":true}',
        b'{"ticket_id":0}',
        b'{"ticket_id":"12/../13"}',
        b'{"ticket_id":["12"]}',
        b'{"ticket_id":"{{ticket.id}}"}',
        b"[12]",
        b"<ticket><id>12</id></ticket>",
        b"",
        b"\xff\xfe",
        b'{"data":' * 50_000,
    ],
)
def test_what_names_no_ticket_is_refused(body):
    with pytest.raises(BadInput):
        hint(body)


@pytest.mark.parametrize("secret", ["", "wrong", SECRET.upper(), SECRET + " "])
def test_without_the_secret_the_body_is_not_even_read(secret):
    with pytest.raises(LoginRequired):
        hint(b"no JSON", secret)


def test_any_of_the_secrets_will_do_and_without_any_none():
    assert hint(b'{"ticket_id":1}', "an older secret of it").ticket_ids == ("1",)
    with pytest.raises(LoginRequired):
        FreshdeskHook([]).hint(Delivery({"x-freshdesk-webhook-secret": ""}, b'{"ticket_id":1}', NOW))


@pytest.mark.parametrize("rule", [Rule({}, simple=True), Rule({}), Rule({}, template="ticket_id={{ticket.id}}")])
def test_what_freshdesk_s_rules_send_is_understood(rule):
    account, sent = Account(clock=lambda: NOW), []

    def taken(_headers, body):
        sent.append(body)
        return 200

    hooks = Webhooks(account, rule, taken)
    account.create_ticket({"email": "pia@example.com", "subject": 'she said "hm"'})
    assert hooks.deliver(NOW) == 1
    kind = "application/x-www-form-urlencoded" if rule.template.startswith("ticket_id=") else "application/json"
    assert hint(sent[0], **{"content-type": kind}).ticket_ids == ("1",)
