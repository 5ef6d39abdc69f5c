"""The upload page with its script: files go at once, go on by themselves, and are done when the site has them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, expect, sync_playwright

from tests.journeys.service import Service
from tests.journeys.visitor import CHROMIUM, FLAGS, SECONDS, Visitor, file, visiting
from tests.npm import installed

TUS = {"Tus-Resumable": "1.0.0"}
SLOW = 1_000_000
LARGE = random.Random(4).randbytes(8_000_000)
PASTE = """() => {
    const brought = new DataTransfer();
    brought.items.add(new File(["shot"], "image.png", {type: "image/png"}));
    document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: brought, bubbles: true}));
}"""
DROP = """() => {
    const brought = new DataTransfer();
    brought.items.add(new File(["one"], "one.txt"));
    brought.items.add(new File(["two"], "two.txt"));
    for (const kind of ["dragenter", "dragover", "drop"])
        document.querySelector("footer").dispatchEvent(
            new DragEvent(kind, {dataTransfer: brought, bubbles: true, cancelable: true}));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return (installed(tmp_path_factory.mktemp("npm")) / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture
def link(service: Service) -> str:
    service.put_ticket("P-1")
    return service.upload_link("P-1")


@pytest.fixture
def visitor(browser: Browser, link: str) -> Iterator[Visitor]:
    with visiting(browser) as visitor:
        visitor.page.goto(link)
        yield visitor


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A file on disk: chosen twice, it is the same to the browser."""
    path = tmp_path / "film.bin"
    path.write_bytes(LARGE)
    return path


def digests(receipt: dict) -> dict[str, str]:
    return {one["name"]: one["sha256"] for one in receipt["attachments"]}


def moving(visitor: Visitor, name: str) -> None:
    """Wait until a file is on its way: some of it is sent, and not all."""
    visitor.says(name, re.compile(r"^[1-9]\d?% · [\d.]+\s(k|M)B/s"))


def test_files_go_at_once_and_come_to_one_receipt(visitor, axe) -> None:
    visitor.slow(SLOW)
    visitor.pick(file("film.bin", LARGE), file("åäö.txt"), file("empty.txt", b""), file("three.txt", b"3"))
    moving(visitor, "film.bin")
    assert 0 < visitor.row("film.bin").locator("progress").evaluate("bar => bar.value") < 1
    assert visitor.faults(axe) == []
    visitor.says("film.bin", re.compile(r"\d% · .* · .*seconds? left$"))
    visitor.slow(0)
    for name in ("film.bin", "åäö.txt", "empty.txt", "three.txt"):
        visitor.says(name, "Received and")
    expect(visitor.page.get_by_role("heading", name="Everything has arrived")).to_be_visible()
    expect(visitor.page.locator("[role=status]")).to_have_text(re.compile("All files have arrived"))
    assert visitor.faults(axe) == []
    found = digests(visitor.receipt())
    assert found == {
        "film.bin": sha256(LARGE).hexdigest(),
        "åäö.txt": sha256(b"hej").hexdigest(),
        "empty.txt": sha256(b"").hexdigest(),
        "three.txt": sha256(b"3").hexdigest(),
    }


def test_when_the_line_is_gone_it_waits_and_goes_on_by_itself(visitor) -> None:
    visitor.slow(4 * SLOW)
    visitor.pick(file("film.bin", LARGE), file("small.txt"))
    moving(visitor, "film.bin")
    visitor.context.set_offline(True)
    visitor.says("film.bin", "Waiting for the connection")
    visitor.slow(0)
    visitor.context.set_offline(False)
    for name in ("film.bin", "small.txt"):
        visitor.says(name, "Received and")
    assert digests(visitor.receipt())["film.bin"] == sha256(LARGE).hexdigest()


def test_after_a_reload_it_goes_on_from_where_it_was(visitor, axe, film, tmp_path) -> None:
    visitor.slow(2 * SLOW)
    visitor.pick(film)
    visitor.says("film.bin", re.compile(r"^[3-9]\d%"))
    visitor.press("Pause", visitor.row("film.bin"))
    visitor.says("film.bin", "Paused at")
    visitor.page.reload()
    visitor.says("film.bin", re.compile(r"^Choose film\.bin again to go on from [1-9]\d?%\.$"))
    assert visitor.faults(axe) == []
    other = tmp_path / "other.bin"
    other.write_bytes(b"x")
    visitor.pick(other, button="[data-deed=again]")
    visitor.says("film.bin", "That is another file. To go on, choose film.bin of 8\u00a0MB, unchanged.")
    visitor.requests.clear()
    visitor.pick(film, button="[data-deed=again]")
    visitor.says("film.bin", "Received and")
    assert visitor.sent("POST") == []
    (patch,) = visitor.sent("PATCH")
    assert int(patch.headers["upload-offset"]) > 0
    assert digests(visitor.receipt()) == {"film.bin": sha256(LARGE).hexdigest()}


def test_a_reload_does_not_need_the_passcode_to_tell_what_is_unfinished(browser, service, link, film) -> None:
    locked = service.upload_link("P-1", passcode="en lång hemlighet", max_files=1)
    with visiting(browser) as visitor:
        visitor.page.goto(locked)
        visitor.slow(SLOW)
        visitor.page.fill("#passcode", "en lång hemlighet")
        visitor.pick(film)
        visitor.says("film.bin", re.compile(r"^[3-9]\d%"))
        visitor.press("Pause", visitor.row("film.bin"))
        visitor.page.reload()
        visitor.says("film.bin", re.compile(r"^Choose film\.bin again to go on from [1-9]\d?%\.$"))
        visitor.slow(0)
        visitor.requests.clear()
        visitor.pick(film, button="[data-deed=again]")
        visitor.page.fill("#passcode", "en lång hemlighet")
        visitor.page.keyboard.press("Enter")
        visitor.says("film.bin", "Received and")
        assert visitor.sent("POST") == []
        assert digests(visitor.receipt()) == {"film.bin": sha256(LARGE).hexdigest()}


def test_the_line_may_be_cut_at_any_time(visitor) -> None:
    visitor.pick(file("film.bin", LARGE))
    visitor.says("film.bin", "Received and")
    visitor.page.reload()
    expect(visitor.page.locator("bilaga-file")).to_have_count(0)
    visitor.slow(2 * SLOW)
    visitor.pick(file("second.bin", LARGE))
    for _ in range(4):
        moving(visitor, "second.bin")
        visitor.context.set_offline(True)
        visitor.says("second.bin", "Waiting for the connection")
        visitor.context.set_offline(False)
    visitor.slow(0)
    visitor.says("second.bin", "Received and")
    assert digests(visitor.receipt())["second.bin"] == sha256(LARGE).hexdigest()


def test_files_can_be_paused_gone_on_with_and_removed(visitor) -> None:
    visitor.slow(SLOW)
    visitor.pick(file("a.bin", LARGE), file("b.bin", LARGE[1:]))
    moving(visitor, "a.bin")
    visitor.press("Pause", visitor.row("a.bin"))
    visitor.says("a.bin", "Paused at")
    # Whoever pressed it stands on the button that took its place.
    assert visitor.page.evaluate("document.activeElement.dataset.deed") == "resume"
    moving(visitor, "b.bin")
    visitor.press("Remove", visitor.row("b.bin"))
    expect(visitor.row("b.bin")).to_have_count(0)
    assert visitor.page.evaluate("document.activeElement.dataset.deed") == "resume"
    visitor.slow(0)
    visitor.press("Go on", visitor.row("a.bin"))
    visitor.says("a.bin", "Received and")
    assert len(visitor.sent("DELETE")) == 1
    assert list(digests(visitor.receipt())) == ["a.bin"]


def test_leaving_while_sending_asks_first_and_not_otherwise(visitor) -> None:
    asked: list[str] = []

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    visitor.page.on("dialog", accept)
    visitor.pick(file("small.txt"))
    visitor.says("small.txt", "Received and")
    visitor.page.reload()
    assert asked == []
    visitor.slow(SLOW)
    visitor.pick(file("film.bin", LARGE))
    moving(visitor, "film.bin")
    visitor.page.reload()
    assert asked == ["beforeunload"]


def test_what_the_link_does_not_take_is_refused_before_it_is_sent(browser, service, link) -> None:
    few = service.upload_link("P-1", allowed_types=[".txt", ".log"], max_files=2, max_bytes=1000)
    with visiting(browser) as visitor:
        visitor.page.goto(few)
        visitor.pick(file("photo.png", kind="image/png"), file("large.txt", b"x" * 1001), file("a.txt"))
        visitor.says("photo.png", "Files of this type are not taken here, only TXT, LOG. Choose another file.")
        visitor.says("large.txt", "There is room for 1\u00a0kB more")
        visitor.says("a.txt", "Received and")
        assert len(visitor.sent("POST")) == 1
        visitor.pick(file("b.txt"), file("c.txt"))
        visitor.says("c.txt", "There is no room for it under this link.")
        visitor.says("b.txt", "Received and")
        assert sorted(digests(visitor.receipt())) == ["a.txt", "b.txt"]


def test_what_the_site_refuses_says_why_and_the_others_go_on(visitor, axe) -> None:
    visitor.pick(file("tool.exe", b"MZ"), file("a.txt"))
    visitor.says("tool.exe", "Files of this type are not taken here.")
    visitor.says("a.txt", "Received and")
    expect(visitor.page.locator("[data-page=sum]")).to_have_text("1 of 1 received")
    assert visitor.faults(axe) == []


def test_what_is_not_what_its_name_says_is_refused_in_the_end(visitor) -> None:
    visitor.pick(file("photo.png", b"%PDF-1.7\n" + b"x" * 5000), file("a.txt"))
    visitor.says("photo.png", "The file is not what its name says.")
    visitor.says("a.txt", "Received and")


def test_a_passcode_comes_before_anything_is_sent(browser, service, axe, link) -> None:
    locked = service.upload_link("P-1", passcode="en lång hemlighet")
    with visiting(browser) as visitor:
        visitor.page.goto(locked)
        visitor.pick(file("a.txt"), file("b.txt"))
        expect(visitor.page.get_by_text("Type the passcode, and sending begins.")).to_be_visible()
        assert visitor.page.evaluate("document.activeElement.id") == "passcode"
        assert visitor.sent("POST") == []
        assert visitor.faults(axe) == []
        visitor.page.keyboard.type("en annan")
        visitor.page.keyboard.press("Enter")
        expect(visitor.page.get_by_text("That passcode is wrong.")).to_be_visible()
        assert len(visitor.sent("POST")) == 1, "a wrong passcode is tried once, however many files wait"
        visitor.page.fill("#passcode", "en lång hemlighet")
        visitor.page.keyboard.press("Enter")
        for name in ("a.txt", "b.txt"):
            visitor.says(name, "Received and")
        assert sorted(digests(visitor.receipt())) == ["a.txt", "b.txt"]


def test_a_screenshot_is_pasted_and_gets_a_dated_name(visitor) -> None:
    visitor.page.evaluate(PASTE)
    visitor.says("Screenshot", re.compile("Received and|not what its name says"))
    assert re.match(
        r"Screenshot \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\.png", visitor.page.inner_text("bilaga-file [data-part=name]")
    )


def test_files_are_dropped_anywhere_on_the_page(visitor) -> None:
    visitor.page.evaluate(DROP)
    for name in ("one.txt", "two.txt"):
        visitor.says(name, "Received and")


def test_a_folder_is_sent_with_all_that_is_in_it(visitor, tmp_path) -> None:
    folder = tmp_path / "logs"
    (folder / "old").mkdir(parents=True)
    (folder / "a.log").write_text("a")
    (folder / "old/b.log").write_text("b")
    visitor.pick(folder, button="[data-pick=folder]")
    for name in ("logs/a.log", "logs/old/b.log"):
        visitor.says(name, "Received and")
    assert sorted(digests(visitor.receipt())) == ["logs_a.log", "logs_old_b.log"]


def test_a_link_that_is_revoked_while_a_file_goes_ends_it_all(browser, service, link) -> None:
    with visiting(browser) as visitor:
        visitor.page.goto(link)
        visitor.slow(SLOW)
        visitor.pick(file("a.bin", LARGE))
        moving(visitor, "a.bin")
        visitor.context.set_offline(True)
        visitor.says("a.bin", "Waiting for the connection")
        links = service.as_("agent").get("/api/v1/tickets/P-1/links").json()["links"]
        for one in links:
            service.as_("agent").delete(f"/api/v1/links/{one['id']}")
        visitor.context.set_offline(False)
        visitor.says("a.bin", "The link has expired, was closed or has been used up.")


def test_the_page_speaks_swedish(browser, link) -> None:
    with visiting(browser, locale="sv-SE") as visitor:
        visitor.page.goto(link)
        visitor.slow(2 * SLOW)
        visitor.pick(file("film.bin", LARGE))
        visitor.says("film.bin", re.compile(r"^\d+\s% · \d+(,\d)?\s(k|M)B/s · \d+ sekunder kvar$"))
        visitor.slow(0)
        visitor.says("film.bin", "Mottaget och")
        expect(visitor.page.get_by_role("heading", name="Allt har kommit fram")).to_be_visible(timeout=SECONDS * 1000)
