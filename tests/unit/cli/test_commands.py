"""The commands against a real server."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clearway import artifacts
from clearway.artifacts.ports import MemorySigner
from clearway.cli import exits

PLATFORM = """\
kind: Team
name: storefront
members: [admin]
---
kind: Environment
name: dev
order: 1
promotion: automatic
---
kind: Route
name: standard
environments: [dev]
---
kind: Service
name: shop
team: storefront
repository: ${REPO:-/nowhere}
route: standard
"""


@pytest.fixture
def platform(tmp_path: Path) -> str:
    (tmp_path / "platform").mkdir()
    (tmp_path / "platform" / "all.yaml").write_text(PLATFORM)
    return str(tmp_path / "platform")


def test_apply_shows_a_diff_asks_and_is_idempotent(
    cli: Callable[..., Any], platform: str, monkeypatch: Any
) -> None:
    """A dry run and a refused question change nothing; --yes applies; twice changes nothing."""
    shown = cli("apply", platform, "--dry-run")
    assert shown.code == 0
    assert "+ Service shop" in shown.out
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert cli("apply", platform).code == exits.FAILED
    assert cli("apply", platform, "--dry-run", "--json").json["applied"] is False
    done = cli("apply", platform, "--yes")
    assert (done.code, done.out.splitlines()[-1]) == (0, "applied")
    again = cli("apply", platform, "--json").json
    assert again["applied"] is False
    assert {each["action"] for each in again["diffs"]} == {"none"}
    changed = cli("apply", platform, "--set", "REPO=/elsewhere", "--yes")
    assert 'repository: "/nowhere" -> "/elsewhere"' in changed.out


def test_apply_names_file_and_line(cli: Callable[..., Any], tmp_path: Path) -> None:
    """What is wrong, where, and what was expected; every problem of every file."""
    (tmp_path / "a.yaml").write_text("kind: Team\nname: x\nmembrs: []\n")
    (tmp_path / "b.yaml").write_text("kind: Team\nname: [1]\n")
    done = cli("apply", str(tmp_path / "a.yaml"))
    assert done.code == 2
    assert "a.yaml:3" in done.err
    assert "expected" in done.err
    both = cli("apply", str(tmp_path))
    assert "a.yaml" in both.err
    assert "b.yaml" in both.err
    assert cli("apply", str(tmp_path / "none.yaml")).code == 2
    assert cli("apply", str(tmp_path / "a.yaml"), "--set", "nothing").code == 2


def test_config_and_secrets(cli: Callable[..., Any], platform: str, monkeypatch: Any) -> None:
    """Set, get, unset; a secret comes from standard input and never comes back."""
    cli("apply", platform, "--yes")
    assert cli("config", "set", "shop", "dev", "GREETING=Hi", "MAX=3").code == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO("s3cr3t-value\n"))
    assert cli("config", "secret", "shop", "dev", "API_KEY").code == 0
    done = cli("config", "get", "shop", "dev")
    assert "Hi" in done.out
    assert "(secret)" in done.out
    assert "s3cr3t" not in done.out + cli("audit", "log", "--json").out
    assert cli("config", "unset", "shop", "dev", "GREETING").code == 0
    assert "GREETING" not in cli("config", "get", "shop", "dev").out
    assert cli("config", "set", "shop", "nowhere", "A=1").code == 2


def test_tokens_and_users(cli: Callable[..., Any]) -> None:
    """The secret is alone on standard output, works, and dies when it is revoked."""
    made = cli("token", "create", "ci", "--scope", "*:read", "--expires-in", "2h")
    secret = made.out.strip()
    assert secret.startswith("cwy_")
    row = next(each for each in cli("token", "list", "--json").json if each["label"] == "ci")
    assert row["scopes"] == ["*:read"]
    assert cli("user", "list", "--token", secret).code == 0
    assert cli("token", "revoke", row["id"]).code == 0
    assert cli("user", "list", "--token", secret).code == exits.NOT_PERMITTED
    assert cli("user", "show", "vic", "--json").json["name"] == "vic"
    assert cli("user", "show", "ghost").code == 2
    assert secret not in cli("token", "list").out


def test_passwords_come_from_standard_input(cli: Callable[..., Any], monkeypatch: Any) -> None:
    """A weak one is refused with its reason, a good one is set."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("x\n"))
    assert cli("user", "password", "vic").code == 2
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse battery staple\n"))
    assert cli("user", "password", "vic").code == 0
    assert cli("user", "show", "vic", "--json").json["has_password"] is True


def test_login_keeps_a_profile(
    run: Callable[..., Any], address: str, token: Callable[[str], str], home: Path
) -> None:
    """After signing in, commands need no options; a wrong token is not kept."""
    assert run("login", address, "--token", "cwy_a_b").code == exits.NOT_PERMITTED
    assert not (home / "profile.json").exists()
    assert run("login", address, "--token", token("vic")).code == 0
    assert run("user", "list").code == 0


def test_login_with_a_first_password_changes_it(
    cli: Callable[..., Any], address: str, home: Path, monkeypatch: Any
) -> None:
    """What an administrator set is made into a password and a token of one's own, in one command."""
    first, own = "set by an administrator", "chosen by vic in person"

    def login(*lines: str, change: bool = True) -> int:
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))
        return int(cli("login", address, "--user", "vic", *(["--new-password"] if change else [])).code)

    monkeypatch.setattr(sys, "stdin", io.StringIO(first + "\n"))
    assert cli("user", "password", "vic").code == 0
    assert login(first, change=False) == exits.NOT_PERMITTED
    assert login(first, own) == 0
    monkeypatch.delenv("CLEARWAY_TOKEN")
    assert cli("token", "list", "--json").json[-1]["handed_by"] == ""
    assert login(first, own) == exits.NOT_PERMITTED


def test_audit(cli: Callable[..., Any], tmp_path: Path, database: Any) -> None:
    """Verify live, export, verify offline with a kept checkpoint; a changed export is found."""
    live = cli("audit", "verify", "--json")
    assert (live.code, live.json["verified"]) == (0, True)
    folder = tmp_path / "copy"
    assert cli("audit", "export", str(folder)).code == 0
    assert cli("audit", "export", str(folder)).code == 2
    kept = folder / "checkpoint"
    assert cli("audit", "verify", "--checkpoint", str(kept)).code == 0
    key = (folder / "verifier.key").read_text().strip()
    offline = ("audit", "verify", "--folder", str(folder), "--url", "http://127.0.0.1:1")
    assert cli(*offline, "--key", key, "--checkpoint", str(kept)).code == 0
    assert cli(*offline, "--json").json["entries"] <= live.json["entries"] + 1
    assert cli(*offline, "--key", "nonsense").code == 2
    tile = next(path for path in sorted((folder / "tile" / "entries").rglob("*")) if path.is_file())
    tile.write_bytes(tile.read_bytes().replace(b"admin", b"nimda", 1))
    broken = cli(*offline)
    assert broken.code == exits.FAILED
    assert "NOT verified" in broken.out


def test_init_proposes_for_a_repository(run: Callable[..., Any], tmp_path: Path) -> None:
    """It works without a server, writes one file, and never over an existing one."""
    repository = tmp_path / "my-service"
    repository.mkdir()
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    (repository / "pyproject.toml").write_text('[project]\nname = "my-service"\nversion = "1.0"\n')
    (repository / "evil.py").symlink_to("/etc/passwd")
    shown = run("init", str(repository), "--print")
    assert "recipe: python" in shown.out
    assert not (repository / "clearway.yaml").exists()
    done = run("init", str(repository), "--json")
    assert (done.code, done.json["service"], done.json["recipe"]) == (0, "my-service", "python")
    assert "yaml-language-server" in (repository / "clearway.yaml").read_text()
    again = run("init", str(repository))
    assert (again.code, "--force" in again.err) == (2, True)
    assert run("init", str(tmp_path)).code == 2
    assert run("init", str(tmp_path / "nowhere")).code == 2


def test_verify_holds_a_file_against_a_policy(run: Callable[..., Any], tmp_path: Path) -> None:
    """Offline: each line says what is proven, what is not so, and what nobody said; the exit code decides."""
    signer = MemorySigner()
    (public,) = signer.public_keys().values()
    file, evidence, key, policy = (tmp_path / name for name in ("a.tar", "e.jsonl", "k.pem", "policy.yaml"))
    file.write_bytes(b"bytes")
    predicate = {
        "buildDefinition": {
            "externalParameters": {"repository": "https://git.example.com/shop.git", "ref": "v1"},
            "resolvedDependencies": [{"digest": {"gitCommit": "c" * 40}}],
        },
        "runDetails": {"builder": {"id": "https://builder.example/\x1b[31m"}},
    }
    digest = "sha256:" + hashlib.sha256(b"bytes").hexdigest()
    said = artifacts.sign(signer, artifacts.statement([("a.tar", digest)], artifacts.PROVENANCE, predicate))
    evidence.write_text(json.dumps(said))
    key.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    given = ("verify", str(file), "--evidence", str(evidence), "--key", str(key))
    policy.write_text("refs: [v*]\n")
    done = run(*given, "--policy", str(policy))
    assert (done.code, "proven    of a ref you expect: v1" in done.out) == (0, True)
    assert "\x1b[31m" not in done.out
    policy.write_text("refs: [main]\ntests: 1\n")
    done = run(*given, "--policy", str(policy), "--json")
    assert (done.code, done.json["verified"]) == (1, False)
    assert [line["text"] for line in done.json["lines"] if line["state"] == "no"] == [
        "of a ref you expect: it says v1",
        "the tests passed, 1 or more: nothing says so",
    ]
    policy.write_text("ref: main\n")
    done = run(*given, "--policy", str(policy))
    assert (done.code, "policy.yaml" in done.err) == (2, True)


def test_verify_without_a_server(run: Callable[..., Any], tmp_path: Path) -> None:
    """A file without evidence does not verify; bad keys are an error of usage."""
    file, evidence, key = tmp_path / "a.tar", tmp_path / "a.jsonl", tmp_path / "key.pem"
    file.write_bytes(b"bytes")
    evidence.write_text("")
    key.write_text("no key")
    assert run("verify", str(file), "--evidence", str(evidence), "--key", str(key)).code == 2
    assert run("verify", str(tmp_path / "none"), "--evidence", str(evidence), "--key", str(key)).code == 2
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.generate().public_key()
    key.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    done = run("verify", str(file), "--evidence", str(evidence), "--key", str(key), "--json")
    assert (done.code, done.json["verified"]) == (exits.FAILED, False)


def test_doctor_names_what_is_wrong(cli: Callable[..., Any], run: Callable[..., Any], folder: Path) -> None:
    """Every part is checked; a server without a worker is a finding, a missing server another."""
    found = {each["message"]: each for each in cli("doctor", "--json").json["checks"]}
    assert any("no worker" in message for message in found)
    names = {each["name"] for each in found.values()}
    assert {"python", "git", "sandbox", "router", "folder", "disk", "server", "token"} <= names
    done = run("doctor", "--url", "http://127.0.0.1:1", "--token", "x")
    assert done.code == exits.UNREACHABLE
    assert "does not answer" in done.out


def test_schema_prints_the_schema(run: Callable[..., Any]) -> None:
    """It is JSON, and needs no server."""
    assert run("schema").json["title"] == "clearway.yaml"
