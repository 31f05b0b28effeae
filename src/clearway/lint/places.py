"""Rules about commands, container files, build files and signatures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from .commands import is_containerfile
from .model import Command, Place, Tree, line_of

_ENV = r"(?:(?:sudo|env|exec|time|nice|[A-Za-z_]\w*=\S*|-\w+)\s+)*"
_DOWNLOAD = re.compile(rf"^{_ENV}(curl|wget)\b")
_SHELL = re.compile(rf"^{_ENV}(?:/\S*/)?(sh|bash|dash|zsh|python3?|node|perl|ruby)\b")
_SUBSTITUTED = re.compile(r"\b(sh|bash|zsh)\s+(-c\s+)?[\"']?(<\(|\$\(|`)\s*(curl|wget)\b")
_NPM_INSTALL = re.compile(rf"^{_ENV}npm\s+(?:-\S+\s+)*(install|i|add|update)\b(?P<rest>.*)")
_YARN = re.compile(rf"^{_ENV}(yarn|pnpm)(?:\s+(?:install|i|add|update|up)\b(?P<rest>.*)|\s*$)")
_FROZEN = ("--frozen-lockfile", "--immutable")
_APT = re.compile(rf"^{_ENV}(?:apt-get|apt|aptitude)\s+(?P<rest>.*\binstall\b.*)")
_APT_TAKES = ("-o", "-t", "-c", "--target-release", "--option")
_DATE = re.compile(r"(?:\$\(|`|^)\s*(?:shell\s+)?date\b(?P<rest>[^)`]*)")
_FIXED_DATE = re.compile(r"SOURCE_DATE_EPOCH|(?:^|\s)(?:-d|--date|-r|--reference|-f)\b")
_C_TIME = re.compile(r"\b__(DATE|TIME|TIMESTAMP)__\b")
_PY_NOW = re.compile(
    r"\b(?:datetime\.now|datetime\.utcnow|datetime\.today|date\.today|time\.time|time\.strftime)\("
)
_JS_NOW = re.compile(r"\bnew Date\(\s*\)|\bDate\.now\(")
_TAR = re.compile(rf"^{_ENV}(?:g|bsd)?tar\s+(?P<rest>.*)")
_JAR = re.compile(rf"^{_ENV}(?:\S*/)?jar\s+(?:-?c|--create|-?u|--update)\S*\b(?P<rest>.*)")
_ZIP = re.compile(rf"^{_ENV}zip\s+(?P<rest>.*)")
_GZIP = re.compile(rf"^{_ENV}(?:gzip|pigz)\b(?P<rest>.*)")
_NETWORK = (
    (_DOWNLOAD, "downloads"),
    (re.compile(rf"^{_ENV}git\s+(?:-\S+\s+)*(clone|fetch|pull|submodule\s+update)\b"), "asks a git server"),
    (
        re.compile(rf"^{_ENV}(?:python3?\s+-m\s+)?pip3?\s+(install|download)\b(?!.*--no-index)"),
        "asks a package index",
    ),
    (re.compile(rf"^{_ENV}(?:npm|pnpm|yarn)\s+(?:ci|install|i|add)\b(?!.*--offline)"), "asks a registry"),
    (re.compile(rf"^{_ENV}(?:npx|uvx|pipx)\s"), "asks a registry"),
    (re.compile(rf"^{_ENV}(?:apt-get|apt|apk|dnf|yum)\s"), "asks an archive of packages"),
    (re.compile(rf"^{_ENV}go\s+(get|install\s+\S+@)"), "asks a proxy"),
    (re.compile(rf"^{_ENV}(?:docker|podman|buildah)\s+pull\b"), "asks a registry"),
)
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_ARG = re.compile(r"^\s*ARG\s+(\w+)=(\S+)", re.IGNORECASE)


def _images(tree: Tree) -> Iterator[tuple[str, int, str]]:
    """Every image that a container file starts from, with its arguments filled in."""
    for path, text in tree.files.items():
        if not is_containerfile(path):
            continue
        stages: set[str] = {"scratch"}
        given: dict[str, str] = {}
        for number, line in enumerate(text.split("\n"), 1):
            if argument := _ARG.match(line):
                given[argument[1]] = argument[2].strip("\"'")
            if found := _FROM.match(line):
                image = _filled(found[1], given)
                if image.lower() not in stages and "$" not in image:
                    yield path, number, image
                if found[2]:
                    stages.add(found[2].lower())


def _filled(image: str, given: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda each: given.get(each[1], each[0]), image)


def _tag(image: str) -> str:
    return image.rpartition("/")[2].partition(":")[2]


def image_floating(tree: Tree) -> Iterator[Place]:
    """No tag, or `latest`."""
    for path, line, image in _images(tree):
        if "@sha256:" not in image and _tag(image) in ("", "latest"):
            yield path, line, f"{image} is whatever was pushed last"


def image_tag(tree: Tree) -> Iterator[Place]:
    """A tag, and no digest."""
    for path, line, image in _images(tree):
        if "@sha256:" not in image and _tag(image) not in ("", "latest"):
            yield path, line, f"{image} has no digest"


def apt_unpinned(tree: Tree) -> Iterator[Place]:
    """Names without `=VERSION`."""
    for command in tree.commands:
        if not (match := _APT.match(command.text)):
            continue
        words, bare, skip = match["rest"].split(), [], False
        for word in words[words.index("install") + 1 :]:
            if skip or word.startswith("-"):
                skip = not skip and word in _APT_TAKES
            elif "=" not in word and not re.match(r"[./$]|\d*[<>]", word):
                bare.append(word)
        if bare:
            yield command.file, command.line, f"no version of {', '.join(bare[:5])}"


def npm_install(tree: Tree) -> Iterator[Place]:
    """Commands of npm, pnpm and yarn that resolve."""
    for command in tree.commands:
        if match := _NPM_INSTALL.match(command.text):
            if "--package-lock-only" not in match["rest"]:
                yield command.file, command.line, f"npm {match[1]} may take other packages than the lock file"
        elif (match := _YARN.match(command.text)) and not any(each in command.text for each in _FROZEN):
            yield command.file, command.line, f"{match[1]} may take other packages than the lock file"


def pipe_to_shell(tree: Tree) -> Iterator[Place]:
    """A download whose output an interpreter runs."""
    last: Command | None = None
    for command in tree.commands:
        same = last is not None and (last.file, last.line) == (command.file, command.line)
        if (
            last
            and same
            and command.before == "|"
            and _DOWNLOAD.match(last.text)
            and _SHELL.match(command.text)
        ):
            yield command.file, command.line, f"{last.text[:60]} | {command.text[:30]}"
        elif _SUBSTITUTED.search(command.text):
            yield command.file, command.line, command.text[:80]
        last = command


def build_time(tree: Tree) -> Iterator[Place]:
    """Clocks in build scripts, macros of the C preprocessor, setup.py, bundlers."""
    for command in tree.commands:
        for match in _DATE.finditer(command.text):
            if not _FIXED_DATE.search(match["rest"]) and "SOURCE_DATE_EPOCH" not in command.text:
                yield command.file, command.line, "date asks the machine's clock"
    for path, text in tree.files.items():
        name = PurePosixPath(path).name
        pattern = None
        if name.endswith((".c", ".h", ".cc", ".cpp", ".cxx", ".hpp")):
            pattern = _C_TIME
        elif name == "setup.py":
            pattern = _PY_NOW
        elif re.fullmatch(r"(webpack|vite|rollup|esbuild)\.config\.[cm]?[jt]s", name):
            pattern = _JS_NOW
        for number, line in enumerate(text.split("\n") if pattern else (), 1):
            found = pattern.search(line) if pattern else None
            if found and not line.lstrip().startswith(("#", "//", "*")) and "SOURCE_DATE_EPOCH" not in line:
                yield path, number, f"{found[0].rstrip('(')} is another one each time"


def maven_timestamp(tree: Tree) -> Iterator[Place]:
    """A pom.xml without the property, and without a parent that may have it."""
    for path, text in tree.named("pom.xml"):
        if "project.build.outputTimestamp" not in text and "<parent>" not in text:
            yield path, line_of(text, "<properties>"), "project.build.outputTimestamp is not set"


def tar_order(tree: Tree) -> Iterator[Place]:
    """Creating without `--sort` and `--mtime`."""
    for command in tree.commands:
        if not (match := _TAR.match(command.text)):
            continue
        rest = match["rest"]
        first = rest.split()[0] if rest.split() else ""
        short = re.fullmatch(r"-?[A-Za-z]+", first) is not None and "c" in first
        creates = short or re.search(r"(^|\s)(--create|-[A-Za-z]*c[A-Za-z]*)(\s|$)", rest)
        missing = [each for each in ("--sort", "--mtime") if each not in rest]
        if creates and missing:
            yield command.file, command.line, f"tar without {' and '.join(missing)}"


def jar_date(tree: Tree) -> Iterator[Place]:
    """Creating without `--date`."""
    for command in tree.commands:
        if (match := _JAR.match(command.text)) and "--date" not in match["rest"]:
            yield command.file, command.line, "jar without --date"


def zip_extra(tree: Tree) -> Iterator[Place]:
    """Creating without `-X`."""
    for command in tree.commands:
        if (match := _ZIP.match(command.text)) and not re.search(
            r"(^|\s)(-[A-Za-z]*X[A-Za-z]*|--no-extra|-sf|-T|--test)\b", match["rest"]
        ):
            yield command.file, command.line, "zip without -X"


def gzip_name(tree: Tree) -> Iterator[Place]:
    """Compressing without `-n`."""
    for command in tree.commands:
        if (match := _GZIP.match(command.text)) and not re.search(
            r"(^|\s)(-[A-Za-z0-9]*[ndtl][A-Za-z0-9]*|--no-name|--decompress|--test|--list)(\s|$)",
            match["rest"],
        ):
            yield command.file, command.line, "gzip without -n"


def network_in_step(tree: Tree) -> Iterator[Place]:
    """Commands of clearway.yaml's steps that would reach out."""
    for command in tree.commands:
        if PurePosixPath(command.file).name == "clearway.yaml":
            text = re.sub(r"^(?:/bin/)?(?:ba|da|z)?sh\s+-\w*c\s+", "", command.text)
            for pattern, what in _NETWORK:
                if pattern.match(text):
                    yield command.file, command.line, f"{text[:60]} {what}"
                    break


def unsigned_commit(tree: Tree) -> Iterator[Place]:
    """Of the checkout."""
    if tree.facts.commit_signed is False:
        yield ".", 1, "the commit of the checkout has no signature"


def unsigned_tag(tree: Tree) -> Iterator[Place]:
    """Version tags at the commit of the checkout."""
    for name, kind in sorted(tree.facts.tags.items()):
        if kind != "signed":
            yield ".", 1, f"{name} is {'a lightweight tag' if kind == 'lightweight' else 'not signed'}"


def line_endings(tree: Tree) -> Iterator[Place]:
    """Only where a text has CRLF."""
    said = tree.files.get(".gitattributes", "")
    if re.search(r"\btext\b|\beol=", said):
        return
    for path, text in tree.files.items():
        if "\r\n" in text:
            yield path, line_of(text, "\r\n"), "it has CRLF"
