"""What a client gets on bad input: one row of S-2 a test, and nothing of it is kept (S-1, S-3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from crypto import TokenPurpose, new_token
from tests.corpus import files as corpus
from tests.journeys.kept import kept
from tests.journeys.service import Answer, Form, Service
from tests.unit.transfer_inspect import corpus as small

KIB = 1 << 10
API = "/api/v1"
BOUNDARY = "bgrr"
OCTETS = {"Content-Type": "application/octet-stream"}
# Words that would tell a stranger how we are built (S-1).
TELLING = re.compile(
    rb"Traceback|File \"|sqlite|SELECT |aiohttp|Python/|/site-packages|\.py\b|/tmp/|/home/", re.IGNORECASE
)


@dataclass
class World:
    """A service, and one thing of each kind to knock on."""

    service: Service
    open: str
    """A link that takes anything."""
    small: str
    """A link that takes one file of 1000 bytes of text."""
    attachment: str
    download: str

    def form(self, body: bytes, boundary: str = BOUNDARY, link: str | None = None) -> Answer:
        """A hand-made multipart body."""
        content_type = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self.service.anyone.post(link or self.open, body=body, headers=content_type)

    def put_ticket(self, body: bytes, **headers: str) -> Answer:
        sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.service.as_("agent").put(f"{API}/tickets/B-1", body=body, headers=sent)

    def send(self, name: str, content: bytes = b"hej", link: str | None = None, **headers: str) -> Answer:
        """A plain upload; ``name`` is put into the address as it is."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.service.anyone.put(f"{link or self.open}/put/{name}", body=content, headers=OCTETS | sent)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that takes files of a mebibyte."""
    running = Service(tmp_path_factory.mktemp("bad"), MAX_FILE_SIZE="1MiB", MONITOR_FROM="192.0.2.0/24").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def world(service: Service) -> World:
    for role in ("agent", "admin", "auditor"):
        service.key(role)
    service.put_ticket("B-1")
    attachment = service.attach("B-1", "anteckning.txt", b"0123456789")
    small = service.upload_link("B-1", max_files=1, max_bytes=1000, allowed_types=[".txt", "image/*"])
    return World(service, service.upload_link("B-1"), small, attachment, service.download_link(attachment))


def part(filename: bytes = b"a.txt", content: bytes = b"hej", head: bytes = b"") -> bytes:
    """One part of a form, after its boundary."""
    return b'Content-Disposition: form-data; name="file"; filename="' + filename + b'"\r\n' + head + b"\r\n" + content


def body(*parts: bytes, end: bytes = b"--\r\n") -> bytes:
    return b"".join(b"--bgrr\r\n" + one + b"\r\n" for one in parts) + b"--bgrr" + end


def nested() -> bytes:
    return body(
        b'Content-Disposition: form-data; name="file"\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x--'
    )


def deep(levels: int) -> bytes:
    return b'{"status":"open","x":' + b"[" * levels + b"]" * levels + b"}"


def lazy(size: int) -> Iterator[bytes]:
    """A body of undeclared length."""
    for _ in range(0, size, 64 * KIB):
        yield bytes(64 * KIB)


Ask = Callable[[World], Answer]
# cause: (status, NAME, the request). In the order of the table of S-2.
ROWS: dict[str, tuple[int, str, Ask]] = {
    # 400: JSON (S-80, S-61)
    "JSON that ends early": (400, "bad-request", lambda w: w.put_ticket(b'{"status":"open"')),
    "JSON that is no object": (400, "bad-request", lambda w: w.put_ticket(b'["open"]')),
    "JSON in another coding": (400, "bad-request", lambda w: w.put_ticket('{"status":"öppen"}'.encode("latin-1"))),
    "JSON with NaN": (400, "bad-request", lambda w: w.put_ticket(b'{"status":"open","subject":NaN}')),
    "a member twice": (400, "bad-request", lambda w: w.put_ticket(b'{"status":"open","status":"closed"}')),
    "an unknown member": (400, "bad-request", lambda w: w.put_ticket(b'{"status":"open","held":false}')),
    "a read-only member": (400, "bad-request", lambda w: w.put_ticket(b'{"status":"open","ref":"B-2"}')),
    "a wrong type": (400, "bad-request", lambda w: w.put_ticket(b'{"status":7}')),
    "a wrong word": (400, "bad-request", lambda w: w.put_ticket(b'{"status":"ajar"}')),
    "an instant without a zone": (
        400, "bad-request", lambda w: w.put_ticket(b'{"status":"open","opened_at":"2026-01-01T00:00:00"}'),
    ),
    "a lone surrogate": (400, "bad-request", lambda w: w.put_ticket(b'{"status":"open","subject":"\\ud800"}')),
    "JSON 33 deep": (400, "bad-request", lambda w: w.put_ticket(deep(33))),
    "JSON 100 000 deep": (400, "bad-request", lambda w: w.put_ticket(deep(100_000))),
    "JSON of 1001 members": (
        400, "bad-request",
        lambda w: w.put_ticket(b"{" + b",".join(b'"m%d":1' % n for n in range(1001)) + b"}"),
    ),
    "a number of 65 digits": (400, "bad-request", lambda w: w.put_ticket(b'{"status":' + b"9" * 65 + b"}")),
    "no body": (400, "bad-request", lambda w: w.put_ticket(b"")),
    # 400: query, cursor, credential, idempotency key
    "an unknown query": (400, "bad-request", lambda w: w.service.as_("agent").get(f"{API}/tickets?all=1")),
    "a query where none is taken": (400, "bad-request", lambda w: w.service.as_("agent").get(f"{API}/me?x=1")),
    "a query twice": (400, "bad-request", lambda w: w.service.as_("agent").get(f"{API}/tickets?limit=1&limit=2")),
    "a wrong limit": (400, "bad-request", lambda w: w.service.as_("agent").get(f"{API}/tickets?limit=0")),
    "a made-up cursor": (400, "bad-request", lambda w: w.service.as_("agent").get(f"{API}/tickets?cursor=abcd")),
    "a cursor of letters beyond ASCII": (
        400, "bad-request", lambda w: w.service.as_("agent").get(f"{API}/tickets?cursor=%C3%A5"),
    ),
    "an empty idempotency key": (
        400, "bad-request", lambda w: w.put_ticket(b'{"status":"open"}', Idempotency_Key=""),
    ),
    "an idempotency key of 256": (
        400, "bad-request", lambda w: w.put_ticket(b'{"status":"open"}', Idempotency_Key="k" * 256),
    ),
    "a duration that is none": (
        400, "bad-request",
        lambda w: w.service.as_("agent").post(f"{API}/tickets/B-1/upload-links", json_body={"expires_in": "P1Q"}),
    ),
    "a link that ends in the past": (
        400, "bad-request",
        lambda w: w.service.as_("agent").post(
            f"{API}/tickets/B-1/upload-links", json_body={"expires_at": "2020-01-01T00:00:00Z"}
        ),
    ),
    "a passcode of five": (
        400, "bad-request",
        lambda w: w.service.as_("agent").post(f"{API}/tickets/B-1/upload-links", json_body={"passcode": "12345"}),
    ),
    # 400: multipart (S-43)
    "a form without its last boundary": (400, "bad-request", lambda w: w.form(body(part(), end=b"\r\n"))),
    "a form that stops in a part": (400, "bad-request", lambda w: w.form(b"--bgrr\r\n" + part())),
    "a form of another boundary": (400, "bad-request", lambda w: w.form(body(part()), boundary="other")),
    "a form without a boundary": (400, "bad-request", lambda w: w.form(body(part()), boundary="")),
    "a boundary of 71": (400, "bad-request", lambda w: w.form(body(part()), boundary="b" * 71)),
    "an empty form": (400, "bad-request", lambda w: w.form(b"")),
    "a form without a file": (400, "bad-request", lambda w: w.form(body())),
    "a form in a form": (400, "bad-request", lambda w: w.form(nested())),
    "a form of 21 parts": (400, "bad-request", lambda w: w.form(body(*[part()] * 21))),
    "a part with 17 headers": (
        400, "bad-request", lambda w: w.form(body(part(head=b"".join(b"X-%d: y\r\n" % n for n in range(17))))),
    ),
    "a part with a head of 9 KiB": (
        400, "bad-request", lambda w: w.form(body(part(head=b"X: " + b"y" * 9 * KIB + b"\r\n"))),
    ),
    "a part without a name": (
        400, "bad-request", lambda w: w.form(body(b"Content-Disposition: form-data\r\n\r\nhej")),
    ),
    "a part without a head": (400, "bad-request", lambda w: w.form(b"--bgrr\r\n\r\nhej\r\n--bgrr--\r\n")),
    "a coded part": (
        400, "bad-request", lambda w: w.form(body(part(head=b"Content-Transfer-Encoding: base64\r\n"))),
    ),
    "a preamble of 2 KiB": (400, "bad-request", lambda w: w.form(b"x" * 2 * KIB + b"\r\n" + body(part()))),
    "an epilogue of 64 KiB": (400, "bad-request", lambda w: w.form(body(part()) + b"x" * 64 * KIB)),
    "the second of two files is bad": (
        400, "bad-request", lambda w: w.form(body(part(), part(b"nul\0.txt"))),
    ),
    "a form's file without a name": (400, "bad-request", lambda w: w.form(body(part(b"", b"content")))),
    # 400: names (S-44, S-93)
    "a name with NUL": (400, "bad-request", lambda w: w.send("a%00.txt")),
    "a name that is no UTF-8": (400, "bad-request", lambda w: w.send("a%FF.txt")),
    "a name of 1025 bytes": (400, "bad-request", lambda w: w.send("a" * 1021 + ".txt")),
    "a form's name with NUL": (400, "bad-request", lambda w: w.form(body(part(b"a\0.txt")))),
    "a form's name that is no UTF-8": (400, "bad-request", lambda w: w.form(body(part(b"a\xff.txt")))),
    # 401
    "no credential": (401, "login-required", lambda w: w.service.anyone.get(f"{API}/me")),
    "a credential of another kind": (
        401, "login-required", lambda w: w.service.anyone.get(f"{API}/me", headers={"Authorization": "Basic eDp5"}),
    ),
    "a made-up key": (
        401, "login-required",
        lambda w: w.service.anyone.get(f"{API}/me", headers={"Authorization": f"Bearer {key_of_nobody()}"}),
    ),
    "a link's token as a key": (
        401, "login-required",
        lambda w: w.service.anyone.get(f"{API}/me", headers={"Authorization": f"Bearer {w.open.split('/')[-1]}"}),
    ),
    "metrics for a stranger": (401, "login-required", lambda w: w.service.anyone.get("/metrics")),
    # 403
    "a right that is missing": (
        403, "forbidden", lambda w: w.service.as_("auditor").get(f"{API}/attachments/{w.attachment}/content"),
    ),
    "metrics for an agent": (403, "forbidden", lambda w: w.service.as_("agent").get("/metrics")),
    "another site's button": (
        403, "csrf", lambda w: w.service.anyone.post(w.download, headers={"Origin": "https://evil.example"}),
    ),
    "another site's fetch": (
        403, "csrf", lambda w: w.service.anyone.post(w.download, headers={"Sec-Fetch-Site": "cross-site"}),
    ),
    # 404
    "no such address": (404, "not-found", lambda w: w.service.anyone.get("/no/such/address")),
    "no such ticket": (404, "not-found", lambda w: w.service.as_("agent").get(f"{API}/tickets/none")),
    "no such attachment": (404, "not-found", lambda w: w.service.as_("agent").get(f"{API}/attachments/none")),
    "no such link": (404, "not-found", lambda w: w.service.as_("agent").delete(f"{API}/links/none")),
    "no such certificate": (404, "not-found", lambda w: w.service.as_("admin").get(f"{API}/certificates/none")),
    "no such static file": (404, "not-found", lambda w: w.service.anyone.get("/static/none.css")),
    "a token of the wrong form": (404, "not-found", lambda w: w.service.anyone.get("/u/abc")),
    "a token that is not known": (
        404, "not-found", lambda w: w.service.anyone.get(f"/u/{new_token(TokenPurpose.UPLOAD)}"),
    ),
    "an upload token at the other door": (
        404, "not-found", lambda w: w.service.anyone.get(w.open.replace("/u/", "/d/")),
    ),
    "a download token at the other door": (
        404, "not-found", lambda w: w.service.anyone.put(w.download.replace("/d/", "/u/") + "/put/a", body=b"x"),
    ),
    "a token with a line break": (404, "not-found", lambda w: w.service.anyone.get(w.open + "%0D%0A")),
    "a token with NUL": (404, "not-found", lambda w: w.service.anyone.get("/d/%00")),
    "a receipt that is not known": (
        404, "not-found", lambda w: w.service.anyone.post(f"/r/{new_token(TokenPurpose.RECEIPT)}/withdraw"),
    ),
    "a name with a slash in it": (404, "not-found", lambda w: w.send("a/b.txt")),
    # 405, 415
    "another method": (405, "method", lambda w: w.service.anyone.delete("/healthz")),
    "a method nobody knows": (405, "method", lambda w: w.service.anyone("PROPFIND", w.open)),
    "a coded upload": (415, "media-type", lambda w: w.send("a.txt", Content_Encoding="gzip")),
    "a coded form": (
        415, "media-type",
        lambda w: w.service.anyone.post(w.open, form=Form.of(("a.txt", b"x")), headers={"Content-Encoding": "br"}),
    ),
    "coded JSON": (415, "media-type", lambda w: w.put_ticket(b'{"status":"open"}', Content_Encoding="deflate")),
    "JSON called text": (415, "media-type", lambda w: w.put_ticket(b'{"status":"open"}', Content_Type="text/plain")),
    "a form called JSON": (
        415, "media-type", lambda w: w.service.anyone.post(w.open, json_body={"file": "x"}),
    ),
    "a program": (415, "media-type", lambda w: w.send("setup.exe")),
    "a program behind another ending": (415, "media-type", lambda w: w.send("faktura.exe.pdf", corpus.pdf(1))),
    "a type the link does not take": (415, "media-type", lambda w: w.send("a.pdf", corpus.pdf(1), w.small)),
    # 413, 422
    "JSON of 257 KiB": (
        413, "too-large", lambda w: w.put_ticket(b'{"status":"open","subject":"' + b"x" * 257 * KIB + b'"}'),
    ),
    "a file above the limit": (413, "too-large", lambda w: w.send("a.bin", bytes((1 << 20) + 1))),
    "a form's file above the limit": (
        413, "too-large", lambda w: w.service.anyone.post(w.open, form=Form.of(("a.bin", bytes((1 << 20) + 1)))),
    ),
    "a file above the limit, undeclared": (
        413, "too-large", lambda w: w.service.anyone.put(f"{w.open}/put/a.bin", body=lazy(3 << 20), headers=OCTETS),
    ),
    "a file above the link's room": (413, "quota-exceeded", lambda w: w.send("a.txt", bytes(1001), w.small)),
    "a form's file above the link's room": (
        413, "quota-exceeded", lambda w: w.service.anyone.post(w.small, form=Form.of(("a.txt", b"x" * 1001))),
    ),
    "two files for a link of one": (
        409, "too-many",
        lambda w: w.service.anyone.post(w.small, form=Form.of(("a.txt", b"x"), ("b.txt", b"y"))),
    ),
    "a picture called PDF": (422, "content-mismatch", lambda w: w.send("bild.pdf", corpus.png(1))),
    "a program called text": (
        422, "content-mismatch", lambda w: w.send("program.txt", small.elf()),
    ),
    # 416, 421
    "a range past the end": (
        416, "range",
        lambda w: w.service.as_("agent").get(
            f"{API}/attachments/{w.attachment}/content", headers={"Range": "bytes=10-"}
        ),
    ),
    "a range of the last none": (
        416, "range",
        lambda w: w.service.as_("agent").get(
            f"{API}/attachments/{w.attachment}/content", headers={"Range": "bytes=-0"}
        ),
    ),
    "a host that is not ours": (
        421, "unknown-host", lambda w: w.service.anyone.get(w.open, headers={"Host": "evil.example"}),
    ),
}  # fmt: skip


def key_of_nobody() -> str:
    return new_token(TokenPurpose.API_KEY)


@pytest.mark.parametrize("cause", ROWS)
def test_each_cause_has_its_answer_and_changes_nothing(world: World, cause: str) -> None:
    status, name, ask = ROWS[cause]
    before = kept(world.service.data)
    answer = ask(world)
    assert (answer.status, answer.problem) == (status, name), answer.body
    assert not TELLING.search(answer.body), answer.body
    assert not any(TELLING.search(value.encode()) for value in answer.headers.values())
    assert answer.headers["Server"] == "bilaga"
    assert kept(world.service.data) == before


@pytest.mark.parametrize(
    "cause", ["no such address", "a token that is not known", "a program", "another site's button"]
)
def test_a_browser_gets_a_page_instead(world: World, cause: str) -> None:
    status, _, ask = ROWS[cause]
    people = World(**(vars(world) | {"service": AsBrowser(world.service)}))
    answer = ask(people)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Language"] == "en"
    assert "B-1" not in answer.text


class AsBrowser:
    """The same service, but whoever is nobody is a person with a browser."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, "browser" if name == "anyone" else name)


def test_strangers_cannot_tell_unknown_things_apart(world: World) -> None:
    """404 is the same bytes and the same headers, whatever was asked for (S-2)."""
    service = world.service
    for ref in ("ours", "theirs"):
        assert service.as_("admin").put(f"{API}/organisations/{ref}", json_body={}).status == 201
    service.put_ticket("B-theirs", organisation="theirs")
    private = service.attach("B-theirs")
    contact = service.as_("contact", "ours")
    answers = [
        contact.get(f"{API}/attachments/{private}"),
        contact.get(f"{API}/attachments/{private}/content"),
        contact.get(f"{API}/attachments/01890000-0000-7000-8000-000000000000"),
        contact.get(f"{API}/attachments/x"),
        contact.get(f"{API}/tickets/B-theirs"),
        contact.get(f"{API}/tickets/none"),
        service.anyone.get("/u/none"),
        service.anyone.get(f"/d/{new_token(TokenPurpose.DOWNLOAD)}"),
        service.anyone.get("/nothing"),
    ]
    assert {answer.status for answer in answers} == {404}
    shown = {
        (
            re.sub(rb"urn:bilaga:request:\w{16}", b"", answer.body),
            tuple((name, value) for name, value in answer.headers.items() if name != "Date"),
        )
        for answer in answers
    }
    assert len(shown) == 1


def test_a_key_whose_generation_is_gone_is_an_outage_and_no_404(world: World) -> None:
    service = world.service
    attachment = service.attach("B-1", "nyckellös.txt")
    generation = "UPDATE wrapped_keys SET generation = %d WHERE owner_id = :owner"
    service.ground.execute(generation % 99, owner=attachment)
    answer = service.as_("agent").get(f"{API}/attachments/{attachment}/content")
    assert (answer.status, answer.problem) == (503, "key-unavailable")
    assert answer.headers["Retry-After"]
    service.ground.execute(generation % 1, owner=attachment)
    assert service.as_("agent").get(f"{API}/attachments/{attachment}/content").status == 200


def test_how_the_site_is_doing_is_for_those_who_may_know(world: World) -> None:
    """S-70: to strangers, alive and ready are one word each."""
    service = world.service
    assert service.anyone.get("/healthz").json() == {"status": "ok"}
    assert service.anyone.get("/readyz").json() == {"status": "ready"}
    checks = service.as_("admin").get("/readyz").json()["checks"]
    assert checks == {"database": "ok", "store": "ok", "keys": "ok"}
    world.send("setup.exe")
    text = service.as_("auditor").get("/metrics").text
    assert 'route="/u/{token}/put/{filename}"' in text
    assert not any(secret in text for secret in service.secrets)
