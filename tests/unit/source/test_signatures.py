"""Who signed a commit, and what a signature of a stranger's making can do: nothing."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repositories import Made

from clearway.source import Repo
from clearway.source.signatures import Keys, Signature, signatures

KINDS = [("ed25519", []), ("rsa", ["-b", "2048"]), ("ecdsa", ["-b", "256"]), ("ecdsa", ["-b", "521"])]


def ssh_key(folder: Path, kind: str = "ed25519", more: list[str] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{len(list(folder.iterdir()))}"
    words = ["ssh-keygen", "-q", "-t", kind, *(more or []), "-N", "", "-C", "dev@laptop", "-f", str(path)]
    subprocess.run(words, check=True)
    return path


def signed(made: Made, key: Path, message: str = "feat: signed") -> str:
    for name, value in (("gpg.format", "ssh"), ("user.signingkey", str(key)), ("commit.gpgsign", "true")):
        made.git("config", name, value)
    sha = made.commit({"a": message}, message)
    made.git("config", "commit.gpgsign", "false")
    return sha


def one(made: Made, sha: str, keys: Keys) -> Signature:
    return signatures(Repo(made.root), [sha], keys)[sha]


@pytest.mark.parametrize(("kind", "more"), KINDS)
def test_what_git_signed_with_a_declared_key_is_good(tmp_path: Path, kind: str, more: list[str]) -> None:
    """Each kind of SSH key that git can sign with; the name is the key's owner."""
    made, key = Made(tmp_path / "work"), ssh_key(tmp_path / "keys", kind, more)
    sha = signed(made, key)
    public = key.with_suffix(".pub").read_text()
    assert one(made, sha, Keys([("dana", public)])) == Signature("good", "dana")


def test_other_keys_no_key_and_changed_commits(tmp_path: Path) -> None:
    """A key nobody declared is unknown; a plain commit is unsigned; a changed one has a bad signature."""
    made, key = Made(tmp_path / "work"), ssh_key(tmp_path / "keys")
    other = ssh_key(tmp_path / "keys")
    sha, plain = signed(made, key), made.commit({"b": "1"})
    mine = Keys([("dana", key.with_suffix(".pub").read_text())])
    assert one(made, sha, Keys([("rita", other.with_suffix(".pub").read_text())])).state == "unknown key"
    assert one(made, plain, mine).state == "unsigned"
    raw = made.git("cat-file", "commit", sha).replace("feat: signed", "feat: changed")
    forged = made.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=(raw + "\n").encode())
    assert one(made, forged, mine).state == "bad"


def test_a_signature_for_something_else_does_not_count(tmp_path: Path) -> None:
    """What the key signed as a file, for another purpose, is no signature of a commit."""
    key = ssh_key(tmp_path / "keys")
    (tmp_path / "text").write_bytes(b"pay")
    words = ["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", str(key), str(tmp_path / "text")]
    subprocess.run(words, check=True, capture_output=True)
    keys = Keys([("dana", key.with_suffix(".pub").read_text())])
    found = keys.check((tmp_path / "text.sig").read_text(), b"pay")
    assert found.state == "bad"
    assert "something else" in found.why


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not here")
def test_openpgp_by_gpg(tmp_path: Path) -> None:
    """A declared OpenPGP key is good, another one unknown; the machine's own key ring counts for nothing."""
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    environment = {**os.environ, "GNUPGHOME": str(home)}

    def gpg(*words: str, given: bytes = b"") -> bytes:
        done = ["gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", "", *words]
        return subprocess.run(done, env=environment, input=given, capture_output=True, check=True).stdout

    gpg("--quick-generate-key", "Dana <dev@example.com>", "ed25519", "sign", "never")
    payload = b"tree 1\n\nfeat: x\n"
    signature = gpg("--armor", "--detach-sign", given=payload).decode()
    public = gpg("--armor", "--export").decode()
    try:
        assert Keys([("dana", public)]).check(signature, payload) == Signature("good", "dana")
        assert Keys([("dana", public)]).check(signature, payload + b"x").state == "bad"
        assert Keys([]).check(signature, payload).state == "unknown key"
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False)


def test_the_same_without_gpg_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where gpg is missing an OpenPGP signature cannot be checked, and that is not good."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = Keys([]).check("-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----", b"x")
    assert (found.state, found.by) == ("cannot be checked", "")


ENCODED = st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode())
FRAMES = st.sampled_from(["-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----", "{}"])


@given(FRAMES, st.text(max_size=300) | ENCODED)
def test_no_bytes_of_a_stranger_are_good_or_break_anything(frame: str, inside: str) -> None:
    """Whatever stands where a signature should, the answer is one of the words, and never good."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBnvSdJm5UxRZcbHRrBx5ZNhyFV3Gq3aYFqVgKTiWbdR"
    assert Keys([("dana", key)]).check(frame.format(inside), b"payload").state != "good"
