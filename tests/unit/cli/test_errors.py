"""Exit codes that scripts can trust, and errors without tracebacks."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from clearway.cli import exits, profile, watch
from clearway.cli.client import problem_of
from clearway.cli.context import Context
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


def test_errors_are_json_too(cli: Callable[..., Any], run: Callable[..., Any]) -> None:
    """With --json, one object on standard error with keys that are always there; nothing on the other."""
    keys = {"message", "where", "expected", "todo", "more", "exit_code"}
    for arguments in (["incident", "show", "inc_x"], ["promote", "shop"], ["status", "--url", "nonsense"]):
        done = cli(*arguments, "--json")
        error = json.loads(done.err)["error"]
        assert set(error) == keys
        assert (error["exit_code"], done.out) == (done.code, "")


def test_several_problems_are_each_said_once(cli: Callable[..., Any], tmp_path: Path) -> None:
    """Each with its file and line; what was expected is not said twice."""
    (tmp_path / "a.yaml").write_text("kind: Team\nname: x\ncolour: red\nsize: big\n")
    done = cli("apply", str(tmp_path / "a.yaml"), "--yes")
    assert done.code == exits.USAGE
    assert "2 problems" in done.err
    assert done.err.count("`colour`") == 1
    assert done.err.count("a.yaml:3") == 1
    assert done.err.count("expected ") == 2
    (tmp_path / "b.yaml").write_text("kind: Team\nname: x\ncolour: red\n")
    assert cli("apply", str(tmp_path / "b.yaml"), "--yes").err.count("expected") == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"kind: Team\nname: caf\xe9\n", "a.yaml:2: byte 0xe9 is no UTF-8 text"),
        (b"x" * (2 << 20), "the file has 2097152 bytes"),
    ],
)
def test_a_file_that_is_no_platform_file(
    run: Callable[..., Any], tmp_path: Path, content: bytes, said: str
) -> None:
    """Said with its name and place, before any server is asked."""
    (tmp_path / "a.yaml").write_bytes(content)
    done = run("apply", str(tmp_path / "a.yaml"))
    assert done.code == exits.USAGE
    assert said in done.err
    assert "expected" in done.err


def test_what_never_ends_is_not_read(run: Callable[..., Any]) -> None:
    """Only plain files are opened."""
    assert "no plain file" in run("apply", "/dev/zero").err


def test_nobody_is_asked_where_nobody_is(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal apply names the option that answers, and changes nothing."""
    (tmp_path / "a.yaml").write_text("kind: Team\nname: x\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    done = cli("apply", str(tmp_path / "a.yaml"))
    assert done.code == exits.USAGE
    assert "--yes" in done.err
    assert "+ Team x" in cli("apply", str(tmp_path / "a.yaml"), "--dry-run").out


def test_the_reader_may_leave() -> None:
    """`| head -1` is no failure, and nothing is said about it."""
    command = [sys.executable, "-m", "clearway.cli", "schema"]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (exits.OK, b"")


def test_ctrl_c_says_that_what_is_watched_goes_on() -> None:
    """It ends the watching only, and says how to look again."""

    class Server:
        def get(self, path: str) -> Any:
            raise KeyboardInterrupt

    context = Context(as_json=True)
    context.__dict__["server"] = Server()
    with pytest.raises(exits.CliError, match="the promotion goes on: clearway status prm_1") as caught:
        watch.promotion(context, "prm_1")
    assert caught.value.code == 130


def test_a_narrow_terminal_gets_records(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table that would be unreadable is written line by line; nothing of it is lost."""
    from rich.console import Console

    context = Context()
    context.__dict__["console"] = Console(force_terminal=True, width=80, soft_wrap=True)
    digest = "sha256:" + "4f" * 32
    context.table(("version", "digest", "by"), [("1.0.0", digest, "dana"), ("1.1.0", digest, "")])
    assert capsys.readouterr().out.splitlines() == [
        "version  1.0.0",
        f"digest   {digest}",
        "by       dana",
        "",
        "version  1.1.0",
        f"digest   {digest}",
        "by       –",
    ]


def test_a_wrong_field_is_told_as_people_know_it(cli: Callable[..., Any]) -> None:
    """Which, what was expected, what was given; not where it stood in a body that nobody typed."""
    done = cli("rollback", "shop", "--in", "prod", "--reason", "")
    assert done.code == exits.USAGE
    assert '`reason` is "", not text of at least 1 character' in done.err
    assert "expected: text of at least 1 character" in done.err
    assert "body." not in done.err


def problem(**content: Any) -> exits.CliError:
    """What the command line makes of a problem of the server."""
    return problem_of(httpx.Response(422, json={"title": "The input is not valid", "status": 422, **content}))


def test_several_wrong_fields_are_told_each_with_what_was_expected() -> None:
    """A line for each; no expectation that belongs to one of them only."""
    each = {"message": "`user` is 3, not text", "expected": "text", "given": "3", "where": "body.user"}
    other = {"message": "`name` is 4, not text", "expected": "text", "given": "4", "where": "body.name"}
    told = problem(detail=f"{each['message']} (and 1 more)", **{"where": "body.user", "expected": "text"})
    assert told.expected == "text"
    told = problem(detail=f"{each['message']} (and 1 more)", expected="text", problems=[each, other])
    assert (told.message, told.expected) == ("The input is not valid: 2 problems", None)
    assert told.more == ("`user` is 3, not text; expected text", "`name` is 4, not text; expected text")


def test_a_field_that_the_server_does_not_know_points_at_versions() -> None:
    """The command line wrote the body: a person cannot repair it by reading the API's document."""
    wrong = "`sccopes` is not known here; did you mean `scopes`?"
    told = problem(detail=wrong, where="body.sccopes", todo="See TokenBody in /openapi.json.")
    assert "one version" in (told.todo or "")
    assert told.lines()[0] == wrong
