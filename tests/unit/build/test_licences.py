"""What packages say of their licences, and what a list of allowed ones makes of it."""

from __future__ import annotations

from email.parser import HeaderParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.artifacts import judge_licence, licence_expression
from clearway.build import licences


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("License-Expression: mit or apache-2.0\n", "MIT OR Apache-2.0"),
        ("License-Expression: nonsense words\nLicense: BSD 3-Clause License\n", "BSD-3-Clause"),
        ("License: MIT\n", "MIT"),
        ("License: The MIT License\n", "MIT"),
        ("Classifier: License :: OSI Approved :: MIT License\n", "MIT"),
        (
            "Classifier: License :: OSI Approved :: MIT License\n"
            "Classifier: License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)\n",
            "MIT AND MPL-2.0",
        ),
        ("Classifier: License :: OSI Approved\nLicense: ISC\n", "ISC"),
        # These classifiers name several licences: the text decides, else they stay words.
        (
            "Classifier: License :: OSI Approved :: Apache Software License\nLicense: Apache 2.0\n",
            "Apache-2.0",
        ),
        ("Classifier: License :: OSI Approved :: BSD License\n", "BSD License"),
        ("License: UNKNOWN\n", ""),
        ("License: Permission is hereby granted\n to everybody\n", "Permission is hereby granted"),
        ("Name: x\n", ""),
    ],
)
def test_a_python_package_says_it_in_one_of_three_ways(text: str, found: str) -> None:
    """An expression, a classifier that means one licence, or words; ambiguous ones are not guessed."""
    assert licences.from_metadata(HeaderParser().parsestr(text)) == found


@pytest.mark.parametrize(
    ("about", "found"),
    [
        ({"license": "MIT"}, "MIT"),
        ({"license": "(MIT OR Apache-2.0)"}, "(MIT OR Apache-2.0)"),
        ({"license": {"type": "ISC", "url": "https://x"}}, "ISC"),
        ({"licenses": [{"type": "MIT"}, {"type": "Apache-2.0"}]}, "MIT OR Apache-2.0"),
        ({"license": "SEE LICENSE IN LICENSE.md"}, "SEE LICENSE IN LICENSE.md"),
        ({"license": 5}, ""),
        ({}, ""),
    ],
)
def test_an_npm_package_says_it_in_package_json(about: dict[str, object], found: str) -> None:
    """Also in the forms of ten years ago."""
    assert licences.from_package_json(about) == found


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("MIT", "allowed"),
        ("mit", "allowed"),
        ("GPL-3.0-only", "denied"),
        ("GPL-3.0-only OR MIT", "allowed"),
        ("GPL-3.0-only AND MIT", "denied"),
        ("MIT AND (GPL-3.0-only OR Apache-2.0)", "allowed"),
        ("MIT AND (GPL-3.0-only OR LGPL-3.0-only)", "denied"),
        # AND binds more tightly.
        ("MIT OR GPL-3.0-only AND LGPL-3.0-only", "allowed"),
        ("Apache-2.0 WITH LLVM-exception", "allowed"),
        ("BSD License", "unknown"),
        ("Our Own Words", "allowed"),
        ("", "unknown"),
    ],
)
def test_a_list_allows_or_does_not(said: str, verdict: str) -> None:
    """Either side of an OR, both sides of an AND; what nobody understands is not allowed."""
    assert judge_licence(said, ["MIT", "Apache-2.0", "Our own words"]) == verdict


def test_what_is_denied_is_denied_whatever_else_is_allowed() -> None:
    """A list of denied ones alone allows every other known one."""
    assert judge_licence("AGPL-3.0-only", [], ["AGPL-3.0-only"]) == "denied"
    assert judge_licence("MIT", [], ["AGPL-3.0-only"]) == "allowed"
    assert judge_licence("AGPL-3.0-only OR MIT", [], ["AGPL-3.0-only"]) == "allowed"
    assert judge_licence("MIT", ["MIT"], ["MIT"]) == "denied"


@given(st.text(max_size=300))
def test_any_words_have_a_verdict(words: str) -> None:
    """Packages are written by strangers."""
    assert judge_licence(licences.from_words(words), ["MIT"]) in ("allowed", "denied", "unknown")


@given(st.lists(st.sampled_from(["MIT", "GPL-3.0-only", "AND", "OR", "(", ")", "WITH", "LLVM-exception"])))
def test_no_expression_is_allowed_by_a_fault_in_reading_it(words: list[str]) -> None:
    """With only denied licences in it, nothing is allowed; with only allowed ones, nothing is denied."""
    text = " ".join(words)
    if licence_expression(text) is None:
        return
    if "MIT" not in words:
        assert judge_licence(text, ["MIT"]) == "denied"
    if "GPL-3.0-only" not in words:
        assert judge_licence(text, ["MIT"]) == "allowed"
