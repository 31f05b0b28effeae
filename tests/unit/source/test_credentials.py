"""What git is given, to whom, and how nobody else sees it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.kernel import Invalid, Refused
from clearway.source.credentials import Access, check_secret, handed, host_of

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://git.example/team/shop.git", "https://git.example"),
        ("https://GIT.example:8443/shop", "https://git.example:8443"),
        ("https://[::1]:8443/shop", "https://[::1]:8443"),
        ("ssh://git@git.example:2222/shop", "ssh://git.example:2222"),
        ("git@git.example:team/shop.git", "ssh://git.example"),
        ("file:///srv/git/shop", ""),
        ("/srv/git/shop", ""),
    ],
)
def test_the_host_that_a_location_leads_to(location: str, host: str) -> None:
    """A credential belongs to one scheme, host and port."""
    assert host_of(location) == host


@given(st.text(max_size=60))
def test_no_location_breaks_the_question(location: str) -> None:
    """Whatever stands in a document, asking for its host gives an answer or the parser's own error."""
    try:
        assert isinstance(host_of(location), str)
    except ValueError:
        assert "://" in location


def test_a_password_lies_where_only_git_finds_it_and_then_nowhere() -> None:
    """Neither arguments nor variables hold the secret; what they name is readable during the call alone."""
    access = Access(username="reader", password="tok-en-of-the-reader")
    with handed(access, "https://git.example/shop") as given_:
        told = " ".join([*given_.words, *given_.environment.values()])
        assert "tok-en" not in told
        assert "credential.https://git.example.helper" in told
        place = told.split("cat ")[1].split(";")[0]
        assert Path(place).read_text() == "username=reader\npassword=tok-en-of-the-reader\n"
        assert stat.S_IMODE(os.stat(place).st_mode) == 0o600
    assert not Path(place).exists()
    assert "tok-en" not in repr(access)


def test_a_plain_connection_is_not_given_a_password() -> None:
    """http to another machine could be read by others, so it fails before anything is sent."""
    with pytest.raises(Refused, match="plain http"), handed(Access("a", "b" * 20), "http://git.example/x"):
        pass


def test_an_ssh_key_is_the_only_one_that_is_tried() -> None:
    """With a key of its own, ssh asks no agent; with host keys, it believes no other."""
    access = Access(ssh_key=KEY, host_keys=("ssh-ed25519 " + "A" * 68,))
    with handed(access, "ssh://git@git.example:2222/shop") as given_:
        command = given_.environment["GIT_SSH_COMMAND"]
        assert "IdentitiesOnly=yes" in command
        assert "StrictHostKeyChecking=yes" in command
        known = command.split("UserKnownHostsFile=")[1]
        assert Path(known).read_text() == f"[git.example]:2222 ssh-ed25519 {'A' * 68}\n"
        assert "PRIVATE" not in command


@pytest.mark.parametrize(
    ("kind", "value", "username", "location", "why"),
    [
        ("password", "secret", "dev", "git@git.example:x", "https locations"),
        ("password", "secret", "dev", "http://git.example/x", "plain http"),
        ("password", "secret", "", "https://git.example/x", "user name"),
        ("password", "two\nlines", "dev", "https://git.example/x", "several lines"),
        ("password", "secret", "de\nv", "https://git.example/x", "user name"),
        ("password", " ", "dev", "https://git.example/x", "empty"),
        ("ssh-key", KEY, "", "https://git.example/x", "ssh locations"),
        ("ssh-key", "ssh-ed25519 AAAA", "", "git@git.example:x", "no private SSH key"),
        ("webhook", "brief", "", "https://git.example/x", "too short"),
    ],
)
def test_what_can_be_no_credential_is_refused(
    kind: str, value: str, username: str, location: str, why: str
) -> None:
    """The error says what is wrong, and never what was given."""
    with pytest.raises(Invalid, match=why) as refused:
        check_secret(kind, value, username, location)  # type: ignore[arg-type]
    assert value.strip() not in str(refused.value) or not value.strip()
