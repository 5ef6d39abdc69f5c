"""Crash table E: the service dies while a mail is on its way; its sender, who got no answer, sends it again."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator

import pytest

from domain.event import EventKind
from tests.corpus.mails import PDF, TEXT, message, multipart, part
from tests.crash.vault import PATIENCE, Vault
from tests.desk import Desk

FILES = {"ett.pdf": PDF, "två.pdf": PDF + b"2" * 100_000, "tre.pdf": PDF + b"3"}
RAW = message(
    multipart("mixed", TEXT, *[part(f'Content-Type: application/pdf; name="{n}"', c) for n, c in FILES.items()])
)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


@pytest.fixture
def port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def mailed(tmp_path, nest, desk, port) -> Iterator[Vault]:
    made = Vault(
        tmp_path,
        nest,
        BILAGA_MAIL__LISTEN=f"lmtp://127.0.0.1:{port}",
        BILAGA_MAIL__DOMAIN="bilaga.test",
        BILAGA_MAIL__RELAY=desk.url,
        BILAGA_MAIL__RELAY_TO="desk@desk.example",
    )
    yield made
    made.close()


def send(port: int, address: str) -> str:
    """The answer; empty where there was none."""
    try:
        with smtplib.LMTP("127.0.0.1", port, timeout=PATIENCE) as server:
            server.ehlo()
            server.mail("kim@kund.example")
            server.rcpt(address)
            return str(server.data(RAW)[0])
    except (smtplib.SMTPException, OSError):
        return ""


def comes_again(vault: Vault, desk: Desk, port: int, *ways: tuple[str, ...]) -> None:
    """The message is sent by somebody who does not give up, to a service that dies at the end of each way."""
    vault.start(*ways[0])
    vault.ticket("T-1")
    address = vault.ask("GET", "/tickets/T-1").json["mail_address"]
    for way in (*ways[1:], ()):
        assert send(port, address) == ""
        vault.dies()
        vault.start(*way)
    assert [send(port, address) for _ in range(2)] == ["250", "250"]
    listed = vault.listed("T-1")
    vault.assert_holds("T-1", {one: FILES[str(shown["name"])] for one, shown in listed.items()})
    assert sorted(str(one["name"]) for one in listed.values()) == sorted(FILES)
    assert {one.parsed["Message-ID"] for one in desk.taken} == {"<1@kund.example>"}
    vault.settle(len(FILES))
    vault.stop()
    assert len(vault.events(EventKind.MAIL_RELAYED)) == 1
    vault.assert_sound()


def test_e1_a_mail_that_comes_again_after_deaths_brings_each_file_once(mailed, desk, port):
    comes_again(mailed, desk, port, ("claimed",), ("sealed", "sealed"), ("finished",), ("mail kept",))
    assert len(desk.taken) == 1


def test_e2_a_death_between_the_desks_yes_and_our_note_hands_it_on_twice_under_one_id(mailed, desk, port):
    comes_again(mailed, desk, port, ("mail relayed",))
    assert len(desk.taken) == 2
