"""The page that says where a change runs."""

from __future__ import annotations

from showcase import Showcase

from clearway import releases


def test_a_commit_is_found_in_every_environment_that_runs_it(look, filled: Showcase) -> None:
    """Where it runs, in which version, by which promotion; and where it does not yet."""
    with filled.database.read() as uow:
        old = releases.release(uow, "shop", "1.1.0").commit
        new = releases.release(uow, "shop", "1.3.0").commit
    text = look("root").get(f"/where?of={old[:9]}").text
    assert text.count(">runs</span>") == 3
    assert "/promotions/prm_" in text
    text = look("root").get(f"/where?of={new}&service=shop").text
    assert text.count(">runs</span>") == 1
    assert text.count(">not yet</span>") == 2
    assert "<b>bold" not in text


def test_what_is_not_known_is_said_and_asked_again(look, filled: Showcase) -> None:
    """A wrong word is an answer with what was expected, whatever it was."""
    for subject in ("nothing", "%23999", "0000000", "%3Cscript%3E", "-x", "../.."):
        answer = look("root").get(f"/where?of={subject}")
        assert answer.status_code == 404
        assert "Expected" in answer.text
        assert "<script>" not in answer.text.replace('<script src="', "")
