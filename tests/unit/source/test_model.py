"""Names and places, before git hears of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from clearway.kernel import Invalid
from clearway.source import Commit, check_location, check_path, check_ref, public_location


@pytest.mark.parametrize(
    "ref", ["main", "v1.2.0", "feature/x#12", "a" * 40, "release-1.x", "refs/tags/v1", "u@w"]
)
def test_ordinary_names_pass(ref: str) -> None:
    """Branches, tags and commit ids as people write them."""
    assert check_ref(ref) == ref


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "-x",
        "--upload-pack=touch x",
        "a b",
        "a..b",
        "a@{1}",
        "x^{tree}",
        "HEAD~1",
        "x:y",
        "x\n",
        "a//b",
        "x.lock",
        "/x",
        "x/",
        "a/.b",
        "$(id)",
        "\x00",
        "x" * 300,
        "..",
        ".",
    ],
)
def test_what_git_could_misread_is_refused(ref: str) -> None:
    """Options, revision operators, ranges and control characters are no names."""
    with pytest.raises(Invalid):
        check_ref(ref)


@pytest.mark.parametrize(
    "location",
    [
        "https://example.com/a.git",
        "ssh://git@example.com/a",
        "git@example.com:team/a.git",
        "/srv/git/a",
        "file:///a",
    ],
)
def test_usual_places_pass(location: str) -> None:
    """URLs, the short SSH form, and absolute paths."""
    assert check_location(location) == location


@pytest.mark.parametrize(
    "location",
    [
        "ext::sh -c touch% x",
        "fd::17",
        "-oProxyCommand=x",
        "--upload-pack=x",
        "ssh://-oProxyCommand=x/a",
        "a/b",
        "ftp://example.com/a",
        "user@host:-x",
        "-x@host:a",
        "https://a b",
        "",
        "http::x",
        "transport::/x",
        "a@b::c",
    ],
)
def test_places_that_run_programs_are_refused(location: str) -> None:
    """No remote helper, no option in disguise."""
    with pytest.raises(Invalid):
        check_location(location)


@pytest.mark.parametrize(
    "location",
    [
        "https://user:hunter2@example.com/a.git",
        "https://ghp_hunter2@example.com/a.git",
        "HTTPS://ghp_hunter2@example.com/a.git",
        "https://user:hun/ter2@example.com/a.git",
        "https://example.com/a.git?private_token=hunter2",
        "ssh://git:hunter2@example.com/a",
        "git://hunter2@example.com/a",
        "user:hunter2@example.com:team/a.git",
    ],
)
def test_a_location_with_a_password_never_reaches_git(location: str) -> None:
    """What git is given stands in the list of processes; and the refusal does not say the secret again."""
    with pytest.raises(Invalid) as caught:
        check_location(location)
    assert not re.search("hun/?ter2", str(caught.value) + repr(caught.value.detail))
    assert not re.search("hunter2", public_location(location)) or "/ter2" in location


def test_a_location_is_shown_without_its_password() -> None:
    """Who may read a provenance or a log does not learn a token."""
    assert public_location("https://user:secret@example.com/a") == "https://example.com/a"
    assert public_location("https://example.com/a@b") == "https://example.com/a@b"


def people(body: str = "", committer: tuple[str, str] = ("Bob", "bob@x")) -> tuple[tuple[str, str], ...]:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Commit("0" * 40, "Bob", "bob@x", at, at, "fix: x", body, (), *committer).people


def test_a_commit_belongs_to_author_committer_and_co_authors() -> None:
    """`--author` names whom one likes; who committed, and who is thanked, wrote it too."""
    assert people() == (("Bob", "bob@x"),)
    assert people(committer=("Alice", "alice@x")) == (("Bob", "bob@x"), ("Alice", "alice@x"))
    body = "text\n\nCo-authored-by: Alice <alice@x>\nCO-AUTHORED-BY:carol<carol@x>\nco-authored-by: dan\n"
    assert people(body)[1:] == (("Alice", "alice@x"), ("carol", "carol@x"), ("dan", ""))


def test_a_button_on_a_forge_is_nobody() -> None:
    """GitHub commits what somebody merged on its page; as an author it would still be an unknown one."""
    assert people(committer=("GitHub", "noreply@github.com")) == (("Bob", "bob@x"),)
    assert len(people(committer=("GitHub", "alice@x"))) == 2


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../b", "a//b", "a\0b"])
def test_a_path_stays_inside(path: str) -> None:
    """Nothing outside the repository has a path."""
    with pytest.raises(Invalid):
        check_path(path)
