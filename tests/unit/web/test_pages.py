"""Pages: escaped, in every language, without scripts, styles or addresses from elsewhere, readable by everybody."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace as Of
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from domain.attachment import AttachmentState, Scan
from domain.link import LinkKind
from domain.ticket import TicketStatus
from web.openapi import document
from web.pages import HEADERS, Languages, Pages, wants_page
from web.pages.languages import NAMES
from web.problems import TITLES, Problem

FOLDER = Path(__file__).parents[3] / "web/pages"
PAGES = Pages(Languages("en"), "/stod")
AT = datetime(2026, 11, 24, 11, tzinfo=UTC)
MARKUP = "<b onclick=x>&\"'"
EVERYTHING = dict.fromkeys(["read_file", "make_link", "send_file", "revoke_link"], True)
SIGNED_IN = {"csrf": "token", "name": MARKUP, "role": "agent", "may": EVERYTHING}

TERMS = Of(expires_at=AT, allowed_types=("image/*", ".pdf"), max_downloads=3)
ROW = Of(
    ticket=Of(
        ref="A/1 ä",
        status=TicketStatus.OPEN,
        purge_due_at=AT,
        retention_rule="P1Y after closed_at",
        last_activity_at=AT,
    ),
    subject=MARKUP,
    requester_name=MARKUP,
    requester_email="anna@example.org",
    organisation_ref="org",
    held=True,
)
FILE = Of(
    id="file-1",
    name=MARKUP,
    state="available",
    scan="none",
    size=1500,
    sha256="ab" * 32,
    created_at=AT,
    download_count=1,
    erased_on=AT,
    rule="P1Y after last_activity_at",
    held=False,
    purged_at=None,
    certificate=None,
    downloads=[Of(at=AT, by=role) for role in ("requester", "agent", "contact", "admin", "auditor", "system")],
)
STATES = [Of(**(vars(FILE) | {"state": state})) for state in ("receiving", "scanning", "quarantined", "damaged")]
SCANS = [Of(**(vars(FILE) | {"scan": scan.value, "held": True})) for scan in Scan]
GONE = Of(**(vars(FILE) | {"state": "purged", "name": None, "size": None, "purged_at": AT, "certificate": "c-1"}))
LINKS = [
    Of(
        link=Of(id=f"link-{n}", kind=kind, created_at=AT, terms=terms, used=n, revoked_at=revoked),
        quota=quota,
        recipient=recipient,
    )
    for n, (kind, terms, revoked, quota, recipient) in enumerate(
        [
            (LinkKind.UPLOAD, TERMS, None, Of(used_files=1, max_files=3), None),
            (LinkKind.UPLOAD, TERMS, AT, Of(used_files=1, max_files=None), None),
            (LinkKind.DOWNLOAD, Of(expires_at=AT + timedelta(days=2), max_downloads=None), None, None, MARKUP),
        ]
    )
]
HOLD = Of(placed_at=AT, review_on=AT.date())


def upload(**other: Any) -> dict[str, Any]:
    given = {
        "page": Of(note=MARKUP, passcode_needed=True),
        "grant": Of(files_left=1, bytes_left=50_000_000, link=Of(id="link-1")),
        "terms": TERMS,
        "ticket": ROW.ticket,
        "max_file_size": 1 << 30,
        "scanned": False,
        "put_url": "https://files.example/u/TOKEN/put/",
        "host": "files.example",
    }
    return given | other


def download(state: AttachmentState = AttachmentState.AVAILABLE, **page: Any) -> dict[str, Any]:
    shown = {"passcode_needed": False, "code_needed": False, "name": MARKUP, "downloads_left": 1, "erased_at": AT}
    return {
        "page": Of(**(shown | {"recipient_hint": MARKUP} | page)),
        "attachment": Of(size=5, state=state, scan=Scan.NONE),
        "terms": TERMS,
        "stage": "code" if page.get("code_needed") else "ready",
        "wrong": "code" if page.get("code_needed") else "passcode",
    }


STATUS = {"gone": 410, "not-found": 404, "internal": 500, "state-conflict": 409, "store-unavailable": 503}
SHOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "upload": ("upload.html", upload()),
    "upload, without limits": (
        "upload.html",
        upload(
            page=Of(note=None, passcode_needed=False),
            grant=Of(files_left=None, bytes_left=None, link=Of(id="link-1")),
            terms=Of(expires_at=AT, allowed_types=()),
            ticket=Of(ref="A-1", purge_due_at=None, retention_rule="P1Y after contract_ends_on"),
            scanned=True,
        ),
    ),
    "receipt": (
        "receipt.html",
        {
            "receipt": Of(ticket="A-1", received_at=AT, reference="r-1", attachments=[FILE, GONE, *STATES, *SCANS]),
            "withdraw": "/r/TOKEN/withdraw",
        },
    ),
    "download": ("download.html", download()),
    "download, passcode": ("download.html", download(passcode_needed=True, downloads_left=None)),
    "download, code": ("download.html", download(code_needed=True, erased_at=None)),
    "download, being checked": ("download.html", download(AttachmentState.SCANNING)),
    "download, quarantined": ("download.html", download(AttachmentState.QUARANTINED)),
    "sign-in": ("signin.html", {}),
    "signed out": ("signed-out.html", {}),
    "tickets": (
        "tickets.html",
        {"tickets": [ROW], "cursor": "next&x", "query": {"ref": MARKUP, "status": "open", "held": "1"}, **SIGNED_IN},
    ),
    "no tickets": (
        "tickets.html",
        {"tickets": [], "cursor": None, "query": {"ref": "", "status": "", "held": ""}, **SIGNED_IN},
    ),
    "ticket": (
        "ticket.html",
        {
            "ticket": ROW,
            "attachments": [FILE, GONE, *STATES],
            "links": LINKS,
            "holds": [(HOLD, MARKUP)],
            "now": AT + timedelta(days=1),
            "new_link": {"url": "https://files.example/d/TOKEN", "kind": "download", "expires_at": AT},
            "sends_mail": True,
            **SIGNED_IN,
        },
    ),
    "API": ("api.html", {"document": document([], "1.2.3")}),
} | {
    f"problem {name}": (
        "problem.html",
        {"problem": Problem(STATUS.get(name, 400), name, MARKUP, {}, {}), "request_id": "1a2b"},
    )
    for name in TITLES
}


def rendered(name: str, tag: str) -> str:
    template, values = SHOWN[name]
    language = PAGES.languages.get(tag)
    assert language is not None
    return PAGES.html(template, language, here="/u/TOKEN", **values)


class Page(HTMLParser):
    """What stands in a page: its tags with their attributes, and its text."""

    VOID = frozenset({"meta", "link", "img", "input", "br", "path"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in tags]


@pytest.fixture(params=SHOWN, ids=lambda name: name.replace(" ", "-"))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=list(NAMES))
def page(request: pytest.FixtureRequest, name: str) -> Page:
    return Page(rendered(name, request.param))


def test_every_page_is_a_whole_document_with_one_heading_above_all(page: Page) -> None:
    assert [len(page.all(tag)) for tag in ("html", "title", "main", "header", "footer")] == [1, 1, 1, 1, 1]
    assert len(page.all("h1")) == 1
    assert page.all("html")[0]["lang"] in NAMES


def test_no_page_has_a_script_a_style_or_an_address_of_its_own(page: Page) -> None:
    for tag, attributes in page.tags:
        assert tag not in {"style", "iframe", "object", "base"}
        if tag == "script":
            assert attributes.get("type") == "application/json" or attributes["src"].startswith("/stod/static/")
        assert [name for name in attributes if name == "style" or name.startswith("on")] == []
    for attributes in page.all("a", "form", "img", "link"):
        for name in ("href", "src", "action"):
            address = attributes.get(name) or "#"
            assert address.startswith(("#", "/stod/")), address


def test_everything_that_takes_a_value_has_a_label_and_every_id_is_one(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {attributes.get("for") for attributes in page.all("label")}
    asked = [one for one in page.all("input", "select", "textarea") if one.get("type") != "hidden"]
    assert {one.get("id") for one in asked} == named


def test_what_others_wrote_is_shown_as_text(name: str) -> None:
    text = rendered(name, "sv")
    assert "<b onclick" not in text
    if name in {"ticket", "tickets", "receipt", "download", "upload"}:
        assert "&lt;b onclick=x&gt;&amp;&#34;&#39;" in text


def test_no_page_says_what_a_requester_must_not_know_of_a_dead_link() -> None:
    for problem in ("gone", "not-found"):
        assert "TOKEN" not in re.sub(r'name="back" value="[^"]*"', "", rendered(f"problem {problem}", "en"))


def test_the_details_of_an_error_are_for_programs(name: str) -> None:
    if name.startswith("problem"):
        assert "onclick" not in rendered(name, "en")
        assert "1a2b" in rendered(name, "en")


def test_the_upload_page_says_all_that_counts_before_anything_is_picked() -> None:
    text = rendered("upload", "en")
    before, after = text.split('<form class="panel"', 1)[0], text
    for said in ("files.example", "Ticket A/1 ä", "24 November 2026, 11:00", "1 more file", "50 MB", "images, PDF"):
        assert said in before.replace("\u00a0", " "), said
    assert "1 year after the ticket was closed" in before
    assert 'accept="image/*,.pdf"' in after
    assert "does not scan for malware" in after
    assert "curl -T FILE -H" in after


def test_a_page_of_a_requester_weighs_little() -> None:
    weight = max(len(gzip.compress(rendered("upload", tag).encode())) for tag in NAMES)
    weight += sum(len(gzip.compress(file.read_bytes())) for file in FOLDER.joinpath("static").iterdir())
    assert weight < 30_000


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_every_ink_can_be_read_on_every_ground_it_is_used_on(side: int) -> None:
    css = FOLDER.joinpath("static/bilaga.css").read_text(encoding="utf-8")
    colour = {
        name: (light, dark)[side] for name, light, dark in re.findall(r"--([a-z-]+): light-dark\((#\w+), (#\w+)\)", css)
    }
    grounds = ("desk", "sheet", "well")
    text = [(ink, ground) for ink in ("ink", "quiet", "accent", "bad", "good") for ground in grounds]
    text += [("on-accent", "accent"), ("bad", "bad-tint"), ("ink", "bad-tint"), ("quiet", "bad-tint")]
    text += [("accent", "tint"), ("ink", "tint"), ("bad", "tint")]
    assert [pair for pair in text if contrast(*(colour[name] for name in pair)) < 4.5] == []
    borders = [("edge", ground) for ground in grounds]
    assert [pair for pair in borders if contrast(*(colour[name] for name in pair)) < 3] == []


def contrast(one: str, other: str) -> float:
    """Contrast of two colours (WCAG 2.2, 1.4.3)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_policy_lets_in_nothing_from_elsewhere_and_nothing_inline() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert HEADERS["Referrer-Policy"] == "no-referrer"
    assert HEADERS["Cache-Control"] == "no-store"


def test_static_files_are_served_by_the_digest_of_what_is_in_them() -> None:
    address = re.search(r'href="/stod/static/(bilaga\.[0-9a-f]{16}\.css)"', rendered("sign-in", "en"))
    assert address is not None
    served = PAGES.static(address[1])
    assert served is not None
    assert served.body == FOLDER.joinpath("static/bilaga.css").read_bytes()
    assert "immutable" in served.headers["Cache-Control"]
    assert PAGES.static("bilaga.css") is None
    assert PAGES.static("../render.py") is None


@pytest.mark.parametrize(
    ("path", "accept", "page"),
    [
        ("/u/x", "text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("/u/x", "*/*", False),
        ("/u/x", "application/json", False),
        ("/api/v1/tickets", "text/html", False),
        ("/metrics", "text/html", False),
    ],
)
def test_people_get_pages_and_programs_get_json(path: str, accept: str, page: bool) -> None:
    assert wants_page(make_mocked_request("GET", path, headers={"Accept": accept})) is page
