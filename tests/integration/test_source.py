"""Real git: mirrors, history, and repositories that mean harm."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from repositories import Made

from clearway import source
from clearway.kernel import Conflict, Invalid, NotFound, Permanent
from clearway.source import Mirrors
from clearway.source.git import Git

pytestmark = pytest.mark.integration


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "work")


@pytest.fixture
def mirrors(tmp_path: Path) -> Mirrors:
    return Mirrors(tmp_path / "mirrors")


def sync(mirrors: Mirrors, made: Made) -> source.Repo:
    return mirrors.sync("shop", str(made.root))


def test_a_mirror_follows_branches_and_tags_also_when_they_go(made: Made, mirrors: Mirrors) -> None:
    """After a sync the mirror has what the repository has, moved and dropped references included."""
    first = made.commit({"a": "1"})
    made.git("tag", "v1.0.0")
    made.git("tag", "--annotate", "v1.0.1", "-m", "x")
    made.git("branch", "old")
    repo = sync(mirrors, made)
    assert source.tags(repo) == {"v1.0.0": first, "v1.0.1": first}
    assert source.resolve(repo, "old") == first
    second = made.commit({"a": "2"})
    made.git("branch", "-D", "old")
    made.git("tag", "--force", "v1.0.0")
    repo = sync(mirrors, made)
    assert source.resolve(repo, "main") == second == source.tags(repo)["v1.0.0"]
    with pytest.raises(NotFound):
        source.resolve(repo, "old")
    assert source.resolve(mirrors.open("shop"), "main") == second


def test_a_password_in_an_address_reaches_no_process(
    made: Made, mirrors: Mirrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address recorded with a password is refused before git is started."""

    def never(*_words: object, **_more: object) -> None:
        raise AssertionError("git was started")

    monkeypatch.setattr("clearway.source.git.subprocess.run", never)
    with pytest.raises(Invalid, match="holds a name or a password"):
        mirrors.sync("shop", "https://user:hunter2@example.org/shop.git")


def test_git_is_given_credentials_by_the_named_helper_only(tmp_path: Path) -> None:
    """The operator's helper is asked for a user and a password; without one, nobody is."""
    helper = tmp_path / 'my "helper"'
    helper.write_text("#!/bin/sh\necho username=ann\necho password=hunter2\n")
    helper.chmod(0o755)
    asked = b"protocol=https\nhost=example.org\n\n"

    def fill(folder: Path, name: str) -> bytes:
        git = Git(folder, name)
        done = subprocess.run(
            ["git", "credential", "fill"],
            input=asked,
            env=git.environment(),
            capture_output=True,
            check=False,
        )
        return done.stdout

    assert b"password=hunter2" in fill(tmp_path / "with", f"!'{helper}'")
    assert b"hunter2" not in fill(tmp_path / "without", "")
    with pytest.raises(Invalid):
        Git(tmp_path / "bad", "x\n[core]\n\tfsmonitor = id")


def test_a_name_resolves_to_one_commit_or_to_an_error(made: Made, mirrors: Mirrors) -> None:
    """Full and short ids, tags, branches; a tag and a branch of one name are never guessed between."""
    first = made.commit({"a": "1"})
    made.git("tag", "twin")
    made.commit({"a": "2"})
    made.git("branch", "twin")
    repo = sync(mirrors, made)
    assert (
        source.resolve(repo, first)
        == source.resolve(repo, first[:8])
        == source.resolve(repo, "refs/tags/twin")
    )
    with pytest.raises(Conflict):
        source.resolve(repo, "twin")
    for missing in ("0" * 40, "abcdef0", "nowhere"):
        with pytest.raises(NotFound):
            source.resolve(repo, missing)


def test_between_two_states_lies_the_set_difference(made: Made, mirrors: Mirrors) -> None:
    """A merged branch counts once, and going back yields nothing new."""
    base = made.commit({"a": "1"}, "feat: base")
    made.git("checkout", "--quiet", "-b", "side")
    made.commit({"b": "1"}, "fix: side\n\nWhy it was wrong.\n\nRefs: X-1")
    made.git("checkout", "--quiet", "main")
    made.commit({"c": "1"}, "feat: main")
    made.git("merge", "--quiet", "--no-ff", "-m", "merge side", "side")
    tip = made.git("rev-parse", "HEAD")
    repo = sync(mirrors, made)
    found = source.commits_between(repo, [base], tip)
    assert sorted(each.subject for each in found) == ["feat: main", "fix: side", "merge side"]
    assert found[0].subject == "merge side"
    assert len(found[0].parents) == 2
    side = next(each for each in found if each.subject == "fix: side")
    assert (side.author, side.author_email) == ("dev", "dev@example.com")
    assert side.body == "Why it was wrong.\n\nRefs: X-1"
    assert source.commits_between(repo, [tip], base) == []
    assert len(source.commits_between(repo, [], tip)) == 4


def test_files_are_exported_as_committed(made: Made, mirrors: Mirrors, tmp_path: Path) -> None:
    """Bytes, modes 644 and 755, links, and the commit's time; no filter, no attribute acts."""
    (made.root / "run.sh").write_text("#!/bin/sh\n")
    (made.root / "run.sh").chmod(0o777)
    (made.root / "link").symlink_to("deep/a.txt")
    sha = made.commit(
        {"deep/a.txt": "$Format:%H$\r\n", ".gitattributes": "* -text ident export-subst export-ignore"}
    )
    old = os.umask(0o077)
    try:
        source.export_tree(sync(mirrors, made), sha, tmp_path / "out")
    finally:
        os.umask(old)
    out = tmp_path / "out"
    assert (out / "deep/a.txt").read_bytes() == b"$Format:%H$\r\n"
    assert (out / "link").readlink() == Path("deep/a.txt")
    modes = {name: stat.S_IMODE((out / name).stat().st_mode) for name in ("run.sh", "deep/a.txt", "deep")}
    assert modes == {"run.sh": 0o755, "deep/a.txt": 0o644, "deep": 0o755}
    committed = source.commit(mirrors.open("shop"), sha).committed_at.timestamp()
    assert {(out / name).stat().st_mtime for name in ("run.sh", "deep/a.txt", "deep")} == {committed}


def test_reading_one_file(made: Made, mirrors: Mirrors) -> None:
    """As committed; what is missing, a folder or a link is an error."""
    (made.root / "link").symlink_to("a")
    sha = made.commit({"a": "text", "d/b": "x"})
    repo = sync(mirrors, made)
    assert source.read_file(repo, sha, "a") == b"text"
    assert source.list_files(repo, sha) == ["a", "d/", "link"]
    with pytest.raises(NotFound):
        source.read_file(repo, sha, "nothing")
    for bad in ("d", "link", "../a"):
        with pytest.raises(Invalid):
            source.read_file(repo, sha, bad)


def test_no_hook_and_no_monitor_of_anyone_runs(
    made: Made, mirrors: Mirrors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hooks and programs that the remote, a mirror somebody wrote into, or the user name stay still."""
    touched = tmp_path / "touched"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {touched}\nexit 0\n")
    program.chmod(0o755)
    made.commit({"a": "1"})
    sync(mirrors, made)
    hooks = (
        "post-checkout",
        "reference-transaction",
        "post-update",
        "pre-receive",
        "post-fetch",
        "fsmonitor-watchman",
    )
    for git_folder in (made.root / ".git", tmp_path / "mirrors/shop.git"):
        (git_folder / "hooks").mkdir(exist_ok=True)
        for hook in hooks:
            (git_folder / "hooks" / hook).symlink_to(program)
    for key in (
        "core.fsmonitor",
        "uploadpack.packObjectsHook",
        "core.sshCommand",
        "core.pager",
        "core.editor",
    ):
        made.git("config", key, str(program))
    (tmp_path / "user").mkdir()
    (tmp_path / "user/.gitconfig").write_text(f"[core]\nfsmonitor = {program}\nhooksPath = {tmp_path}\n")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "user/.gitconfig"))
    sha = made.commit({"a": "2"})
    touched.unlink(missing_ok=True)  # what the test's own commit may have run
    repo = sync(mirrors, made)
    source.export_tree(repo, sha, tmp_path / "out")
    source.read_file(repo, sha, "a")
    assert not touched.exists()


def test_submodules_are_not_fetched(made: Made, mirrors: Mirrors, tmp_path: Path) -> None:
    """A submodule is an empty folder: its address is the repository's word, not ours."""
    made.commit({".gitmodules": '[submodule "x"]\npath = x\nurl = ext::sh -c touch% owned\n'})
    inner = made.git("rev-parse", "HEAD")
    sha = made.commit_tree(f"160000 commit {inner}\tx\n".encode())
    source.export_tree(sync(mirrors, made), sha, tmp_path / "out")
    assert list((tmp_path / "out").rglob("*")) == [tmp_path / "out/x"]


@pytest.mark.parametrize("location", ["ext::sh -c touch% owned", "--upload-pack=touch owned", "fd::3"])
def test_a_location_cannot_run_a_program(mirrors: Mirrors, location: str, tmp_path: Path) -> None:
    """Remote helpers and options are refused before git starts."""
    with pytest.raises(Invalid):
        mirrors.sync("shop", location)
    assert not list(tmp_path.rglob("owned"))


def test_git_itself_refuses_remote_helpers(mirrors: Mirrors, tmp_path: Path) -> None:
    """Were the check of locations ever passed by, the second wall stands."""
    from clearway.source.git import Git

    git = Git(tmp_path)
    with pytest.raises(Permanent, match="not allowed"):
        git.run("ls-remote", f"ext::sh -c touch% {tmp_path}/owned")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "listing",
    [
        "100644 blob {blob}\t..\n",
        "100644 blob {blob}\t.git\n",
        "100644 blob {blob}\t.GIT\n",
        "120000 blob {up}\tlink\n",
        "120000 blob {absolute}\tlink\n",
    ],
)
def test_a_tree_cannot_write_outside(made: Made, mirrors: Mirrors, tmp_path: Path, listing: str) -> None:
    """Names and links that lead elsewhere stop the export."""
    blobs = {"blob": made.blob("x"), "up": made.blob("../../x"), "absolute": made.blob("/etc/passwd")}
    sha = made.commit_tree(listing.format(**blobs).encode())
    with pytest.raises(Invalid):
        source.export_tree(sync(mirrors, made), sha, tmp_path / "out/tree")
    assert not list(tmp_path.glob("out/x"))


def test_links_cannot_leave_together_either(made: Made, mirrors: Mirrors, tmp_path: Path) -> None:
    """Each link is inside by its text; followed one through the other they are not."""
    (made.root / "d/e/f").mkdir(parents=True)
    (made.root / "d/e/f/top").symlink_to("../../..")
    (made.root / "out").symlink_to("d/e/f/top/../..")
    sha = made.commit({"a": "1"})
    with pytest.raises(Invalid, match="through other links"):
        source.export_tree(sync(mirrors, made), sha, tmp_path / "x/tree")


def test_a_repository_that_is_gone_is_a_clear_error(mirrors: Mirrors, tmp_path: Path) -> None:
    """The message is git's own, without the password of the address."""
    with pytest.raises(Permanent, match="git refused"):
        mirrors.sync("shop", str(tmp_path / "nothing"))
    with pytest.raises(NotFound):
        mirrors.open("other")
