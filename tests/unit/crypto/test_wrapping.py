import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto import Context, DataKey, WrappedKey
from crypto.context import encode_fields
from crypto.wrapping import unwrap_key, wrap_key
from domain.errors import WrongContext

KEK, KEY = AESGCM(bytes(range(32, 64))), DataKey(bytes(range(32)))
CONTEXT = Context("installation", "owner", "attachment")


def test_the_form_is_the_documented_one():
    wrapped = wrap_key(KEK, 7, KEY, CONTEXT)
    aad = b"bilaga/wrap/v1\x00" + encode_fields((7).to_bytes(8, "big"), CONTEXT.encode())
    assert wrapped.sealed[:1] == b"\x01"
    assert len(wrapped.sealed) == 61
    assert KEK.decrypt(wrapped.sealed[1:13], wrapped.sealed[13:], aad) == KEY.reveal()


def test_the_generation_is_bound_even_where_the_key_is_the_same():
    wrapped = wrap_key(KEK, 7, KEY, CONTEXT)
    assert unwrap_key(KEK, wrapped, CONTEXT) == KEY
    with pytest.raises(WrongContext):
        unwrap_key(KEK, WrappedKey(8, wrapped.sealed), CONTEXT)


def test_what_is_wrapped_and_no_key_is_refused():
    aad = b"bilaga/wrap/v1\x00" + encode_fields((7).to_bytes(8, "big"), CONTEXT.encode())
    with pytest.raises(WrongContext):
        unwrap_key(KEK, WrappedKey(7, b"\x01" + bytes(12) + KEK.encrypt(bytes(12), bytes(31), aad)), CONTEXT)
