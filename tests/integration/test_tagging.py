"""Tags that Clearway makes: in the origin, once, signed when a key is set, deaf to the origin's programs."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from repositories import Made

from clearway import source
from clearway.kernel import Conflict, Invalid, Permanent, Retry
from clearway.source import Mirrors, Tag, TagKey

pytestmark = pytest.mark.integration
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "work")


@pytest.fixture
def mirrors(tmp_path: Path) -> Mirrors:
    return Mirrors(tmp_path / "mirrors")


def tag_of(commit: str, name: str = "v1.0.0") -> Tag:
    return Tag(name, commit, f"shop {name}", "release-manager", "release-manager@example.com", AT)


def test_a_tag_is_annotated_in_the_origin_and_known_here(made: Made, mirrors: Mirrors) -> None:
    """Who, when and what for stand in the tag; the mirror knows it because it was fetched."""
    commit = made.commit({"a": "1"})
    assert mirrors.tag("shop", str(made.root), tag_of(commit))
    told = made.git("cat-file", "tag", "v1.0.0")
    assert told.splitlines()[:4] == [
        f"object {commit}",
        "type commit",
        "tag v1.0.0",
        "tagger release-manager <release-manager@example.com> 1772366400 +0000",
    ]
    assert told.endswith("shop v1.0.0")
    assert source.tags(mirrors.open("shop")) == {"v1.0.0": commit}


def test_making_it_twice_is_making_it_once(made: Made, mirrors: Mirrors) -> None:
    """After a crash it is asked for again: the tag that is there stays as it is."""
    commit = made.commit({"a": "1"})
    assert mirrors.tag("shop", str(made.root), tag_of(commit))
    first = made.git("rev-parse", "v1.0.0")
    again = replace(tag_of(commit), at=datetime(2026, 4, 1, tzinfo=UTC))
    assert not mirrors.tag("shop", str(made.root), again)
    assert made.git("rev-parse", "v1.0.0") == first


def test_a_tag_is_never_moved(made: Made, mirrors: Mirrors) -> None:
    """Taken by another commit it is refused, also when that happens between the look and the push."""
    first = made.commit({"a": "1"})
    second = made.commit({"a": "2"})
    made.git("tag", "v1.0.0", first)
    with pytest.raises(Conflict, match="already"):
        mirrors.tag("shop", str(made.root), tag_of(second))

    class Racing(Mirrors):
        """Somebody else is faster, just after the look."""

        def _fetch(self, *args: object) -> None:
            super()._fetch(*args)  # type: ignore[arg-type]
            if not made.git("tag", "--list", "v2.0.0"):
                made.git("tag", "v2.0.0", first)

    racing = Racing(mirrors.root)
    with pytest.raises(Conflict, match="already"):
        racing.tag("shop", str(made.root), tag_of(second, "v2.0.0"))
    assert made.git("rev-parse", "v1.0.0", "v2.0.0").split() == [first, first]


def test_no_program_of_the_origin_runs(made: Made, mirrors: Mirrors, tmp_path: Path) -> None:
    """Hooks, alternates' commands and maintenance of a repository on this machine are not ours to start."""
    commit = made.commit({"a": "1"})
    proof = tmp_path / "proof"
    script = f"#!/bin/sh\ntouch {proof}\n"
    hooks = made.root / "hooks-of-its-own"
    hooks.mkdir()
    for name in (
        "pre-receive",
        "update",
        "post-receive",
        "post-update",
        "reference-transaction",
        "pre-auto-gc",
    ):
        for folder in (hooks, made.root / ".git" / "hooks"):
            folder.mkdir(exist_ok=True)
            (folder / name).write_text(script)
            (folder / name).chmod(0o755)
    made.git("config", "core.hooksPath", str(hooks))
    made.git("config", "core.alternateRefsCommand", f"touch {proof}; true")
    made.git("config", "core.fsmonitor", f"touch {proof}; true")
    made.git("config", "gc.auto", "1")
    other = Made(tmp_path / "other")
    other.commit({"b": "1"})
    (made.root / ".git/objects/info/alternates").write_text(f"{other.root}/.git/objects\n")
    assert mirrors.tag("shop", str(made.root), tag_of(commit))
    assert not proof.exists()


def test_an_ssh_key_signs(made: Made, mirrors: Mirrors, tmp_path: Path) -> None:
    """git itself verifies the tag against the key's owner."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    commit = made.commit({"a": "1"})
    signing = Mirrors(mirrors.root, tag_key=TagKey("ssh", str(key)))
    assert signing.tag("shop", str(made.root), tag_of(commit))
    allowed = tmp_path / "allowed"
    allowed.write_text(f"release-manager@example.com {key.with_suffix('.pub').read_text()}")
    made.git("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-tag", "v1.0.0")
    allowed.write_text("")
    with pytest.raises(AssertionError):
        made.git(
            "-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-tag", "v1.0.0"
        )


def test_an_openpgp_key_signs(
    made: Made, mirrors: Mirrors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same with a key that gpg has."""
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    who = "release-manager@example.com"
    words = [
        "gpg",
        "--batch",
        "--quiet",
        "--passphrase",
        "",
        "--quick-generate-key",
        who,
        "ed25519",
        "sign",
        "1d",
    ]
    subprocess.run(words, check=True, capture_output=True)
    try:
        commit = made.commit({"a": "1"})
        signing = Mirrors(mirrors.root, tag_key=TagKey("openpgp", who))
        assert signing.tag("shop", str(made.root), tag_of(commit))
        made.git("verify-tag", "v1.0.0")
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=False, env=os.environ)


def test_without_its_key_no_tag_is_made(made: Made, mirrors: Mirrors, tmp_path: Path) -> None:
    """Somebody who wants signed tags does not get unsigned ones."""
    commit = made.commit({"a": "1"})
    broken = tmp_path / "broken"
    broken.write_text("no key")
    for key in (
        TagKey("ssh", str(tmp_path / "nothing")),
        TagKey("ssh", str(broken)),
        TagKey("openpgp", "nobody@x"),
    ):
        with pytest.raises(Permanent, match=r"sign|key"):
            Mirrors(mirrors.root, tag_key=key).tag("shop", str(made.root), tag_of(commit))
    assert made.git("tag", "--list") == ""


def test_names_cannot_change_the_tags_form(made: Made, mirrors: Mirrors) -> None:
    """A tag that git could misread, and people with line ends in their names, are refused."""
    commit = made.commit({"a": "1"})
    for bad in (
        tag_of(commit, "--force"),
        tag_of(commit, "a..b"),
        tag_of(commit, "x\ny"),
        replace(tag_of(commit), tagger="x\nobject 0"),
        replace(tag_of(commit), email="x> 1 +0000\n"),
    ):
        with pytest.raises(Invalid):
            mirrors.tag("shop", str(made.root), bad)
    assert made.git("tag", "--list") == ""


def test_a_repository_that_is_away_or_refuses_says_so(made: Made, mirrors: Mirrors) -> None:
    """Away: try again later. Read-only: no tag, and words that say so."""
    commit = made.commit({"a": "1"})
    mirrors.sync("shop", str(made.root))
    made.git("config", "receive.denyCurrentBranch", "refuse")
    made.git("config", "transfer.hideRefs", "refs/tags")
    with pytest.raises((Permanent, Retry)):
        mirrors.tag("shop", str(made.root), tag_of(commit))
    assert made.git("tag", "--list") == ""
