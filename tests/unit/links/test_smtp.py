"""Outgoing mail against a real SMTP server: handed over whole, or put off with nothing lost."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from domain.errors import Misconfigured, Unavailable
from links.smtp import SmtpMailer


class Postbox:
    """Keeps what comes, or refuses as it is told."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        if self.answer.startswith("250"):
            message = message_from_bytes(envelope.content, policy=policy.default)
            self.mails.append((envelope.rcpt_tos, message))
        return self.answer


def run(postbox: Postbox, **options: Any) -> Controller:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(postbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    return controller


def port_of(controller: Controller) -> int:
    return int(cast("Any", controller.server).sockets[0].getsockname()[1])


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def server(postbox: Postbox) -> Iterator[int]:
    controller = run(postbox)
    yield port_of(controller)
    controller.stop()


def test_a_mail_arrives_as_it_was_written(postbox: Postbox, server: int) -> None:
    mailer = SmtpMailer(f"smtp://127.0.0.1:{server}", "bilaga@example.com")
    mailer.send("åsa@example.com".replace("å", "a"), "Din kod: 123456", "Hej Åsa!\n\nKoden är 123456 ☂\n")
    ((recipients, message),) = postbox.mails
    assert recipients == ["asa@example.com"]
    assert (message["From"], message["Subject"]) == ("bilaga@example.com", "Din kod: 123456")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().replace("\r\n", "\n") == "Hej Åsa!\n\nKoden är 123456 ☂\n"


def test_a_subject_cannot_add_a_header(postbox: Postbox, server: int) -> None:
    mailer = SmtpMailer(f"smtp://127.0.0.1:{server}", "bilaga@example.com")
    with pytest.raises(ValueError, match="linefeed"):
        mailer.send("a@example.com", "x\r\nBcc: b@example.com", "text")
    assert postbox.mails == []


@pytest.mark.parametrize("answer", ["451 4.3.0 later", "550 5.7.1 no"])
def test_what_was_not_taken_may_be_tried_again(postbox: Postbox, server: int, answer: str) -> None:
    mailer = SmtpMailer(f"smtp://127.0.0.1:{server}", "bilaga@example.com")
    postbox.answer = answer
    with pytest.raises(Unavailable):
        mailer.send("a@example.com", "s", "t")
    postbox.answer = "250 OK"
    mailer.send("a@example.com", "s", "t")
    assert len(postbox.mails) == 1


def test_a_server_that_is_not_there_is_unavailable(postbox: Postbox) -> None:
    controller = run(postbox)
    port = port_of(controller)
    controller.stop()
    with pytest.raises(Unavailable):
        SmtpMailer(f"smtp://127.0.0.1:{port}", "bilaga@example.com").send("a@example.com", "s", "t")


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_the_url_may_hold_a_login(postbox: Postbox) -> None:
    seen: list[tuple[bytes, bytes]] = []

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        seen.append((data.login, data.password))
        return AuthResult(success=data.password == b"p@ss/word")

    controller = run(postbox, authenticator=authenticate, auth_required=True, auth_require_tls=False)
    try:
        port = port_of(controller)
        SmtpMailer(f"smtp://bilaga:p%40ss%2Fword@127.0.0.1:{port}", "bilaga@example.com").send(
            "a@example.com", "s", "t"
        )
        with pytest.raises(Unavailable):
            SmtpMailer(f"smtp://bilaga:wrong@127.0.0.1:{port}", "b@example.com").send("a@example.com", "s", "t")
    finally:
        controller.stop()
    assert len(postbox.mails) == 1
    assert (b"bilaga", b"p@ss/word") in seen


@pytest.mark.parametrize("url", ["http://127.0.0.1", "smtp://", "127.0.0.1:25"])
def test_a_wrong_url_is_one_line_that_names_the_setting(url: str) -> None:
    with pytest.raises(Misconfigured, match="SMTP_URL"):
        SmtpMailer(url, "bilaga@example.com")


def test_only_this_machine_is_spoken_to_in_the_clear() -> None:
    assert not SmtpMailer("smtp://127.0.0.1", "a@example.com").encrypts
    assert not SmtpMailer("smtp://localhost", "a@example.com").encrypts
    assert SmtpMailer("smtp://mail.example", "a@example.com").encrypts
    assert SmtpMailer("smtps://127.0.0.1", "a@example.com").encrypts
