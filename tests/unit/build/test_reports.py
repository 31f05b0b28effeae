"""Reports of tests and scanners: read, refused, kept, summed up, asked by gates."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO, Any

import pytest
from building import Builder, script_service
from hypothesis import given, settings
from hypothesis import strategies as st
from repositories import Made

from clearway import artifacts, build
from clearway.artifacts import COVERAGE, FINDINGS, LICENCES, PROVENANCE, TEST_RESULT
from clearway.build.model import BuildFailed
from clearway.build.ports import FakePackages, FakeSandbox, Job
from clearway.build.reports import coverage, junit, sarif
from clearway.catalog import load_definition
from clearway.config import Cipher, FakeCipher
from clearway.kernel import SYSTEM, Invalid, sha256
from clearway.storage import Blobs

Reader = Callable[[IO[bytes]], dict[str, Any]]

JUNIT = """<?xml version="1.0"?>
<testsuites><testsuite name="s" tests="4">
<testcase classname="a.B" name="one" time="0.5"/>
<testcase classname="a.B" name="two" time="1,000.25">
<failure message="it   broke&#10;here">long text</failure></testcase>
<testcase name="three"><error>boom</error></testcase>
<testcase classname="a" name="four"><skipped/></testcase>
<testsuite><testcase classname="deep" name="five" time="nan"><system-out>x</system-out></testcase></testsuite>
</testsuite></testsuites>
"""
COBERTURA = """<?xml version="1.0"?>
<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
<coverage line-rate="1"><packages><package><classes>
<class filename="a.py"><methods><method><lines><line number="1" hits="1"/></lines></method></methods>
<lines><line number="1" hits="1"/>
<line number="2" hits="0" branch="true" condition-coverage="50% (1/2)"/></lines></class>
<class filename="b.py"><lines><line number="1" hits="3"/><line number="2" hits="1"/></lines></class>
</classes></package></packages></coverage>
"""
JACOCO = """<report name="x"><package name="p">
<sourcefile name="A.java"><counter type="LINE" missed="9" covered="9"/></sourcefile>
<counter type="LINE" missed="9" covered="9"/></package>
<counter type="LINE" missed="1" covered="3"/><counter type="BRANCH" missed="1" covered="1"/></report>
"""
LCOV = "TN:\nSF:a.c\nDA:1,1\nLF:4\nLH:3\nBRF:2\nBRH:1\nend_of_record\n"
PY = {"totals": {"num_statements": 4, "covered_lines": 3, "num_branches": 2, "covered_branches": 1}}
ISTANBUL = {"total": {"lines": {"total": 4, "covered": 3}, "branches": {"total": 2, "covered": 1}}}


def sarif_of(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    driver = {"name": "linter", "version": "1.2", "rules": [{"id": "R1"}, {"id": "R2"}]}
    driver["rules"][1]["defaultConfiguration"] = {"level": "error"}  # type: ignore[index]
    return {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": list(results), **more}]}


def read(reader: Reader, content: str | bytes | dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(content) if isinstance(content, dict) else content
    return reader(io.BytesIO(text if isinstance(text, bytes) else text.encode()))


def test_junit_counts_cases_and_names_them() -> None:
    """Each case once, wherever it is nested; an error is a failure; words are one line."""
    found = read(junit.read, JUNIT)
    assert [found[name] for name in ("passed", "failed", "skipped", "total")] == [2, 2, 1, 5]
    assert found["passed_names"] == ["a.B.one", "deep.five"]
    assert found["failures"] == [
        {"name": "a.B.two", "message": "it broke here"},
        {"name": "three", "message": "boom"},
    ]
    assert found["seconds"] == 1000.75


def test_what_pytest_writes_is_read(tmp_path: Path) -> None:
    """A real tool's report, with a test that fails and one that is skipped."""
    (tmp_path / "test_x.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): assert 1 == 2\n"
        "@pytest.mark.skip\ndef test_c(): pass\n"
    )
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=report.xml", "."]
    subprocess.run(words, cwd=tmp_path, capture_output=True, timeout=100)
    found = read(junit.read, (tmp_path / "report.xml").read_bytes())
    assert [found[name] for name in ("passed", "failed", "skipped")] == [1, 1, 1]
    assert found["failed_names"] == ["test_x.test_b"]
    assert "assert 1 == 2" in found["failures"][0]["message"]


def test_what_ruff_writes_is_read(tmp_path: Path) -> None:
    """A real linter's SARIF: an unused import is a finding with its place."""
    (tmp_path / "x.py").write_text("import os\n")
    words = [sys.executable, "-m", "ruff", "check", "--isolated", "--output-format", "sarif", "x.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, timeout=100)
    found = read(sarif.read, done.stdout)
    assert found["counts"]["error"] == 1
    assert found["findings"][0]["rule"] == "F401"
    assert found["findings"][0]["place"].endswith("x.py:1")
    assert found["tools"][0]["name"] == "ruff"


@pytest.mark.parametrize(
    ("content", "kind", "files"),
    [
        (COBERTURA, "cobertura", 2),
        (JACOCO, "jacoco", 1),
        (LCOV, "lcov", 1),
        (PY, "coverage.py", 0),
        (ISTANBUL, "istanbul", 0),
    ],
)
def test_coverage_is_the_same_in_every_form(content: Any, kind: str, files: int) -> None:
    """Three of four lines, one of two branches."""
    found = read(coverage.read, content)
    assert (found["format"], found["files"]) == (kind, files)
    assert (found["lines"], found["branches"]) == ({"total": 4, "covered": 3}, {"total": 2, "covered": 1})


def test_several_coverage_reports_are_one() -> None:
    """Sums, and the share of the sums; nothing at all has no share."""
    found = coverage.total([read(coverage.read, LCOV), read(coverage.read, COBERTURA)])
    assert found["lines"] == {"total": 8, "covered": 6, "percent": 75.0}
    assert coverage.total([])["lines"]["percent"] is None


def test_sarif_counts_what_nobody_suppressed() -> None:
    """Levels as given, else the rule's, else warning; only an accepted suppression suppresses."""
    place = {"physicalLocation": {"artifactLocation": {"uri": "a.py"}, "region": {"startLine": 7}}}
    found = read(
        sarif.read,
        sarif_of(
            {"ruleId": "R1", "level": "note", "message": {"text": "n"}},
            {"ruleId": "R1"},
            {"ruleId": "R2", "locations": [place]},
            {"ruleIndex": 1},
            {"ruleId": "R2", "suppressions": [{"kind": "inSource"}]},
            {"ruleId": "R2", "suppressions": [{"kind": "inSource", "status": "rejected"}]},
            {"ruleId": "R2", "kind": "pass"},
            {"ruleId": "R2", "baselineState": "absent"},
            {"ruleId": "R1", "level": "fatal"},
        ),
    )
    assert found["counts"] == {"error": 3, "warning": 2, "note": 1, "none": 0, "suppressed": 1}
    assert [each["level"] for each in found["findings"]] == ["error"] * 3 + ["warning"] * 2 + ["note"]
    assert "a.py:7" in [each["place"] for each in found["findings"]]
    assert found["complete"] is True
    broken = sarif_of(invocations=[{"executionSuccessful": False}])
    assert read(sarif.read, broken)["complete"] is False


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><testsuite>&b;</testsuite>'
)
OUTSIDE = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite>&a;</testsuite>'
)


@pytest.mark.parametrize(
    ("reader", "content", "says"),
    [
        (junit.read, LAUGHS, "declares entities"),
        (junit.read, OUTSIDE, "declares entities"),
        (coverage.read, LAUGHS, "declares entities"),
        (junit.read, "<testsuite>" * 5000, "nested too deep"),
        (junit.read, "<testsuite><testcase>", "no XML"),
        (junit.read, "", "no XML"),
        (junit.read, b"\xff\xfe\x00", "no XML"),
        (junit.read, "<?xml version='1.0' encoding='no-such'?><testsuite/>", "no XML"),
        (junit.read, "<html/>", "no JUnit report"),
        (coverage.read, "<html/>", "no coverage report"),
        (coverage.read, "hello", "no coverage report"),
        (coverage.read, "{" * 100_000, "no coverage report"),
        (coverage.read, {"totals": {"num_statements": True, "covered_lines": 0}}, "no coverage report"),
        (coverage.read, {"totals": {"num_statements": 3, "covered_lines": 4}}, "contradict"),
        (coverage.read, "SF:a\nLF:1\nLH:2\nend_of_record\n", "contradict"),
        (sarif.read, "[" * 100_000, "no JSON"),
        (sarif.read, {"version": "2.0.0", "runs": []}, "no SARIF"),
        (sarif.read, [], "no SARIF"),
        (sarif.read, {"version": "2.1.0", "runs": [3]}, "runs is none"),
        (sarif.read, {"version": "2.1.0", "runs": [{"results": [3]}]}, "results is none"),
    ],
)
def test_what_is_no_report_is_refused(reader: Reader, content: Any, says: str) -> None:
    """A clear word, no memory, no file of the machine, nothing fetched."""
    text = json.dumps(content) if isinstance(content, list) else content
    with pytest.raises(BuildFailed, match=says):
        read(reader, text)


XML = st.recursive(
    st.builds(
        lambda name, text: f"<{name}>{text}</{name}>",
        st.sampled_from(["testcase", "failure", "line"]),
        st.text("ab<&;", max_size=3),
    ),
    lambda inner: st.builds(
        lambda name, each: f"<{name}>{''.join(each)}</{name}>",
        st.sampled_from(["testsuite", "testcase", "coverage", "class", "lines", "report", "counter"]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=8,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "version",
                    "runs",
                    "results",
                    "tool",
                    "driver",
                    "totals",
                    "total",
                    "lines",
                    "level",
                    "ruleId",
                    "locations",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | XML.map(str.encode) | JSON.map(lambda each: json.dumps(each).encode()))
def test_any_bytes_are_a_report_or_refused(content: bytes) -> None:
    """Nothing that a step writes makes the worker stumble."""
    for reader in (junit.read, coverage.read, sarif.read):
        try:
            found = reader(io.BytesIO(content))
        except BuildFailed:
            continue
        json.dumps(found)


# The build with its reports, from clearway.yaml to the evidence.


def leaving(files: dict[str, str | bytes], code: int = 0) -> Callable[[Job], Generator[bytes, None, int]]:
    def run(job: Job) -> Generator[bytes, None, int]:
        for name, content in files.items():
            path = Path(job.cwd, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        Path(job.cwd, "out.txt").write_text("made")
        yield b""
        return code

    return run


FILES: dict[str, str | bytes] = {
    "reports/unit.xml": JUNIT,
    "reports/cov.xml": COBERTURA,
    "reports/lint.sarif": json.dumps(sarif_of({"ruleId": "R2"})),
}
WANTED = """  reports:
    junit: ['reports/*.xml']
    coverage: [reports/cov.xml]
    sarif: ['**/*.sarif']
    licences: {allow: [MIT]}
"""


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "repository")


@pytest.fixture
def sandbox() -> FakeSandbox:
    return FakeSandbox({})


@pytest.fixture
def builder(tmp_path: Path, made: Made, sandbox: FakeSandbox) -> Builder:
    return Builder(tmp_path, str(made.root), sandbox, FakePackages(tmp_path / "packages"))


def run(
    builder: Builder,
    made: Made,
    sandbox: FakeSandbox,
    files: dict[str, str | bytes],
    wanted: str,
    code: int = 0,
) -> build.Build:
    sandbox.programs = {"make-it": leaving({}), "tests": leaving(files, code)}
    script_service(made, "  - {name: compile, run: [make-it]}\n", extra=f"  test: [tests]\n{wanted}")
    return builder.run()


def reports(builder: Builder, done: build.Build) -> list[build.Report]:
    with builder.database.read() as uow:
        return build.reports_of(uow, done.id)


def test_reports_become_evidence(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """Counts by the cases and not by the last line; each report by its digest, kept whole."""
    wanted = WANTED.replace("reports/*.xml", "reports/unit.xml")
    done = run(builder, made, sandbox, FILES, wanted)
    assert done.status == "succeeded", done.error
    assert done.tests == {"ok": True, "passed": 2, "failed": 2, "skipped": 1, "total": 5}
    with builder.database.read() as uow:
        found = {
            each.predicate_type: each.predicate
            for each in artifacts.verify_stored(uow, done.artifacts[0].digest)
        }
        kept = build.reports_of(uow, done.id)
    assert found[TEST_RESULT]["result"] == "FAILED"  # two cases failed, whatever the exit code was
    assert found[TEST_RESULT]["failedTests"] == ["a.B.two", "three"]
    assert found[COVERAGE]["lines"]["percent"] == 75.0
    assert found[FINDINGS]["counts"]["error"] == 1
    assert found[LICENCES]["counts"] == {"allowed": 0, "denied": 0, "unknown": 0}
    assert [(each.kind, each.name) for each in kept] == [
        ("coverage", "reports/cov.xml"),
        ("junit", "reports/unit.xml"),
        ("sarif", "reports/lint.sarif"),
    ]
    digests = {
        name: sha256(text if isinstance(text, bytes) else text.encode()) for name, text in FILES.items()
    }
    assert {each.name: each.digest for each in kept} == digests
    byproducts = found[PROVENANCE]["runDetails"]["byproducts"]
    assert {"sha256:" + each["digest"]["sha256"] for each in byproducts[1:]} == set(digests.values())
    for each in kept:
        path = artifacts.path_of(builder.database.tool(Blobs), each.digest)
        assert path.stat().st_size == each.size


def test_a_build_whose_tests_fail_has_its_reports(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """That is when people want to read them."""
    done = run(builder, made, sandbox, FILES, WANTED.replace("reports/*.xml", "reports/unit.xml"), code=1)
    assert (done.status, (done.tests or {})["failed"]) == ("failed", 2)
    assert "2 of 5 tests passed" in (done.error or "")
    assert len(reports(builder, done)) == 3


def test_steps_that_test_by_themselves_count_too(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """Without a test command the reports of the steps are the test result."""
    sandbox.programs = {"make-it": leaving({"unit.xml": "<testsuite><testcase name='a'/></testsuite>"})}
    script_service(made, "  - {name: compile, run: [make-it]}\n", extra="  reports: {junit: ['*.xml']}\n")
    done = builder.run()
    assert (done.status, done.tests) == (
        "succeeded",
        {"ok": True, "passed": 1, "failed": 0, "skipped": 0, "total": 1},
    )


def test_a_step_that_fails_leaves_its_reports(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """A script's own test step is where people look first."""
    sandbox.programs = {"make-it": leaving({"unit.xml": JUNIT}, code=1)}
    script_service(made, "  - {name: test, run: [make-it]}\n", extra="  reports: {junit: ['*.xml']}\n")
    done = builder.run()
    assert (done.status, "step test failed" in (done.error or "")) == ("failed", True)
    assert [each.summary["failed"] for each in reports(builder, done)] == [2]


@pytest.mark.parametrize("form", [lambda value: value, lambda value: base64.b64encode(b"x" + value)])
def test_a_report_with_a_secret_in_it_is_not_kept(
    builder: Builder, made: Made, sandbox: FakeSandbox, form: Callable[[bytes], bytes]
) -> None:
    """What the log masks is not shown on a page, and not for everybody to download, in any of its forms."""
    builder.database.tools[Cipher] = FakeCipher()
    with builder.database.begin() as uow:
        build.set_secret(uow, SYSTEM, "shop", "TOKEN", "hunter2-hunter2")
    text = b"<testsuite><testcase name='a'><failure>%b</failure></testcase></testsuite>"
    done = run(
        builder,
        made,
        sandbox,
        {"unit.xml": text % form(b"hunter2-hunter2")},
        "  reports: {junit: ['*.xml']}\n",
    )
    (found,) = reports(builder, done)
    assert (done.status, found.error, found.digest) == ("failed", "it holds a secret of the service", "")
    assert "hunter2" not in json.dumps(dict(found.summary)) + (done.error or "")
    assert not [path for path in (builder.workshop.root.parent / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"unit.xml": LAUGHS}, "declares entities"),
        ({"unit.xml": b"x" * ((16 << 20) + 1)}, "longer than"),
        ({"unit.xml": ""}, "no XML"),
    ],
)
def test_a_report_that_cannot_be_read_fails_the_build_and_is_told(
    builder: Builder, made: Made, sandbox: FakeSandbox, files: dict[str, str | bytes], says: str
) -> None:
    """Somebody relies on it; a report that is skipped in silence would be a gate that is open."""
    done = run(builder, made, sandbox, files, "  reports: {junit: ['*.xml']}\n")
    assert done.status == "failed"
    assert says in (done.error or "")
    assert says in (reports(builder, done)[0].error or "")


def test_a_report_behind_a_link_shows_nothing_of_the_machine(
    builder: Builder, made: Made, sandbox: FakeSandbox, tmp_path: Path
) -> None:
    """A link is refused, as for outputs."""
    (tmp_path / "secret.xml").write_text("<testsuite><testcase name='SECRET'/></testsuite>")

    def link(job: Job) -> Generator[bytes, None, int]:
        Path(job.cwd, "unit.xml").symlink_to(tmp_path / "secret.xml")
        yield b""
        return 0

    sandbox.programs = {"make-it": leaving({}), "tests": link}
    script_service(
        made,
        "  - {name: compile, run: [make-it]}\n",
        extra="  test: [tests]\n  reports: {junit: ['*.xml']}\n",
    )
    done = builder.run()
    assert done.status == "failed"
    assert "not a plain file" in (done.error or "")
    assert "SECRET" not in json.dumps([dict(each.summary) for each in reports(builder, done)])


def test_too_many_reports_are_refused(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """A glob that catches half of the bench is a mistake, or an attack."""
    files: dict[str, str | bytes] = {f"{number}.xml": "<testsuite/>" for number in range(201)}
    done = run(builder, made, sandbox, files, "  reports: {junit: ['*.xml']}\n")
    assert (done.status, "201 files match" in (done.error or "")) == ("failed", True)


def test_a_glob_that_matches_nothing_is_said(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """The build goes on; whoever asks for coverage in a gate gets a no."""
    done = run(builder, made, sandbox, {}, "  reports: {coverage: [cov.xml]}\n")
    assert done.status == "succeeded"
    assert "reports | nothing matches coverage: cov.xml" in builder.log(done.id)
    with builder.database.read() as uow:
        kinds = {each.predicate_type for each in artifacts.evidence(uow, done.artifacts[0].digest)}
    assert COVERAGE not in kinds


def test_a_glob_stays_in_the_folder() -> None:
    """Said when clearway.yaml is read, with the line."""
    text = "service: s\nbuild: {recipe: make, outputs: [a], reports: {junit: ['../*.xml']}}\n"
    with pytest.raises(Invalid, match="leaves the service's folder"):
        load_definition(text)
