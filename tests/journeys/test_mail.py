"""Mail to a ticket: through the door into the vault and on to the desk; with Postfix in front, and with kills."""

from __future__ import annotations

import os
import random
import signal
import smtplib
import time
from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import urlsplit

import pytest

from tests.corpus.mails import MAILS, PDF, TEXT, Mail, message, multipart, part
from tests.desk import Desk
from tests.journeys.front import free_port
from tests.journeys.service import Service

PATIENCE = 60.0


def door(desk: Desk, listen: str, **more: str) -> dict[str, str]:
    return {
        "MAIL__LISTEN": listen,
        "MAIL__DOMAIN": "bilaga.test",
        "MAIL__RELAY": desk.url,
        "MAIL__RELAY_TO": "desk+{ref}@desk.example",
        **more,
    }


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


@pytest.fixture(scope="module")
def mailed(tmp_path_factory, desk) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("mailed")
    listen = f"lmtp:{folder}/lmtp.sock" if len(str(folder)) < 90 else f"lmtp://127.0.0.1:{free_port()}"
    made = Service(folder, **door(desk, listen, MAIL__MAX_SIZE="8MiB", MAX_FILE_SIZE="4MiB"))
    made.secrets |= {"kim@kund.example", "avtal.pdf", "Skärmen är svart", "Skärmen_är"}
    made.start()
    yield made
    made.stop()


def lmtp(service: Service) -> smtplib.LMTP:
    listen = service.environment["BILAGA_MAIL__LISTEN"].removeprefix("lmtp:")
    if listen.startswith("//"):
        parts = urlsplit(listen)
        return smtplib.LMTP(parts.hostname, parts.port, timeout=PATIENCE)
    return smtplib.LMTP(listen, timeout=PATIENCE)


def send(service: Service, recipient: str, raw: bytes, sender: str = "kim@kund.example") -> str:
    """The reply to a message, or to the step that it did not come beyond."""
    with lmtp(service) as server:
        server.ehlo()
        for code, text in (server.mail(sender, [f"SIZE={len(raw)}"]), server.rcpt(recipient)):
            if code >= 400:
                return f"{code} {text.decode()}"
        code, text = server.data(raw)
        return f"{code} {text.decode()}"


def new_ticket(service: Service, ref: str) -> str:
    return str(service.put_ticket(ref)["mail_address"])


def attachments(service: Service, ref: str) -> list[dict]:
    return list(service.as_("agent").get(f"/api/v1/tickets/{ref}/attachments").json()["attachments"])


def contents(service: Service, ref: str) -> dict[str, bytes]:
    agent = service.as_("agent")
    return {
        one["name"]: agent.get(f"/api/v1/attachments/{one['id']}/content").body for one in attachments(service, ref)
    }


@pytest.mark.parametrize("number", range(len(MAILS)), ids=lambda number: MAILS[number].name)
def test_each_mail_goes_its_way(mailed, desk, number):
    mail: Mail = MAILS[number]
    ref = f"M-{number}"
    address = new_ticket(mailed, ref)
    before = len(desk.taken)
    assert send(mailed, address.swapcase(), mail.raw).startswith("250 2.0.0")
    assert contents(mailed, ref) == mail.files
    (taken,) = desk.taken[before:]
    assert (taken.sender, taken.recipient) == ("kim@kund.example", f"desk+{ref}@desk.example")
    assert taken.parsed["Message-ID"] == "<1@kund.example>"
    if mail.whole:
        assert taken.raw.endswith(mail.raw)
    for one in attachments(mailed, ref):
        assert one["source"] == "mail"
        assert f"{mailed.url}/agent/attachments/{one['id']}/content".encode() in taken.raw.replace(b"=\r\n", b"")


def test_a_message_that_comes_again_brings_nothing_twice(mailed, desk):
    address = new_ticket(mailed, "A-1")
    raw = message(multipart("mixed", TEXT, part('Content-Type: application/pdf; name="a.pdf"', PDF)))
    before = len(desk.taken)
    assert [send(mailed, address, raw)[:9] for _ in range(3)] == ["250 2.0.0"] * 3
    assert len(desk.taken) == before + 1
    assert len(attachments(mailed, "A-1")) == 1


def test_while_the_desk_says_no_the_message_stays_with_its_sender(mailed, desk):
    address = new_ticket(mailed, "A-2")
    raw = message(multipart("mixed", TEXT, part('Content-Type: application/pdf; name="a.pdf"', PDF)))
    before = len(desk.taken)
    desk.says = "451 4.3.0 not now"
    assert [send(mailed, address, raw)[:9] for _ in range(2)] == ["451 4.3.0"] * 2
    desk.says, desk.says_at_rcpt = None, "550 5.1.1 whom?"  # our own setting is wrong: no fault of the sender's
    assert send(mailed, address, raw).startswith("451 4.3.0")
    desk.says_at_rcpt, desk.says = None, "554 5.7.1 spam"
    assert send(mailed, address, raw).startswith("554 5.7.1")
    desk.says = None
    assert send(mailed, address, raw).startswith("250 2.0.0")
    assert len(desk.taken) == before + 1
    assert contents(mailed, "A-2") == {"a.pdf": PDF}


def test_what_is_refused_says_why_and_leaves_nothing(mailed, desk):
    address = new_ticket(mailed, "R-1")
    before = len(desk.taken)
    local, _, domain = address.partition("@")
    for wrong in (
        f"ticket+R-1@{domain}",
        f"{local}x@{domain}",
        "ticket+R-9.aaaaaaaaaaaaaaaa@bilaga.test",
        "x@y.example",
    ):
        assert send(mailed, wrong, MAILS[0].raw).startswith("550 5.1.1")
    mailed.put_ticket("R-1", status="closed")
    assert send(mailed, address, MAILS[0].raw).startswith("550 5.1.1")
    mailed.put_ticket("R-1")
    executable = part('Content-Type: application/octet-stream; name="a.exe"', b"MZ" + bytes(100))
    good = part('Content-Type: application/pdf; name="a.pdf"', PDF)
    large = part('Content-Type: application/octet-stream; name="a.bin"', bytes(5 << 20))
    assert send(mailed, address, message(multipart("mixed", TEXT, good, executable))).startswith("554 5.7.1")
    assert send(mailed, address, message(multipart("mixed", TEXT, good, large))).startswith("552 5.3.4")
    assert send(mailed, address, bytes(9 << 20)).startswith("552 5.3.4")  # at MAIL
    assert attachments(mailed, "R-1") == []
    assert len(desk.taken) == before


def test_the_size_is_announced_and_counted_and_the_session_goes_on(mailed, desk):
    address = new_ticket(mailed, "R-2")
    with lmtp(mailed) as server:
        server.ehlo()
        assert server.esmtp_features["size"] == str(8 << 20)
        assert {"pipelining", "enhancedstatuscodes", "8bitmime"} <= set(server.esmtp_features)
        assert server.mail("<>")[0] == 250
        assert server.rcpt(address)[0] == 250
        assert server.rcpt(address)[0] == 452
        assert server.data(b"X: y\r\n\r\n" + b"a" * (9 << 20))[0] == 552
        assert server.mail("<>")[0] == 250
        assert server.rcpt(address)[0] == 250
        assert server.data(MAILS[0].raw)[0] == 250
    assert desk.taken[-1].sender in {"", "<>", None}


def test_a_sender_that_pipelines_its_next_command_behind_the_message_is_heard(mailed, desk):
    address = new_ticket(mailed, "R-3")
    with lmtp(mailed) as server:
        server.ehlo()
        server.mail("kim@kund.example")
        server.rcpt(address)
        assert server.docmd("DATA")[0] == 354
        server.send(MAILS[0].raw + b".\r\nNOOP\r\nQUIT\r\n")
        assert [server.getreply()[0] for _ in range(3)] == [250, 250, 221]


def test_a_connection_that_breaks_off_leaves_nothing(mailed, desk):
    address, before = new_ticket(mailed, "R-4"), len(desk.taken)
    raw = message(multipart("mixed", TEXT, part('Content-Type: application/pdf; name="a.pdf"', PDF * 9000)))
    server = lmtp(mailed)
    server.ehlo()
    server.mail("kim@kund.example")
    server.rcpt(address)
    server.docmd("DATA")
    server.send(raw[: len(raw) // 2])
    server.close()
    assert send(mailed, address, raw).startswith("250")  # it is not known from the half of it
    assert len(attachments(mailed, "R-4")) == 1
    assert len(desk.taken) == before + 1


def test_a_message_that_was_here_before_goes_round_no_further(mailed, desk):
    address = new_ticket(mailed, "L-1")
    assert send(mailed, address, MAILS[0].raw).startswith("250")
    assert send(mailed, address, desk.taken[-1].raw).startswith("554 5.4.6")


def test_the_address_is_told_to_programs_and_by_command(mailed):
    address = new_ticket(mailed, "SUP-17")
    assert address.startswith("ticket+SUP-17.")
    assert mailed.cli("ticket", "address", "SUP-17") == address
    mailed.cli("ticket", "address", "SUP-404", code=1)


def test_what_was_taken_is_counted_without_a_name(mailed, desk):
    assert send(mailed, new_ticket(mailed, "A-9"), MAILS[0].raw).startswith("250")
    desk.says = "554 5.7.1 spam"
    assert send(mailed, new_ticket(mailed, "A-10"), MAILS[0].raw).startswith("554")
    desk.says = None
    text = mailed.anyone.get("/metrics").text
    assert 'bilaga_mails_total{outcome="relayed"}' in text
    assert 'bilaga_mails_total{outcome="refused"}' in text


# -- Postfix in front --------------------------------------------------------------------------------------------------
@pytest.fixture
def postfix() -> tuple[str, int]:
    try:
        host, _, port = os.environ["TEST_POSTFIX"].partition(":")
    except KeyError:
        pytest.fail("TEST_POSTFIX is not set: `make engines` starts a Postfix for the tests", pytrace=False)
    return host, int(port)


@pytest.fixture
def behind_postfix(tmp_path, postfix) -> Iterator[tuple[Service, Desk]]:
    """A service where Postfix hands mail on, and the desk behind it."""
    desk = Desk()
    service = Service(tmp_path, **door(desk, os.environ["TEST_POSTFIX_DOOR"])).start()
    yield service, desk
    if service.process.poll() is None:  # a test that failed
        kill(service)
    desk.close()


def kill(service: Service) -> None:
    service.process.send_signal(signal.SIGKILL)
    service.process.wait(PATIENCE)
    service.process.stdout.close()


def until(what, why: str) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, why
        time.sleep(0.02)


def files_of(size: int) -> dict[str, bytes]:
    source = random.Random(7)
    return {f"logg-{n}.bin": bytes([n]) + source.randbytes(size - 1) for n in range(5)}


@pytest.mark.embedded("looks into the folder of blobs for the moment to kill")
@pytest.mark.slow
def test_sixty_megabytes_through_postfix_with_kills_lose_nothing_and_double_nothing(behind_postfix, postfix):
    service, desk = behind_postfix
    desk.says = "451 4.3.0 not now"
    address = new_ticket(service, "P-1")
    files = files_of(9 << 20)
    raw = message(
        multipart(
            "mixed", TEXT, *[part(f'Content-Type: application/octet-stream; name="{n}"', c) for n, c in files.items()]
        )
    )
    assert len(raw) > 60_000_000
    with smtplib.SMTP(postfix[0], postfix[1], timeout=PATIENCE) as server:
        server.sendmail("kim@sink.test", [address], raw)
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            server.sendmail("kim@sink.test", [address.replace("P-1", "P-2")], raw)
        assert refused.value.recipients.popitem()[1][0] == 550
    blobs = service.data / "blobs"
    until(lambda: any(path.is_file() for path in blobs.rglob("*")), "nothing came in")
    kill(service)  # in the midst of its files
    service.start()
    desk.wait(tries=1)
    kept = {one["id"] for one in attachments(service, "P-1")}
    assert len(kept) == 5
    kill(service)  # kept, and not handed on
    desk.says = None
    service.start()
    desk.wait(messages=1)
    until(lambda: service.log().count('"mail relayed"') == 1, "nothing was handed on")
    assert {one["id"] for one in attachments(service, "P-1")} == kept
    got = contents(service, "P-1")
    assert {name: sha256(content).digest() for name, content in got.items()} == {
        name: sha256(content).digest() for name, content in files.items()
    }
    (taken,) = desk.taken
    assert taken.parsed["Message-ID"] == "<1@kund.example>"
    assert len(taken.raw) < 10_000
    service.stop()
    service.cli("fsck", "--digests")
