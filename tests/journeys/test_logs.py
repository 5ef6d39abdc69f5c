"""What a log may hold (S-82), looked for where it could get in: malformed requests, failures, every level. And the
control that each file's last look through its service's log would find what it looks for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.journeys.service import Service

SECRETS = {
    "a token in an address": "GET /u/{token}\x01 HTTP/1.1\r\nHost: h\r\n\r\n",
    "a credential in a header": "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\0\r\n\r\n",
    "a short passcode in a header": "GET / HTTP/1.1\r\nHost: h\r\nBilaga-Passcode: hemlig-7781\0\r\n\r\n",
    "an address in a header": "GET / HTTP/1.1\r\nHost: h\r\nFrom: åsa@kund-7781.example\0\r\n\r\n",
    "a name in an address": "PUT /u/x/put/Lönelista-7781.xlsx HTTP/9.9\r\nHost: h\r\n\r\n",
    "a cookie": "GET / HTTP/1.1\r\nHost: h\r\nCookie : bilaga-session={token}\r\n\r\n",
}
WORDS = ("hemlig-7781", "kund-7781", "Lönelista-7781", "L\\u00f6nelista")


@pytest.mark.parametrize("what", SECRETS)
def test_a_malformed_request_is_not_quoted(service: Service, what: str) -> None:
    token = "u" + "Sekret9_" * 5 + "abA"
    service.secrets.add(token)
    with service.wire() as wire:
        wire.sendall(SECRETS[what].format(token=token).encode())
        wire.settimeout(10)
        answer = wire.recv(65_536)
    assert b" 400 " in answer
    log = service.log()
    for word in (token, token[:20], *WORDS):
        assert word not in log
        assert word.encode() not in answer


def test_every_line_is_one_event_and_names_routes_instead_of_paths(service: Service) -> None:
    service.put_ticket("LOG-7")
    link = service.upload_link("LOG-7")
    service.anyone.put(f"{link}/put/Lista%0A%7B%22event%22%3A1%7D.txt", body=b"x")
    service.anyone.get("/agent/tickets/LOG-7?ref=x%0Ay")
    events = [json.loads(line) for line in service.log().splitlines()]
    requests = [event for event in events if event["event"] == "request"]
    assert {"/u/{token}/put/{filename}", "/api/v1/tickets/{ref}"} <= {event["route"] for event in requests}
    assert all(set(event) >= {"time", "level", "logger", "event"} for event in events)
    assert "LOG-7" not in service.log()
    assert "127.0.0.1" not in "".join(json.dumps(event) for event in requests)


def test_the_look_through_a_log_finds_what_it_looks_for(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.secrets.add("Åsa")
    service.log_file.write_text(json.dumps({"event": "x", "name": "Åsa"}) + "\n")
    with pytest.raises(AssertionError, match="stands in the log"):
        service.look_through_log()
    service.log_file.write_text(json.dumps({"event": "unforeseen error"}) + "\n")
    with pytest.raises(AssertionError, match="unforeseen"):
        service.look_through_log()
    service.log_file.write_text("Traceback (most recent call last):\n")
    with pytest.raises(ValueError, match="Expecting value"):
        service.look_through_log()
