"""Logs: one JSON object a line, and nothing in it that is a key to something."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

import logs
from crypto import TokenPurpose, new_token


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    logs.start("info", stream)
    yield stream
    root.handlers[:], root.level = before


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_with_its_fields(stream: io.StringIO) -> None:
    logging.getLogger("web.guard").info("request", extra={"status": 200, "route": "/u/{token}"})
    (line,) = lines(stream)
    assert (line["event"], line["logger"], line["level"]) == ("request", "web.guard", "info")
    assert (line["status"], line["route"]) == (200, "/u/{token}")
    assert str(line["time"]).endswith("+00:00")


def test_control_characters_cannot_make_a_line(stream: io.StringIO) -> None:
    logging.getLogger("x").warning("a\nb\x1b[31m", extra={"c": "d\r\ne\u2028f"})
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("purpose", list(TokenPurpose))
def test_tokens_and_addresses_are_struck_out_wherever_they_stand(stream: io.StringIO, purpose: TokenPurpose) -> None:
    token = new_token(purpose)
    try:
        raise ValueError(f"GET /u/{token} by anna.öberg@example.com")
    except ValueError:
        logging.getLogger("x").exception("in %s", token, extra={"path": f"/d/{token}?x", "to": "<a@example.com>"})
    text = stream.getvalue()
    assert token not in text
    assert token[2:] not in text
    assert "example.com" not in text
    assert "ValueError" in text
