"""One site, two nodes, nginx before them: whatever one began the other knows, and either may go at any moment."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from threading import Barrier, Event, Thread

import pytest

from tests.journeys.nodes import Node, Nodes, site_settings, two_nodes, until
from tests.journeys.service import Answer, Client, Form

CONTENT = secrets.token_bytes(3_000_000)
RACERS = 64


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with two_nodes(tmp_path_factory.mktemp("nodes")) as running:
        yield running


def agent(nodes: Nodes) -> Client:
    """An agent who comes through nginx."""
    return nodes.through({"Authorization": f"Bearer {nodes.one.key('agent')}"})


# -- what one node did, the other knows ------------------------------------------------------------------------------


def test_what_one_node_took_in_the_other_gives_out_and_what_one_ends_is_over_on_both(nodes: Nodes) -> None:
    one, other = nodes.both
    one.put_ticket("N-1")
    upload = one.upload_link("N-1")
    sent = other.anyone.put(f"{upload}/put/fil.bin", body=CONTENT)
    assert sent.status == 201
    attachment = sent.json()["attachments"][0]["id"] if "attachments" in sent.json() else sent.json()["id"]
    link = one.download_link(attachment, max_downloads=5)
    assert other.anyone.get(f"{link}/content").body == CONTENT
    assert one.anyone.get(f"{link}/content").body == CONTENT
    links = other.as_("agent").get("/api/v1/tickets/N-1/links").json()
    for known in links["links"] if "links" in links else links["items"]:
        assert one.as_("agent").delete(f"/api/v1/links/{known['id']}").status == 204
    assert other.anyone.get(f"{link}/content").status == 410
    assert other.anyone.put(f"{upload}/put/fil.bin", body=b"x").status == 410
    assert other.as_("admin").delete(f"/api/v1/attachments/{attachment}").status == 204
    assert one.as_("agent").get(f"/api/v1/attachments/{attachment}/content").status == 410


def test_whoever_signed_in_on_one_node_is_signed_in_on_both_and_out_on_both(nodes: Nodes) -> None:
    one, other = nodes.both
    token = one.cli("signin", "--role", "agent", "--name", "Anna").rsplit("/", 1)[1]
    page = one.browser.get(f"/signin/{token}")
    assert page.status == 200
    origin = {"Origin": nodes.front.url, "Content-Type": "application/x-www-form-urlencoded"}
    signed_in = one.browser.post(f"/signin/{token}", body=b"", headers=origin)
    assert signed_in.status == 303, signed_in.body
    cookie = signed_in.headers["Set-Cookie"].split(";")[0]
    one.secrets.add(cookie.split("=", 1)[1])
    session = {"Cookie": cookie}
    assert other.anyone.get("/api/v1/me", headers=session).json()["role"] == "agent"
    assert one.anyone.get("/api/v1/me", headers=session).status == 200
    me = next(line for line in one.cli("apikey", "list").splitlines() if "Anna" in line).split()[0]
    one.cli("apikey", "revoke", me)
    assert [node.anyone.get("/api/v1/me", headers=session).status for node in nodes.both] == [401, 401]


def test_an_answer_that_one_node_gave_is_given_again_by_the_other(nodes: Nodes) -> None:
    one, other = nodes.both
    one.put_ticket("N-2")
    once = {"Idempotency-Key": secrets.token_hex(8)}
    first = one.as_("agent").post("/api/v1/tickets/N-2/upload-links", json_body={}, headers=once)
    again = other.as_("agent").post("/api/v1/tickets/N-2/upload-links", json_body={}, headers=once)
    assert (first.status, again.status) == (201, 201)
    assert first.json() == again.json()
    one.path(first.json()["url"])


def test_of_many_who_race_for_a_one_time_link_over_both_nodes_one_gets_the_file(nodes: Nodes) -> None:
    nodes.one.put_ticket("N-3")
    content = secrets.token_bytes(300_000)
    link = nodes.one.download_link(nodes.one.attach("N-3", content=content), max_downloads=1)
    barrier = Barrier(RACERS)

    def race(_: int) -> Answer:
        barrier.wait(60)
        return nodes.through().get(f"{link}/content")

    with ThreadPoolExecutor(RACERS) as racers:
        answers = list(racers.map(race, range(RACERS)))
    assert Counter(answer.status for answer in answers) == {200: 1, 410: RACERS - 1}
    assert [answer.body for answer in answers if answer.status == 200] == [content]


# -- nodes that go -----------------------------------------------------------------------------------------------------


@dataclass
class Traffic:
    """What goes on all the time: pages, API, and uploads small and slow. ``failed`` must stay empty."""

    nodes: Nodes
    link: str
    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    sent: dict[str, bytes] = field(default_factory=dict)
    over: Event = field(default_factory=Event)

    def run(self) -> list[Thread]:
        work = (self.look, self.ask, self.make, self.upload_small, self.upload_slow, self.upload_slow)
        threads = [Thread(target=self._again, args=(one,)) for one in work]
        for thread in threads:
            thread.start()
        return threads

    def _again(self, work) -> None:
        while not self.over.is_set():
            try:
                work()
                self.done[work.__name__] += 1
            except (AssertionError, OSError, HTTPException) as error:
                self.failed.append(f"{work.__name__}: {error!r}")
            time.sleep(0.01)

    def look(self) -> None:
        answer = self.nodes.through({"Accept": "text/html"}).get(self.link)
        assert answer.status == 200, (answer.status, answer.body)

    def ask(self) -> None:
        answer = agent(self.nodes).get("/api/v1/tickets/N-4")
        assert answer.status == 200, (answer.status, answer.body)

    def make(self) -> None:
        answer = agent(self.nodes).post("/api/v1/tickets/N-4/upload-links", json_body={})
        assert answer.status == 201, (answer.status, answer.body)
        self.nodes.path(answer.json()["url"])

    def upload_small(self) -> None:
        self._upload(secrets.token_bytes(2000), 1)

    def upload_slow(self) -> None:
        self._upload(CONTENT[: 1_000_000 + secrets.randbelow(1_000_000)], 8)

    def _upload(self, content: bytes, pieces: int) -> None:
        def slowly() -> Iterator[bytes]:
            step = len(content) // pieces + 1
            for start in range(0, len(content), step):
                yield content[start : start + step]
                if pieces > 1:
                    time.sleep(0.15)

        length = {"Content-Length": str(len(content))}
        answer = self.nodes.through().put(f"{self.link}/put/fil.bin", body=slowly(), headers=length)
        assert answer.status == 201, (answer.status, answer.body)
        self.sent[answer.json()["id"]] = hashlib.sha256(content).digest()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nodes_that_are_restarted_one_after_the_other_lose_no_request(nodes: Nodes) -> None:
    nodes.one.put_ticket("N-4")
    nodes.one.key("agent")
    traffic = Traffic(nodes, nodes.one.upload_link("N-4"))
    threads = traffic.run()
    for node in nodes.both:
        time.sleep(3)  # nginx tries a node that was away again after two seconds
        node.ends()
        node.start()
    time.sleep(1)
    traffic.over.set()
    for thread in threads:
        thread.join(60)
    print("requests behind nginx while both nodes were restarted:", dict(traffic.done))
    assert traffic.failed == []
    assert min(traffic.done.values()) > 5
    for attachment, digest in traffic.sent.items():
        content = agent(nodes).get(f"/api/v1/attachments/{attachment}/content")
        assert hashlib.sha256(content.body).digest() == digest


class Sending:
    """An upload straight to a node, half of which has been sent."""

    def __init__(self, node: Node, link: str, **headers: str) -> None:
        self.node = node
        path = node.path(link)
        self._wire = node.wire()
        head = f"PUT {path}/put/halv.bin HTTP/1.1\r\nHost: {node.url[7:]}\r\nContent-Length: {len(CONTENT)}\r\n"
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self._wire.sendall(f"{head}{more}\r\n".encode() + CONTENT[:1_500_000])

    def status(self) -> int:
        """Send the rest; the status of the answer."""
        with suppress(OSError):  # it may be answered already
            self._wire.sendall(CONTENT[1_500_000:])
        return int(self._wire.recv(4096).split()[1])

    def close(self) -> None:
        self._wire.close()


def receiving(nodes: Nodes) -> int:
    """How many uploads are under way, by the database."""
    from domain.attachment import AttachmentState

    with nodes.one.site() as site:
        wanted = {AttachmentState.RECEIVING}
        return len(site.records.read(lambda unit: unit.inventory.in_states(wanted, limit=100)))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_a_dead_node_had_begun_another_frees_soon(nodes: Nodes) -> None:
    one, other = nodes.both
    other.put_ticket("N-5")
    link = other.upload_link("N-5", max_files=1)
    key = {"Idempotency-Key": '"dead"'}
    sending = Sending(one, link, Idempotency_Key='"dead"')
    until(lambda: receiving(nodes) == 1)
    one.kill()
    sending.close()
    refused = other.anyone.put(f"{link}/put/halv.bin", body=CONTENT, headers=key)
    assert (refused.status, refused.problem) == (409, "state-conflict")
    until(lambda: receiving(nodes) == 0)
    answers: list[Answer] = []

    def taken() -> bool:
        answers.append(other.anyone.put(f"{link}/put/halv.bin", body=CONTENT, headers=key))
        return answers[-1].status == 201

    until(taken)
    assert {answer.status for answer in answers} <= {201, 409}
    one.start()
    again = one.anyone.put(f"{link}/put/halv.bin", body=CONTENT, headers=key)
    assert again.json() == answers[-1].json()
    assert one.as_("agent").get(f"/api/v1/attachments/{again.json()['id']}/content").body == CONTENT


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_node_that_was_paused_too_long_does_not_finish_what_others_ended(nodes: Nodes) -> None:
    one, other = nodes.both
    other.put_ticket("N-6")
    link = other.upload_link("N-6", max_files=1)
    sending = Sending(one, link)
    until(lambda: receiving(nodes) == 1)
    os.kill(one.process.pid, signal.SIGSTOP)
    until(lambda: receiving(nodes) == 0)
    os.kill(one.process.pid, signal.SIGCONT)
    status = sending.status()
    sending.close()
    assert status in {409, 503}  # its row is gone; or already its blob
    assert other.as_("agent").get("/api/v1/tickets/N-6/attachments").json()["attachments"] == []
    sent = one.anyone.put(f"{link}/put/halv.bin", body=CONTENT)
    assert sent.status == 201
    assert other.as_("agent").get(f"/api/v1/attachments/{sent.json()['id']}/content").body == CONTENT
    other.cli("fsck", "--digests")


def test_nothing_is_restored_beside_a_node_that_serves(nodes: Nodes) -> None:
    before = nodes.one.as_("auditor").get("/api/v1/audit").json()
    assert nodes.one.cli("restore", code=2) == ""
    after = nodes.one.as_("auditor").get("/api/v1/audit?kind=site.restored").json()
    assert before
    assert "site.restored" not in str(after)


def test_of_nodes_that_start_a_new_site_at_once_one_tells_how_to_sign_in(tmp_path: Path) -> None:
    with site_settings(tmp_path) as settings:
        starting = [Node(tmp_path, f"{number}", **settings) for number in range(3)]
        starting[0].cli("keys", "list")  # the keys are made; what is raced for is the rest
        for node in starting:
            node.begin()
        for node in starting:
            node.wait()
        said = [line for node in starting for line in node.said if "first administrator" in line]
        for node in starting:
            node.stop()
    assert len(said) == 1


# -- the sample --------------------------------------------------------------------------------------------------------


def test_nothing_is_known_of_the_nodes_inside_and_no_token_stands_in_the_proxys_log(nodes: Nodes) -> None:
    nodes.one.put_ticket("N-7")
    link = nodes.one.upload_link("N-7")
    anyone = nodes.through()
    assert anyone.get("/metrics").status == 404
    ready = nodes.through({"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"}).get("/readyz")
    assert (ready.status, "checks" in ready.json()) == (200, False)
    sent = anyone.put(f"{link}/put/a%2Fb%20%2e%2e.txt", body=b"hej")
    assert sent.status == 201
    assert sent.json()["name"] == nodes.one.anyone.put(f"{link}/put/a%2Fb%20%2e%2e.txt", body=b"hej").json()["name"]
    assert nodes.through({"Host": "elsewhere.example"}).get(link).status in {404, 421}
    log = nodes.front.log.read_text()
    assert "PUT /u 201" in log
    assert [secret for secret in nodes.one.secrets if secret in log] == []


def test_an_upload_is_refused_before_its_body_has_come_and_streams_through_when_it_is_not(nodes: Nodes) -> None:
    nodes.one.put_ticket("N-8")
    link = nodes.one.upload_link("N-8", max_bytes=1000)
    connection = nodes.connect()
    connection.putrequest("PUT", f"{nodes.path(link)}/put/stor.bin")
    connection.putheader("Content-Length", "5000000")
    connection.endheaders()
    answer = connection.getresponse()  # not a byte of the body was sent
    assert answer.status == 413
    answer.close()
    connection.close()
    assert not any((nodes.front.folder / "body").glob("*"))


TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = TUS | {"Content-Type": "application/offset+octet-stream"}


def test_what_of_a_piece_came_before_a_cut_is_kept_through_the_proxy(nodes: Nodes) -> None:
    nodes.one.put_ticket("N-10")
    link = nodes.one.upload_link("N-10")
    made = nodes.through(TUS).post(f"{link}/files", headers={"Upload-Length": str(len(CONTENT))})
    upload = made.headers["Location"]
    connection = nodes.connect()
    connection.putrequest("PATCH", nodes.path(upload))
    for name, value in (OCTETS | {"Upload-Offset": "0", "Content-Length": str(len(CONTENT))}).items():
        connection.putheader(name, value)
    connection.endheaders(CONTENT[:2_000_000])
    until(lambda: nodes.other.anyone("HEAD", upload, headers=TUS).headers["Upload-Offset"] != "0")
    connection.close()
    offset = int(nodes.through(TUS)("HEAD", upload).headers["Upload-Offset"])
    assert 0 < offset <= 2_000_000, "nginx passed it on as it came"
    last = nodes.through(OCTETS)("PATCH", upload, body=CONTENT[offset:], headers={"Upload-Offset": str(offset)})
    assert (last.status, last.headers["Upload-Offset"]) == (204, str(len(CONTENT)))
    (row,) = agent(nodes).get("/api/v1/tickets/N-10/attachments").json()["attachments"]
    assert row["sha256"] == hashlib.sha256(CONTENT).hexdigest()


def test_a_list_of_many_pieces_passes_the_proxy_and_comes_back(nodes: Nodes) -> None:
    nodes.one.put_ticket("N-11")
    link = nodes.one.upload_link("N-11")
    piece = nodes.through(OCTETS).post(
        f"{link}/files", body=b"hej ", headers={"Upload-Length": "4", "Upload-Concat": "partial"}
    )
    listed = "final;" + " ".join([piece.headers["Location"]] * 512)
    assert len(listed) > 50_000
    made = nodes.through(TUS).post(f"{link}/files", headers={"Upload-Concat": listed})
    assert made.status == 201, made.body
    head = nodes.through(TUS)("HEAD", made.headers["Location"])
    assert (head.status, head.headers["Upload-Concat"]) == (200, listed)
    (row,) = agent(nodes).get("/api/v1/tickets/N-11/attachments").json()["attachments"]
    assert row["sha256"] == hashlib.sha256(b"hej " * 512).hexdigest()


def test_nobody_is_told_104_through_a_proxy_that_would_take_it_for_the_answer(nodes: Nodes) -> None:
    nodes.one.put_ticket("N-12")
    link = nodes.one.upload_link("N-12")
    draft = {"Upload-Draft-Interop-Version": "8", "Upload-Complete": "?1"}
    sent = nodes.through(draft).post(f"{link}/files", body=b"hej")
    assert (sent.status, sent.headers["Upload-Complete"]) == (201, "?1")


def test_too_many_requests_from_one_address_are_turned_away_at_the_door(tmp_path: Path) -> None:
    with two_nodes(tmp_path, a_second=1) as nodes:
        with ThreadPoolExecutor(16) as pool:
            statuses = Counter(pool.map(lambda _: nodes.through().get("/healthz").status, range(160)))
        assert statuses[200] >= 100
        assert statuses[429] > 0
        assert set(statuses) == {200, 429}


def test_a_form_is_taken_through_the_proxy_by_a_browser(nodes: Nodes) -> None:
    nodes.one.put_ticket("N-9")
    link = nodes.one.upload_link("N-9")
    browser = nodes.through({"Accept": "text/html", "Origin": nodes.front.url})
    sent = browser.post(link, form=Form.of(("rapport.txt", b"hej")))
    assert sent.status == 303
    assert nodes.through({"Accept": "text/html"}).get(sent.headers["Location"]).status == 200
