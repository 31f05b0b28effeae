"""The signing key in a file."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from clearway.integrations.signer_process import FileSigner
from clearway.kernel import Permanent


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    """Mode 600; a second signer uses the same key."""
    path = tmp_path / "keys/evidence.pem"
    first = FileSigner(path).sign(b"x")
    assert FileSigner(path).sign(b"x") == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["evidence.pem"]


def test_signers_that_start_together_share_one_key(tmp_path: Path) -> None:
    """Server and worker start at once: one key is made, not two."""
    found: list[str] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        found.append(FileSigner(tmp_path / "k.pem").sign(b"x")[0])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """What it signs could be anybody's word."""
    path = tmp_path / "k.pem"
    FileSigner(path).sign(b"x")
    path.chmod(0o640)
    with pytest.raises(Permanent, match="others may read"):
        FileSigner(path).sign(b"x")


def test_nonsense_and_other_kinds_are_refused(tmp_path: Path) -> None:
    """A damaged file or an RSA key is a clear error, not a new key."""
    path = tmp_path / "k.pem"
    rsa = generate_private_key(65537, 2048)
    for content in (b"nonsense", rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(Permanent):
            FileSigner(path).sign(b"x")
        assert path.read_bytes() == content


def test_old_public_keys_still_count(tmp_path: Path) -> None:
    """After a change of keys, what the old one signed still verifies."""
    path = tmp_path / "evidence.pem"
    old = FileSigner(path)
    keyid, signature = old.sign(b"x")
    public = old.public_keys()[keyid]
    (tmp_path / "evidence-2026.pub").write_bytes(
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    path.unlink()
    new = FileSigner(path)
    assert new.sign(b"x")[0] != keyid
    new.public_keys()[keyid].verify(signature, b"x")
