"""Multipart forms: any chunking gives the same parts, and nothing unbounded or half-finished passes."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadInput, BilagaError, TypeNotAllowed
from web.multipart import Part, events

FORM = (
    b"--xyz\r\n"
    b'Content-Disposition: form-data; name="note"\r\n\r\n'
    b"hello\r\n"
    b"--xyz\r\n"
    b'Content-Disposition: form-data; name="file"; filename="r\xc3\xa4ka.pdf"\r\n'
    b"Content-Type: application/pdf\r\n\r\n"
    b"one\r\n--xy two\r\n"
    b"--xyz--\r\n"
)


async def chunks(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def read(
    pieces: list[bytes], kind: str = "multipart/form-data; boundary=xyz"
) -> list[tuple[str, str | bytes | None, bytes]]:
    parts: list[tuple[str, str | bytes | None, bytes]] = []
    async for event in events(kind, chunks(pieces)):
        if isinstance(event, Part):
            parts.append((event.name, event.filename, b""))
        elif event is not None:
            name, filename, body = parts.pop()
            parts.append((name, filename, body + bytes(event)))
    return parts


WANTED = [("note", None, b"hello"), ("file", "räka.pdf", b"one\r\n--xy two")]


@given(st.lists(st.integers(1, len(FORM) - 1), unique=True))
async def test_any_chunking_gives_the_same_parts(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(FORM)]
    assert await read([FORM[a:b] for a, b in itertools.pairwise(edges)]) == WANTED


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_small_pieces_are_no_obstacle(size: int) -> None:
    assert await read([FORM[i : i + size] for i in range(0, len(FORM), size)]) == WANTED


@pytest.mark.parametrize(
    "body, error",
    [
        (b"", BadInput),
        (b"junk\r\n" + FORM, BadInput),
        (b"j" * 100_000, BadInput),
        (FORM[:-6], BadInput),
        (FORM[:40], BadInput),
        (FORM + b"e" * 10_000, BadInput),
        (FORM.replace(b"application/pdf", b"multipart/mixed; boundary=q"), BadInput),
        (FORM.replace(b'name="file"; ', b""), BadInput),
        (FORM.replace(b"form-data", b"attachment"), BadInput),
        (FORM.replace(b"Content-Type: application/pdf", b"X: " + b"h" * 9000), BadInput),
        (FORM.replace(b"Content-Type: application/pdf", b"\r\n".join([b"X: 1"] * 17)), BadInput),
        (FORM.replace(b"Content-Type: application/pdf", b"Content-Transfer-Encoding: base64"), BadInput),
        (b"".join(FORM[:-9] for _ in range(11)) + b"--xyz--\r\n", BadInput),
    ],
)
async def test_what_is_no_whole_form_is_refused(body: bytes, error: type[BilagaError]) -> None:
    with pytest.raises(error):
        await read([body[i : i + 700] for i in range(0, len(body), 700)])


@pytest.mark.parametrize(
    "kind, error",
    [
        ("multipart/form-data", BadInput),
        ("multipart/form-data; boundary=" + "b" * 71, BadInput),
        ("multipart/mixed; boundary=xyz", TypeNotAllowed),
        ("text/plain", TypeNotAllowed),
    ],
)
async def test_what_is_no_form_is_refused(kind: str, error: type[BilagaError]) -> None:
    with pytest.raises(error):
        await read([FORM], kind=kind)


async def test_an_extended_file_name_wins() -> None:
    form = FORM.replace(b'filename="r\xc3\xa4ka.pdf"', b"filename*=utf-8''%C3%A5%2Fb.pdf")
    assert (await read([form]))[1][1] == "å/b.pdf".encode()


@given(st.lists(st.integers(1, len(FORM) + 2000), unique=True))
async def test_an_endless_epilogue_is_refused_however_it_is_cut(cuts: list[int]) -> None:
    body = FORM + b"x" * 1100
    edges = [0, *(cut for cut in sorted(cuts) if cut < len(body)), len(body)]
    with pytest.raises(BadInput):
        await read([body[a:b] for a, b in itertools.pairwise(edges)])


@given(st.lists(st.integers(1, len(FORM) + 999), unique=True))
async def test_a_short_epilogue_is_none_however_it_is_cut(cuts: list[int]) -> None:
    body = FORM + b"x" * 1000
    edges = [0, *sorted(cuts), len(body)]
    assert await read([body[a:b] for a, b in itertools.pairwise(edges)]) == WANTED


async def test_a_boundary_at_the_end_of_a_large_chunk_is_no_epilogue() -> None:
    head = FORM.split(b"one", 1)[0]
    large = head + b"x" * 100_000 + b"\r\n--xyz\r\n"
    last = b'Content-Disposition: form-data; name="b"\r\n\r\n' + b"y\r\n--xyz--\r\n"
    assert [len(body) for _, _, body in await read([large, last])] == [5, 100_000, 1]
