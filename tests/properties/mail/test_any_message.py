"""Whatever bytes come: a reply, never an error; and either nothing is kept and handed on, or all of it is."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mail.coding import decoded
from mail.head import Head
from mail.lines import Undotting
from mail.raw import RawMessage
from mail.replies import Refusal
from mail.slim import Link, slim
from mail.splitting import Rules, Splitting
from tests.corpus.mails import MAILS

RULES = Rules(picture_max=1000, whole_max=1 << 20)
PIECES = (
    b"\r\n",
    b"\n",
    b"--",
    b"--b1",
    b"--b1--",
    b"b1",
    b'Content-Type: multipart/mixed; boundary="b1"\r\n',
    b"\r\n--b1\r\n",
    b"Content-Type: text/html\r\n\r\n",
    b"Content-Disposition: attachment; filename*0*=utf-8''%C3",
    b"\r\n--b1--\r\n",
    b"Content-Type: application/pdf; name==?utf-8?B?4oK?=\r\n",
    b"Content-Transfer-Encoding: base64\r\n\r\n",
    b"=\r\n",
    b"cid:",
    b"Content-Type: message/rfc822\r\n\r\n",
    b'Content-Type: application/ms-tnef\r\n\r\nx\x9f>"',
    b"\xe5\xff\x00",
    b"Content-Type: image/png\r\nContent-ID: <a>\r\n\r\n",
    b"Content-Type: multipart/signed; boundary=b2\r\n\r\n--b2\r\n",
)
messages = st.one_of(
    st.binary(max_size=400),
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=6)), max_size=25).map(b"".join),
    st.builds(
        lambda mail, seed, cuts: broken(mail.raw, random.Random(seed), cuts),
        st.sampled_from(MAILS),
        st.integers(0, 1 << 30),
        st.integers(1, 4),
    ),
)
sizes = st.integers(1, 64)


def broken(raw: bytes, chance: random.Random, cuts: int) -> bytes:
    """A real one with bytes of it lost, doubled or changed."""
    for _ in range(cuts):
        at, length = chance.randrange(len(raw)), chance.randrange(60)
        piece = raw[at : at + length]
        raw = raw[:at] + chance.choice([b"", piece * 2, chance.randbytes(length)]) + raw[at + length :] or b"\n"
    return raw


def chunks(raw: bytes, size: int):
    return (raw[at : at + size] for at in range(0, len(raw), size))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages, sizes)
def test_any_message_is_split_the_same_however_it_comes(raw, size):
    results: list[object] = []
    for each in (size, 1 << 20):
        kept: list[tuple[int, str, bytes]] = []
        source = RawMessage(chunks(raw, each))

        def keep(number, name, body, kept=kept):
            kept.append((number, name, b"".join(body)))

        splitting = Splitting(source, RULES, keep, loop=("X-Loop", "x"))
        try:
            made = splitting.run()
        except Refusal as refusal:
            results.append(refusal.reply)
            continue
        assert len({n for n, _, _ in kept}) == len(kept)
        assert all(name and len(name.encode()) < 1100 for _, name, _ in kept)
        links = [Link(name, len(content), "https://v.example/") for _, name, content in kept]
        out = slim(made, links, "https://v.example/t", "here")
        if not kept and not made.whole:
            # To the last byte; but for a multipart that had no end, which gets one.
            assert raw in out or out.removeprefix(b"X-Bilaga-Loop: here\r\n").startswith(raw[:-1])
        if made.whole:
            assert out == b"X-Bilaga-Loop: here\r\n" + raw
        results.append((kept, made.whole))
    assert results[0] == results[1]


@given(st.binary(max_size=300), sizes, st.sampled_from(["base64", "quoted-printable", "7bit", "x"]))
def test_any_bytes_are_decoded_in_any_pieces(raw, size, coding):
    b"".join(decoded(chunks(raw, size), coding))
    if coding != "quoted-printable":  # its lines are cut where they end
        assert b"".join(decoded(chunks(raw, size), coding)) == b"".join(decoded([raw], coding))


@given(st.binary(max_size=300))
def test_any_header_is_read(raw):
    head = Head(raw)
    (
        head.type,
        head.name,
        head.coding,
        head.boundary,
        head.disposition,
        head.content_id,
        head.get("Subject"),
        head.fields(),
    )
    assert "\0" not in head.name


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"\r\n", b"\r", b"\n"]), max_size=20).map(b"".join), sizes)
def test_dots_are_undone_as_a_line_at_a_time_would(message, size):
    lines = message.split(b"\r\n")
    wire = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b"\r\n.\r\n"
    undotting, out = Undotting(), b""
    for chunk in chunks(wire + b"rest", size):
        if undotting.ended:
            break
        out += undotting.feed(chunk)
    assert undotting.ended
    assert out == message + b"\r\n"
