"""Secrets never reach a log line."""

from __future__ import annotations

import pytest

from clearway.wiring.logs import redact


@pytest.mark.parametrize(
    ("event", "hidden"),
    [
        ({"token": "abc"}, "abc"),
        ({"event": "sent Authorization cwy_k3_s3cretpart to x"}, "s3cretpart"),
        ({"event": "cloning https://bot:hunter2@git.example/x"}, "hunter2"),
        ({"db_password": "pw1"}, "pw1"),
        ({"event": "key AGE-SECRET-KEY-1QQQQ"}, "1QQQQ"),
    ],
)
def test_secrets_are_masked(event: dict[str, str], hidden: str) -> None:
    """By the name of the key, and by what the text looks like."""
    assert hidden not in str(redact(None, "info", event))


def test_secrets_are_masked_at_any_depth() -> None:
    """A secret inside a list inside a mapping is still one."""
    event = {
        "event": "x",
        "request": {"headers": [{"Authorization": "Bearer hunter2"}, ("cwy_k3_hunter2",)], "n": 1},
        "error": ValueError("https://bot:hunter2@git.example/x"),
        "urls": {"https://hunter2@git.example/y"},
    }
    told = redact(None, "info", event)
    assert "hunter2" not in str(told)
    assert told["request"]["n"] == 1


def test_what_contains_itself_is_logged_too() -> None:
    """Masking ends, whatever it is given."""
    round_: dict[str, object] = {"event": "x", "a": [{}], "password": "hunter2"}
    round_["self"] = round_
    assert "hunter2" not in str(redact(None, "info", round_))


def test_ordinary_text_is_left_alone() -> None:
    """Masking does not eat what people need to read."""
    event = {"event": "promotion prm_01 is deploying to http://127.0.0.1:8800/x"}
    assert redact(None, "info", dict(event)) == event
