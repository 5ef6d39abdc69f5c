"""People of six languages: every page and mail that somebody may meet, in each, with nothing English left (R14)."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from datetime import datetime
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from aiosmtpd.controller import Controller
from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_decimal

from tests.journeys.service import Answer, Client, Form, Service
from tests.journeys.test_browser import Person
from tests.journeys.test_links import Postbox
from web.pages.languages import NAMES

OTHERS = [tag for tag in NAMES if tag != "en"]
REGIONS = {"en": "en_GB"}
BYTE = {"fi": "t"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PASSCODE = "hemligt1"
RECIPIENT = "anna@example.org"
SENTENCE = re.compile(r"(?<=[.:?!])\s+")
WORD = re.compile(r"\b[^\W\d_]{2,}\b")


class Read(HTMLParser):
    """What a person reads or hears of a page: its texts, its labels, and what its script may say."""

    HEARD = ("aria-label", "alt", "title", "placeholder")

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.lang = ""
        self.texts: list[str] = []
        self.choices: list[tuple[str, str]] = []
        self._in: list[dict[str, str | None]] = []
        self.feed(answer.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs) | {"": tag}
        if tag == "html":
            self.lang = given.get("lang") or ""
        self.texts += [given[name] or "" for name in self.HEARD if name in given]
        self._in.append(given)

    def handle_endtag(self, tag: str) -> None:
        while self._in and self._in.pop()[""] != tag:
            pass

    def handle_data(self, data: str) -> None:
        inside = self._in[-1] if self._in else {}
        text = data.strip()
        if inside.get("") == "button" and inside.get("name") == "language":
            self.choices.append((str(inside["lang"]), text))
        elif inside.get("id") == "given":
            self.texts += json.loads(data)["words"].values()
        elif text and inside.get("") not in {"pre", "script", "style", "option"}:
            self.texts.append(" ".join(text.split()))

    @property
    def sentences(self) -> set[str]:
        """All that is more than one word."""
        parts = (part for text in self.texts for part in SENTENCE.split(text))
        return {part for part in parts if len(WORD.findall(part)) > 1}


@pytest.fixture(scope="module")
def postbox() -> Iterator[Postbox]:
    box = Postbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        box.port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=box.port)
    server.start()
    yield box
    server.stop()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postbox: Postbox) -> Iterator[Service]:
    running = Service(
        tmp_path_factory.mktemp("languages"),
        SMTP_URL=f"smtp://127.0.0.1:{postbox.port}",
        MAIL_FROM="bilaga@example.org",
    ).start()
    running.secrets |= {RECIPIENT}
    yield running
    running.stop()


class Tour:
    """One person's way through all pages, in the language that their browser asks for."""

    def __init__(self, service: Service, postbox: Postbox, tag: str) -> None:
        self.service, self.tag = service, tag
        self.browser = Client(service, {"Accept": "text/html,*/*;q=0.8", "Accept-Language": tag})
        self.pages: dict[str, Answer] = {}
        self._sending()
        self._fetching()
        self.letter = self._asking_for_a_code(postbox)
        self._lost()
        self._working()

    def see(self, name: str, answer: Answer, status: int = 200) -> Answer:
        assert answer.status == status, (name, answer.status, answer.body)
        self.pages[name] = answer
        return answer

    def press(self, address: str, **fields: str) -> Answer:
        return self.browser.post(address, body=urlencode(fields).encode(), headers=FORM)

    def _sending(self) -> None:
        link, see, send = self.service.upload_link, self.see, self.browser.post
        limited = link("S-1", max_files=3, max_bytes=50_000_000, allowed_types=["image/*", ".pdf"], note="Tack!")
        see("upload", self.browser.get(limited))
        see("type not taken", send(limited, form=Form.of(("a.txt", b"hej"))), 415)
        locked = link("S-1", passcode=PASSCODE)
        see("upload, passcode", self.browser.get(locked))
        see("passcode wrong", send(locked, form=Form.of(("a.txt", b"hej"), passcode="fel-fel-1")), 403)
        see("no room", send(link("S-1", max_bytes=10), form=Form.of(("a.txt", b"x" * 100))), 413)
        free = link("S-1")
        see("not what its name says", send(free, form=Form.of(("a.png", b"%PDF-1.7\n%%EOF\n"))), 422)
        sent = send(free, form=Form.of(("a.txt", b"x" * 1500)))
        self.receipt = sent.headers["Location"]
        attachment = re.search(
            r'name="attachment" value="([^"]+)"', see("receipt", self.browser.get(self.receipt)).text
        )
        assert attachment is not None
        assert self.press(f"{self.receipt}/withdraw", attachment=attachment[1]).status == 303
        see("receipt, erased", self.browser.get(self.receipt))

    def _fetching(self) -> None:
        link, file = self.service.download_link, self.service.attach("S-1", "1.txt")
        once = link(file, max_downloads=1)
        see = self.see
        see("download", self.browser.get(once))
        assert self.press(once).status == 303
        see("used up", self.press(once), 410)
        locked = link(file, passcode=PASSCODE)
        see("download, passcode", self.browser.get(locked))
        see("download, passcode wrong", self.press(locked, passcode="fel-fel-1"), 403)

    def _asking_for_a_code(self, postbox: Postbox) -> tuple[str, str]:
        address = self.service.download_link(self.service.attach("S-1", "1.txt"), recipient=RECIPIENT)
        already = len(postbox.letters)
        self.see("download, for one person", self.browser.get(address))
        self.see("download, code", self.press(address))
        code = postbox.code(already + 1)
        self.service.secrets.add(f'"{code}"')
        self.see("download, code wrong", self.press(address, code="000000" if code != "000000" else "000001"), 403)
        letter = postbox.letters[already]
        return letter["Subject"].replace(code, "·"), letter.get_content().replace(code, "·")

    def _lost(self) -> None:
        self.see("nothing here", self.browser.get("/u/" + "u" * 44), 404)
        self.see("did not work", self.browser.delete("/signin"), 405)
        self.see("from another page", self.browser.post("/language", headers={"Origin": "https://evil.example"}), 403)
        self.see("not signed in", self.browser.get("/signin"))
        self.see("sign in", self.browser.get(Person(self.service, "agent").link))

    def _working(self) -> None:
        person = Person(self.service, "agent").sign_in()
        signed_in = self.browser.with_headers(Cookie=person.cookie)
        self.see("tickets", signed_in.get("/agent"))
        self.see("tickets, none found", signed_in.get("/agent?ref=nix"))
        self.see("ticket", signed_in.get("/agent/tickets/S-1"))


@pytest.fixture(scope="module")
def tours(service: Service, postbox: Postbox) -> dict[str, Tour]:
    service.put_ticket("S-1", subject="Ämne")
    return {tag: Tour(service, postbox, tag) for tag in NAMES}


@pytest.mark.parametrize("tag", NAMES)
def test_every_page_says_which_language_it_is_in_and_offers_the_others(tours: dict[str, Tour], tag: str) -> None:
    for name, answer in tours[tag].pages.items():
        page = Read(answer)
        assert (page.lang, answer.headers["Content-Language"]) == (tag, tag), name
        assert page.choices == [(other, own) for other, own in NAMES.items() if other != tag], name


@pytest.mark.parametrize("tag", OTHERS)
def test_no_page_has_an_english_sentence_left(tours: dict[str, Tour], tag: str) -> None:
    assert tours[tag].pages.keys() == tours["en"].pages.keys()
    for name, answer in tours[tag].pages.items():
        english = Read(tours["en"].pages[name]).sentences
        assert len(english) > 1, name
        assert Read(answer).sentences & english == set(), name


@pytest.mark.parametrize("tag", OTHERS)
def test_a_code_is_mailed_in_the_language_of_whoever_asked_for_it(tours: dict[str, Tour], tag: str) -> None:
    (subject, text), (english, english_text) = tours[tag].letter, tours["en"].letter
    assert "·" in subject
    assert "·" in text
    assert subject != english
    assert set(SENTENCE.split(text.strip())) & set(SENTENCE.split(english_text.strip())) == set()
    assert tours[tag].service.url in text


@pytest.mark.parametrize("tag", NAMES)
def test_dates_times_and_sizes_are_written_as_people_there_write_them(tours: dict[str, Tour], tag: str) -> None:
    locale = Locale.parse(REGIONS.get(tag, tag))
    for name in ("upload", "receipt", "download"):
        shown = re.findall(r'<time datetime="([^"]+)">([^<]+)</time>', tours[tag].pages[name].text)
        assert shown, name
        for written, said in shown:
            at = datetime.fromisoformat(written)
            assert said.startswith(format_date(at, "long", locale=locale)), (name, said)
            assert said.endswith(f"{format_time(at, 'short', locale=locale)}\u00a0UTC"), (name, said)
    byte = BYTE.get(tag, "B")
    kilobytes = f"{format_decimal(1.5, locale=locale)}\u00a0k{byte}"
    assert kilobytes in tours[tag].pages["receipt"].text
    assert f"50\u00a0M{byte}" in tours[tag].pages["upload"].text


@pytest.mark.parametrize(
    ("accept", "got"),
    [
        ("no", "nb"),
        ("nb-NO,nb;q=0.9,no;q=0.8,nn;q=0.7,en;q=0.5", "nb"),
        ("nn-NO", "nb"),
        ("sv-FI", "sv"),
        ("fi-FI,sv;q=0.8", "fi"),
        ("de-AT", "de"),
        ("DA", "da"),
        ("is, da;q=0.4, de;q=0.6", "de"),
        ("fr-FR, *;q=0.1", "en"),
        ("de;q=0", "en"),
        ("", "en"),
        (";;;,,q=1", "en"),
    ],
)
def test_a_browser_gets_the_nearest_of_the_languages_it_asks_for(service: Service, accept: str, got: str) -> None:
    page = Client(service, {"Accept": "text/html", "Accept-Language": accept}).get("/signin")
    assert page.headers["Content-Language"] == got
    assert "Accept-Language" in page.headers["Vary"]


def test_a_link_speaks_to_its_reader_before_the_browser_does(service: Service, tours: dict[str, Tour]) -> None:
    for link, got in (("fi", "fi"), ("sv-FI", "sv"), ("nn", "nb"), ("fr", "da")):
        page = Client(service, {"Accept": "text/html", "Accept-Language": "da"}).get(
            service.upload_link("S-1", language=link)
        )
        assert page.headers["Content-Language"] == got


@pytest.mark.parametrize("tag", NAMES)
def test_a_choice_is_remembered_on_every_page(service: Service, tours: dict[str, Tour], tag: str) -> None:
    link = service.upload_link("S-1", language="sv" if tag != "sv" else "fi")
    browser = Client(service, {"Accept": "text/html", "Accept-Language": "fr, is"})
    chosen = browser.post(
        "/language", body=urlencode({"language": tag, "back": service.path(link)}).encode(), headers=FORM
    )
    assert (chosen.status, chosen.headers["Location"]) == (303, service.path(link))
    cookie = chosen.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Max-Age=31536000", "Path=/"} <= set(cookie.split("; "))
    browser = browser.with_headers(Cookie=cookie.split(";")[0])
    for address in (link, "/signin", tours["en"].receipt, "/u/" + "u" * 44):
        assert browser.get(address).headers["Content-Language"] == tag
    # And of what was chosen elsewhere nothing is left.
    assert service.browser.get("/signin").headers["Content-Language"] == "en"


@pytest.mark.parametrize("other", ["fr", "", "EN", "../sv", "nn"])
def test_a_language_that_is_none_of_ours_cannot_be_chosen(service: Service, other: str) -> None:
    answer = service.browser.post("/language", body=urlencode({"language": other}).encode(), headers=FORM)
    assert (answer.status, "Set-Cookie" in answer.headers) == (400, False)
    page = service.browser.get("/signin", headers={"Cookie": f"bilaga-language={other}"})
    assert (page.status, page.headers["Content-Language"]) == (200, "nb" if other == "nn" else "en")


def test_a_site_may_speak_another_language_to_whoever_asks_for_none(tmp_path) -> None:
    service = Service(tmp_path, DEFAULT_LANGUAGE="fi").start()
    page = Client(service, {"Accept": "text/html", "Accept-Language": "fr"}).get("/signin")
    assert page.headers["Content-Language"] == "fi"
    service.stop()
