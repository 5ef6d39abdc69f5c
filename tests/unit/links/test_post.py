"""The outbox emptied: each mail goes out once, later where the server is down, and never after its time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.errors import Unavailable
from links import Post


class FakeMailer:
    def __init__(self) -> None:
        self.down = False
        self.sent: list[tuple[str, str, str]] = []

    def send(self, address: str, subject: str, text: str) -> None:
        if self.down:
            raise Unavailable
        self.sent.append((address, subject, text))


@pytest.fixture
def mailer():
    return FakeMailer()


@pytest.fixture
def post(site, mailer):
    return Post(site.records, mailer, site.ring.secret("outbox"), site.clock)


@pytest.fixture
def mailed(site):
    link = site.download_link(site.received().id, recipient="anna@example.org").link
    site.records.write(lambda unit: site.codes.send(unit, link, lambda code: ("Din kod", "Koden.")))


def waiting(site):
    return site.records.read(lambda unit: unit.outbox.waiting(site.clock(), limit=10))


def test_what_waits_goes_out_once(site, mailer, post, mailed):
    assert post.run() == 1
    assert post.run() == 0
    assert mailer.sent == [("anna@example.org", "Din kod", "Koden.")]


def test_a_server_that_is_down_puts_it_off(site, mailer, post, mailed):
    mailer.down = True
    assert post.run() == 0
    mailer.down = False
    assert post.run() == 0
    site.clock.go(minutes=1)
    assert post.run() == 1


def test_a_mail_whose_time_is_over_is_not_sent(site, mailer, post, mailed):
    site.clock.go(minutes=16)
    assert post.run() == 0
    assert mailer.sent == []
    assert waiting(site) == []


def test_a_mail_that_was_changed_is_thrown_away(site, mailer, post, mailed):
    (mail,) = waiting(site)
    changed = replace(mail, sealed=mail.sealed[:-1] + bytes([mail.sealed[-1] ^ 1]))

    def swap(unit):
        unit.outbox.remove(mail.id)
        unit.outbox.add(changed)

    site.records.write(swap)
    assert post.run() == 0
    assert (mailer.sent, waiting(site)) == ([], [])


def test_whoever_was_taken_over_from_sends_no_more(site, mailer, post, mailed):
    class TakenOver(Exception):
        pass

    def go_on():
        raise TakenOver

    assert post.has_work()
    with pytest.raises(TakenOver):
        post.run(go_on)
    assert mailer.sent == []
    assert post.run() == 1
    assert not post.has_work()
