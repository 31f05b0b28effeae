"""What every Cipher promises, asked of the fake and of age."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearway.config import Cipher, FakeCipher
from clearway.integrations.age import AgeCipher
from clearway.kernel import Permanent


@pytest.fixture(params=["fake", "age"])
def cipher(request: pytest.FixtureRequest, tmp_path: Path) -> Cipher:
    return FakeCipher() if request.param == "fake" else AgeCipher.create(tmp_path / "identity.txt")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_what_is_sealed_opens_again(cipher: Cipher, plain: bytes) -> None:
    """Any bytes come back exactly."""
    assert cipher.decrypt(cipher.encrypt(plain)) == plain


def test_sealed_bytes_tell_nothing(cipher: Cipher) -> None:
    """The value is not in what rests, and the same value twice cannot be recognised."""
    one, two = cipher.encrypt(b"correct horse"), cipher.encrypt(b"correct horse")
    assert b"horse" not in one
    assert one != two


def test_changed_bytes_do_not_open(cipher: Cipher) -> None:
    """A sealed value that was changed at rest is refused, never half read."""
    sealed = bytearray(cipher.encrypt(b"correct horse"))
    sealed[-1] ^= 1
    for broken in (bytes(sealed), bytes(sealed[:-1]), b""):
        with pytest.raises(Permanent, match="cannot be read"):
            cipher.decrypt(broken)


def test_another_key_does_not_open(cipher: Cipher, tmp_path: Path) -> None:
    """What was sealed for one installation is closed to another."""
    other = FakeCipher() if isinstance(cipher, FakeCipher) else AgeCipher.create(tmp_path / "other.txt")
    with pytest.raises(Permanent, match="cannot be read"):
        other.decrypt(cipher.encrypt(b"correct horse"))
