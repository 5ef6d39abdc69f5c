"""What every key manager promises. That a destroyed key is refused is proven on OpenBao: what stands in for AWS is too
lenient, so there it is seen only that AWS was told to disable and to delete it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from crypto.aws_kms import AwsKms
from crypto.master_key import MasterRefused
from crypto.openbao import Openbao
from domain.errors import WrongContext
from tests.contract.keyring.masters import new_moto, new_transit
from tests.contract.keyring.memory_master import MemoryMaster

ENGINES = ["memory", "aws-kms", "openbao"]
LABEL = {"installation": "0123456789abcdef" * 2}
CONTEXT = {"app": "bilaga", "installation": LABEL["installation"], "purpose": "generation", "generation": "7"}


def _manual(language):
    """The manual's example in a language."""
    text = (Path(__file__).parents[3] / "docs" / "keys.md").read_text()
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(params=ENGINES)
def master(request):
    match request.param:
        case "memory":
            return MemoryMaster()
        case "aws-kms":
            return request.getfixturevalue("aws_kms")
    transit = new_transit()
    return Openbao(transit.url, transit.token)


@pytest.fixture(params=["master", "made"])
def key(request, master):
    return None if request.param == "master" else master.make(LABEL)


@pytest.mark.parametrize("size", [1, 32, 512, 4096])
def test_what_was_wrapped_unwraps_to_itself(master, key, size):
    plain = secrets.token_bytes(size)
    wrapped = master.wrap(key, plain, CONTEXT)
    assert size < 32 or plain not in wrapped
    assert master.unwrap(key, wrapped, CONTEXT) == plain


@pytest.mark.parametrize(
    "other",
    [
        {},
        {**CONTEXT, "generation": "8"},
        {**CONTEXT, "installation": "f" * 32},
        {**CONTEXT, "more": ""},
        {name: value for name, value in CONTEXT.items() if name != "purpose"},
        {**CONTEXT, "app": "generation", "purpose": "bilaga"},
        {"app": "bilagainstallation"},
    ],
)
def test_a_wrapping_is_good_for_its_context_alone(master, key, other):
    wrapped = master.wrap(key, b"k" * 32, CONTEXT)
    with pytest.raises(WrongContext):
        master.unwrap(key, wrapped, other)


def test_the_order_of_a_context_says_nothing(master, key):
    wrapped = master.wrap(key, b"k" * 32, CONTEXT)
    assert master.unwrap(key, wrapped, dict(reversed(CONTEXT.items()))) == b"k" * 32


def test_a_wrapping_that_was_changed_opens_nothing(master, key):
    wrapped = master.wrap(key, b"k" * 32, CONTEXT)
    changed = wrapped[:-3] + bytes([wrapped[-3] ^ 1]) + wrapped[-2:]
    for bad in (changed, wrapped[:-1], b"x", b"vault:v1:", b"\xff\xfe"):
        with pytest.raises(WrongContext):
            master.unwrap(key, bad, CONTEXT)


def test_every_key_opens_its_own_alone(master):
    first, second = master.make(LABEL), master.make(LABEL)
    assert first != second
    wrapped = master.wrap(first, b"k" * 32, CONTEXT)
    for other in (second, None):
        with pytest.raises((WrongContext, MasterRefused)):  # AWS names the wrong key, moto says that access is denied
            master.unwrap(other, wrapped, CONTEXT)


def test_a_reference_is_printable_and_short(master):
    reference = master.make(LABEL)
    assert reference.isascii()
    assert reference.isprintable()
    assert len(reference) < 200


def test_destroying_again_or_what_is_unknown_is_nothing(master):
    reference = master.make(LABEL)
    for _ in range(3):
        master.destroy(reference)
    unknown = reference[:-4] + ("0000" if reference[-4:] != "0000" else "1111")
    master.destroy(unknown)


def test_a_master_key_in_use_answers(master):
    master.ping()


def test_its_name_is_for_people_and_holds_no_secret(master):
    assert "://" in master.name
    assert "token" not in master.name
    assert "?" not in master.name


class TestOpenbao:
    @pytest.fixture
    def transit(self):
        return new_transit()

    @pytest.fixture
    def master(self, transit):
        return Openbao(transit.url, transit.token)

    def test_a_destroyed_key_opens_nothing_and_cannot_be_had_back(self, master, transit):
        reference = master.make(LABEL)
        wrapped = master.wrap(reference, b"k" * 32, CONTEXT)
        assert transit.keys() == {reference}
        master.destroy(reference)
        assert transit.keys() == set()
        with pytest.raises(MasterRefused, match="encryption key not found"):
            master.unwrap(reference, wrapped, CONTEXT)
        transit.ask("POST", f"transit/keys/{reference}", {"type": "aes256-gcm96"})  # a new one of the same name
        with pytest.raises(WrongContext):
            master.unwrap(reference, wrapped, CONTEXT)

    def test_a_key_of_ours_cannot_be_deleted_by_mistake(self, master, transit):
        reference = master.make(LABEL)
        found = transit.ask("GET", f"transit/keys/{reference}")["data"]
        assert not found["deletion_allowed"]
        assert not found["exportable"]

    @pytest.mark.parametrize("name", ["", "other", "../transit/keys/x", "KEY-01234567-0123456789abcdeg", "x/config"])
    def test_it_destroys_its_own_alone(self, master, transit, name):
        for key in (name, transit.key, f"{transit.key}-01234567-0123456789abcdef0", f"{transit.key}/"):
            with pytest.raises(ValueError, match="not a key of ours"):
                master.destroy(key)

    def test_a_missing_master_key_is_not_made(self, transit):
        missing = Openbao(f"openbao://{transit.host}:{transit.port}/nowhere", transit.token)
        with pytest.raises(MasterRefused, match="has no key 'nowhere'"):
            missing.ping()
        assert "nowhere" not in transit.ask("GET", "transit/keys?list=true")["data"]["keys"]

    def test_a_master_key_of_another_type_is_refused(self, transit):
        kinds = {"signing": {"type": "ed25519"}, "derived": {"type": "aes256-gcm96", "derived": True}}
        for name, kind in kinds.items():
            transit.ask("POST", f"transit/keys/{transit.key}{name}", kind)
            with pytest.raises(MasterRefused, match="another type"):
                Openbao(f"{transit.url}{name}", transit.token).ping()

    def test_the_master_key_may_be_rotated_and_its_past_forgotten(self, master, transit):
        old = master.wrap(None, b"k" * 32, CONTEXT)
        transit.ask("POST", f"transit/keys/{transit.key}/rotate", {})
        assert master.unwrap(None, old, CONTEXT) == b"k" * 32
        new = master.wrap(None, b"k" * 32, CONTEXT)
        transit.ask("POST", f"transit/keys/{transit.key}/config", {"min_decryption_version": 2})
        assert master.unwrap(None, new, CONTEXT) == b"k" * 32
        with pytest.raises(MasterRefused, match="too old"):
            master.unwrap(None, old, CONTEXT)

    def test_the_policy_of_the_manual_is_enough_and_no_more_is_needed(self, transit):
        policy = _manual("hcl").replace("bilaga", transit.key)
        master = Openbao(transit.url, transit.token_for(policy, period="72h"))
        master.ping()
        reference = master.make(LABEL)
        wrapped = master.wrap(None, master.wrap(reference, b"k" * 32, CONTEXT), CONTEXT)
        assert master.unwrap(reference, master.unwrap(None, wrapped, CONTEXT), CONTEXT) == b"k" * 32
        master.destroy(reference)
        assert transit.keys() == set()

    def test_the_policy_of_the_manual_leaves_the_master_key_alone(self, transit):
        policy = _manual("hcl").replace("bilaga", transit.key)
        ours = transit.token_for(policy)
        for method, path, body in (
            ("DELETE", f"transit/keys/{transit.key}", None),
            ("POST", f"transit/keys/{transit.key}/config", {"deletion_allowed": True}),
            ("POST", f"transit/keys/{transit.key}/rotate", {}),
            ("GET", f"transit/export/encryption-key/{transit.key}", None),
            ("POST", "transit/encrypt/another", {"plaintext": "aGk="}),
        ):
            with pytest.raises(AssertionError, match="403"):
                replace(transit, token=ours).ask(method, path, body)

    def test_a_token_lives_on_while_it_is_used(self, transit):
        token = transit.token_for(_manual("hcl").replace("bilaga", transit.key), period="10h")
        at = [0.0]
        master = Openbao(transit.url, token, monotonic=lambda: at[0])

        def left():
            return transit.ask("POST", "auth/token/lookup", {"token": token})["data"]["last_renewal"]

        master.ping()
        first = left()
        assert first is not None
        at[0] = 4 * 3600
        master.ping()
        assert left() == first
        at[0] = 6 * 3600
        master.ping()
        assert left() > first

    def test_a_revoked_token_is_a_refusal(self, transit):
        token = transit.token_for(_manual("hcl").replace("bilaga", transit.key))
        master = Openbao(transit.url, token)
        master.ping()
        transit.ask("POST", "auth/token/revoke", {"token": token})
        with pytest.raises(MasterRefused, match="refuses our token") as caught:
            master.wrap(None, b"k" * 32, CONTEXT)
        assert token not in str(caught.value)


class TestAws:
    @pytest.fixture
    def moto(self):
        return new_moto()

    @pytest.fixture
    def master(self, moto):
        return AwsKms(moto.url)

    def test_a_destroyed_key_is_disabled_at_once_and_deleted_a_week_later(self, master, moto):
        reference = master.make(LABEL)
        master.destroy(reference)
        found = moto.client.describe_key(KeyId=reference)["KeyMetadata"]
        assert found["KeyState"] == "PendingDeletion"
        assert not found["Enabled"]
        assert 6.9 < (found["DeletionDate"] - datetime.now(UTC)).total_seconds() / 86400 < 7.1

    def test_the_window_of_the_deletion_can_be_longer(self, moto):
        master = AwsKms(f"{moto.url}&deletion_days=30")
        reference = master.make(LABEL)
        master.destroy(reference)
        found = moto.client.describe_key(KeyId=reference)["KeyMetadata"]
        assert (found["DeletionDate"] - datetime.now(UTC)).total_seconds() / 86400 > 29

    def test_a_key_that_was_only_disabled_is_carried_through(self, master, moto):
        reference = master.make(LABEL)
        moto.client.disable_key(KeyId=reference)  # as a crash would leave it
        master.destroy(reference)
        assert moto.state(reference) == "PendingDeletion"

    def test_the_master_key_is_not_ours_to_destroy(self, master, moto):
        for key in (moto.key, "alias/bilaga", "", "arn:aws:kms:eu-north-1:123456789012:key/x"):
            with pytest.raises(ValueError, match="not a key of ours"):
                master.destroy(key)
        assert moto.state(moto.key) == "Enabled"

    def test_a_key_says_whose_it_is(self, master, moto):
        tags = moto.client.list_resource_tags(KeyId=master.make(LABEL))["Tags"]
        assert tags == [{"TagKey": "bilaga:installation", "TagValue": LABEL["installation"]}]

    def test_a_master_key_may_be_named_by_its_arn_or_an_alias(self, master, moto):
        arn = moto.client.describe_key(KeyId=moto.key)["KeyMetadata"]["Arn"]
        alias = f"alias/{secrets.token_hex(4)}"
        moto.client.create_alias(AliasName=alias, TargetKeyId=moto.key)
        wrapped = master.wrap(None, b"k" * 32, CONTEXT)
        for name in (arn, alias):
            other = AwsKms(f"aws-kms://{name}?region=eu-north-1&endpoint={moto.endpoint}")
            other.ping()
            assert other.unwrap(None, wrapped, CONTEXT) == b"k" * 32

    def test_a_missing_or_disabled_master_key_is_a_refusal(self, master, moto):
        missing = AwsKms(f"aws-kms://{uuid4()}?region=eu-north-1&endpoint={moto.endpoint}")
        with pytest.raises(MasterRefused, match="has no such key"):
            missing.ping()
        moto.client.disable_key(KeyId=moto.key)
        with pytest.raises(MasterRefused, match="not enabled but Disabled"):
            master.ping()
