"""The key managers that the tests talk to: ``make engines`` starts them and says where they are."""

from __future__ import annotations

import http.client
import json
import os
import secrets
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3


def told(name: str) -> str:
    """What the engines' scripts say; without it the test fails, as a missing engine proves nothing."""
    value = os.environ.get(name)
    assert value, f"{name} is not set: run `make test`, or `make engines` and export what it prints"
    return value


@dataclass(frozen=True)
class Transit:
    """OpenBao's API as an operator uses it, with a master key of this test's own."""

    host: str
    port: int
    token: str
    key: str

    @property
    def url(self) -> str:
        return f"openbao://{self.host}:{self.port}/{self.key}"

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/v1/{path}", text, {"X-Vault-Token": self.token})
            answer = connection.getresponse()
            found = answer.read()
            assert answer.status < 300, (method, path, answer.status, found)
            return dict(json.loads(found)) if found else {}
        finally:
            connection.close()

    def keys(self) -> set[str]:
        """The keys that were made beside the master key."""
        names = self.ask("GET", "transit/keys?list=true")["data"]["keys"]
        return {name for name in names if name.startswith(f"{self.key}-")}

    def token_for(self, policy: str, **terms: Any) -> str:
        """A token that may do what a policy says."""
        name = f"policy-{secrets.token_hex(4)}"
        self.ask("PUT", f"sys/policies/acl/{name}", {"policy": policy})
        made = self.ask("POST", "auth/token/create", {"policies": [name], **terms})
        return str(made["auth"]["client_token"])


def new_transit() -> Transit:
    """A new master key on the tests' OpenBao."""
    parts = urlsplit(told("TEST_OPENBAO_URL"))
    key = f"test-{secrets.token_hex(6)}"
    transit = Transit(parts.hostname or "", parts.port or 0, told("TEST_OPENBAO_TOKEN"), key)
    transit.ask("POST", f"transit/keys/{key}", {"type": "aes256-gcm96"})
    return transit


@dataclass(frozen=True)
class Moto:
    """What stands in for AWS, with a master key of this test's own."""

    endpoint: str
    key: str

    @property
    def url(self) -> str:
        return f"aws-kms://{self.key}?region=eu-north-1&endpoint={self.endpoint}"

    @property
    def client(self) -> Any:
        return _client(self.endpoint)

    def state(self, reference: str) -> str:
        return str(self.client.describe_key(KeyId=reference)["KeyMetadata"]["KeyState"])


def new_moto() -> Moto:
    """A new master key on the tests' stand-in."""
    endpoint = told("TEST_MOTO_URL")
    told("AWS_ACCESS_KEY_ID")
    return Moto(endpoint, _client(endpoint).create_key(Description="master key of a test")["KeyMetadata"]["KeyId"])


@cache
def _client(endpoint: str) -> Any:
    return boto3.session.Session().client("kms", region_name="eu-north-1", endpoint_url=endpoint)
