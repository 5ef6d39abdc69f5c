"""A person asks what is held of them, and then to be forgotten: by command and over HTTP, with every byte looked at."""

from __future__ import annotations

import io
import json
import re
import stat
import zipfile
from html.parser import HTMLParser

import pytest

from tests.journeys.kept import found
from tests.journeys.service import Form, Service

EMAIL, NAME = "Åsa.Lindqvist-4471@kund.example", "Åsa Lindqvist 4471"
SUBJECT, FILE, CONTENT = "Mätaren 4471 visar fel", "räkning 4471.txt", b"innehall 4471 " * 5000
OTHER = "annan-4471@kund.example"
API = "/api/v1"


class Page(HTMLParser):
    """What a page links to and holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]


@pytest.fixture(scope="module")
def people(service: Service) -> Service:
    """Somebody with a request of their own, one of a customer's, and a link to somebody else's file."""
    service.secrets |= {EMAIL, NAME, SUBJECT, FILE, OTHER}
    service.put_ticket("S-1", subject=SUBJECT, requester={"email": EMAIL, "name": NAME})
    link = service.upload_link("S-1", note="Skicka 4471")
    assert service.anyone.post(link, form=Form.of((FILE, CONTENT))).status == 201
    admin = service.as_("admin")
    assert admin.put(f"{API}/organisations/kund", json_body={"name": "Kunden"}).status == 201
    service.put_ticket("S-2", requester={"email": EMAIL.upper(), "name": NAME}, organisation="kund")
    service.attach("S-2", "avtal.txt", b"avtalet")
    service.put_ticket("S-3", requester={"email": OTHER})
    service.attach("S-3", "annan.txt", b"annans")
    return service


def opened(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_everything_is_handed_out_by_command_into_a_file_of_its_own(people: Service) -> None:
    target = people.folder / "utdrag.zip"
    told = json.loads(people.cli("subject", "export", EMAIL.lower(), "--to", str(target), "--json", "--language", "sv"))
    assert told["file"] == str(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    files = opened(target.read_bytes())
    assert files["files/S-1/" + FILE] == CONTENT
    assert files["files/S-2/avtal.txt"] == b"avtalet"
    assert {name for name in files if name.startswith("files/S-3")} == set()
    index = json.loads(files["index.json"])
    assert [(ticket["ref"], ticket["kept_by"]) for ticket in index["tickets"]] == [("S-1", None), ("S-2", "contract")]
    page = files["index.html"].decode()
    seen = Page(page)
    assert "script" not in seen.tags
    assert len(seen.links) == 2
    assert not any(re.match(r"[a-z]+:|/", one) for one in seen.links)
    for word in (EMAIL, NAME, SUBJECT, FILE, "Ärende S-1", "kundens avtal"):
        assert word in page, word
    assert OTHER not in page
    before = target.read_bytes()
    assert people.cli("subject", "export", EMAIL, "--to", str(target), code=2) == ""
    assert target.read_bytes() == before
    target.unlink()


def test_it_goes_to_stdout_and_the_address_may_come_by_stdin(people: Service) -> None:
    import subprocess

    from tests.journeys.service import BILAGA

    done = subprocess.run(
        [BILAGA, "subject", "export", "-", "--to", "-"],
        env=people.environment | {"BILAGA_LOG_LEVEL": "info"},
        input=EMAIL.encode() + b"\n",
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert opened(done.stdout)["files/S-1/" + FILE] == CONTENT


def test_over_http_it_is_an_admins_and_no_address_is_in_a_url(people: Service) -> None:
    answer = people.as_("admin").post(f"{API}/subjects/export", json_body={"email": EMAIL, "language": "fi"})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip")
    assert re.fullmatch(r'attachment; filename="personal-data-[0-9a-f-]+\.zip"', answer.headers["Content-Disposition"])
    files = opened(answer.body)
    assert files["files/S-1/" + FILE] == CONTENT
    assert "Tukipyyntö S-1" in files["index.html"].decode()
    assert people.as_("admin").post(f"{API}/subjects/export", json_body={"email": "ingen"}).problem == "bad-request"


def test_an_erasure_says_what_would_go_and_then_does_it_and_no_byte_is_left(people: Service) -> None:
    admin = people.as_("admin")
    row = people.attach("S-3", "till.txt", b"till")
    would = admin.post(f"{API}/subjects/erase", json_body={"email": EMAIL, "dry_run": True}).json()
    assert (would["tickets"], [one["name"] for one in would["kept"]]) == (["S-1"], ["S-2"])
    assert would["kept"][0]["by"] == "contract"
    assert people.as_("agent").get(f"{API}/tickets/S-1").json()["requester"]["email"] == EMAIL
    done = json.loads(people.cli("subject", "erase", EMAIL, "--json", "--reason", "begäran 4471"))
    assert (done["complete"], done["tickets"], done["receipts"]) == (True, ["S-1"], 1)
    (gone,) = done["files"]
    assert admin.get(f"{API}/certificates/{gone['certificate']}").json()["document"]["reason"] == "erased"
    assert people.as_("agent").get(f"{API}/attachments/{gone['attachment']}/content").problem == "gone"
    erased = people.as_("agent").get(f"{API}/tickets/S-1").json()
    assert (erased["requester"], erased["subject"]) == (None, None)
    # The customer's request stays, and so does what is somebody else's.
    kept = people.as_("agent").get(f"{API}/tickets/S-2").json()
    assert kept["requester"]["email"] == EMAIL.upper()
    assert people.as_("agent").get(f"{API}/attachments/{row}/content").body == b"till"
    # Nobody's contract any more: what is left of the person goes as well.
    yesterday = {"name": "Kunden", "contract_ends_on": "2020-01-01"}
    assert admin.put(f"{API}/organisations/kund", json_body=yesterday).status == 200
    again = admin.post(f"{API}/subjects/erase", json_body={"email": EMAIL}).json()
    assert (again["kept"], again["complete"]) == ([], True)
    answer = admin.post(f"{API}/subjects/erase", json_body={"email": EMAIL}).json()
    assert (answer["found"], answer["tickets"]) == (False, [])
    with people.site() as site:
        digest = site.facts.email_digest(EMAIL)
    words = {word: word.encode() for word in (EMAIL, EMAIL.lower(), NAME, SUBJECT, FILE, "begäran 4471")}
    needles = {**words, "content": CONTENT[:100], "digest": digest}
    assert found(people.data, needles) == {}
    assert [name for name, raw in people.ground.raw() for needle in needles.values() if needle in raw] == []


def test_the_record_of_processing_says_what_is_configured(people: Service) -> None:
    people.environment["BILAGA_OPERATOR__NAME"] = "Supporten AB"
    text = people.cli("records-of-processing", "--language", "sv")
    assert text.startswith("# Register över behandling")
    for words in ("artikel 30.1", "Supporten AB", "inte angivet", "1 år efter sista dagen i kundens avtal", "30 dygn"):
        assert words in text, words
