from __future__ import annotations

from hashlib import sha256

import pytest

from domain.actor import EVERYTHING
from domain.errors import (
    ContentMismatch,
    Infected,
    QuotaExceeded,
    RecordsUnavailable,
    ScannerUnavailable,
    StorageFull,
    TooMany,
    Unavailable,
)
from domain.event import EventKind
from domain.mail import MailState
from mail.addresses import MailAddresses
from mail.delivery import Delivering, Onward
from mail.replies import Refusal, reply_to
from mail.splitting import Rules
from tests.corpus.mails import MAILS, TEXT, message, multipart, part
from tests.transfers import TransferSite
from tests.unit.transfer.test_scans import FakeScanner
from transfer import Limits

RAW = message(
    multipart(
        "mixed",
        TEXT,
        part('Content-Type: text/x-log; name="a.log"', b"log"),
        part('Content-Disposition: attachment; filename="b.txt"', b"text"),
    )
)


class NextHop:
    """Keeps what it is handed; ``error`` makes it refuse."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, bytes]] = []
        self.error: Exception | None = None

    def send(self, sender, recipient, message) -> None:
        if self.error is not None:
            raise self.error
        self.taken.append((sender, recipient, message))


class Mailed:
    """A site with a way in for mail."""

    def __init__(self, site: TransferSite) -> None:
        self.site = site
        self.hop = NextHop()
        self.outcomes: list[str] = []
        self.ticket = site.records.read(lambda unit: unit.tickets.by_id(site.ticket, EVERYTHING))
        self.delivering = Delivering(
            site.records,
            site.keys,
            site.log,
            site.clock,
            reception=site.reception,
            addresses=MailAddresses(site.ring.secret("mail"), "bilaga.test"),
            rules=Rules(100_000, 1 << 20),
            onward=Onward(self.hop, "desk+{ref}@desk.example", "https://v.example", "here"),
            steps=lambda step: None,
            count=self.outcomes.append,
        )

    def take(self, raw: bytes = RAW) -> str:
        return self.delivering.take("kim@kund.example", self.ticket, [raw[:100], raw[100:]])

    @property
    def rows(self):
        return self.site.records.read(lambda unit: unit.attachments.of_ticket(self.ticket.id, EVERYTHING))


@pytest.fixture
def mailed(site):
    return Mailed(site)


def test_files_are_kept_and_the_rest_is_handed_on(mailed):
    assert mailed.take() == "250 2.0.0 taken, and handed on"
    ((sender, recipient, slim),) = mailed.hop.taken
    assert (sender, recipient) == ("kim@kund.example", "desk+T-1@desk.example")
    assert b"a.log" in slim
    assert [row.source.value for row in mailed.rows] == ["mail", "mail"]
    assert mailed.outcomes == ["relayed"]
    (event,) = mailed.site.events(EventKind.MAIL_RELAYED)
    assert event["facts"] == {"files": 2}


def test_what_is_kept_and_not_handed_on_is_used_again(mailed):
    mailed.hop.error = Unavailable()
    assert mailed.take().startswith("451 4.3.0")
    kept = mailed.rows
    mailed.hop.error = None
    assert mailed.take().startswith("250")
    assert mailed.take().startswith("250")
    assert mailed.rows == kept
    assert len(mailed.hop.taken) == 1
    assert mailed.outcomes == ["put-off", "relayed", "again"]
    assert mailed.site.findings() == []


def test_a_part_that_was_not_a_file_the_last_time_is_one_more(mailed):
    picture = multipart(
        "related",
        'Content-Type: text/html\n\n<img src="cid:a">\n',
        part("Content-Type: image/png\nContent-ID: <a>", b"\x89PNG" + bytes(1000)),
    )
    raw = message(multipart("mixed", picture, part('Content-Type: text/x-log; name="a.log"', b"log"), boundary="b9"))
    mailed.hop.error = Unavailable()
    mailed.take(raw)
    assert len(mailed.rows) == 1
    stricter = Mailed(mailed.site)
    stricter.delivering._rules = Rules(10, 1000)
    assert stricter.take(raw).startswith("250")
    assert len(mailed.rows) == 2
    digest = mailed.site.records.read(
        lambda unit: [one.state for one in unit.mail_deliveries.find(sha256(raw).digest(), mailed.ticket.id)]
    )
    assert digest == [MailState.RELAYED] * 3


def test_a_file_that_was_erased_meanwhile_is_not_named_to_the_desk(mailed):
    mailed.hop.error = Unavailable()
    mailed.take()
    mailed.site.change(mailed.rows[0].id, name_sealed=None)
    mailed.hop.error = None
    assert mailed.take().startswith("250")
    assert b"a.log" not in mailed.hop.taken[0][2]
    assert b"b.txt" in mailed.hop.taken[0][2]


def test_a_refusal_further_on_is_one_here_and_files_stay(mailed):
    mailed.hop.error = Refusal("554 5.7.1 refused further on")
    assert mailed.take().startswith("554 5.7.1")
    assert len(mailed.rows) == 2


def test_a_fault_of_ours_puts_a_message_off_and_nothing_is_left(mailed):
    mailed.delivering._rules = None  # type: ignore[assignment]
    picture = message(part("Content-Type: image/png\nContent-ID: <a>", b"\x89PNG"))
    assert mailed.take(picture).startswith("451 4.3.0")
    assert mailed.rows == []
    assert mailed.site.findings() == []


def test_of_two_at_once_one_waits(mailed):
    replies = []
    mailed.hop.error = None
    send = mailed.hop.send

    def again(sender, recipient, message):
        mailed.hop.send = send
        replies.append(mailed.take())
        send(sender, recipient, message)

    mailed.hop.send = again
    assert mailed.take().startswith("250")
    assert replies == ["451 4.3.0 not possible right now, come again"]
    assert len(mailed.hop.taken) == 1
    assert len(mailed.rows) == 2


def test_limits_are_those_of_every_way_in(make_site):
    small = Mailed(make_site(limits=Limits(max_file_size=3)))
    assert small.take().startswith("552 5.3.4")
    few = Mailed(make_site(limits=Limits(max_file_size=1 << 20, ticket_max_files=1)))
    assert few.take().startswith("452 4.2.2")
    full = Mailed(make_site(limits=Limits(max_file_size=1 << 20, ticket_max_bytes=5)))
    assert full.take().startswith("452 4.2.2")
    for one in (small, few, full):
        assert one.rows == []
        assert one.hop.taken == []
        assert one.site.findings() == []


@pytest.mark.parametrize("limits", [{"ticket_max_files": 2}, {"ticket_max_bytes": 8}])
def test_a_message_that_comes_again_needs_no_room_for_what_it_takes_up_already(make_site, limits):
    full = Mailed(make_site(limits=Limits(max_file_size=1 << 20, **limits)))
    full.hop.error = Unavailable()
    assert full.take().startswith("451")
    assert len(full.rows) == 2
    full.hop.error = None
    assert full.take(MAILS[1].raw).startswith("452 4.2.2")
    assert full.take().startswith("250")
    assert full.take().startswith("250")
    assert len(full.rows) == 2
    assert len(full.hop.taken) == 1
    assert full.site.findings() == []


def test_a_mail_without_files_is_handed_on_once(mailed):
    raw = MAILS[0].raw
    assert [mailed.take(raw)[:3] for _ in range(2)] == ["250", "250"]
    assert len(mailed.hop.taken) == 1
    assert mailed.rows == []


def test_a_ticket_that_went_meanwhile_is_not_there(mailed):
    mailed.site.erase_ticket(mailed.ticket.id)
    assert mailed.take().startswith("550 5.1.1")


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (Infected(), "554 5.7.1"),
        (ContentMismatch(), "554 5.7.1"),
        (ScannerUnavailable(), "451 4.3.0"),
        (RecordsUnavailable(), "451 4.3.0"),
        (StorageFull(), "452 4.3.1"),
        (TooMany(), "452 4.2.2"),
        (QuotaExceeded(), "452 4.2.2"),
    ],
)
def test_each_error_has_its_reply(error, reply):
    assert reply_to(error).startswith(reply)


def test_malware_is_refused_and_nothing_of_the_message_is_kept(make_site):
    guarded = Mailed(make_site(scanner=FakeScanner()))
    good, evil = (
        part(f'Content-Disposition: attachment; filename="{word}.txt"', word.encode()) for word in ("good", "evil")
    )
    raw = message(multipart("mixed", TEXT, good, evil))
    assert guarded.take(raw).startswith("554 5.7.1")
    assert guarded.rows == []
    assert guarded.hop.taken == []
    assert guarded.site.findings() == []


def test_while_the_scanner_is_down_messages_with_files_come_again_and_others_pass(make_site):
    scanner = FakeScanner()
    guarded = Mailed(make_site(scanner=scanner))
    scanner.down = True
    assert guarded.take().startswith("451 4.3.0")
    assert guarded.rows == []
    assert guarded.take(MAILS[0].raw).startswith("250")
    scanner.down = False
    assert guarded.take().startswith("250")
    assert len(guarded.rows) == 2
