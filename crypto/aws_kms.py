"""AWS KMS as the key manager. Engine of ``MasterKey``.

``aws-kms://KEY_ID[?region=…][&endpoint=…][&deletion_days=7]``. KEY_ID (key id, ARN or ``alias/…``), made by the
operator, is the master key. Beside it we make keys, one a generation, tagged ``bilaga:installation``; to destroy one is
to disable it at once and to have it deleted after ``deletion_days`` (7 to 30: AWS deletes no sooner).

Credentials are boto3's own business (environment, profile, role of the machine). What binds a wrapping to its use is
the encryption context; CloudTrail shows it in clear, so it holds ids alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, final
from urllib.parse import unquote, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
)

from crypto.key_address import asked_in, is_loopback, misconfigured
from crypto.master_key import KeyContext, MasterRefused
from domain.errors import KeysUnavailable, WrongContext

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

CONNECT_SECONDS = 2
ANSWER_SECONDS = 5
_KEY_ID = re.compile(r"[A-Za-z0-9:/_-]{1,2048}")
_MADE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_NAMES = frozenset({"region", "endpoint", "deletion_days"})
_NO_SETTINGS = (NoCredentialsError, PartialCredentialsError, ProfileNotFound, NoRegionError, ParamValidationError)
_NOT_OURS = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_NOT_NOW = frozenset(
    {
        "ThrottlingException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "KMSInternalException",
        "InternalFailure",
        "DependencyTimeoutException",
        "KeyUnavailableException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
        "RequestExpired",
    }
)
_WHY = {
    "NotFoundException": "has no such key",
    "DisabledException": "says that the key is disabled",
    "KMSInvalidStateException": "says that the key is disabled or about to be deleted",
    "InvalidKeyUsageException": "says that the key is not for encryption",
    "AccessDeniedException": "does not allow us to use the key; see the policy in the manual",
    "UnrecognizedClientException": "does not know our credentials",
    "InvalidClientTokenId": "does not know our credentials",
    "InvalidSignatureException": "does not accept our credentials",
    "ExpiredTokenException": "says that our credentials are at their end",
    "LimitExceededException": "says that the account has as many keys as it may have",
}


@final
class AwsKms:
    """Fulfils ``MasterKey``. Raises Misconfigured for an address that cannot be one; asks nobody yet."""

    def __init__(self, url: str) -> None:
        address, _, query = url.partition("?")
        self._key = unquote(address.removeprefix("aws-kms://"))  # an ARN has colons, no URL's host may
        if not address.startswith("aws-kms://") or not _KEY_ID.fullmatch(self._key):
            raise misconfigured("must be aws-kms://KEY_ID")
        asked = asked_in(query, _NAMES, "aws-kms")
        self._window = _window(asked.get("deletion_days", "7"))
        region = asked.get("region") or _region_of(self._key)
        if region is not None and not _REGION.fullmatch(region):
            raise misconfigured("the region is no region")
        try:
            self._client = _client(region, _endpoint(asked.get("endpoint")))
        except (BotoCoreError, ValueError) as failure:
            raise misconfigured(f"{self.name} cannot be asked: {_in_words(failure)}") from failure

    @property
    def name(self) -> str:
        return f"aws-kms://{self._key}"

    def make(self, label: KeyContext) -> str:
        with _translated():
            answer = self._client.create_key(
                Description="Bilaga: wraps one generation of key-encryption keys",
                KeyUsage="ENCRYPT_DECRYPT",
                KeySpec="SYMMETRIC_DEFAULT",
                Tags=[{"TagKey": f"bilaga:{name}", "TagValue": value} for name, value in label.items()],
            )
        return answer["KeyMetadata"]["KeyId"]

    def wrap(self, key: str | None, plaintext: bytes, context: KeyContext) -> bytes:
        # A key that was made a moment ago may not be known at every one of their doors yet.
        with _translated(missing_is_late=key is not None):
            answer = self._client.encrypt(KeyId=key or self._key, Plaintext=plaintext, EncryptionContext=dict(context))
        return answer["CiphertextBlob"]

    def unwrap(self, key: str | None, wrapped: bytes, context: KeyContext) -> bytes:
        with _translated():
            answer = self._client.decrypt(
                KeyId=key or self._key, CiphertextBlob=wrapped, EncryptionContext=dict(context)
            )
        return answer["Plaintext"]

    def destroy(self, key: str) -> None:
        if key in self._key or not _MADE.fullmatch(key):
            raise ValueError("not a key of ours")
        with _translated():
            try:
                state = self._client.describe_key(KeyId=key)["KeyMetadata"].get("KeyState")
                if state not in {"PendingDeletion", "PendingReplicaDeletion"}:
                    self._client.disable_key(KeyId=key)  # at once; the deletion comes days later
                    self._client.schedule_key_deletion(KeyId=key, PendingWindowInDays=self._window)
            except ClientError as error:
                if _code(error) != "NotFoundException":
                    raise

    def ping(self) -> None:
        with _translated():
            found = self._client.describe_key(KeyId=self._key)["KeyMetadata"]
        if found.get("KeyState") != "Enabled":
            raise MasterRefused(f"says that the key is not enabled but {found.get('KeyState')}")
        if found.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
            raise MasterRefused("has a key of another kind than SYMMETRIC_DEFAULT")


@contextmanager
def _translated(*, missing_is_late: bool = False) -> Iterator[None]:
    """The border: what AWS says, in our words."""
    try:
        yield
    except ClientError as error:
        code = _code(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _NOT_OURS:
            raise WrongContext from error
        if code in _NOT_NOW or status >= 500 or status == 429 or (missing_is_late and code == "NotFoundException"):
            raise KeysUnavailable from error
        raise MasterRefused(_WHY.get(code, f"refuses: {code}")) from error
    except (*_NO_SETTINGS, SSLError) as error:
        raise MasterRefused(f"cannot be asked: {_in_words(error)}") from error
    except BotoCoreError as error:
        raise KeysUnavailable from error


def _client(region: str | None, endpoint: str | None) -> KMSClient:
    # One attempt: who asks again, and how often, is the same for every key manager.
    settings = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=ANSWER_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=8,
    )
    return boto3.session.Session().client("kms", region_name=region, endpoint_url=endpoint, config=settings)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _in_words(error: Exception) -> str:
    """One line of what boto3 complains of before anything was sent: its settings, never a secret."""
    return " ".join(str(error).split())[:200]


def _region_of(key: str) -> str | None:
    """The region that an ARN names: ``arn:aws:kms:REGION:account:key/…``."""
    parts = key.split(":")
    return parts[3] if parts[0] == "arn" and len(parts) >= 6 else None


def _endpoint(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise misconfigured("endpoint must be an http or https address")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise misconfigured("keys travel without TLS on this machine only (endpoint, loopback)")
    return url


def _window(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 7 <= int(text) <= 30:
        raise misconfigured("deletion_days is 7 to 30")
    return int(text)
