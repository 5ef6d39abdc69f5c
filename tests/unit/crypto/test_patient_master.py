"""A manager is asked again where that helps, for a short time, and left alone while it is down."""

from __future__ import annotations

import logging

import pytest

from crypto.master_key import MasterRefused
from crypto.patient_master import ATTEMPTS, NO_MORE_AFTER, PatientMaster
from domain.errors import KeysUnavailable, WrongContext
from tests.contract.keyring.memory_master import MemoryMaster


class Shaky(MemoryMaster):
    """Fails so many times, each after so many seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.failing = 0
        self.takes = 0.0
        self.at = 0.0
        self.slept: list[float] = []

    def _ask(self, what: str) -> None:
        self.at += self.takes
        super()._ask(what)
        if self.failing:
            self.failing -= 1
            raise KeysUnavailable

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


@pytest.fixture
def shaky():
    return Shaky()


@pytest.fixture
def patient(shaky):
    return PatientMaster(shaky, sleep=shaky.sleep, monotonic=lambda: shaky.at)


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL)


def test_what_works_is_asked_once(patient, shaky):
    wrapped = patient.wrap(None, b"k", {"a": "b"})
    assert patient.unwrap(None, wrapped, {"a": "b"}) == b"k"
    key = patient.make({"installation": "0" * 32})
    patient.destroy(key)
    patient.ping()
    assert shaky.asked == ["wrap", "unwrap", "make", "destroy", "ping"]
    assert patient.name == shaky.name


def test_it_is_asked_again_with_longer_pauses(patient, shaky):
    shaky.failing = ATTEMPTS - 1
    patient.wrap(None, b"k", {})
    assert shaky.asked == ["wrap"] * ATTEMPTS
    assert 0.025 <= shaky.slept[0] <= 0.075
    assert 0.1 <= shaky.slept[1] <= 0.3


def test_what_stalls_is_not_asked_again(patient, shaky):
    shaky.takes = NO_MORE_AFTER + 0.1
    shaky.failing = 1
    with pytest.raises(KeysUnavailable):
        patient.wrap(None, b"k", {})
    assert shaky.asked == ["wrap"]


def test_a_refusal_is_not_asked_again_and_no_outage(patient, shaky):
    shaky.refusing = True
    for _ in range(3):
        with pytest.raises(MasterRefused):
            patient.wrap(None, b"k", {})
    assert shaky.asked == ["wrap"] * 3


def test_a_wrong_context_is_not_asked_again_and_no_outage(patient, shaky):
    wrapped = patient.wrap(None, b"k", {})
    for _ in range(3):
        with pytest.raises(WrongContext):
            patient.unwrap(None, wrapped, {"other": ""})
    assert shaky.asked == ["wrap"] + ["unwrap"] * 3


def test_while_it_is_down_one_probe_asks_and_nobody_else(patient, shaky):
    shaky.down = True
    with pytest.raises(KeysUnavailable):
        patient.wrap(None, b"k", {})
    shaky.asked.clear()
    for _ in range(20):
        with pytest.raises(KeysUnavailable):
            patient.wrap(None, b"k", {})
    assert shaky.asked == ["ping"]
    shaky.at += 2
    shaky.down = False
    patient.wrap(None, b"k", {})
    assert shaky.asked == ["ping", "ping", "wrap"]


def test_going_and_coming_back_are_told_once(patient, shaky, caplog):
    caplog.set_level(logging.INFO)
    shaky.down = True
    for _ in range(5):
        with pytest.raises(KeysUnavailable):
            patient.ping()
    shaky.down = False
    shaky.at += 2
    patient.ping()
    assert [record.message for record in caplog.records] == ["key service down", "key service back"]
