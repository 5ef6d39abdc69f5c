"""Pages for everybody: without a script, by keyboard, enlarged, read aloud, from this site alone (R1…R15)."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, FileChooser, expect, sync_playwright

from tests.journeys.service import Service
from tests.journeys.visitor import CHROMIUM, FLAGS, file, visiting
from tests.npm import installed


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return (installed(tmp_path_factory.mktemp("npm")) / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture(scope="module")
def pages(service: Service) -> dict[str, str]:
    """A page of each kind that somebody without an account may meet, by its address."""
    service.put_ticket("L-1")
    sent = service.upload_link("L-1")
    receipt = service.anyone.put(f"{sent}/put/a.txt", body=b"hej").json()["receipt_url"]
    attachment = service.attach("L-1")
    return {
        "upload": service.upload_link("L-1", note="Please send the log.", allowed_types=[".txt", "image/*"]),
        "upload, passcode": service.upload_link("L-1", passcode="en lång hemlighet", max_files=1),
        "receipt": receipt,
        "download": service.download_link(attachment),
        "download, passcode": service.download_link(attachment, passcode="en lång hemlighet"),
        "gone": f"{service.url}/u/{'u' + 'x' * 43}",
    }


KINDS = ["upload", "upload, passcode", "receipt", "download", "download, passcode", "gone"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_page_has_a_fault_that_keeps_somebody_out(browser, pages, axe, kind, scheme) -> None:
    with visiting(browser, color_scheme=scheme) as visitor:
        visitor.page.goto(pages[kind])
        assert visitor.faults(axe) == []
        visitor.page.click("details.languages summary")
        assert visitor.faults(axe) == []


@pytest.mark.parametrize("language", ["en-GB", "sv-SE", "nb-NO", "da-DK", "fi-FI", "de-DE"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_page_fits_a_small_phone_and_four_times_the_size(browser, pages, kind, language) -> None:
    # 1280 by 1024 at 400 % is a window of 320 by 256 (WCAG 2.2, 1.4.10).
    with visiting(browser, locale=language, viewport={"width": 320, "height": 256}) as visitor:
        visitor.page.goto(pages[kind])
        wide, window = visitor.width()
        assert wide <= window
        visitor.page.click("details.languages summary")
        wide, window = visitor.width()
        assert wide <= window


def test_targets_are_large_enough_for_a_thumb(browser, pages) -> None:
    with visiting(browser, viewport={"width": 360, "height": 700}, has_touch=True, is_mobile=True) as visitor:
        visitor.page.goto(pages["upload"])
        expect(visitor.page.get_by_role("button", name="Use the camera")).to_be_visible()
        for button in visitor.page.get_by_role("button").all():
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 44, button.inner_text()


def test_the_upload_page_comes_from_this_site_alone_and_weighs_little(browser, service, pages) -> None:
    with visiting(browser) as visitor:
        visitor.page.goto(pages["upload"], wait_until="networkidle")
        expect(visitor.page.get_by_role("button", name="Choose files")).to_be_visible()
        assert {urlsplit(request.url).netloc for request in visitor.requests} == {urlsplit(service.url).netloc}
        addresses = {request.url for request in visitor.requests}
        assert len(addresses) >= 3
        weight = sum(len(gzip.compress(service.browser.get(address).body)) for address in addresses)
        assert weight <= 30_000


@pytest.mark.parametrize(
    ("language", "send", "heading"),
    [("en-GB", "Send", "Received and stored"), ("sv-SE", "Skicka", "Mottaget och lagrat")],
)
def test_without_a_script_a_form_sends_and_shows_the_receipt(browser, service, language, send, heading) -> None:
    link = service.upload_link("L-1")
    with visiting(browser, locale=language, java_script_enabled=False) as visitor:
        visitor.page.goto(link)
        visitor.page.set_input_files("#file", [file("åäö.txt"), file("b.txt", b"b")])
        visitor.page.get_by_role("button", name=send, exact=True).click()
        visitor.page.wait_for_url("**/r/*")
        expect(visitor.page.get_by_role("heading", level=1)).to_have_text(heading)
        assert "åäö.txt" in visitor.page.inner_text("main")


def test_without_a_script_an_error_says_what_to_do(browser, service) -> None:
    link = service.upload_link("L-1", allowed_types=[".pdf"])
    with visiting(browser, java_script_enabled=False) as visitor:
        visitor.page.goto(link)
        visitor.page.set_input_files("#file", [file("a.txt")])
        visitor.page.get_by_role("button", name="Send", exact=True).click()
        expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Files of this type are not taken here")
        assert "Choose another file" in visitor.page.inner_text("main")


def test_the_language_can_be_chosen_and_is_kept(browser, service) -> None:
    link = service.upload_link("L-1")
    with visiting(browser) as visitor:
        visitor.page.goto(link)
        visitor.page.click("details.languages summary")
        visitor.page.get_by_role("button", name="Svenska").click()
        visitor.page.wait_for_url(link)
        expect(visitor.page.get_by_role("button", name="Välj filer")).to_be_visible()
        assert visitor.page.get_attribute("html", "lang") == "sv"
        visitor.page.reload()
        expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Skicka dina filer")


def test_times_are_the_readers_own_with_their_zone(browser, pages) -> None:
    with visiting(browser, timezone_id="Europe/Stockholm") as visitor:
        visitor.page.goto(pages["upload"])
        expect(visitor.page.locator("time").first).to_have_text(re.compile(r"\d{4} at \d\d:\d\d (CET|CEST|GMT\+[12])$"))
        assert "UTC" in str(visitor.page.locator("time").first.get_attribute("title"))


def test_everything_works_from_the_keyboard(browser, pages) -> None:
    with visiting(browser) as visitor:
        # From the beginning: told only with the key, the browser may learn too late that somebody waits for a chooser.
        choosers: list[FileChooser] = []
        visitor.page.on("filechooser", lambda chooser: choosers.append(chooser))  # noqa: PLW0108 (a builtin takes no wrapper)
        visitor.page.goto(pages["upload"])
        visitor.page.keyboard.press("Tab")
        assert visitor.page.evaluate("document.activeElement.className") == "skip"
        visitor.page.keyboard.press("Enter")
        assert visitor.page.evaluate("document.activeElement.id") == "content"
        visitor.page.keyboard.press("Tab")
        assert visitor.page.evaluate("document.activeElement.dataset.pick") == "files"
        visitor.page.keyboard.press("Enter")
        while not choosers:
            visitor.page.wait_for_event("filechooser")
