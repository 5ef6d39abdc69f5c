from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import NotFound, QuotaExceeded, StateConflict, TooMany
from domain.ids import LinkId
from storage.records import Quota, Records
from tests.contract.records.given import at_once, number

OWNER = LinkId(number(1))
OTHER = LinkId(number(2))


@pytest.fixture
def opened_quota(records: Records):
    def begin(max_files: int | None = 3, max_bytes: int | None = 100) -> Records:
        records.write(lambda unit: unit.quotas.open(OWNER, max_files=max_files, max_bytes=max_bytes))
        return records

    return begin


def counters(records: Records, owner: LinkId = OWNER) -> tuple[int, int, int, int]:
    quota = records.read(lambda unit: unit.quotas.get(owner))
    assert quota is not None
    return quota.used_files, quota.used_bytes, quota.reserved_files, quota.reserved_bytes


def claim(records: Records, size: int) -> None:
    records.write(lambda unit: unit.quotas.claim(OWNER, size=size))


def test_an_owner_begins_with_nothing_taken(opened_quota):
    records = opened_quota()
    assert records.read(lambda unit: unit.quotas.get(OWNER)) == Quota(OWNER, 3, 100, 0, 0, 0, 0)
    assert records.read(lambda unit: unit.quotas.get(OTHER)) is None


def test_opening_again_sets_the_limits_and_keeps_what_is_taken(opened_quota):
    records = opened_quota()
    claim(records, 40)
    opened_quota(max_files=None, max_bytes=10)
    assert records.read(lambda unit: unit.quotas.get(OWNER)) == Quota(OWNER, None, 10, 0, 0, 1, 40)


def test_what_does_not_fit_is_refused_and_nothing_was_reserved(opened_quota):
    records = opened_quota()
    claim(records, 60)
    with pytest.raises(QuotaExceeded):
        claim(records, 41)
    assert counters(records) == (0, 0, 1, 60)
    claim(records, 40)
    claim(records, 0)
    with pytest.raises(TooMany):
        claim(records, 0)
    assert counters(records) == (0, 0, 3, 100)


def test_too_many_files_is_said_before_too_many_bytes(opened_quota):
    records = opened_quota(max_files=0, max_bytes=0)
    with pytest.raises(TooMany):
        claim(records, 1)


def test_without_limits_everything_fits(opened_quota):
    records = opened_quota(max_files=None, max_bytes=None)
    for _ in range(3):
        claim(records, 2**50)
    assert counters(records) == (0, 0, 3, 3 * 2**50)


def test_an_owner_that_was_never_opened_has_no_room(records):
    with pytest.raises(NotFound):
        claim(records, 1)
    assert records.write(lambda unit: unit.quotas.extend(OWNER, size=1)) is False


def test_a_claim_is_extended_only_as_far_as_it_fits(opened_quota):
    records = opened_quota()
    assert records.write(lambda unit: unit.quotas.extend(OWNER, size=1)) is False  # no file claimed
    claim(records, 50)
    assert records.write(lambda unit: unit.quotas.extend(OWNER, size=50)) is True
    assert records.write(lambda unit: unit.quotas.extend(OWNER, size=1)) is False
    assert counters(records) == (0, 0, 1, 100)


def test_a_settled_claim_gives_back_what_it_did_not_need(opened_quota):
    records = opened_quota()
    claim(records, 60)
    records.write(lambda unit: unit.quotas.settle(OWNER, reserved=60, size=10))
    assert counters(records) == (1, 10, 0, 0)
    claim(records, 90)
    assert counters(records) == (1, 10, 1, 90)


def test_a_claim_that_came_to_nothing_and_a_purged_file_leave_nothing(opened_quota):
    records = opened_quota()
    claim(records, 60)
    records.write(lambda unit: unit.quotas.give_back_claim(OWNER, reserved=60))
    assert counters(records) == (0, 0, 0, 0)
    claim(records, 60)
    records.write(lambda unit: unit.quotas.settle(OWNER, reserved=60, size=60))
    records.write(lambda unit: unit.quotas.give_back_used(OWNER, size=60))
    assert counters(records) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "twice",
    [
        lambda unit: unit.quotas.give_back_claim(OWNER, reserved=0),
        lambda unit: unit.quotas.give_back_used(OWNER, size=0),
        lambda unit: unit.quotas.settle(OWNER, reserved=0, size=0),
        lambda unit: unit.quotas.give_back_claim(OWNER, reserved=1),
        lambda unit: unit.quotas.give_back_used(OWNER, size=1),
    ],
)
def test_what_was_not_taken_cannot_be_given_back(opened_quota, twice):
    records = opened_quota()
    with pytest.raises(StateConflict):
        records.write(twice)
    assert counters(records) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda unit: unit.quotas.claim(OWNER, size=-1),
        lambda unit: unit.quotas.extend(OWNER, size=-1),
        lambda unit: unit.quotas.settle(OWNER, reserved=-1, size=-1),
        lambda unit: unit.quotas.settle(OWNER, reserved=1, size=2),
        lambda unit: unit.quotas.give_back_claim(OWNER, reserved=-1),
        lambda unit: unit.quotas.give_back_used(OWNER, size=-1),
    ],
)
def test_sizes_below_zero_and_more_than_was_reserved_are_bugs(opened_quota, wrong):
    records = opened_quota()
    claim(records, 1)
    with pytest.raises(ValueError, match=r"below zero|more than was reserved"):
        records.write(wrong)
    assert counters(records) == (0, 0, 1, 1)


def test_one_owners_claims_are_none_of_another(opened_quota):
    records = opened_quota()
    records.write(lambda unit: unit.quotas.open(OTHER, max_files=1, max_bytes=1))
    claim(records, 100)
    records.write(lambda unit: unit.quotas.claim(OTHER, size=1))
    assert counters(records, OTHER) == (0, 0, 1, 1)
    found = records.read(lambda unit: list(unit.quotas.all()))
    assert [(quota.owner_id, quota.reserved_bytes) for quota in found] == [(OWNER, 100), (OTHER, 1)]


@given(
    max_files=st.none() | st.integers(0, 6),
    max_bytes=st.none() | st.integers(0, 40),
    sizes=st.lists(st.integers(0, 12), min_size=1, max_size=12),
    ways=st.lists(st.sampled_from(["settle", "settle less", "give back", "purge", "extend", "keep"]), min_size=12),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parallel_claims_never_pass_a_limit_and_never_leave_a_counter_below_zero(
    records, max_files, max_bytes, sizes, ways
):
    """Each thread claims, then ends its claim in its own way; who looks at any moment finds the limits kept."""
    # The database is one for all examples: each is an owner of its own.
    owner = LinkId(f"example-{records.read(lambda unit: sum(1 for _ in unit.quotas.all()))}")
    records.write(lambda unit: unit.quotas.open(owner, max_files=max_files, max_bytes=max_bytes))

    def look() -> Quota:
        quota = records.read(lambda unit: unit.quotas.get(owner))
        assert min(quota.used_files, quota.used_bytes, quota.reserved_files, quota.reserved_bytes) >= 0
        assert max_files is None or quota.used_files + quota.reserved_files <= max_files
        assert max_bytes is None or quota.used_bytes + quota.reserved_bytes <= max_bytes
        return quota

    def one(i: int) -> tuple[int, int, int, int]:
        """What this thread's claim must leave: used files and bytes, reserved files and bytes."""
        size, way = sizes[i], ways[i]
        try:
            records.write(lambda unit: unit.quotas.claim(owner, size=size))
        except (TooMany, QuotaExceeded):
            return 0, 0, 0, 0
        look()
        if way == "settle":
            records.write(lambda unit: unit.quotas.settle(owner, reserved=size, size=size))
            return 1, size, 0, 0
        if way == "settle less":
            records.write(lambda unit: unit.quotas.settle(owner, reserved=size, size=size // 2))
            return 1, size // 2, 0, 0
        if way == "give back":
            records.write(lambda unit: unit.quotas.give_back_claim(owner, reserved=size))
            return 0, 0, 0, 0
        if way == "purge":
            records.write(lambda unit: unit.quotas.settle(owner, reserved=size, size=size))
            records.write(lambda unit: unit.quotas.give_back_used(owner, size=size))
            return 0, 0, 0, 0
        if way == "extend" and records.write(lambda unit: unit.quotas.extend(owner, size=3)):
            look()
            return 0, 0, 1, size + 3
        return 0, 0, 1, size

    left = at_once(len(sizes), one)
    quota = look()
    assert (quota.used_files, quota.used_bytes, quota.reserved_files, quota.reserved_bytes) == tuple(
        sum(column) for column in zip(*left, strict=True)
    )


@pytest.mark.parametrize(("max_files", "max_bytes", "fit"), [(5, None, 5), (None, 70, 7), (4, 70, 4)])
def test_of_many_parallel_claims_exactly_as_many_succeed_as_fit(opened_quota, max_files, max_bytes, fit):
    records = opened_quota(max_files=max_files, max_bytes=max_bytes)

    def one(i: int) -> bool:
        try:
            claim(records, 10)
        except (TooMany, QuotaExceeded):
            return False
        return True

    assert sum(at_once(16, one)) == fit
    assert counters(records) == (0, 0, fit, fit * 10)
