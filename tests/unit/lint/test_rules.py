"""Each rule finds its bad examples, at their line, and is silent about the good ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.lint import RULES, Facts, lint, reads, sarif

ROOT = Path(__file__).parents[3]
Files = dict[str, str]
PACKAGE = '{"name": "a",\n "dependencies": {\n  "b": "^1"}}'
DIGEST = "sha256:" + "0" * 64
SHA = "0123456789" * 4


def workflow(run: str) -> Files:
    return {".github/workflows/ci.yml": f"jobs:\n  x:\n    steps:\n      - run: {json.dumps(run)}\n"}


def step(*words: str) -> Files:
    head = "service: a\nbuild:\n  recipe: script\n  steps:\n    - name: x\n"
    return {"clearway.yaml": f"{head}      run: {json.dumps(list(words))}\n"}


def shell(*lines: str) -> Files:
    return {"build.sh": "\n".join(["#!/bin/sh", *lines])}


# rule, files, file and line of the finding
BAD: list[tuple[str, Files, str, int]] = [
    ("no-lock", {"package.json": PACKAGE}, "package.json", 2),
    ("no-lock", {"w/package.json": '{"devDependencies": {"b": "1"}}'}, "w/package.json", 1),
    (
        "no-lock",
        {"pyproject.toml": '[project]\nname="a"\ndependencies = ["b>=1"]\n', "requirements.txt": "b==1\n"},
        "pyproject.toml",
        3,
    ),
    (
        "lock-digests",
        {"package-lock.json": '{"lockfileVersion": 3,\n"packages": {\n"node_modules/a": {"version": "1"}}}'},
        "package-lock.json",
        3,
    ),
    ("lock-digests", {"package-lock.json": '{\n"lockfileVersion": 1}'}, "package-lock.json", 2),
    ("lock-digests", {"package-lock.json": '{"x": {\n"integrity": "sha1-abc="}}'}, "package-lock.json", 2),
    ("lock-digests", {"requirements.txt": "# made\na==1\nb==2\n"}, "requirements.txt", 2),
    (
        "lock-digests",
        {"pylock.toml": '[[packages]]\nname = "a"\nwheels = [{url = "u", hashes = {}}]\n'},
        "pylock.toml",
        2,
    ),
    ("lock-digests", {"uv.lock": '[[package]]\nname = "a"\nwheels = [{url = "u"}]\n'}, "uv.lock", 2),
    ("build-unpinned", {"pyproject.toml": '[build-system]\nrequires = ["x>=1"]\n'}, "pyproject.toml", 2),
    ("requirement-floating", {"package.json": '{"dependencies": {\n"b": "latest"}}'}, "package.json", 2),
    ("requirement-floating", {"requirements.txt": "a==1\nb\n"}, "requirements.txt", 2),
    (
        "requirement-floating",
        {"pyproject.toml": '[project]\nname="a"\ndependencies=[\n"b",\n]'},
        "pyproject.toml",
        4,
    ),
    ("git-dependency", {"package.json": '{"dependencies": {\n"b": "github:o/b#main"}}'}, "package.json", 2),
    ("git-dependency", {"package.json": '{"dependencies": {\n"b": "o/b"}}'}, "package.json", 2),
    ("git-dependency", {"package.json": '{"dependencies": {"b": "git+https://h/b"}}'}, "package.json", 1),
    ("git-dependency", {"requirements.txt": "a==1\nb @ git+https://h/b@main\n"}, "requirements.txt", 2),
    (
        "git-dependency",
        {"pyproject.toml": '[project]\nname="a"\ndependencies=["b @ git+https://h/b"]'},
        "pyproject.toml",
        3,
    ),
    ("image-floating", {"Containerfile": "# x\nFROM debian\n"}, "Containerfile", 2),
    ("image-floating", {"Dockerfile": "FROM host:5000/debian:latest AS x\nFROM x\n"}, "Dockerfile", 1),
    ("image-floating", {"api.dockerfile": "ARG V=latest\nFROM a:${V}\n"}, "api.dockerfile", 2),
    ("image-tag", {"Dockerfile.web": "FROM --platform=x debian:12\n"}, "Dockerfile.web", 1),
    (
        "apt-unpinned",
        {"Containerfile": "FROM a\nRUN x && \\\n  apt-get install -y curl\n"},
        "Containerfile",
        2,
    ),
    ("apt-unpinned", shell("sudo apt-get -o A::B=1 install -t sid a=1 b"), "build.sh", 2),
    ("npm-install", shell("npm install"), "build.sh", 2),
    ("npm-install", {"Makefile": "all:\n\tcd web && npm i --silent\n"}, "Makefile", 2),
    ("npm-install", workflow("pnpm install"), ".github/workflows/ci.yml", 4),
    ("npm-install", shell("yarn"), "build.sh", 2),
    ("pipe-to-shell", shell("x", "curl -sSf https://h/x | sh"), "build.sh", 3),
    ("pipe-to-shell", shell("wget -qO- https://h/x | sudo -E bash -"), "build.sh", 2),
    ("pipe-to-shell", shell('bash -c "$(curl -fsSL https://h)"'), "build.sh", 2),
    ("pipe-to-shell", shell("bash <(curl -s https://h)"), "build.sh", 2),
    ("build-time", shell("x", "VERSION=$(date +%s)"), "build.sh", 3),
    ("build-time", {"Makefile": "WHEN := $(shell date)\n"}, "Makefile", 1),
    ("build-time", {"a.c": "int x;\nchar *t = __DATE__;\n"}, "a.c", 2),
    ("build-time", {"setup.py": "import datetime\nv = datetime.datetime.now()\n"}, "setup.py", 2),
    ("build-time", {"vite.config.ts": "x\nconst now = new Date();"}, "vite.config.ts", 2),
    ("maven-timestamp", {"pom.xml": "<project>\n<properties>\n</properties></project>"}, "pom.xml", 2),
    ("tar-order", shell("tar czf x.tgz x"), "build.sh", 2),
    ("tar-order", shell("tar --sort=name -cf - x | gzip -n > y"), "build.sh", 2),
    ("tar-order", {"package.json": '{"scripts": {\n"pack": "tar -c -f x.tar x"}}'}, "package.json", 2),
    ("gzip-name", shell("gzip -9 x"), "build.sh", 2),
    ("jar-date", shell("jar cf x.jar ."), "build.sh", 2),
    ("jar-date", shell("jar --create --file x.jar ."), "build.sh", 2),
    ("zip-extra", shell("zip -r x.zip x"), "build.sh", 2),
    ("network-in-step", step("curl", "-O", "https://h/x"), "clearway.yaml", 6),
    ("network-in-step", step("sh", "-c", "make && pip install x"), "clearway.yaml", 6),
    ("network-in-step", step("npm", "ci"), "clearway.yaml", 6),
    ("network-in-step", step("git", "clone", "https://h/x"), "clearway.yaml", 6),
    ("line-endings", {"x.sh": "a\nb\r\n"}, "x.sh", 2),
    ("allow-reason", shell("# clearway-lint: allow tar-order", "tar cf x x"), "build.sh", 2),
    ("allow-reason", shell("# clearway-lint: allow nonsense: why"), "build.sh", 2),
    ("allow-reason", shell("# clearway-lint: allow tar-order: it is not there any more"), "build.sh", 2),
]
GOOD: list[tuple[str, Files]] = [
    ("no-lock", {"package.json": PACKAGE, "package-lock.json": "{}"}),
    ("no-lock", {"packages/w/package.json": PACKAGE, "pnpm-lock.yaml": ""}),
    ("no-lock", {"package.json": '{"name": "a"}'}),
    ("no-lock", {"pyproject.toml": '[project]\nname="a"\ndependencies=["b"]', "uv.lock": ""}),
    (
        "no-lock",
        {"pyproject.toml": '[project]\nname="a"\ndependencies=["b"]', "requirements.txt": "b==1 --hash=x"},
    ),
    (
        "lock-digests",
        {
            "package-lock.json": '{"lockfileVersion": 3, "packages": {"": {}, "w": {}, "node_modules/w":'
            ' {"link": true}, "node_modules/a": {"integrity": "sha512-x"}}}'
        },
    ),
    ("lock-digests", {"requirements.txt": "a>=1\nb==2\n"}),
    ("lock-digests", {"uv.lock": '[[package]]\nname = "a"\nsource = {editable = "."}\n'}),
    ("lock-digests", {"uv.lock": '[[package]]\nname = "a"\nwheels = [{url = "u", hash = "sha256:0"}]\n'}),
    ("lock-digests", {"pylock.toml": '[[packages]]\nname = "a"\nwheels = [{hashes = {sha256 = "0"}}]\n'}),
    ("no-lock", {"pyproject.toml": '[project]\ndependencies=["b"]', "locks/run.txt": "b==1 --hash=x"}),
    ("build-unpinned", {"pyproject.toml": '[build-system]\nrequires = ["hatchling==1.27.0"]\n'}),
    ("requirement-floating", {"package.json": '{"dependencies": {"b": "^1", "c": "workspace:*"}}'}),
    ("requirement-floating", {"requirements.txt": "a>=1\n-r more.txt\n# b\n"}),
    ("requirement-floating", {"pyproject.toml": '[project]\nname="a"\ndependencies=["b>=1"]'}),
    (
        "git-dependency",
        {"package.json": f'{{"dependencies": {{"b": "github:o/b#{SHA}", "@s/c": "^1.2.3"}}}}'},
    ),
    ("git-dependency", {"requirements.txt": f"b @ git+https://h/b@{SHA}\n"}),
    ("image-floating", {"Containerfile": f"FROM debian:12 AS x\nFROM x\nFROM scratch\nFROM a@{DIGEST}\n"}),
    ("image-tag", {"Containerfile": f"FROM debian:12@{DIGEST}\n"}),
    (
        "apt-unpinned",
        shell(
            "apt-get install -y a=1.2 b=3 ./c.deb",
            "apt-get install x=1 >/dev/null 2>&1",
            "# apt-get install x",
        ),
    ),
    (
        "npm-install",
        shell("npm ci", "npm run install-it", "pnpm install --frozen-lockfile", "yarn --immutable"),
    ),
    ("npm-install", shell("npm install --package-lock-only")),
    ("pipe-to-shell", shell("curl -O https://h/x", "echo x | sh", "curl https://h/x | tar xz", "cat x | sh")),
    ("build-time", shell('x=$(date --date="@$SOURCE_DATE_EPOCH")', "update", "echo 'date'", "date -r x")),
    ("build-time", {"a.c": "/* x */\n// __DATE__\n", "setup.py": "# time.time()\n", "b.js": "new Date()"}),
    (
        "maven-timestamp",
        {"pom.xml": "<project><project.build.outputTimestamp>1</project.build.outputTimestamp>"},
    ),
    ("maven-timestamp", {"pom.xml": "<project><parent>p</parent></project>"}),
    (
        "tar-order",
        shell("tar xzf x", "tar --sort=name --mtime=@1 -cf x x", "tar -tf x", "star cf x", "tar -C d -xf y"),
    ),
    ("gzip-name", shell("gzip -n9 x", "gzip -d x", "gzip --no-name x", "gunzip x")),
    (
        "jar-date",
        shell("jar --create --date=2020-01-01T00:00:00Z --file x.jar .", "jar xf x.jar", "java -jar c.jar"),
    ),
    ("zip-extra", shell("zip -rX x.zip x", "zip -X -r x y", "unzip x")),
    ("network-in-step", step("make", "curl")),
    ("network-in-step", step("sh", "-c", "pip install --no-index x")),
    ("network-in-step", shell("curl -O https://h/x")),
    ("line-endings", {"x.sh": "a\r\n", ".gitattributes": "* text=auto\n"}),
    ("line-endings", {"x.sh": "a\n"}),
    ("allow-reason", shell("# clearway-lint: allow tar-order: only for tests", "tar cf x x")),
]


@pytest.mark.parametrize(("rule", "files", "file", "line"), BAD)
def test_a_bad_example_is_found_at_its_line(rule: str, files: Files, file: str, line: int) -> None:
    """With what is wrong, in words."""
    found = [each for each in lint(files) if each.rule.id == rule]
    assert [(each.file, each.line, each.allowed) for each in found] == [(file, line, None)]
    assert found[0].message
    assert all(reads(name) for name in files)


@pytest.mark.parametrize(("rule", "files"), GOOD)
def test_a_good_example_is_left_in_peace(rule: str, files: Files) -> None:
    """No rule cries where nothing is wrong."""
    assert [each for each in lint(files) if each.rule.id == rule and each.allowed is None] == []


@pytest.mark.parametrize(
    ("rule", "facts", "count"),
    [
        ("unsigned-commit", Facts(commit_signed=False), 1),
        ("unsigned-commit", Facts(commit_signed=True), 0),
        ("unsigned-commit", Facts(), 0),
        ("unsigned-tag", Facts(tags={"v1": "lightweight", "v2": "unsigned", "v3": "signed"}), 2),
    ],
)
def test_signatures(rule: str, facts: Facts, count: int) -> None:
    """Told where git could be asked, and only there."""
    assert sum(each.rule.id == rule for each in lint({}, facts)) == count


def test_every_rule_has_both_examples() -> None:
    """A rule that cannot fail is no rule."""
    with_facts = {"unsigned-commit", "unsigned-tag"}
    assert (
        {rule.id for rule in RULES} - with_facts == {rule for rule, *_ in BAD} == {rule for rule, _ in GOOD}
    )
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_one_is_allowed_with_a_reason() -> None:
    """At its line, in the line above, or for files by clearway.yaml; it stays in the list."""
    for files in (
        shell("tar cf x x  # clearway-lint: allow tar-order: why not"),
        shell("# clearway-lint: allow tar-order: why not", "tar cf x x"),
        {**shell("tar cf x x"), "clearway.yaml": "# clearway-lint: allow tar-order: why not\nservice: a\n"},
        {**shell("tar cf x x"), "clearway.yaml": "# clearway-lint: allow tar-order in *.sh: why not\n"},
    ):
        assert [each.allowed for each in lint(files)] == ["why not"]
    elsewhere = {**shell("tar cf x x"), "clearway.yaml": "# clearway-lint: allow tar-order in x/*: why\n"}
    assert [each.allowed for each in lint(elsewhere) if each.rule.id == "tar-order"] == [None]


def test_sarif_is_what_others_read() -> None:
    """Every rule is described; a finding has its place; what was allowed is suppressed with its reason."""
    files = {**shell("tar cf x x  # clearway-lint: allow tar-order: why not", "gzip x")}
    (run,) = sarif(lint(files), "1.0")["runs"]
    assert [each["id"] for each in run["tool"]["driver"]["rules"]] == [rule.id for rule in RULES]
    by_rule: dict[str, Any] = {each["ruleId"]: each for each in run["results"]}
    place = by_rule["gzip-name"]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("build.sh", 3)
    assert RULES[by_rule["gzip-name"]["ruleIndex"]].id == "gzip-name"
    assert by_rule["tar-order"]["suppressions"][0]["justification"] == "why not"


_FILES = (
    "package.json package-lock.json pyproject.toml uv.lock pylock.toml requirements.txt Containerfile"
    " Makefile x.sh clearway.yaml pom.xml setup.py .github/workflows/a.yml"
)
_PARTS = ("tar", "c", " ", "|", "&&", "'", '"', "\\", "\n", "FROM", "[", "]", "{", "}", ":", "- run: ")
_bits = st.text(max_size=60) | st.lists(st.sampled_from(_PARTS), max_size=20).map("".join)
_names = st.sampled_from(_FILES.split())


@given(st.dictionaries(_names, _bits, max_size=4))
def test_no_file_stops_the_lint(files: Files) -> None:
    """Whatever is in it; and each line that is told exists."""
    for each in lint(files):
        assert each.file == "." or 1 <= each.line <= files[each.file].count("\n") + 1


@pytest.mark.parametrize(
    "folder", sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_dir())
)
def test_our_own_examples(folder: str) -> None:
    """What we show to people has no error; warnings are about tools that people choose themselves."""
    place = ROOT / "examples" / folder
    files = {
        str(path.relative_to(place)): path.read_text(errors="replace") if reads(path.name) else ""
        for path in place.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert [each for each in lint(files) if each.rule.severity == "error" and each.allowed is None] == []
