"""Addresses of key managers: what is no address is one line, and never quotes what somebody may have put in it."""

from __future__ import annotations

import pytest

from crypto.aws_kms import AwsKms
from crypto.key_address import is_loopback
from crypto.openbao import Openbao
from domain.errors import Misconfigured


def refused(make, match):
    with pytest.raises(Misconfigured, match=match) as caught:
        make()
    assert "\n" not in caught.value.detail
    assert "s3cret" not in caught.value.detail
    return caught.value


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("openbao://", "openbao://host:port/KEY"),
        ("openbao://host", "openbao://host:port/KEY"),
        ("openbao://host:8200/", "openbao://host:port/KEY"),
        ("openbao:///bilaga", "openbao://host:port/KEY"),
        ("openbao://host:8200/a/b", "openbao://host:port/KEY"),
        ("openbao://host:8200/%2e%2e%2fsys", "openbao://host:port/KEY"),
        ("openbao://host:8200/a%0d%0ab", "openbao://host:port/KEY"),
        ("https://host:8200/bilaga", "openbao://host:port/KEY"),
        ("openbao://host:port/bilaga", "the port is no number"),
        ("openbao://host:99999/bilaga", "the port is no number"),
        ("openbao://s3cret@host:8200/bilaga", "a token does not belong"),
        ("openbao://user:s3cret@host:8200/bilaga", "a token does not belong"),
        ("openbao://host:8200/bilaga?token=s3cret", "nothing else behind its question mark"),
        ("openbao://host:8200/bilaga?mount=../sys", "paths"),
        ("openbao://host:8200/bilaga?mount=", "paths"),
        ("openbao://host:8200/bilaga?namespace=a%0d%0ab", "paths"),
        ("openbao://host:8200/bilaga?tls=off", "on this machine only"),
        ("openbao://10.0.0.1:8200/bilaga?tls=off", "on this machine only"),
        ("openbao://127.0.0.1.example:8200/bilaga?tls=off", "on this machine only"),
        ("openbao://localhost:8200/bilaga?tls=perhaps", "on or off"),
        ("openbao://host:8200/bilaga?ca=/nowhere.pem", "no certificates in /nowhere.pem"),
    ],
)
def test_an_address_that_is_none_of_openbao(url, match):
    assert refused(lambda: Openbao(url, "token"), match).field == "KEYS_URL"


@pytest.mark.parametrize("token", ["", " ", "a b", "a\r\nX-More: 1", "å", "x" * 5000])
def test_a_token_that_cannot_be_one(token):
    assert refused(lambda: Openbao("openbao://host:8200/bilaga", token), "KEYS_TOKEN").field == "KEYS_TOKEN"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("openbao://host/bilaga", "openbao://host:8200/bilaga"),
        ("openbao://HOST:8300/bilaga?mount=a/b&namespace=c", "openbao://host:8300/bilaga"),
        ("openbao://[::1]:8200/bilaga", "openbao://[::1]:8200/bilaga"),
        ("openbao://127.0.0.1:8200/my.key_1-x?tls=on", "openbao://127.0.0.1:8200/my.key_1-x"),
    ],
)
def test_openbao_is_named_without_the_rest(url, name):
    assert Openbao(url, "token").name == name


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("aws-kms://", "aws-kms://KEY_ID"),
        ("aws-kms:key", "aws-kms://KEY_ID"),
        ("aws-kms://a b", "aws-kms://KEY_ID"),
        ("aws-kms://s3cret@key", "aws-kms://KEY_ID"),
        ("aws-kms://key?region=EU North", "region"),
        ("aws-kms://key?region=eu-north-1&secret=s3cret", "nothing else behind its question mark"),
        ("aws-kms://key?region=eu-north-1&endpoint=http://kms.example", "on this machine only"),
        ("aws-kms://key?region=eu-north-1&endpoint=ftp://localhost", "http or https"),
        ("aws-kms://key?region=eu-north-1&endpoint=https://user:s3cret@localhost", "http or https"),
        ("aws-kms://key?region=eu-north-1&deletion_days=6", "7 to 30"),
        ("aws-kms://key?region=eu-north-1&deletion_days=31", "7 to 30"),
        ("aws-kms://key?region=eu-north-1&deletion_days=soon", "7 to 30"),
    ],
)
def test_an_address_that_is_none_of_aws(url, match):
    assert refused(lambda: AwsKms(url), match).field == "KEYS_URL"


def test_without_a_region_anywhere_is_one_line(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    refused(lambda: AwsKms("aws-kms://key"), "aws-kms://key cannot be asked: .*region")


def test_an_arn_names_its_region_itself(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    arn = "arn:aws:kms:eu-north-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    made = AwsKms(f"aws-kms://{arn}")
    assert made.name == f"aws-kms://{arn}"
    assert made._client.meta.region_name == "eu-north-1"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "localhost.example", "0.0.0.0", "::", "127.0.0.1.example", ""])
def test_other_machines(host):
    assert not is_loopback(host)
