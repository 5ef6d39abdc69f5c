"""People with browsers: signing in and out, cookies, cross-site requests, the headers of pages (S-63…S-65, S-83)."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

import pytest

from crypto import TokenPurpose, new_token
from domain.actor import SYSTEM, Role
from tests.journeys.kept import kept, rows
from tests.journeys.service import Answer, Client, Form, Service

HTML = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "en"}
MARKUP = "<script>alert(1)</script>\"'&åäö"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Person:
    """Somebody signed in with a browser: a session cookie, and the CSRF token that their pages hold."""

    def __init__(self, service: Service, role: str) -> None:
        self.service = service
        with service.site() as site:
            made = site.records.write(lambda unit: site.people.make_sign_in(unit, SYSTEM, Role(role), "Kim Person"))
        service.secrets |= {made.token, "Kim Person"}
        self.link = f"{service.url}/signin/{made.token}"
        self.cookie = ""

    def sign_in(self) -> Person:
        self.answer = self.service.browser.post(self.link)
        assert self.answer.status == 303, self.answer.body
        self.cookie = self.answer.headers["Set-Cookie"].split(";")[0]
        self.service.secrets.add(self.cookie.split("=")[1])
        return self

    @property
    def browser(self) -> Client:
        return Client(self.service, HTML | {"Cookie": self.cookie})

    @property
    def csrf(self) -> str:
        return re.search(r'name="csrf" value="([^"]+)"', self.browser.get("/agent").text).group(1)

    def press(self, address: str, fields: dict[str, str], *, csrf: str | None = None, **headers: str) -> Answer:
        token = self.csrf if csrf is None else csrf
        body = urlencode(fields | {"csrf": token}).encode()
        sent = FORM | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.browser.post(address, body=body, headers=sent)


@pytest.fixture(scope="module")
def agent(service: Service) -> Person:
    service.put_ticket("W-1", subject=MARKUP)
    return Person(service, "agent").sign_in()


def test_the_link_signs_in_once_and_looking_at_it_spends_nothing(service: Service) -> None:
    person = Person(service, "agent")
    before = rows(service.data)
    for method in ("GET", "HEAD", "OPTIONS"):
        service.browser(method, person.link)
    assert rows(service.data) == before
    person.sign_in()
    assert person.answer.headers["Location"] == "/agent"
    assert "Kim Person" in person.browser.get("/agent").text
    again = service.browser.post(person.link)
    assert (again.status, "Set-Cookie" in again.headers) == (404, False)
    assert service.browser.get(person.link).status == 404


def test_the_first_start_prints_a_link_for_the_first_admin(service: Service) -> None:
    (said,) = [line for line in service.said if "/signin/" in line]
    answer = service.browser.post(said.split()[-1])
    assert answer.status == 303
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    me = service.anyone.get("/api/v1/me", headers={"Cookie": cookie}).json()
    assert (me["role"], me["name"]) == ("admin", "First administrator")


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(agent: Person) -> None:
    _, *attributes = agent.answer.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=43200"} == set(attributes)
    assert agent.cookie.startswith("bilaga-session=s")


def test_over_https_the_cookie_is_bound_to_the_host_and_hsts_is_sent(tmp_path) -> None:
    service = Service(tmp_path, PUBLIC_URL="https://bilaga.example/stöd".replace("ö", "o")).start()
    try:
        person = Person(service, "agent")
        assert person.link
        answer = Client(service, HTML | {"Host": "bilaga.example"}).post(person.link)
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-bilaga=s")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
        assert answer.headers["Location"] == "/stod/agent"
        assert int(re.search(r"max-age=(\d+)", answer.headers["Strict-Transport-Security"]).group(1)) >= 31_536_000
        service.put_ticket("W-9")
        assert service.upload_link("W-9").startswith("https://bilaga.example/stod/u/")
        spoofed = Client(service, HTML | {"Host": "bilaga.example", "X-Forwarded-Host": "evil.example"}).get("/signin")
        assert "evil.example" not in spoofed.text
    finally:
        service.stop()


def test_signing_out_ends_the_session_at_once(service: Service) -> None:
    person = Person(service, "agent").sign_in()
    assert service.browser.post("/signout", headers={"Cookie": person.cookie}).status == 403
    assert person.browser.get("/agent").status == 200
    assert person.press("/signout", {}).headers["Location"] == "/signin"
    assert person.browser.get("/agent").headers["Location"] == "/signin"
    assert person.browser.get("/api/v1/me").status == 401


def test_a_disabled_person_is_signed_out_everywhere(service: Service) -> None:
    person = Person(service, "agent").sign_in()
    me = person.browser.get("/api/v1/me").json()["id"]
    service.cli("apikey", "revoke", me)
    assert person.browser.get("/agent").headers["Location"] == "/signin"


UNSAFE = ["/agent/tickets/W-1/upload-links", "/agent/tickets/W-1/revoke", "/agent/tickets/W-1/download-links"]


@pytest.mark.parametrize("address", UNSAFE)
@pytest.mark.parametrize(
    "csrf, headers",
    [
        ("", {}),
        ("0" * 64, {}),
        (None, {"Origin": "https://evil.example"}),
        (None, {"Origin": "null"}),
        (None, {"Sec_Fetch_Site": "cross-site"}),
        (None, {"Sec_Fetch_Site": "same-site"}),
    ],
)
def test_a_form_from_elsewhere_does_nothing(service: Service, agent: Person, address, csrf, headers) -> None:
    token = agent.csrf if csrf is None else csrf
    before = kept(service.data, but=frozenset({"credentials"}))
    answer = agent.press(address, {"link": "x", "attachment": "x"}, csrf=token, **headers)
    assert answer.status == 403
    assert kept(service.data, but=frozenset({"credentials"})) == before


def test_the_api_by_cookie_needs_the_token_too(service: Service, agent: Person) -> None:
    before = kept(service.data)
    address = "/api/v1/tickets/W-1/upload-links"
    assert agent.browser.post(address, json_body={}).problem == "csrf"
    sent = agent.browser.put("/api/v1/tickets/W-1/attachments/a.txt", body=b"x")
    assert sent.problem == "csrf"
    assert kept(service.data) == before
    assert agent.browser.post(address, json_body={}, headers={"X-CSRF-Token": agent.csrf}).status == 201


def test_a_file_form_needs_the_token_before_the_file(service: Service, agent: Person) -> None:
    address = "/agent/tickets/W-1/files"
    csrf = agent.csrf
    before = kept(service.data, but=frozenset({"credentials"}))
    assert agent.browser.post(address, form=Form.of(("a.txt", b"x"))).status == 403
    late = Form([("file", "a.txt", b"x"), ("csrf", None, csrf.encode())])
    assert agent.browser.post(address, form=late).status == 403
    assert kept(service.data, but=frozenset({"credentials"})) == before
    assert agent.browser.post(address, form=Form.of(("a.txt", b"x"), csrf=csrf)).status == 303


def test_an_agent_does_a_days_work_without_a_script(service: Service, agent: Person) -> None:
    shown = agent.press("/agent/tickets/W-1/upload-links", {"expires_in": "P1D", "max_files": "2", "note": MARKUP})
    assert shown.status == 201
    upload = unescape(re.search(r'<pre id="new-link">([^<]+)</pre>', shown.text).group(1))
    sent = service.browser.post(upload, form=Form.of(("<img src=x onerror=alert(1)>.txt", b"x")))
    assert sent.status == 303
    page = agent.browser.get("/agent/tickets/W-1").text
    attachment = re.search(r"/agent/attachments/([^/]+)/content", page).group(1)
    assert (
        agent.browser.get(f"/agent/attachments/{attachment}/content")
        .headers["Content-Disposition"]
        .startswith("attachment;")
    )
    made = agent.press("/agent/tickets/W-1/download-links", {"attachment": attachment, "max_downloads": "1"})
    download = unescape(re.search(r'<pre id="new-link">([^<]+)</pre>', made.text).group(1))
    assert download in made.text
    assert service.browser.get(download).status == 200
    link = re.search(r'name="link" value="([^"]+)"', agent.browser.get("/agent/tickets/W-1").text).group(1)
    assert agent.press("/agent/tickets/W-1/revoke", {"link": link}).status == 303
    for secret in (upload, download):
        assert secret not in agent.browser.get("/agent/tickets/W-1").text, "an address is shown once"
    for page in (
        shown.text,
        agent.browser.get("/agent/tickets/W-1").text,
        service.browser.get(sent.headers["Location"]).text,
    ):
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_an_auditor_sees_no_content_and_has_no_forms_to_send(service: Service, agent: Person) -> None:
    auditor = Person(service, "auditor").sign_in()
    attachment = service.attach("W-1")
    assert auditor.browser.get(f"/agent/attachments/{attachment}/content").status == 403
    assert auditor.browser.get("/agent/tickets/W-1/attachments.zip").status == 403
    page = auditor.browser.get("/agent/tickets/W-1").text
    assert "/upload-links" not in page
    assert "attachments.zip" not in page
    assert auditor.press("/agent/tickets/W-1/upload-links", {}).status == 403


@pytest.mark.parametrize("page", ["upload", "download", "receipt", "signin", "agent", "ticket", "unknown", "docs"])
def test_pages_let_in_nothing_from_elsewhere_and_tell_nobody_where_they_are(
    service: Service, agent: Person, page: str
) -> None:
    upload = service.upload_link("W-1")
    sent = service.browser.post(upload, form=Form.of(("a.txt", b"x"))).headers["Location"]
    address = {
        "upload": upload,
        "download": service.download_link(service.attach("W-1")),
        "receipt": sent,
        "signin": Person(service, "agent").link,
        "agent": "/agent",
        "ticket": "/agent/tickets/W-1",
        "unknown": f"/u/{new_token(TokenPurpose.UPLOAD)}",
        "docs": "/api/docs",
    }[page]
    client = agent.browser if page in {"agent", "ticket"} else service.browser
    if page == "docs":
        client = client.with_headers(Accept="text/html")
    answer = client.get(address)
    head = answer.headers
    policy = dict(part.strip().split(" ", 1) for part in head["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    for name in ("object-src", "base-uri", "frame-ancestors"):
        assert policy[name] == "'none'", name
    assert policy["form-action"] == "'self'"
    assert "unsafe" not in head["Content-Security-Policy"]
    assert head["Referrer-Policy"] == "no-referrer"
    assert head["Cross-Origin-Opener-Policy"] == "same-origin"
    assert head["X-Content-Type-Options"] == "nosniff"
    assert head["Cache-Control"] == "no-store"
    assert head["Server"] == "bilaga"
    assert "Access-Control-Allow-Origin" not in head
    # Nothing of others, nothing inline, and no token in the title.
    assert not re.search(r'(src|href|action)="(https?:)?//', answer.text)
    assert not re.search(r"<style|<[^>]*\s(style|on\w+)=|javascript:", answer.text)
    title = re.search(r"<title>(.*?)</title>", answer.text, re.DOTALL).group(1)
    assert not re.search(r"[A-Za-z0-9_-]{43}", title)


def test_static_files_are_ours_and_cached(service: Service) -> None:
    page = service.browser.get("/signin").text
    for address in set(re.findall(r"/static/[^\"]+", page)):
        answer = service.anyone.get(address)
        assert answer.status == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "back", ["//evil.example", "/\\evil.example", "https://evil.example", "/%0d%0aSet-Cookie:x=y", "\r\nX: y"]
)
def test_choosing_a_language_leads_nowhere_else(service: Service, back: str) -> None:
    answer = service.browser.post("/language", body=urlencode({"language": "sv", "back": back}).encode(), headers=FORM)
    assert answer.status == 303
    assert re.fullmatch(r"/(?![/\\]).*|/", answer.headers["Location"])
    assert "X" not in answer.headers
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    assert service.browser.get("/signin", headers={"Cookie": cookie}).headers["Content-Language"] == "sv"


def test_looking_at_anything_changes_nothing(service: Service, agent: Person) -> None:
    """GET, HEAD and OPTIONS on every address a person may open: all rows stay (S-51, S-64)."""
    upload, attachment = service.upload_link("W-1"), service.attach("W-1")
    download = service.download_link(attachment)
    receipt = service.anyone.put(f"{upload}/put/a.txt", body=b"x").json()["receipt_url"]
    before = kept(service.data)
    for address in (upload, download, receipt, f"{upload}/put/x", f"{receipt}/withdraw", "/signin", "/", "/healthz"):
        for method in ("GET", "HEAD", "OPTIONS"):
            for client in (service.browser, service.anyone):
                assert client(method, address).status < 500
    for address in ("/agent", "/agent/tickets/W-1", "/agent/tickets/W-1/files"):
        for method in ("HEAD", "OPTIONS"):
            agent.browser(method, address)
    found = kept(service.data)
    assert {name for name in before if found[name] != before[name]} <= {"credentials"}, "a session's clock may move"
