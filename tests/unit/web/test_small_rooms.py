"""Addresses, cursors, cross-site checks, rates, and the table of problems."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, cast

import pytest
from aiohttp import web
from multidict import CIMultiDict

from crypto import Secret
from domain import errors
from domain.errors import BadInput, CsrfRefused, RateLimited
from web.addresses import Addresses
from web.csrf import HEADER, Csrf
from web.cursors import Cursors
from web.problems import TITLES, of_error
from web.rates import Rates

SECRET = Secret(bytes(32))


class Asked:
    """As much of a request as these rooms look at."""

    def __init__(self, remote: str | None = "192.0.2.7", **headers: str) -> None:
        self.remote = remote
        self.headers = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})


def asked(*arguments: Any, **headers: str) -> web.Request:
    return cast("web.Request", Asked(*arguments, **headers))


class TestAddresses:
    ADDRESSES = Addresses([ip_network("10.0.0.0/8")], [ip_network("127.0.0.0/8")])

    @pytest.mark.parametrize(
        ("remote", "forwarded", "client"),
        [
            ("192.0.2.7", None, "192.0.2.7"),
            ("192.0.2.7", "198.51.100.1", "192.0.2.7"),  # a stranger's word about itself
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "203.0.113.9, 198.51.100.1, 10.2.3.4", "198.51.100.1"),
            ("10.0.0.1", "junk", "10.0.0.1"),
            ("::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1"),
            (None, "198.51.100.1", "unknown"),
        ],
    )
    def test_only_our_own_proxies_are_believed(self, remote: str | None, forwarded: str | None, client: str) -> None:
        headers = {} if forwarded is None else {"X_Forwarded_For": forwarded}
        assert self.ADDRESSES.client(asked(remote, **headers)) == client

    def test_a_monitor_comes_straight_and_never_through_a_proxy(self) -> None:
        assert self.ADDRESSES.is_monitor(asked("127.0.0.1"))
        assert not self.ADDRESSES.is_monitor(asked("192.0.2.7"))
        for name in ("X_Forwarded_For", "Forwarded", "X_Real_IP"):
            assert not self.ADDRESSES.is_monitor(asked("127.0.0.1", **{name: "127.0.0.1"}))


class TestCursors:
    CURSORS = Cursors(SECRET)

    def test_a_page_goes_on_where_the_last_one_ended(self) -> None:
        shown, cursor = self.CURSORS.page("tickets", ["a", "b", "c"], 2, str)
        assert shown == ["a", "b"]
        assert self.CURSORS.read("tickets", cursor) == "b"
        assert self.CURSORS.page("tickets", ["c"], 2, str) == (["c"], None)
        assert self.CURSORS.page("tickets", [], 2, str) == ([], None)
        assert self.CURSORS.read("tickets", None) is None

    @pytest.mark.parametrize("cursor", ["", "!", "é", "YQ", "A" * 300])
    def test_a_made_up_cursor_is_refused(self, cursor: str) -> None:
        with pytest.raises(BadInput):
            self.CURSORS.read("tickets", cursor)

    def test_a_cursor_is_of_one_list(self) -> None:
        with pytest.raises(BadInput):
            self.CURSORS.read("due", self.CURSORS.make("tickets", "b"))


class TestCsrf:
    CSRF = Csrf(SECRET, frozenset({"https://files.example"}))

    def test_our_own_page_passes(self) -> None:
        token = self.CSRF.token("session")
        self.CSRF.check(asked(Origin="https://files.example", Sec_Fetch_Site="same-origin"), "session", token)
        self.CSRF.check(asked(**{HEADER.replace("-", "_"): token}), "session", None)

    def test_our_own_page_passes_though_it_asks_for_no_referrer_and_so_names_no_origin(self) -> None:
        said = asked(Origin="null", Sec_Fetch_Site="same-origin")
        self.CSRF.check_origin(said)
        with pytest.raises(CsrfRefused):
            self.CSRF.check(said, "session", None)

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
            {"Origin": "null", "Sec_Fetch_Site": "none"},
            {"Sec_Fetch_Site": "cross-site"},
            {"Sec_Fetch_Site": "same-site"},
        ],
    )
    def test_another_site_does_not_even_with_the_token(self, headers: dict[str, str]) -> None:
        with pytest.raises(CsrfRefused):
            self.CSRF.check(asked(**headers), "session", self.CSRF.token("session"))

    @pytest.mark.parametrize("token", [None, "", "x", Csrf(SECRET, frozenset()).token("another session")])
    def test_a_wrong_token_does_not(self, token: str | None) -> None:
        with pytest.raises(CsrfRefused):
            self.CSRF.check(asked(Origin="https://files.example"), "session", token)


def test_a_rate_ends_in_a_wait_and_counts_each_key_alone() -> None:
    rates = Rates(link=3, address=0)
    for _ in range(3):
        rates.hit("link", "one")
    with pytest.raises(RateLimited) as refused:
        rates.hit("link", "one")
    assert 1 <= refused.value.facts["retry_after"] <= 60
    rates.hit("link", "another")
    for _ in range(100):
        rates.hit("address", "no limit")


def leaves(kind: type[errors.BilagaError]) -> list[type[errors.BilagaError]]:
    below = kind.__subclasses__()
    return [leaf for one in below for leaf in leaves(one)] if below else [kind]


@pytest.mark.parametrize("kind", leaves(errors.BilagaError), ids=lambda kind: kind.__name__)
def test_every_error_is_a_problem_with_a_name_a_title_and_a_sentence(kind: type[errors.BilagaError]) -> None:
    problem = of_error(kind())
    assert 400 <= problem.status < 600
    assert problem.name in TITLES
    assert problem.detail.endswith(".")


def test_the_ends_of_links_look_alike_from_outside() -> None:
    ends = [of_error(kind("secret cause", field="x", when="now")) for kind in leaves(errors.Gone)]
    assert len({(one.status, one.name, one.detail, str(one.extra)) for one in ends}) == 1
    assert "secret" not in ends[0].detail


def test_damage_tells_the_outside_nothing_more() -> None:
    problem = of_error(errors.SegmentForged("segment 7 of blob abc", field="blob", segment=7))
    assert "7" not in problem.detail
    assert not problem.extra
