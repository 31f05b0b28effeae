"""What a rule may be, and what its text tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.kernel import Invalid
from clearway.policy.language import MAX_BRACKETS, MAX_CHARACTERS, MAX_COMPREHENSIONS, MAX_TOKENS, parse


@pytest.mark.parametrize(
    ("rule", "reads"),
    [
        ("evidence.tests.failed == 0", ["evidence.tests.failed"]),
        ("size(approvals.names) >= 1", ["approvals.names"]),
        ("approvals.names.exists(n, n in release.authors)", ["approvals.names", "release.authors"]),
        ("has(evidence.sbom) && evidence.sbom.present", ["evidence.sbom", "evidence.sbom.present"]),
        ("'a.b' == release.version", ["release.version"]),
        ('evidence["tests"].failed == 0', ["evidence.tests.failed"]),
        ("release.version.startsWith('1.') || false", ["release.version"]),
        ("items.filter(x, x.ok).size() == 0", ["items"]),
        ("x.filter(x, x.y).size() == x.z", ["x", "x.z"]),
        ("{'a': b.c}.a == 1", ["b.c"]),
        ("a.b // a.c\n== 1", ["a.b"]),
        ("1 in [1, 2] && true && null == null", []),
        ("'\\'.map(' == a.b", ["a.b"]),
        ("timestamp(now) - timestamp(build.at) < duration('1h')", ["now", "build.at"]),
    ],
)
def test_the_facts_that_a_rule_reads_are_known_without_evaluating_it(rule: str, reads: list[str]) -> None:
    """Names that a comprehension binds, methods, keywords and texts are not facts."""
    assert list(parse(rule).reads) == reads


@pytest.mark.parametrize(
    ("rule", "parts"),
    [
        ("a.b == 1", ["a.b == 1"]),
        ("a && b && c", ["a", "b", "c"]),
        ("a && (b || c)", ["a", "(b || c)"]),
        ("a && b || c", ["a && b || c"]),
        ("a ? b && c : d", ["a ? b && c : d"]),
        ("(a && b)", ["(a && b)"]),
        ("a == '&&' && b", ["a == '&&'", "b"]),
        ("l.all(x, x && y) && b", ["l.all(x, x && y)", "b"]),
    ],
)
def test_only_a_plain_conjunction_has_parts(rule: str, parts: list[str]) -> None:
    """The parts of a rule must all hold for the rule to hold, so each can be named as what fails."""
    assert list(parse(rule).parts) == parts


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("a.map(x, a.map(y, a.map(z, x))).size() > 0", "inside another comprehension"),
        ("a.exists(x, b.exists(y, x == y))", "inside another comprehension"),
        ("a.exists(x, [b.filter(y, true)] == [])", "inside another comprehension"),
        ("[a]" + ".map(x, x + x)" * (MAX_COMPREHENSIONS + 1) + " == []", "too many comprehensions"),
        ("a" * (MAX_CHARACTERS + 1), "characters"),
        ("1" + "+1" * MAX_TOKENS, "words and signs"),
        ("(" * (MAX_BRACKETS + 1) + "1" + ")" * (MAX_BRACKETS + 1), "nested too deep"),
        ("[" * 13 + "]" * 13, "nested too deep"),
        ("!" * 5 + "true", "a long run of signs"),
        ("-" * 9 + "1 == 1", "a long run of signs"),
        ("sice(a) > 0", "did you mean `size`?"),
        ("open('/etc/passwd') == ''", "the unknown function `open`"),
        ("a.repeat(1000000) == ''", "the unknown function `repeat`"),
        ("r'\\' == a.map(x, a.map(y, y)) + '", "a raw or bytes text"),
        ("''' ' ''' + a.map(x, a.map(y, y)) + ''' ' '''", "a CEL expression"),
        ("(a", "never closed"),
        ("a)", "closes nothing"),
        ("(a]", "closes nothing"),
        ("'abc", "a CEL expression"),
        ("a # b", "`# b`"),
        ("a; b", "`; b`"),
        ("", "an empty rule"),
        ("// only words", "an empty rule"),
        ("a\x00b", "a CEL expression"),
    ],
)
def test_what_could_be_costly_or_is_not_a_rule_is_refused(rule: str, said: str) -> None:
    """Refused when it is applied, with what was expected, and without evaluating anything."""
    with pytest.raises(Invalid) as caught:
        parse(rule)
    assert said in str(caught.value)
    assert caught.value.expected


def test_comprehensions_side_by_side_pass() -> None:
    """One level is allowed, several times."""
    assert parse("a.all(x, x > 0) && b.exists(y, y == 'all(') && c.filter(z, z.map == 1).size() == 0")


@given(st.text(alphabet="ab.()[]{}'\"\\&|!?:<>=+- \n/019xu,", max_size=120))
def test_any_text_is_a_rule_or_one_invalid(text: str) -> None:
    """Whatever a person writes, reading it ends, with a rule or with Invalid."""
    try:
        rule = parse(text)
    except Invalid as error:
        assert error.expected  # noqa: PT017
    else:
        assert "".join("&&".join(rule.parts).split()) == "".join(text.split()) or "//" in text
