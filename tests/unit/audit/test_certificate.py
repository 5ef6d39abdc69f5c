"""A certificate verifies with a public key alone, and in no other shape than it was signed in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from audit import sign_certificate, verify_certificate
from crypto import Secret, Signer
from domain.errors import BadInput, ChainBroken
from domain.ids import AttachmentId, CertificateId

AT = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def signer():
    return Signer("bilaga/one", Secret(bytes(32)))


def made(signer):
    return sign_certificate(signer, CertificateId("c"), AttachmentId("a"), {"z": 1, "a": None}, AT)


def test_what_was_signed_is_read_back(signer):
    certificate = made(signer)
    said = verify_certificate(certificate.document, certificate.signature, signer.public_key_text)
    assert said == {"a": None, "public_key": signer.public_key_text, "z": 1}
    assert certificate.document.startswith(b'{"a":null,')


def test_a_changed_certificate_is_refused(signer):
    certificate = made(signer)
    changed = certificate.document.replace(b'"z":1', b'"z":2')
    with pytest.raises(ChainBroken):
        verify_certificate(changed, certificate.signature, signer.public_key_text)
    with pytest.raises(ChainBroken):
        verify_certificate(certificate.document, bytes(64), signer.public_key_text)


def test_another_installations_key_did_not_sign_it(signer):
    certificate = made(signer)
    other = Signer("bilaga/one", Secret(bytes(31) + b"\x01"))
    with pytest.raises(ChainBroken):
        verify_certificate(certificate.document, certificate.signature, other.public_key_text)


def test_a_signed_checkpoint_is_no_certificate(signer):
    text = "bilaga/one\n1\nAAAA\n"
    with pytest.raises(ChainBroken):
        verify_certificate(text.encode(), signer.sign(text.encode()), signer.public_key_text)


def test_a_key_that_is_none_is_named(signer):
    certificate = made(signer)
    with pytest.raises(BadInput):
        verify_certificate(certificate.document, certificate.signature, "nothing")
