"""Settings come from one file, with defaults that work on one machine."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from clearway.kernel import Invalid
from clearway.wiring import settings


def test_an_empty_home_works(tmp_path: Path) -> None:
    """No file is needed; the home is made for its owner only."""
    found = settings.load(tmp_path / "new")
    assert found.database == f"sqlite:///{found.home}/clearway.db"
    assert stat.S_IMODE(found.home.stat().st_mode) == 0o700


def test_what_is_given_wins_over_the_file(tmp_path: Path) -> None:
    """The command line is stronger than clearway.toml, which is stronger than the default."""
    (tmp_path / "clearway.toml").write_text('port = 9001\nhost = "127.0.0.2"\n')
    found = settings.load(tmp_path, port=9002)
    assert (found.port, found.host) == (9002, "127.0.0.2")
    assert found.url == "http://127.0.0.2:9002"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "unknown key 'prot'"),
        ('port = "x"', "expected int"),
        ("port = true", "expected int"),
        ("port = ", "expected a TOML file"),
    ],
)
def test_a_bad_file_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    """The error names the file, the key and what was expected."""
    (tmp_path / "clearway.toml").write_text(text)
    with pytest.raises(Invalid, match=message) as caught:
        settings.load(tmp_path)
    assert "clearway.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('tag_signing = "pgp"\ntag_signing_key = "x"', "expected ssh or openpgp"),
        ('tag_signing = "ssh"', "belong together"),
        ('tag_signing_key = "/k"', "belong together"),
        ('tag_signing = "openpgp"\ntag_signing_key = "--list-keys"', "belong together"),
    ],
)
def test_half_a_signing_key_is_no_setting(tmp_path: Path, text: str, message: str) -> None:
    """Somebody who wants signed tags must not get unsigned ones."""
    (tmp_path / "clearway.toml").write_text(text)
    with pytest.raises(Invalid, match=message):
        settings.load(tmp_path)
