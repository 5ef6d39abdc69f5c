"""Google Tink as the other side: an unmodified library that never heard of us."""

from __future__ import annotations

import io
from functools import cache

from tink import TinkError, proto_keyset_format, secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2


@cache
def _register() -> None:
    streaming_aead.register()


def _primitive(key: bytes, segment_size: int) -> streaming_aead.StreamingAead:
    _register()
    value = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(
        key_value=key,
        params=aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
            ciphertext_segment_size=segment_size, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
        ),
    )
    keyset = tink_pb2.Keyset(primary_key_id=1)
    keyset.key.add(
        key_data=tink_pb2.KeyData(
            type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
            value=value.SerializeToString(),
            key_material_type=tink_pb2.KeyData.SYMMETRIC,
        ),
        status=tink_pb2.ENABLED,
        key_id=1,
        output_prefix_type=tink_pb2.RAW,
    )
    handle = proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


class _KeptOpen(io.BytesIO):
    """Tink closes what it writes to, and a closed BytesIO forgets what it holds."""

    def close(self) -> None:
        pass


def tink_seal(key: bytes, aad: bytes, plaintext: bytes, segment_size: int) -> bytes:
    sink = _KeptOpen()
    with _primitive(key, segment_size).new_encrypting_stream(sink, aad) as stream:
        rest = memoryview(plaintext)
        while rest:
            rest = rest[stream.write(bytes(rest)) :]
    return sink.getvalue()


def tink_open(key: bytes, aad: bytes, sealed: bytes, segment_size: int) -> bytes | None:
    """The plaintext, or None where Tink refuses the stream."""
    try:
        with _primitive(key, segment_size).new_decrypting_stream(io.BytesIO(sealed), aad) as stream:
            return stream.read()
    except (TinkError, OSError):
        return None
