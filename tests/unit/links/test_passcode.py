"""Passcodes and mailed codes: few tries, counted for the link and for the address, and never in vain."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.errors import BadInput, CodeNeeded, LinkRevoked, RateLimited, StateConflict, WrongContext, WrongPasscode
from links import open_letter
from tests.transfers import ADDRESS

OTHER_ADDRESS = b"b" * 32


@pytest.fixture
def link(site):
    return site.upload_link(passcode_hash=site.passcodes.hash("hemligt")).link


def allowed(site, link, address=ADDRESS):
    site.records.read(lambda unit: site.passcodes.allowed(unit, link.id, address))


def fail(site, link, address=ADDRESS, times=1):
    for _ in range(times):
        site.records.write(lambda unit: site.passcodes.failed(unit, link.id, address))


class TestPasscodes:
    def test_the_right_one_proves_and_the_wrong_one_does_not(self, site, link):
        assert site.passcodes.prove(link, "hemligt").fits(link)
        with pytest.raises(WrongPasscode):
            site.passcodes.prove(link, "hemlig")

    def test_a_link_without_one_is_proven_by_none(self, site):
        with pytest.raises(WrongPasscode):
            site.passcodes.prove(site.upload_link().link, "hemligt")

    def test_a_short_one_is_refused(self, site):
        with pytest.raises(BadInput) as refused:
            site.passcodes.hash("12345")
        assert refused.value.field == "passcode"

    def test_five_failures_close_a_link_for_a_while(self, site, link):
        fail(site, link, times=4)
        allowed(site, link)
        fail(site, link)
        with pytest.raises(RateLimited) as refused:
            allowed(site, link, OTHER_ADDRESS)
        assert refused.value.facts == {"retry_after": 900}
        site.clock.go(minutes=14)
        with pytest.raises(RateLimited) as refused:
            allowed(site, link)
        assert 0 < refused.value.facts["retry_after"] <= 120
        site.clock.go(seconds=refused.value.facts["retry_after"])
        allowed(site, link)

    def test_the_wait_is_until_the_oldest_failure_is_forgotten(self, site, link):
        fail(site, link)
        site.clock.go(minutes=10)
        fail(site, link, times=4)
        with pytest.raises(RateLimited) as refused:
            allowed(site, link)
        assert 300 <= refused.value.facts["retry_after"] <= 360

    def test_twenty_failures_close_an_address_for_all_links(self, site, link):
        for _ in range(5):
            fail(site, site.upload_link().link, times=4)
        with pytest.raises(RateLimited):
            allowed(site, link)
        allowed(site, link, OTHER_ADDRESS)

    def test_failures_are_in_the_log(self, site, link):
        fail(site, link, times=2)
        events = site.events("link.refused")
        assert [(event["subject"], event["facts"]["cause"]) for event in events] == [(link.id, "passcode")] * 2

    def test_old_failures_are_forgotten(self, site, link):
        fail(site, link, times=3)
        assert site.records.write(site.passcodes.sweep) == 0
        site.clock.go(minutes=15, seconds=1)
        assert site.records.write(site.passcodes.sweep) == 3

    def test_many_tries_at_once_gain_nothing_after_five_failures(self, site):
        issued = site.download_link(site.received().id, passcode_hash=site.passcodes.hash("hemligt"))
        proof = site.passcodes.prove(issued.link, "hemligt")
        fail(site, issued.link, OTHER_ADDRESS, times=5)
        with pytest.raises(RateLimited):
            site.take(issued.token, passcode=proof)


class TestRemembering:
    def test_a_proof_is_remembered_for_an_hour(self, site, link):
        remembered = site.passcodes.remember(site.passcodes.prove(link, "hemligt"))
        assert site.passcodes.recall(link, remembered).fits(link)
        site.clock.go(minutes=59)
        assert site.passcodes.recall(link, remembered) is not None
        site.clock.go(minutes=1)
        assert site.passcodes.recall(link, remembered) is None

    def test_it_is_of_no_other_link_and_no_other_passcode(self, site, link):
        remembered = site.passcodes.remember(site.passcodes.prove(link, "hemligt"))
        other = site.upload_link(passcode_hash=site.passcodes.hash("hemligt")).link
        assert site.passcodes.recall(other, remembered) is None
        assert site.passcodes.recall(site.upload_link().link, remembered) is None
        assert site.passcodes.recall(replace(link, passcode_hash=site.passcodes.hash("annat ord")), remembered) is None

    def test_nothing_made_up_is_taken(self, site, link):
        remembered = site.passcodes.remember(site.passcodes.prove(link, "hemligt"))
        until, _, mac = remembered.partition(".")
        later = int(until) + 3600
        for made_up in (
            "",
            ".",
            until,
            f"{until}.",
            f"{later}.{mac}",
            f"{until}.{mac[:-1]}",
            f"+{until}.{mac}",
            "٣." + mac,
        ):
            assert site.passcodes.recall(link, made_up) is None
        assert site.passcodes.recall(link, "9" * 400 + "." + mac) is None


class TestCodes:
    @pytest.fixture
    def link(self, site):
        return site.download_link(site.received().id, recipient="anna@example.org", max_downloads=1)

    def send(self, site, link) -> str:
        """Send a code; the code."""
        codes = []

        def compose(code):
            codes.append(code)
            return "Din kod", f"Koden är {code}."

        site.records.write(lambda unit: site.codes.send(unit, link.link, compose))
        return codes[-1]

    def check(self, site, link, code, address=ADDRESS):
        return site.records.write(lambda unit: site.codes.check(unit, link.link, code, address))

    def test_the_code_is_mailed_sealed_to_the_recipient(self, site, link):
        code = self.send(site, link)
        assert len(code) == 6
        assert code.isdigit()
        (mail,) = site.records.read(lambda unit: unit.outbox.waiting(site.clock(), limit=10))
        assert mail.expires_at == site.clock() + timedelta(minutes=15)
        assert b"anna" not in mail.sealed
        letter = open_letter(site.ring.secret("outbox"), mail)
        assert (letter.to, letter.subject, letter.text) == ("anna@example.org", "Din kod", f"Koden är {code}.")
        with pytest.raises(WrongContext):
            open_letter(site.ring.secret("outbox"), replace(mail, id="another"))
        (event,) = site.events("link.code-sent")
        assert event["subject"] == link.link.id
        assert code not in str(event)

    def test_the_right_code_opens_once(self, site, link):
        code = self.send(site, link)
        proof = self.check(site, link, f" {code[:3]} {code[3:]} ")
        assert proof is not None
        assert self.check(site, link, code) is None
        site.take(link.token, code=proof)

    def test_a_code_of_one_link_is_none_of_another(self, site, link):
        other = site.download_link(link.link.attachment_id, recipient="anna@example.org")
        code = self.send(site, link)
        self.send(site, other)
        assert self.check(site, other, code) is None
        with pytest.raises(CodeNeeded):
            site.take(other.token, code=self.check(site, link, code))

    def test_five_wrong_tries_end_a_code(self, site, link):
        code = self.send(site, link)
        wrong = f"{(int(code) + 1) % 10**6:06}"
        for _ in range(5):
            assert self.check(site, link, wrong) is None
        with pytest.raises(RateLimited):
            self.check(site, link, code)
        site.clock.go(minutes=14, seconds=59)
        with pytest.raises(RateLimited):
            self.check(site, link, code)
        assert len(site.events("link.refused")) == 5

    def test_new_codes_give_no_more_tries(self, site, link):
        for _ in range(5):
            code = self.send(site, link)
            assert self.check(site, link, f"{(int(code) + 1) % 10**6:06}") is None
            site.clock.go(minutes=1)
        code = self.send(site, link)
        with pytest.raises(RateLimited):
            self.check(site, link, code)

    def test_a_code_is_over_after_a_quarter_of_an_hour(self, site, link):
        code = self.send(site, link)
        site.clock.go(minutes=15)
        assert self.check(site, link, code) is None

    def test_one_code_a_minute_is_sent(self, site, link):
        self.send(site, link)
        site.clock.go(seconds=30)
        with pytest.raises(RateLimited) as refused:
            self.send(site, link)
        assert refused.value.facts == {"retry_after": 31}
        assert len(site.records.read(lambda unit: unit.outbox.waiting(site.clock(), limit=10))) == 1
        site.clock.go(seconds=30)
        self.send(site, link)

    def test_a_new_code_ends_the_old_one(self, site, link):
        old = self.send(site, link)
        site.clock.go(minutes=1)
        new = self.send(site, link)
        if old != new:
            assert self.check(site, link, old) is None
        assert self.check(site, link, new) is not None

    def test_a_link_that_names_nobody_has_no_codes(self, site):
        link = site.download_link(site.received().id)
        with pytest.raises(StateConflict):
            self.send(site, link)

    def test_a_recipient_whose_key_is_gone_gets_none(self, site, link):
        site.records.write(lambda unit: site.keys.destroy(unit, site.ticket))
        with pytest.raises(LinkRevoked):
            self.send(site, link)
