"""The key file: made once, private, and checked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clearway.integrations.age import AgeCipher
from clearway.kernel import Permanent


def test_the_key_is_made_once_and_kept(tmp_path: Path) -> None:
    """A second start opens what the first one sealed; the file is for its owner only."""
    path = tmp_path / "keys" / "identity.txt"
    sealed = AgeCipher.create(path).encrypt(b"secret")
    assert AgeCipher.create(path).decrypt(sealed) == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["identity.txt"]


def test_two_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    """Server and worker both make the key when it is missing, and must not seal for different ones."""
    path = tmp_path / "identity.txt"
    with ThreadPoolExecutor(8) as pool:
        ciphers = list(pool.map(lambda _: AgeCipher.create(path), range(8)))
    sealed = ciphers[0].encrypt(b"secret")
    assert all(cipher.decrypt(sealed) == b"secret" for cipher in ciphers)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """A careless copy is found at start, with the command that mends it."""
    path = tmp_path / "identity.txt"
    AgeCipher.create(path)
    path.chmod(0o644)
    with pytest.raises(Permanent, match="chmod 600"):
        AgeCipher(path)


@pytest.mark.parametrize("content", [b"", b"# only a comment\n", b"AGE-SECRET-KEY-1NONSENSE\n", b"\xff\xfe"])
def test_a_damaged_key_file_is_named(tmp_path: Path, content: bytes) -> None:
    """Whatever is wrong with the file, the error names it, and no new key is made over it."""
    path = tmp_path / "identity.txt"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Permanent, match=r"identity\.txt"):
        AgeCipher.create(path)
    assert path.read_bytes() == content
