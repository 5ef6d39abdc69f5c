"""Requests to ticket systems: where they may go, how long they may take, and what becomes of what goes wrong (S-68)."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from domain.errors import DeskRefused, DeskUnavailable, Misconfigured, TooLarge
from tickets.outgoing import Outgoing, Part
from tickets.reach import Reach


class Answers(BaseHTTPRequestHandler):
    """Answers by path; what came is kept on the server."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length", 0))
        self.server.asked.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        name = self.path.strip("/").split("?")[0].replace("/", "_")
        getattr(self, f"on_{name}", self.on_other)()

    do_POST = do_HEAD = do_GET  # noqa: N815 (http.server's own names)

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def on_other(self) -> None:
        self.say(200, json.dumps({"path": self.path}).encode())

    def on_api_teapot(self) -> None:
        self.say(int(self.path.partition("=")[2] or 418), b'{"email": "a@b.example"}')

    def on_api_away(self) -> None:
        self.say(302, Location="https://elsewhere.example/")

    def on_api_busy(self) -> None:
        self.server.busy -= 1
        self.say(429 if self.server.busy >= 0 else 200, b"{}", Retry_After="2")

    def on_api_long(self) -> None:
        self.say(200, b"[" + b" " * 4096 + b"]")

    def on_api_text(self) -> None:
        self.say(200, b"<html>")

    def on_api_cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"half")
        self.close_connection = True

    def on_api_drip(self) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: ":
            self.wfile.write(bytes([byte]))
        while not self.server.ended.wait(0.05):
            try:
                self.wfile.write(b"x")
            except OSError:
                break
        self.close_connection = True

    def on_file(self) -> None:
        self.say(200, b"0123456789")

    def on_stale(self) -> None:
        self.say(403, b"<Error>")

    def on_none(self) -> None:
        self.say(404)

    def log_message(self, *words: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.busy = 0
        self.ended = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/api"

    @contextmanager
    def running(self) -> Iterator[Server]:
        thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.ended.set()
            self.shutdown()
            thread.join()
            self.server_close()


class Sleeps:
    """A clock of its own, in which sleeping takes no time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[Server]:
    with Server().running() as server:
        yield server


@pytest.fixture
def sleeps() -> Sleeps:
    return Sleeps()


@pytest.fixture
def to(server, sleeps):
    made = []

    def make(**more):
        how = {"headers": {"Authorization": "Basic secret"}, "allow_loopback": True, **more}
        made.append(Outgoing(server.url, sleep=sleeps.sleep, monotonic=sleeps.monotonic, **how))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:a9fe:a9fe",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a00:1::",
        "2001::1",
        "no address",
        "",
    ],
)
def test_no_inner_address_is_reached_in_whatever_form(address):
    assert not Reach().allows(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_public_addresses_are_reached(address):
    assert Reach().allows(address)


def test_a_network_that_was_named_is_reached_and_nothing_beside_it():
    reach = Reach(["10.1.0.0/16", "fd12::/16", "169.254.0.0/16", "0.0.0.0/0"][:3])
    assert [reach.allows(one) for one in ("10.1.2.3", "::ffff:10.1.2.3", "fd12::1")] == [True] * 3
    assert [reach.allows(one) for one in ("10.2.0.1", "127.0.0.1", "169.254.169.254", "fd13::1")] == [False] * 4
    assert not Reach(["0.0.0.0/0", "::/0"]).allows("169.254.169.254")
    with pytest.raises(Misconfigured):
        Reach(["10.1"])


@pytest.mark.parametrize(
    "url",
    [
        "http://desk.example",
        "ftp://desk.example",
        "https://user:pass@desk.example",
        "https://desk.example/?a=b",
        "https://desk.example/#a",
        "desk.example",
        "https://",
        "",
    ],
)
def test_a_base_that_is_no_plain_https_address_stops_the_start(url):
    with pytest.raises(Misconfigured) as error:
        Outgoing(url, headers={})
    assert error.value.field == "url"


def test_a_name_that_leads_to_this_machine_is_not_connected_to(server):
    port = server.server_port
    with pytest.raises(DeskRefused, match="networks"):
        Outgoing(f"https://localhost:{port}", headers={}).json("GET", "/")
    with pytest.raises(DeskRefused, match="networks"):
        Outgoing(f"https://[::ffff:127.0.0.1]:{port}", headers={}).json("GET", "/")
    assert server.asked == []


def test_what_is_said_in_clear_stays_on_this_machine(to):
    with pytest.raises(DeskRefused):
        Outgoing("http://192.0.2.1", headers={}, allow_loopback=True, networks=["192.0.2.0/24"]).json("GET", "/")


def test_a_certificate_nobody_vouches_for_is_refused(server):
    # What answers in clear is no better: the handshake fails.
    with pytest.raises(DeskUnavailable):
        Outgoing(f"https://127.0.0.1:{server.server_port}", headers={}, networks=["127.0.0.0/8"]).json("POST", "/")


def test_paths_queries_bodies_and_headers_go_out_as_they_were_meant(server, to):
    reply = to().json("POST", "/x", query={"a": "1 & 2", "b": None}, body={"name": "Å"})
    assert (reply.status, reply.json) == (200, {"path": "/api/x?a=1+%26+2"})
    method, path, headers, body = server.asked[-1]
    assert (method, path, json.loads(body)) == ("POST", "/api/x?a=1+%26+2", {"name": "Å"})
    assert (headers["Authorization"], headers["Content-Type"]) == ("Basic secret", "application/json")
    to().form("POST", "f", {"body": "x"}, [Part("file", "å.txt", "text/plain", b"data")])
    assert b"data" in server.asked[-1][3]
    assert to().json("GET", server.url + "/y").json == {"path": "/api/y"}


def test_no_header_of_ours_goes_to_another_host(server, to):
    for address in (
        "https://elsewhere.example/x",
        f"http://127.0.0.1:{server.server_port + 1}/",
        "http://a:b@127.0.0.1/",
    ):
        with pytest.raises(DeskRefused):
            to().json("GET", address)
        with pytest.raises(DeskRefused), to().stream(address, authorised=True, limit=None):
            pass
    with pytest.raises(DeskRefused), to().stream("https://evil.example/f", authorised=False, limit=None):
        pass
    with (
        pytest.raises(DeskRefused),
        to(allowed_hosts=["*.good.example"]).stream(
            "https://good.example.evil.example/f", authorised=False, limit=None
        ),
    ):
        pass
    assert server.asked == []


def test_redirects_are_not_followed(to):
    with pytest.raises(DeskRefused):
        to().json("GET", "/away")


@pytest.mark.parametrize(
    ("status", "kind"), [(401, DeskRefused), (403, DeskRefused), (400, DeskRefused), (503, DeskUnavailable)]
)
def test_a_status_becomes_an_error_without_a_word_of_the_body(to, status, kind):
    with pytest.raises(kind) as error:
        to().json("POST", f"/teapot?s={status}")
    assert "a@b" not in str(error.value.detail)
    assert error.value.facts["status"] == status


def test_an_expected_status_is_an_answer(to):
    assert to().json("GET", "/teapot?s=404", expect=(200, 404)).status == 404


def test_what_is_over_the_rate_waits_its_time_out_and_no_longer_than_half_a_minute(server, to, sleeps):
    server.busy = 2
    assert to().json("POST", "/busy").status == 200
    assert sleeps.slept == [2.0, 2.0]
    server.busy = 9
    with pytest.raises(DeskUnavailable) as error:
        to().json("POST", "/busy")
    assert error.value.wait == 2.0


def test_what_is_safe_to_repeat_is_asked_again_after_a_broken_line_and_nothing_else(server, to):
    for method, times in (("GET", 3), ("POST", 1)):
        server.asked.clear()
        with pytest.raises(DeskUnavailable):
            to().json(method, "/cut")
        assert len(server.asked) == times


def test_answers_that_are_too_long_or_no_json_are_none(to):
    with pytest.raises(DeskRefused):
        to(most_json=1000).json("GET", "/long")
    with pytest.raises(DeskUnavailable):
        to().json("POST", "/text")


def test_a_head_that_drips_is_cut_off(to):
    with pytest.raises(DeskUnavailable):
        to(timeout=0.4).json("POST", "/drip")


def test_a_turn_comes_no_oftener_than_the_rate_and_a_far_one_is_for_later(to, sleeps):
    slow = to(rate=4)
    slow.json("GET", "/a")
    slow.json("GET", "/b")
    assert sleeps.slept == [15.0]
    slower = to(rate=1)
    slower.json("GET", "/a")
    with pytest.raises(DeskUnavailable) as error:
        slower.json("GET", "/b")
    assert error.value.wait == 60.0


def test_a_file_comes_in_pieces_signed_addresses_without_our_headers_and_never_more_than_announced(server, to):
    base = f"http://127.0.0.1:{server.server_port}"
    with to().stream(f"{base}/file", authorised=False, limit=10) as pieces:
        assert b"".join(pieces) == b"0123456789"
    assert "Authorization" not in server.asked[-1][2]
    with to().stream("/file/../../file", authorised=True, limit=None):
        pass
    assert server.asked[-1][2]["Authorization"] == "Basic secret"
    with to().stream(f"{base}/file", authorised=False, limit=9) as pieces, pytest.raises(TooLarge):
        b"".join(pieces)
    with pytest.raises(FileNotFoundError), to().stream(f"{base}/none", authorised=False, limit=9):
        pass
    with pytest.raises(DeskUnavailable), to().stream(f"{base}/stale", authorised=False, limit=9):
        pass
    with pytest.raises(DeskRefused), to().stream(f"{base}/stale", authorised=True, limit=9):
        pass


def test_what_is_down_is_not_asked_all_the_time(sleeps):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    desk = Outgoing(
        f"http://127.0.0.1:{port}", headers={}, allow_loopback=True, sleep=sleeps.sleep, monotonic=sleeps.monotonic
    )
    for _ in range(4):
        with pytest.raises(DeskUnavailable):
            desk.json("GET", "/")
    slept = list(sleeps.slept)
    with pytest.raises(DeskUnavailable):
        desk.json("GET", "/")
    assert sleeps.slept == slept
