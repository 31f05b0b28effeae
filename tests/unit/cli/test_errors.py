"""Exit codes that scripts can trust, and errors without tracebacks."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearway.cli import exits, profile
from clearway.cli.exits import code_of_status


def test_usage(run: Callable[..., Any]) -> None:
    """Unknown commands, options and missing arguments are 2."""
    for arguments in (["fly"], ["status", "--sideways"], ["promote", "shop"], ["rollback", "shop"]):
        done = run(*arguments)
        assert done.code == 2, arguments
        assert "Traceback" not in done.err


def test_no_server_is_known(run: Callable[..., Any]) -> None:
    """Without any profile it says where it looked and what to do."""
    done = run("status")
    assert done.code == 2
    assert "clearway up" in done.err
    assert done.out == ""


def test_no_token_is_known(run: Callable[..., Any]) -> None:
    """An address without a token is a question of permission."""
    done = run("status", "--url", "http://127.0.0.1:1")
    assert done.code == exits.NOT_PERMITTED
    assert "clearway login" in done.err


def test_nobody_answers(run: Callable[..., Any]) -> None:
    """A server that is not there is 5: the same command may work later."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = run("token", "list", "--url", f"http://127.0.0.1:{port}", "--token", "x")
    assert done.code == exits.UNREACHABLE
    assert "cannot be reached" in done.err


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://", "http://[::1"])
def test_an_address_that_is_none(run: Callable[..., Any], url: str) -> None:
    """It says so; no traceback."""
    done = run("token", "list", "--url", url, "--token", "x")
    assert done.code in (exits.USAGE, exits.UNREACHABLE)
    assert "Traceback" not in done.err
    assert "error: " in done.err


def test_permission(cli: Callable[..., Any], token: Callable[[str], str]) -> None:
    """Not signed in, and not allowed, are 3."""
    assert cli("token", "list", "--token", "cwy_no_no").code == exits.NOT_PERMITTED
    assert cli("token", "list", "--user", "*", "--token", token("vic")).code == exits.NOT_PERMITTED


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, 2),
        (404, 2),
        (413, 2),
        (422, 2),
        (401, 3),
        (403, 3),
        (409, 4),
        (412, 4),
        (500, 1),
        (502, 5),
        (503, 5),
    ],
)
def test_each_status_has_its_code(status: int, code: int) -> None:
    """The exit code follows from the HTTP status."""
    assert code_of_status(status) == code


def test_a_broken_profile_is_one_clear_error(run: Callable[..., Any], home: Path) -> None:
    """The file is named, and what to do."""
    home.mkdir()
    (home / profile.FILE).write_text("{")
    done = run("status")
    assert done.code == 2
    assert profile.FILE in done.err


def test_a_surprise_is_one_line_and_a_log(
    run: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traceback goes to a file that the line names."""
    home.mkdir()

    def fail(*_: Any) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(profile, "find", fail)
    done = run("status")
    assert done.code == exits.FAILED
    assert len(done.err.strip().splitlines()) == 1
    assert "Traceback" not in done.err
    assert "boom" in (home / "cli-error.log").read_text()


def test_the_order_of_profiles(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options win over the environment, the environment over the home folder; `up` leaves a token file."""
    profile.save(home, {"url": "http://a/", "token_file": "admin.token"})
    (home / "admin.token").write_text("kept\n")
    assert profile.find(None, None, None) == profile.Profile("http://a", "kept")
    monkeypatch.setenv("CLEARWAY_URL", "http://b")
    monkeypatch.setenv("CLEARWAY_TOKEN", "env")
    assert profile.find(None, None, None) == profile.Profile("http://b", "env")
    assert profile.find("http://c", "opt", None) == profile.Profile("http://c", "opt")
    assert "opt" not in repr(profile.find("http://c", "opt", None))
    assert (home / profile.FILE).stat().st_mode & 0o077 == 0
    assert json.loads((home / profile.FILE).read_text())["url"] == "http://a/"
