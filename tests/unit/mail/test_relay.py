from __future__ import annotations

import pytest

from domain.errors import Misconfigured, Unavailable
from mail.relay import SmtpRelay
from mail.replies import Refusal
from tests.corpus.mails import MAILS
from tests.desk import Desk

RAW = MAILS[1].raw


@pytest.fixture
def desk():
    made = Desk()
    yield made
    made.close()


def test_a_message_is_handed_over_as_it_is_with_its_envelope(desk):
    raw = RAW + b".\r\n..\r\n"
    SmtpRelay(desk.url).send("", "desk@desk.example", raw)
    (taken,) = desk.taken
    assert taken.raw == raw
    assert taken.recipient == "desk@desk.example"


@pytest.mark.parametrize(
    ("says", "at_rcpt", "error"),
    [
        ("451 4.3.0 no", None, Unavailable),
        ("554 5.7.1 no", None, Refusal),
        ("552 5.3.4 no", None, Refusal),
        (None, "450 4.2.1 no", Unavailable),
        (None, "550 5.1.1 no", Unavailable),
    ],
)
def test_what_it_says_is_for_good_only_where_the_message_is_at_fault(desk, says, at_rcpt, error):
    desk.says, desk.says_at_rcpt = says, at_rcpt
    with pytest.raises(error):
        SmtpRelay(desk.url).send("a@b.example", "desk@desk.example", RAW)
    assert desk.taken == []


def test_one_that_is_not_there_is_one_that_is_not_there_now(unused_tcp_port):
    with pytest.raises(Unavailable):
        SmtpRelay(f"smtp://127.0.0.1:{unused_tcp_port}").send("a@b.example", "desk@desk.example", RAW)


@pytest.mark.parametrize("url", ["", "smtp://", "http://a", "smtp://a:b", "smtp://a:99999"])
def test_what_is_no_mail_server_is_refused_at_start(url):
    with pytest.raises(Misconfigured, match="MAIL__RELAY"):
        SmtpRelay(url)
