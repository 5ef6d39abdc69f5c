"""Download links over HTTP: what counts and what does not, resuming within a grant, passcodes, and codes by mail."""

from __future__ import annotations

import email
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email import policy
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from storage import JournalFilter
from tests.corpus.files import noise
from tests.journeys.kept import rows
from tests.journeys.service import Answer, Service

CONTENT = noise(77, 9_000_000)
"""More than the kernel keeps for a slow reader (4 MiB), so that a service can be hung up on."""
NAME = 'Ritning "åäö" för 📎.bin'
RECIPIENT = "ulla.mottagare@partner.example"
MAIL_FROM = "bilaga@support.example"
COOKIE = re.compile(r"bilaga-grant=([^;]+); (.*)")


class Postbox:
    """What the mail server took."""

    def __init__(self) -> None:
        self.letters: list[email.message.EmailMessage] = []
        self.port = 0

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 (aiosmtpd's name)
        self.letters.append(email.message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def code(self, number: int) -> str:
        """The code of the n-th letter, once it is there."""
        until = time.monotonic() + 20
        while len(self.letters) < number:
            assert time.monotonic() < until, "no letter came"
            time.sleep(0.05)
        text = self.letters[number - 1].get_content()
        return str(re.findall(r"\b\d{6}\b", text)[0])


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
def service(tmp_path_factory: pytest.TempPathFactory, postbox) -> Iterator[Service]:
    running = Service(
        tmp_path_factory.mktemp("links"), SMTP_URL=f"smtp://127.0.0.1:{postbox.port}", MAIL_FROM=MAIL_FROM
    ).start()
    running.secrets |= {RECIPIENT, NAME}
    yield running
    running.stop()


@pytest.fixture(scope="module")
def attachment(service: Service) -> str:
    service.put_ticket("L-1")
    return service.attach("L-1", NAME, CONTENT)


@pytest.fixture
def link(service: Service, attachment: str) -> Callable[..., str]:
    return lambda **terms: service.download_link(attachment, **terms)


def left(service: Service, address: str) -> int:
    return int(service.anyone.get(address).json()["downloads_left"])


def pressed(service: Service, address: str, **fields: str) -> Answer:
    """The button, as a browser presses it."""
    body = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
    return service.browser.post(address, body=body, headers={"Content-Type": "application/x-www-form-urlencoded"})


def settled(service: Service) -> dict[str, list[str]]:
    """All rows, once no download that was read to its end has anything more to write down."""
    before: dict[str, list[str]] = {}
    while (now := rows(service.data)) != before:
        before = now
        time.sleep(0.3)
    return now


def test_looking_counts_nothing_and_changes_no_row(service: Service, link) -> None:
    address = link(max_downloads=1)
    before = settled(service)
    for method in ("GET", "HEAD", "OPTIONS"):
        for client in (service.browser, service.anyone):
            client(method, address)
    assert service.anyone("HEAD", f"{address}/content").status == 200
    assert service.anyone("OPTIONS", f"{address}/content").status == 405
    assert rows(service.data) == before


def test_the_page_holds_a_form_and_no_way_to_the_content(service: Service, link) -> None:
    page = service.browser.get(link()).text
    assert 'method="post"' in page
    page = re.sub(r"<script type=\"module\" src=\"/static/[^\"]*\"></script>", "", page)  # local times, and no more
    assert not re.search(r"/content|/g/|http-equiv|<script|og:|src=\"(?!/static/)", page)


def test_the_button_counts_once_and_its_grant_gives_the_bytes_again_and_again(service: Service, link) -> None:
    address = link(max_downloads=2)
    answer = pressed(service, address)
    assert answer.status == 303
    assert re.fullmatch(r"/g/g[A-Za-z0-9_-]{43}", answer.headers["Location"])
    for _ in range(2):
        assert service.anyone.get(answer.headers["Location"]).body == CONTENT
    assert left(service, address) == 1


def test_a_program_resumes_within_its_grant_by_cookie_or_content_location(service: Service, link) -> None:
    address = link(max_downloads=1)
    first = service.anyone.get(f"{address}/content", headers={"Range": "bytes=0-999999"})
    assert (first.status, first.headers["Content-Range"]) == (206, f"bytes 0-999999/{len(CONTENT)}")
    grant, attributes = COOKIE.fullmatch(first.headers["Set-Cookie"]).groups()
    assert {"HttpOnly", "SameSite=Lax", f"Path=/d/{address.rsplit('/', 1)[1]}/content"} <= set(attributes.split("; "))
    rest = {"Range": "bytes=1000000-", "If-Range": first.headers["ETag"]}
    by_cookie = service.anyone.get(f"{address}/content", headers=rest | {"Cookie": f"bilaga-grant={grant}"})
    by_place = service.anyone.get(first.headers["Content-Location"], headers=rest)
    for second in (by_cookie, by_place):
        assert second.status == 206
        assert first.body + second.body == CONTENT
    assert service.anyone.get(f"{address}/content").problem == "gone"
    assert service.anyone.get(address).problem == "gone"


def test_another_links_cookie_opens_nothing(service: Service, link) -> None:
    one, other = link(), link(max_downloads=1)
    grant = service.anyone.get(f"{one}/content").headers["Content-Location"].rsplit("/", 1)[1]
    service.anyone.get(f"{other}/content", headers={"Cookie": f"bilaga-grant={grant}"})
    assert service.anyone.get(other).status == 410, "it was counted as a download of its own"


def hung_up(service: Service) -> bool:
    """Whether the log knows of a download that was not brought to its end."""
    with service.site() as site:
        what = JournalFilter(kind="download.ended")
        ended = site.records.read(lambda unit: unit.journal.find(what, before=None, limit=200))
    return any(not json.loads(entry.body)["facts"]["complete"] for entry in ended)


def test_hanging_up_spends_the_grant_and_no_other(service: Service, link) -> None:
    address = link(max_downloads=2)
    connection = service.connect()
    connection.request("GET", service.path(f"{address}/content"))
    response = connection.getresponse()
    response.read(1000)
    place = response.headers["Content-Location"]
    connection.close()
    until = time.monotonic() + 20
    while not hung_up(service):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert left(service, address) == 1
    assert service.anyone.get(place).body == CONTENT
    assert left(service, address) == 1


def test_of_many_buttons_at_once_exactly_the_limit_counts(service: Service, link) -> None:
    address = link(max_downloads=4)
    with ThreadPoolExecutor(16) as people:
        answers = list(people.map(lambda _: service.anyone.post(address), range(16)))
    assert sorted(answer.status for answer in answers) == [303] * 4 + [410] * 12
    assert len({answer.headers["Location"] for answer in answers if answer.status == 303}) == 4


@pytest.mark.parametrize(
    "asked, start, stop",
    [
        ("bytes=0-0", 0, 1),
        ("bytes=-1", -1, None),
        ("bytes=1048519-1048521", 1048519, 1048522),  # across the first two segments
        ("bytes=2499999-", 2499999, None),
        ("bytes=5-99999999", 5, None),
        ("bytes=-99999999", 0, None),
    ],
)
def test_one_range_gives_exactly_its_bytes(service: Service, attachment: str, asked: str, start, stop) -> None:
    address = f"/api/v1/attachments/{attachment}/content"
    answer = service.as_("agent").get(address, headers={"Range": asked})
    assert (answer.status, answer.body) == (206, CONTENT[start:stop])


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "bytes=", "bytes=5-1", "bytes 0-1"])
def test_other_ranges_are_ignored(service: Service, attachment: str, asked: str) -> None:
    answer = service.as_("agent").get(f"/api/v1/attachments/{attachment}/content", headers={"Range": asked})
    assert (answer.status, answer.body) == (200, CONTENT)
    assert "Content-Range" not in answer.headers


def test_a_range_of_another_version_is_ignored_and_a_known_version_is_not_sent(service: Service, attachment) -> None:
    agent, address = service.as_("agent"), f"/api/v1/attachments/{attachment}/content"
    tag = agent("HEAD", address).headers["ETag"]
    stale = agent.get(address, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (stale.status, len(stale.body)) == (200, len(CONTENT))
    known = agent.get(address, headers={"If-None-Match": tag})
    assert (known.status, known.body, known.headers["ETag"]) == (304, b"", tag)
    # Range counts on GET only.
    assert agent("HEAD", address, headers={"Range": "bytes=0-9"}).headers["Content-Length"] == str(len(CONTENT))


def test_content_carries_what_keeps_a_browser_from_running_it(service: Service, link) -> None:
    answer = service.anyone.get(f"{link()}/content")
    head = answer.headers
    assert head["Content-Disposition"] == (
        'attachment; filename="Ritning _aao_ for _.bin"; '
        "filename*=UTF-8''Ritning%20_%C3%A5%C3%A4%C3%B6_%20f%C3%B6r%20%F0%9F%93%8E.bin"
    )
    assert head["Content-Type"] == "application/octet-stream"
    assert head["X-Content-Type-Options"] == "nosniff"
    assert head["Content-Security-Policy"] == "sandbox; default-src 'none'; frame-ancestors 'none'"
    assert head["Cross-Origin-Resource-Policy"] == "same-origin"
    assert head["Referrer-Policy"] == "no-referrer"
    assert "no-store" in head["Cache-Control"]


def test_a_revoked_link_and_its_grants_are_dead_at_once(service: Service, link) -> None:
    address = link()
    grant = service.anyone.post(address).headers["Location"]
    (found,) = [
        one
        for one in service.as_("agent").get("/api/v1/tickets/L-1/links").json()["links"]
        if one["state"] == "active" and one["downloads"] == 1 and one["max_downloads"] is None and not one["passcode"]
    ][-1:]
    assert service.as_("agent").delete(f"/api/v1/links/{found['id']}").status == 204
    assert {service.anyone.get(one).status for one in (address, f"{address}/content", grant)} == {410}
    assert service.anyone.post(address).problem == "gone"
    assert service.as_("agent").delete(f"/api/v1/links/{found['id']}").status == 204, "again is no error"


def test_a_link_expires_by_the_clock(service: Service, link) -> None:
    address = link(expires_in="PT1S")
    grant = service.anyone.post(address).headers["Location"]
    time.sleep(1.1)
    assert service.anyone.get(address).problem == "gone"
    assert service.anyone.get(grant).status == 200, "a grant has an end of its own"


def test_a_passcode_is_asked_for_and_wrong_ones_close_the_link_for_a_while(service: Service, link) -> None:
    address = link(passcode="hemligt", max_downloads=3)
    service.secrets.add("hemligt")
    assert NAME not in service.browser.get(address).text
    assert service.anyone.get(address).json()["name"] is None
    assert service.anyone.post(address).problem == "passcode"
    assert service.anyone.get(f"{address}/content").problem == "passcode"
    right = {"Bilaga-Passcode": "hemligt"}
    assert service.anyone.get(f"{address}/content", headers=right).body == CONTENT
    assert pressed(service, address, passcode="hemligt").status == 303
    for _ in range(5):
        assert pressed(service, address, passcode="fel+fel").status == 403
    refused = service.anyone.get(f"{address}/content", headers=right)
    assert (refused.status, refused.problem) == (429, "rate")
    assert int(refused.headers["Retry-After"]) > 60
    assert left(service, address) == 1, "two downloads, and no failure, were counted"


def test_an_upload_link_with_a_passcode_takes_nothing_without_it(service: Service) -> None:
    from tests.journeys.service import Form

    service.put_ticket("L-1")
    address = service.upload_link("L-1", passcode="hemligt")
    before = rows(service.data)
    wrong, right = {"Bilaga-Passcode": "fel-fel"}, {"Bilaga-Passcode": "hemligt"}
    assert service.anyone.put(f"{address}/put/a.txt", body=b"x").problem == "passcode"
    assert service.anyone.post(address, form=Form.of(("a.txt", b"x"))).problem == "passcode"
    assert rows(service.data) == before
    assert service.anyone.put(f"{address}/put/a.txt", body=b"x", headers=wrong).problem == "passcode"
    assert service.anyone.post(address, form=Form.of(("a.txt", b"x"), passcode="fel-fel")).problem == "passcode"
    assert rows(service.data, but=frozenset({"passcode_failures"})) == {
        table: found for table, found in before.items() if table != "passcode_failures"
    }
    assert service.anyone.put(f"{address}/put/a.txt", body=b"x", headers=right).status == 201
    assert service.anyone.post(address, form=Form.of(("a.txt", b"x"), passcode="hemligt")).status == 201


def test_a_recipient_gets_a_code_by_mail_and_is_counted_once(service: Service, link, postbox: Postbox) -> None:
    address = link(recipient=RECIPIENT, max_downloads=1)
    already = len(postbox.letters)
    for method in ("GET", "HEAD", "OPTIONS"):
        service.browser(method, address)
    assert service.anyone.get(f"{address}/content").problem == "recipient-code"
    asked = pressed(service, address)
    assert asked.status == 200
    assert 'name="code"' in asked.text
    assert RECIPIENT not in asked.text
    code = postbox.code(already + 1)
    service.secrets.add(f'"{code}"')
    assert pressed(service, address).status == 200, "asking again within the minute sends no second letter"
    letter = postbox.letters[-1]
    assert (letter["To"], letter["From"]) == (RECIPIENT, MAIL_FROM)
    assert address not in letter.get_content(), "the code and the link do not travel together"
    wrong = "000000" if code != "000000" else "000001"
    assert pressed(service, address, code=wrong).status == 403
    assert left(service, address) == 1
    answer = pressed(service, address, code=code)
    assert answer.status == 303
    assert service.anyone.get(answer.headers["Location"]).body == CONTENT
    assert pressed(service, address, code=code).status == 410
    assert len(postbox.letters) == already + 1


def test_five_wrong_codes_end_the_right_one(service: Service, link, postbox: Postbox) -> None:
    address = link(recipient=RECIPIENT)
    already = len(postbox.letters)
    assert pressed(service, address).status == 200
    code = postbox.code(already + 1)
    for guess in range(5):
        wrong = f"{(int(code) + guess + 1) % 1_000_000:06}"
        assert pressed(service, address, code=wrong).status == 403
    assert pressed(service, address, code=code).status in {403, 429}
    assert service.anyone.get(f"{address}/content").problem == "recipient-code"


def test_many_right_codes_at_once_count_once(service: Service, link, postbox: Postbox) -> None:
    address = link(recipient=RECIPIENT, max_downloads=5)
    already = len(postbox.letters)
    assert pressed(service, address).status == 200
    code = postbox.code(already + 1)
    together = threading.Barrier(6)

    def press(_: int) -> int:
        together.wait()
        return pressed(service, address, code=code).status

    with ThreadPoolExecutor(6) as people:
        statuses = list(people.map(press, range(6)))
    assert statuses.count(303) == 1
    assert left(service, address) == 4


def test_only_so_many_requests_a_minute_are_answered(tmp_path: Path) -> None:
    """S-49: a link, and an address, that are asked too often wait."""
    limited = Service(tmp_path, RATES__LINK="5", RATES__ADDRESS="12").start()
    try:
        limited.put_ticket("L-2")
        one, other = limited.upload_link("L-2"), limited.upload_link("L-2")
        first = [limited.anyone.get(one).status for _ in range(7)]
        assert first == [200] * 5 + [429] * 2
        refused = limited.anyone.get(one)
        assert refused.problem == "rate"
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert [limited.anyone.get(other).status for _ in range(6)] == [200] * 4 + [429] * 2
    finally:
        limited.stop()
