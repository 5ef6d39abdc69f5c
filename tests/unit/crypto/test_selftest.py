import pytest

from crypto import selftest
from crypto.selftest import _checks


def test_this_machine_passes():
    selftest()


def test_everything_is_checked():
    assert [name for name, _ in _checks()] == [
        "sha-256",
        "hkdf",
        "stream key",
        "commitment",
        "sizes",
        "seal",
        "unseal",
        "tampering",
        "there and back",
        "ed25519",
    ]


@pytest.mark.parametrize("name", ["cryptography.hazmat.primitives.ciphers.aead", "hashlib"])
def test_a_broken_library_is_noticed(name):
    """In a process of its own, where the library answers wrongly, nothing starts."""
    import subprocess
    import sys

    broken = {
        "hashlib": "import hashlib; real = hashlib.sha256; hashlib.sha256 = lambda *a: real(b'x' + b''.join(a))",
        "cryptography.hazmat.primitives.ciphers.aead": """
import cryptography.hazmat.primitives.ciphers.aead as aead
class Broken:
    def __init__(self, key): pass
    def encrypt_into(self, nonce, data, aad, buf): buf[: len(data)] = data
    def decrypt(self, nonce, data, aad): return bytes(data)[:-16]
aead.AESGCM = Broken
""",
    }[name]
    code = f"""{broken}
from crypto.selftest import selftest
from domain.errors import Misconfigured
try:
    selftest()
except Misconfigured as failure:
    print(failure.detail)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "self-test" in done.stdout
