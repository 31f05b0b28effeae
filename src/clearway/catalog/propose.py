"""What a repository's files say about building and running it: a first clearway.yaml. Pure.

Nothing is run and nothing is guessed silently: each line of the proposal has its reason in the explanation,
and what the files do not tell is said to be missing.
"""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from clearway.kernel import Invalid

from .definition import FILE_NAME, load_definition

DEFAULT_SCHEMA = "http://127.0.0.1:8800/v1/schema/clearway.json"  # where `clearway up` publishes it
MAX_FILES = 20_000
MAX_TEXT = 200_000  # a longer file tells nothing that the first part did not
MAX_TOTAL = 5_000_000

_MANIFESTS = (
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "package.json",
    "pom.xml",
    "Makefile",
    "makefile",
    "GNUmakefile",
    "CMakeLists.txt",
)
_NODE_LOCKS = ("npm-shrinkwrap.json", "package-lock.json", "pnpm-lock.yaml")
_CONTAINERFILES = ("Containerfile", "Dockerfile")
_EXPECTED = (*_MANIFESTS[:5], "CMakeLists.txt", "Makefile")
_HEALTH = (
    *("/healthz", "/health", "/-/healthy", "/_health", "/healthcheck", "/health-check", "/readyz", "/livez"),
    *("/ping", "/status"),
)
_ONLY_PYTHON = "only Python services can be deployed to this machine so far; others are built and stored"
_SUBCOMMAND = re.compile(r"(?:add_parser|\.command)\(\s*[\"'](run|serve|server|runserver|start|web)[\"']")
_PORT_FLAG = re.compile(r"[\"'](--(?:http-)?port)[\"'=]")
_HOST_FLAG = re.compile(r"[\"'](--host|--interface|--address|--listen-address)[\"'=]")
_PORT_VARIABLE = re.compile(r"(?:environ|getenv|process\.env)\W{1,12}(?:get\W{1,4})?([A-Z_]*PORT)\b")


@dataclass(frozen=True)
class Proposal:
    """A clearway.yaml that Clearway accepts, and why it says what it says."""

    service: str
    recipe: str
    text: str
    explanation: tuple[str, ...]


@dataclass
class _Draft:
    service: str
    recipe: str
    build: dict[str, Any] = field(default_factory=dict)
    process: dict[str, Any] = field(default_factory=dict)
    why: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # written as comments, for the person to fill in


def reads(path: str) -> bool:
    """Whether `propose` wants to see what is in this file; of the others it needs the path only."""
    name = PurePosixPath(path).name
    return name in (*_MANIFESTS, *_CONTAINERFILES) or path.endswith(
        (".py", ".js", ".mjs", ".ts", ".properties")
    )


def propose(files: Mapping[str, str], *, folder: str = "service", schema: str = DEFAULT_SCHEMA) -> Proposal:
    """A clearway.yaml for a repository of these files (path to text; empty text where `reads` says no).

    `folder` names the service when no manifest does. Raises Invalid when nothing is recognised.
    """
    if len(files) > MAX_FILES:
        raise Invalid(f"{len(files)} files", expected=f"at most {MAX_FILES}; name a folder of the repository")
    known = _bounded(files)
    recipes = [name for name, there in _recognised(known).items() if there]
    if not recipes:
        raise Invalid(
            "nothing here says how it is built",
            expected=f"one of {', '.join((*_EXPECTED, *_CONTAINERFILES))} at the top",
            todo=f"Write {FILE_NAME} by hand with `recipe: script`.",
        )
    drafts = {
        "python": _python,
        "node": _node,
        "maven": _maven,
        "containerfile": _containerfile,
        "cmake": _cmake,
        "make": _make,
    }
    draft = drafts[recipes[0]](known, _slug(folder))
    if len(recipes) > 1:
        draft.why.append(f"also possible: `recipe: {'`, `recipe: '.join(recipes[1:])}`")
    text = _write(draft, schema)
    load_definition(text)
    return Proposal(draft.service, draft.recipe, text, tuple(draft.why + draft.missing))


def _bounded(files: Mapping[str, str]) -> dict[str, str]:
    """The files, those near the top first, without more text than is worth looking at."""
    known: dict[str, str] = {}
    left = MAX_TOTAL
    for path in sorted(files, key=lambda each: (each.count("/"), each)):
        known[path] = files[path][: min(MAX_TEXT, left)]
        left -= len(known[path])
    return known


def _recognised(files: Mapping[str, str]) -> dict[str, bool]:
    return {
        "python": any(name in files for name in ("pyproject.toml", "setup.py", "setup.cfg")),
        "node": "package.json" in files,
        "maven": "pom.xml" in files,
        "containerfile": any(name in files for name in _CONTAINERFILES),
        "cmake": "CMakeLists.txt" in files,
        "make": any(name in files for name in ("Makefile", "makefile", "GNUmakefile")),
    }


def _python(files: Mapping[str, str], folder: str) -> _Draft:
    name, requires, scripts, source = _python_manifest(files)
    draft = _Draft(_slug(name or folder), "python")
    draft.why.append(f"python: {source} describes a Python package named {name or folder}")
    if requires:
        draft.build["python"] = requires
    _python_tests(files, draft)
    command = _python_command(files, name or folder, scripts, draft)
    if not command:
        return draft
    sources = "\n".join(text for path, text in files.items() if path.endswith(".py") and not _is_test(path))
    found = _SUBCOMMAND.search(sources)
    if found:
        command.append(found[1])
        draft.why.append(f"`{found[1]}` is the subcommand that serves")
    for pattern, value in ((_HOST_FLAG, "127.0.0.1"), (_PORT_FLAG, "{port}")):
        if found := pattern.search(sources):
            command += [found[1], value]
            draft.why.append(f"the program has the option {found[1]}")
    _finish_process(draft, command, sources)
    return draft


def _python_manifest(files: Mapping[str, str]) -> tuple[str, str, dict[str, str], str]:
    """Name, interpreter versions, console scripts, and the file that tells."""
    if "pyproject.toml" in files:
        try:
            project = tomllib.loads(files["pyproject.toml"]).get("project", {})
        except tomllib.TOMLDecodeError as error:
            raise Invalid(str(error), where="pyproject.toml", expected="a TOML file") from None
        if isinstance(project, dict) and isinstance(project.get("name"), str):
            given = project.get("scripts")
            scripts = {key: str(value) for key, value in given.items()} if isinstance(given, dict) else {}
            return project["name"], str(project.get("requires-python", "")), scripts, "pyproject.toml"
    if "setup.cfg" in files:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(files["setup.cfg"])
        except configparser.Error as error:
            raise Invalid(str(error).splitlines()[0], where="setup.cfg", expected="an INI file") from None
        name = parser.get("metadata", "name", fallback="")
        if name:
            lines = parser.get("options.entry_points", "console_scripts", fallback="")
            requires = parser.get("options", "python_requires", fallback="")
            return name, requires, _script_lines(lines), "setup.cfg"
    text = files.get("setup.py", "")
    name = _first(r"\bname\s*=\s*[\"']([^\"']+)", text)
    block = _first(r"console_scripts[\"']?\s*[:=]\s*\[([^][]*)\]", text)
    requires = _first(r"python_requires\s*=\s*[\"']([^\"']+)", text)
    source = "setup.py" if text else "pyproject.toml"
    return name, requires, _script_lines(block.replace('"', "\n").replace("'", "\n")), source


def _script_lines(text: str) -> dict[str, str]:
    found = re.findall(r"^[ \t]*([\w.-]+)[ \t]*=[ \t]*([\w.]+:[\w.]+)", text, re.MULTILINE)
    return dict(found)


def _python_tests(files: Mapping[str, str], draft: _Draft) -> None:
    tests = {path: text for path, text in files.items() if _is_test(path) and path.endswith(".py")}
    if not tests:
        draft.missing.append("there are no tests, so no release can say that they passed")
    elif any(
        re.search(r"^(import|from) unittest", text, re.MULTILINE) for text in tests.values()
    ) and not any(re.search(r"^(import|from) pytest", text, re.MULTILINE) for text in tests.values()):
        top = sorted({PurePosixPath(path).parts[0] for path in tests if "/" in path})
        start = next((folder for folder in top if folder in ("tests", "test")), top[0] if top else ".")
        draft.build["test"] = ["python", "-m", "unittest", "discover", "--start-directory", start]
        draft.why.append(f"the tests under {start} use unittest")
    else:
        draft.build["test"] = ["python", "-m", "pytest", "-q"]
        draft.why.append("there are tests, and pytest runs most; it must be among the package's dependencies")


def _python_command(
    files: Mapping[str, str], name: str, scripts: Mapping[str, str], draft: _Draft
) -> list[str]:
    """The program that serves: a console script, or a package that can be run."""
    if scripts:
        words = (_slug(name), "server", "serve", "web", "api")
        script = min(scripts, key=lambda each: next((i for i, w in enumerate(words) if w in _slug(each)), 9))
        module = scripts[script].split(":")[0]
        draft.why.append(f"`{script}` is the program that the package installs ({scripts[script]})")
        if module.endswith(".__main__"):
            return ["python", "-m", module.removesuffix(".__main__")]
        return [script]
    mains = sorted(path for path in files if path.endswith("/__main__.py") and not _is_test(path))
    if mains:
        package = mains[0].removesuffix("/__main__.py").removeprefix("src/").replace("/", ".")
        draft.why.append(f"{mains[0]} makes the package runnable")
        return ["python", "-m", package]
    draft.missing.append("no program is installed, so nothing can be deployed: add a [project.scripts] entry")
    return []


def _node(files: Mapping[str, str], folder: str) -> _Draft:
    try:
        package = json.loads(files["package.json"])
    except (ValueError, RecursionError) as error:
        raise Invalid(str(error), where="package.json", expected="a JSON file") from None
    package = package if isinstance(package, dict) else {}
    given = package.get("scripts")
    scripts: dict[str, Any] = given if isinstance(given, dict) else {}
    draft = _Draft(_slug(str(package.get("name") or folder).split("/")[-1]), "node")
    draft.why.append(
        "node: package.json describes a Node package; the tarball that npm packs is the artifact"
    )
    _node_lock(files, package, draft)
    draft.missing.append(_ONLY_PYTHON)
    if "build" in scripts:
        draft.why.append("`npm run build` runs before it is packed")
    if "test" in scripts and "no test specified" not in str(scripts["test"]):
        draft.why.append("package.json has a test script, which tests it: `npm test`")
    else:
        draft.missing.append("there are no tests, so no release can say that they passed")
    sources = "\n".join(
        text for path, text in files.items() if path.endswith((".js", ".mjs", ".ts")) and not _is_test(path)
    )
    main = str(package.get("main") or next((each for each in ("server.js", "index.js") if each in files), ""))
    if "start" in scripts:
        draft.why.append("`npm start` starts it")
        _finish_process(draft, ["npm", "start"], sources)
    elif main:
        draft.why.append(f"{main} is its main file")
        _finish_process(draft, ["node", main], sources)
    else:
        draft.missing.append(
            "package.json names neither a start script nor a main file: nothing can be deployed"
        )
    return draft


def _node_lock(files: Mapping[str, str], package: Mapping[str, Any], draft: _Draft) -> None:
    found = next((name for name in _NODE_LOCKS if name in files), None)
    wants = any(package.get(kind) for kind in ("dependencies", "devDependencies", "optionalDependencies"))
    if found:
        draft.why.append(f"{found} names each package with its digest; nothing else is fetched")
    elif "yarn.lock" in files:
        draft.missing.append(
            "yarn.lock is not read: make a package-lock.json with `npm install --package-lock-only`"
        )
    elif wants:
        draft.missing.append(
            "there is no lock file: make one with `npm install --package-lock-only`, commit it"
        )


def _maven(files: Mapping[str, str], folder: str) -> _Draft:
    # Only names are wanted; an XML parser would also take what entities expand to.
    own = files["pom.xml"]
    for tag in ("parent", "dependencies", "build", "profiles", "dependencyManagement"):
        own = _without(own, f"<{tag}>", f"</{tag}>")
    name = _first(r"<artifactId>\s*([\w.-]+)\s*</artifactId>", own)
    draft = _Draft(_slug(name or folder), "maven")
    draft.why.append(f"maven: pom.xml describes {name or folder}; Maven packages and tests it, offline")
    if "clearway-maven.lock" not in files:
        draft.missing.append("clearway-maven.lock is missing: docs/how-to/build-maven.md has the command")
    draft.missing.append(_ONLY_PYTHON)
    if not any("src/test/" in path for path in files):
        draft.missing.append("there are no tests under src/test, so no release can say that they passed")
    if "spring-boot" not in files["pom.xml"]:
        draft.missing.append("pom.xml does not say how it is started: add `process` when it serves")
        return draft
    health = "/actuator/health" if "actuator" in files["pom.xml"] else "/"
    draft.why.append("Spring Boot makes a runnable jar, which reads SERVER_PORT")
    jar = f"target/{name or folder}.jar"
    draft.process = {
        "command": ["java", "-jar", jar],
        "port_env": "SERVER_PORT",
        "health": {"path": health, "timeout": "60s"},
    }
    return draft


def _containerfile(files: Mapping[str, str], folder: str) -> _Draft:
    file = next(name for name in _CONTAINERFILES if name in files)
    draft = _Draft(_slug(folder), "containerfile")
    draft.why.append(f"containerfile: {file} builds an image")
    if loose := _loose_bases(files[file]):
        draft.missing.append(f"name {' and '.join(loose)} by digest in {file}: NAME@sha256:...")
    if file != "Containerfile":
        draft.build["file"] = file
    words = _first(r"^[ \t]*CMD[ \t]+(\[.*\])[ \t]*$", files[file], re.MULTILINE)
    try:
        command = json.loads(words) if words else []
    except ValueError:
        command = []
    if command and all(isinstance(word, str) and word for word in command):
        draft.why.append("its CMD is what one instance runs")
        _finish_process(draft, command, files[file])
    else:
        draft.missing.append(f"{file} has no CMD in list form: add `process` when it serves")
    return draft


def _cmake(files: Mapping[str, str], folder: str) -> _Draft:
    text = "\n".join(line.partition("#")[0] for line in files["CMakeLists.txt"].splitlines())
    name = _first(r"\bproject\s*\(\s*[\"']?([\w.+-]+)", text, re.IGNORECASE)
    draft = _Draft(_slug(name or folder), "cmake")
    draft.why.append(f"cmake: CMakeLists.txt describes {name or folder}; what it installs is the artifact")
    if re.search(r"\benable_testing\s*\(|\binclude\s*\(\s*CTest\b", text, re.IGNORECASE):
        draft.why.append("ctest runs its tests")
    else:
        draft.missing.append("there are no tests for ctest, so no release can say that they passed")
    installs = [
        each
        for path, each in files.items()
        if PurePosixPath(path).name == "CMakeLists.txt" and re.search(r"\binstall\s*\(", each, re.IGNORECASE)
    ]
    if not installs:
        draft.missing.append(
            "nothing is installed: add install(TARGETS ...) rules, their files are the artifact"
        )
    draft.missing.append("add `process` when the program serves; " + _ONLY_PYTHON)
    return draft


def _loose_bases(text: str) -> list[str]:
    """The bases of a Containerfile that are not named by their digest."""
    stages: set[str] = {"scratch"}
    found = []
    for line in re.findall(r"^[ \t]*FROM[ \t]+(.+)$", text, re.MULTILINE | re.IGNORECASE):
        words = [word for word in line.split() if not word.startswith("--")]
        if words and words[0].lower() not in stages and "@sha256:" not in words[0]:
            found.append(words[0])
        if len(words) == 3:
            stages.add(words[2].lower())
    return list(dict.fromkeys(found))[:5]


def _make(files: Mapping[str, str], folder: str) -> _Draft:
    file = next(name for name in ("GNUmakefile", "makefile", "Makefile") if name in files)
    targets = re.findall(r"^([A-Za-z][\w.-]*)[ \t]*:(?!=)", files[file], re.MULTILINE)
    draft = _Draft(_slug(folder), "make")
    draft.why.append(f"make: {file} has the targets {', '.join(dict.fromkeys(targets)) or 'none'}")
    if "all" not in targets and targets:
        draft.build["target"] = next((each for each in targets if each in ("build", "dist")), targets[0])
    for name in ("test", "check"):
        if name in targets:
            draft.build["test"] = ["make", name]
            draft.why.append(f"`make {name}` tests it")
            break
    draft.missing.append("a Makefile does not say what it makes: add `outputs`, and `process` when it serves")
    return draft


def _finish_process(draft: _Draft, command: list[str], sources: str) -> None:
    """Port, health and metrics, as the sources tell."""
    process: dict[str, Any] = {"command": command}
    variable = _first(_PORT_VARIABLE.pattern, sources) or _first(r"[\"']([A-Z_]*PORT)[\"']", sources)
    if "{port}" in command:
        process["port_env"] = None
    elif variable:
        process["port_env"] = variable
        draft.why.append(f"the program reads its port from {variable}")
    else:
        process["port_env"] = "PORT"
        draft.missing.append("nothing seems to read a port: let the program read the variable PORT")
    health = next((path for path in _HEALTH if re.search(rf"[\"']{re.escape(path)}/?[\"']", sources)), "/")
    process["health"] = {"path": health, "timeout": "15s"}
    draft.why.append(
        f"{health} answers health checks" if health != "/" else "no health path was found; / is asked instead"
    )
    if re.search(r"[\"']/metrics[\"']", sources):
        process["metrics"] = {"path": "/metrics"}
        draft.why.append("/metrics shows its metrics")
    draft.process = process


def _write(draft: _Draft, schema: str) -> str:
    lines = [
        f"# yaml-language-server: $schema={' '.join(schema.split())}",
        f"service: {draft.service}",
        "build:",
    ]
    lines += [f"  {key}: {_flow(value)}" for key, value in {"recipe": draft.recipe, **draft.build}.items()]
    if draft.process:
        lines += ["process:", *(f"  {key}: {_flow(value)}" for key, value in draft.process.items())]
    lines += [f"# {' '.join(text.split())}" for text in draft.missing]
    return "\n".join(lines) + "\n"


def _without(text: str, opening: str, closing: str) -> str:
    """The text without what stands between the words, in one pass."""
    kept, position = [], 0
    while (start := text.find(opening, position)) >= 0:
        kept.append(text[position:start])
        end = text.find(closing, start)
        if end < 0:
            return "".join(kept)
        position = end + len(closing)
    return "".join([*kept, text[position:]])


def _flow(value: Any) -> str:
    """A value in YAML's flow form; JSON is YAML, and quotes nothing wrong."""
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
    if (
        isinstance(value, str)
        and re.fullmatch(r"[A-Za-z/][\w./-]*|\d+[smh]", value)
        and value.lower() not in (*("true", "false", "null"),)
    ):
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_test(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return any(part in ("test", "tests", "testing", "docs", "examples") for part in parts[:-1]) or parts[
        -1
    ].startswith("test_")


def _slug(text: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-")
    return slug if slug[:1].isalpha() else f"service-{slug}".strip("-")[:60].strip("-")


def _first(pattern: str, text: str, flags: int = 0) -> str:
    found = re.search(pattern, text, flags)
    return found[1] if found else ""
