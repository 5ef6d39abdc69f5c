"""The whole life of 48 real files: sent, listed, fetched, handed out, withheld, withdrawn, purged, proven."""

from __future__ import annotations

import base64
import io
import re
import shutil
import threading
import time
import unicodedata
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest

from audit import verify_certificate
from tests.corpus.files import File, files
from tests.journeys.kept import blobs, found
from tests.journeys.service import Answer, Client, Form, Service
from tests.site import is_embedded
from transfer.names import stored_name, unique_names

EMAIL, NAME = "åsa.lindqvist-öberg@kund-7781.example", "Åsa Lindqvist-Öberg"
SUBJECT, NOTE, REASON = "Mätaren 7781 visar fel", "Skicka loggen från kväll 7781", "Tvist 7781 om leveransen"
RECIPIENT = "mottagare-7781@partner.example"
# The retention job of a new service runs once within its first five seconds; what is due only later is ours to purge.
FIRST_ROUND = 5.5


@dataclass
class Life:
    """What the journey has sent, by the id it was given."""

    sent: dict[str, File] = field(default_factory=dict)
    by_form: list[str] = field(default_factory=list)
    by_put: list[str] = field(default_factory=list)
    by_agent: list[str] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)

    def took(self, file: File, shown: dict, way: list[str]) -> None:
        assert shown["name"] == stored_name(file.name)
        assert (shown["size"], shown["sha256"], shown["state"]) == (len(file.content), file.sha256, "available")
        self.sent[shown["id"]] = file
        way.append(shown["id"])


def needles() -> dict[str, bytes]:
    """All that must stand nowhere in clear: content, and words in each form they could be written down in."""
    wanted: dict[str, bytes] = {}
    for file in files():
        wanted |= {f"content of {file.name} #{at}": piece for at, piece in enumerate(file.samples())}
    names = [file.name for file in files()] + [stored_name(file.name) for file in files()]
    for word in [*names, EMAIL, NAME, SUBJECT, NOTE, REASON, RECIPIENT]:
        for form in ("NFC", "NFD"):
            same = unicodedata.normalize(form, word)
            wanted |= {
                f"{word} in {form}": same.encode(),
                f"{word} in {form}, UTF-16 LE": same.encode("utf-16-le"),
                f"{word} in {form}, UTF-16 BE": same.encode("utf-16-be"),
                f"{word} in {form}, percent-coded": quote(same, safe="").encode(),
                f"{word} in {form}, JSON": same.encode("ascii", "backslashreplace"),
            }
    return {label: needle for needle, label in {needle: label for label, needle in reversed(wanted.items())}.items()}


NEEDLES = needles()


def nothing_in_clear(service: Service) -> None:
    assert found(service.data, NEEDLES) == {}
    outside = service.ground.raw()
    assert [(label, name) for name, raw in outside for label, needle in NEEDLES.items() if needle in raw] == []


@pytest.fixture(scope="module")
def life(service: Service) -> Service:
    service.secrets |= {EMAIL, NAME, SUBJECT, NOTE, REASON, RECIPIENT}
    service.secrets |= {file.name for file in files()} | {stored_name(file.name) for file in files()}
    return service


def send_all(service: Service, life: Life) -> None:
    """A third by form, a third by PUT, a third by the agent."""
    service.put_ticket("T-1", subject=SUBJECT, requester={"email": EMAIL, "name": NAME}, organisation=None)
    link = service.upload_link("T-1", expires_in="P1D", note=NOTE)
    everything = files()
    for at in range(0, len(everything), 3):
        form = everything[at : at + 1]
        answer = service.anyone.post(link, form=Form.of(*((file.name, file.content) for file in form)))
        assert answer.status == 201, (form, answer.body)
        life.receipts.append(answer.json()["receipt_url"])
        for file, shown in zip(form, answer.json()["attachments"], strict=True):
            life.took(file, shown, life.by_form)
    for file in everything[1::3]:
        answer = service.anyone.put(f"{link}/put/{quote(file.name, safe='')}", body=file.content)
        assert answer.status == 201, (file.name, answer.body)
        life.receipts.append(answer.json()["receipt_url"])
        life.took(file, answer.json(), life.by_put)
    agent = service.as_("agent")
    for number, file in enumerate(everything[2::3]):
        if number % 2:
            answer = agent.post("/api/v1/tickets/T-1/attachments", form=Form.of((file.name, file.content)))
            shown = answer.json()["attachments"][0]
        else:
            # Chunked, without a declared length.
            pieces = [file.content[at : at + 70_001] for at in range(0, len(file.content), 70_001)]
            answer = agent.put(f"/api/v1/tickets/T-1/attachments/{quote(file.name, safe='')}", body=iter(pieces))
            shown = answer.json()
        assert answer.status == 201, (file.name, answer.body)
        life.took(file, shown, life.by_agent)


def search_in_the_middle_of_an_upload(service: Service) -> None:
    """Half of a file is in the store, the other half still on its way: nothing of it can be read."""
    link = service.upload_link("T-1")
    content = files()[34].content
    half, whole, answers = threading.Event(), threading.Event(), []

    def pieces() -> Iterator[bytes]:
        yield content[:3_000_000]
        half.set()
        assert whole.wait(30)
        yield content[3_000_000:]

    def send() -> None:
        answers.append(service.anyone.put(f"{link}/put/halv.bin", body=pieces()))

    sender = threading.Thread(target=send)
    sender.start()
    assert half.wait(30)
    until = time.monotonic() + 10
    least = 1_000_000 if is_embedded() else 0  # what S3 has of a part shows when the part is whole
    while not any(size >= least for name, size in blobs(service.data).items() if name.endswith(".part")):
        assert time.monotonic() < until
        time.sleep(0.02)
    nothing_in_clear(service)
    whole.set()
    sender.join(30)
    assert [answer.status for answer in answers] == [201]
    identity = answers[0].json()["id"]
    assert service.as_("admin").delete(f"/api/v1/attachments/{identity}").status == 204


def list_and_fetch(service: Service, life: Life) -> None:
    agent = service.as_("agent")
    listed = agent.get("/api/v1/tickets/T-1/attachments").json()["attachments"]
    living = {shown["id"]: shown for shown in listed if shown["state"] != "purged"}
    assert living.keys() == life.sent.keys()
    for identity, file in life.sent.items():
        shown = living[identity]
        assert (shown["name"], shown["sha256"]) == (stored_name(file.name), file.sha256)
        assert agent.get(f"/api/v1/attachments/{identity}").json() == shown
        answer = agent.get(f"/api/v1/attachments/{identity}/content")
        assert answer.status == 200
        assert sha256(answer.body).hexdigest() == file.sha256, file.name
        assert int(answer.headers["Content-Length"]) == len(file.content)


def fetch_as_zip(service: Service, life: Life) -> None:
    answer = service.as_("agent").get("/api/v1/tickets/T-1/attachments.zip")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        members = archive.infolist()
        digests = [sha256(archive.read(member)).hexdigest() for member in members]
    assert sorted(digests) == sorted(file.sha256 for file in life.sent.values())
    names = [member.filename for member in members]
    assert names == unique_names(names)
    assert all(not name.startswith("/") and ".." not in name.split("/") and "\\" not in name for name in names)


def receipts_tell(service: Service, life: Life) -> None:
    shown = service.anyone.get(life.receipts[0]).json()
    (file,) = shown["attachments"]
    sent = life.sent[file["id"]]
    assert (file["name"], file["size"], file["sha256"]) == (stored_name(sent.name), len(sent.content), sent.sha256)
    assert (file["state"], file["scan"], file["held"]) == ("available", "none", False)
    assert file["rule"]
    assert [taken["by"] for taken in file["downloads"]] == ["agent", "agent"]  # once alone, once in the zip
    page = service.browser.get(life.receipts[0])
    assert page.status == 200
    assert sent.sha256 in page.text
    assert page.headers["Content-Language"] == "en"


def hand_out(service: Service, life: Life) -> None:
    """Three downloads for twelve clients at once: three get the file, and its landing page never counts."""
    identity = life.by_put[0]
    file = life.sent[identity]
    link = service.download_link(identity, expires_in="PT1H", max_downloads=3)
    for _ in range(5):
        assert service.browser.get(link).status == 200
        assert service.anyone.get(link).json()["downloads_left"] == 3
        assert service.anyone("HEAD", f"{link}/content").status == 200

    def fetch(_: int) -> Answer:
        return service.anyone.get(f"{link}/content")

    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(fetch, range(12)))
    assert sorted(answer.status for answer in answers) == [200] * 3 + [410] * 9
    assert {answer.body for answer in answers if answer.status == 200} == {file.content}
    assert {answer.problem for answer in answers if answer.status == 410} == {"gone"}
    assert service.anyone.get(link).status == 410


def hold_forbids(service: Service, life: Life) -> None:
    """Under a hold nothing is withdrawn, erased or purged; when it is released, all of that works again."""
    admin, receipt = service.as_("admin"), life.receipts[0]
    placed = admin.put("/api/v1/tickets/T-1/hold", json_body={"reason": REASON})
    assert (placed.status, placed.json()["reason"]) == (201, REASON)
    assert service.anyone.post(f"{receipt}/withdraw", json_body={}).status == 409
    assert admin.delete(f"/api/v1/attachments/{life.by_agent[0]}").status == 409
    purge = admin.post("/api/v1/retention/purge", json_body={"dry_run": True, "now": "2199-01-01T00:00:00Z"}).json()
    assert "T-1" not in {one["ticket"] for one in purge["would_purge"]}
    assert {one["attachment"] for one in purge["kept_by_hold"]} == life.sent.keys()
    assert service.anyone.get(receipt).json()["attachments"][0]["held"] is True
    assert admin.delete("/api/v1/tickets/T-1/hold", json_body={"reason": "över"}).status == 204


def withdraw(service: Service, life: Life) -> None:
    """The requester takes a file back: its links die at once, and it is proven to be gone."""
    receipt = life.receipts.pop(0)
    identity = life.by_form.pop(0)
    link = service.download_link(identity)
    grant = service.anyone.post(link).headers["Location"]
    answer = service.anyone.post(f"{receipt}/withdraw", json_body={"attachment": identity})
    assert answer.status == 200
    (file,) = answer.json()["attachments"]
    assert (file["state"], file["name"], file["sha256"]) == ("purged", None, None)
    assert service.as_("auditor").get(f"/api/v1/certificates/{file['certificate']}").status == 200
    for address in (link, f"{link}/content", grant):
        assert service.anyone.get(address).status == 410
    assert service.as_("agent").get(f"/api/v1/attachments/{identity}/content").status == 410
    assert service.anyone.post(f"{receipt}/withdraw", json_body={}).status == 410
    del life.sent[identity]


def purge(service: Service, life: Life) -> dict[str, str]:
    """The contract ended long ago: everything goes, with a certificate each. Attachment to certificate."""
    time.sleep(max(0.0, service.started + FIRST_ROUND - time.monotonic()))
    admin = service.as_("admin")
    assert admin.post("/api/v1/retention/purge", json_body={}).json()["purged"] == 0
    others = len(blobs(service.data)) - len(life.sent)
    service.cli("organisation", "put", "kund-7781", "--contract-ends", "2020-01-01")
    service.cli("ticket", "put", "T-1", "--organisation", "kund-7781", "--last-activity", "2020-01-01T00:00:00Z")
    due = admin.get("/api/v1/retention/due?limit=200").json()["due"]
    assert {one["attachment"] for one in due} == life.sent.keys()
    assert service.cli("purge", "--dry-run").count("would purge") == len(life.sent)
    report = service.as_("admin").post("/api/v1/retention/purge", json_body={}).json()
    assert (report["complete"], report["purged"], report["failed"]) == (True, len(life.sent), [])
    certificates = {one["attachment"]: one["certificate"] for one in report["items"]}
    assert certificates.keys() == life.sent.keys()
    assert service.cli("purge") == ""
    assert len(blobs(service.data)) == others
    return certificates


def everything_is_gone(service: Service, life: Life, certificates: dict[str, str]) -> None:
    agent, auditor = service.as_("agent"), service.as_("auditor")
    trusted = public_key(service)
    for identity, certificate in certificates.items():
        assert agent.get(f"/api/v1/attachments/{identity}/content").problem == "gone"
        stone = agent.get(f"/api/v1/attachments/{identity}").json()
        assert (stone["state"], stone["name"], stone["sha256"], stone["media_type"]) == ("purged", None, None, None)
        shown = auditor.get(f"/api/v1/certificates/{certificate}").json()
        document, signature = (base64.b64decode(shown[f"{part}_base64"]) for part in ("document", "signature"))
        said = verify_certificate(document, signature, trusted)
        assert said == shown["document"]
        assert (said["attachment_id"], said["reason"]) == (identity, "retention")
    assert service.anyone.get(life.receipts[0]).json()["attachments"][0]["state"] == "purged"
    ticket = agent.get("/api/v1/tickets/T-1").json()
    assert (ticket["subject"], ticket["requester"]) == (None, None)
    assert ticket["erased_at"] is not None


def public_key(service: Service) -> str:
    """The key to trust, as whoever exports the log gets it, and not as the service says it beside a certificate."""
    with service.site() as site:
        return site.log.public_key


def test_the_whole_life_of_real_files(life: Service) -> None:
    service, lived = life, Life()
    send_all(service, lived)
    search_in_the_middle_of_an_upload(service)
    list_and_fetch(service, lived)
    fetch_as_zip(service, lived)
    receipts_tell(service, lived)
    hand_out(service, lived)
    hold_forbids(service, lived)
    withdraw(service, lived)
    nothing_in_clear(service)
    assert service.cli("fsck", "--digests") == ""
    certificates = purge(service, lived)
    everything_is_gone(service, lived, certificates)
    assert service.cli("fsck") == ""
    assert service.cli("audit", "verify").startswith("intact: ")
    export = service.folder / "log.jsonl"
    export.write_text(service.cli("audit", "export") + "\n")
    assert service.cli("audit", "verify", "--file", str(export), "--public-key", public_key(service)).startswith(
        "intact: "
    )
    assert found(service.folder, NEEDLES) == {}


def test_the_search_would_find_what_it_looks_for(tmp_path: Path) -> None:
    """The positive control: each way of writing things down is found, in a database and its write-ahead log too."""
    import sqlite3

    file = files()[0]
    connection = sqlite3.connect(tmp_path / "bilaga.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("CREATE TABLE t (name TEXT, content BLOB)")
    connection.execute("INSERT INTO t VALUES (?, ?)", (file.name, file.content))
    connection.commit()
    seen = found(tmp_path, NEEDLES)
    assert seen[f"{file.name} in NFC"] == "bilaga.db-wal"
    assert all(seen[f"content of {file.name} #{at}"] for at, _ in enumerate(file.samples()))
    connection.close()
    shutil.rmtree(tmp_path, ignore_errors=True)
    tmp_path.mkdir()
    (tmp_path / "a").write_text(quote(EMAIL, safe=""))
    (tmp_path / "b").write_text(unicodedata.normalize("NFD", NAME), "utf-16-le")
    seen = found(tmp_path, NEEDLES)
    assert (seen[f"{EMAIL} in NFC, percent-coded"], seen[f"{NAME} in NFD, UTF-16 LE"]) == ("a", "b")


def test_every_file_of_the_corpus_can_be_searched_for() -> None:
    short = {file.name for file in files() if len(list(file.samples())) < 3}
    assert short == {"tom fil.txt", "en enda byte.bin"}
    assert len(files()) >= 30


def test_a_client_may_be_of_any_kind(life: Service) -> None:
    """The same address for people and programs: what is asked for is what is answered."""
    service = life
    service.put_ticket("T-2")
    link = service.upload_link("T-2", language="sv")
    page = Client(service, {"Accept": "text/html"}).get(link)
    assert page.headers["Content-Language"] == "sv"
    assert "<form" in page.text
    own = r'<script type="(module" src="/static/[^"]+"></script>|application/json")'
    assert len(re.findall(own, page.text)) == page.text.count("<script")
    sent = service.browser.post(link, form=Form.of(("a.txt", b"hej")))
    assert sent.status == 303
    receipt = service.browser.get(sent.headers["Location"])
    assert "a.txt" in receipt.text
    assert service.anyone.get(link).json()["ticket"] == "T-2"
