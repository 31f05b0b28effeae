"""A first clearway.yaml: always valid, always explained, never silent about what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clearway.catalog import load_definition, propose, reads
from clearway.kernel import ClearwayError, Invalid

PYPISERVER = {
    "PKG-INFO": "",
    "README.md": "",
    "pyproject.toml": """
[project]
name = "pypiserver"
dynamic = ["version"]
requires-python = ">=3.10"
dependencies = ["packaging>=26.0"]
[project.scripts]
pypi-server = "pypiserver.__main__:main"
[build-system]
requires = ["hatchling >= 1.26"]
build-backend = "hatchling.build"
""",
    "pypiserver/__init__.py": "",
    "pypiserver/__main__.py": "def main() -> None: ...",
    "pypiserver/config.py": """
class DEFAULTS:
    HEALTH_ENDPOINT = "/health"
run_parser = subparsers.add_parser(
    "run",
)
update_parser = subparsers.add_parser("update")
run_parser.add_argument("-p", "--port")
run_parser.add_argument("-i", "-H", "--interface", "--host")
run_parser.add_argument("--health-endpoint", default=DEFAULTS.HEALTH_ENDPOINT)
""",
}


def test_a_source_distribution_that_nobody_here_wrote() -> None:
    """The installed program, its subcommand, where it listens and its health path are all found."""
    proposal = propose(PYPISERVER, folder="anything")
    definition = load_definition(proposal.text)
    assert (proposal.service, proposal.recipe) == ("pypiserver", "python")
    assert definition.build.python == ">=3.10"
    assert definition.process is not None
    assert definition.process.command == (
        *("python", "-m", "pypiserver", "run"),
        *("--interface", "127.0.0.1", "--port", "{port}"),
    )
    assert definition.process.port_env is None
    assert definition.process.health.path == "/health"
    assert "there are no tests, so no release can say that they passed" in proposal.explanation


def test_editors_find_the_schema_in_the_first_line() -> None:
    """The modeline names the schema, and what is given cannot break out of the comment."""
    assert propose(PYPISERVER).text.splitlines()[0].startswith("# yaml-language-server: $schema=http://127")
    odd = propose(PYPISERVER, schema="x.json\nservice: other")
    assert load_definition(odd.text).service == "pypiserver"


def test_the_example_shop_is_understood() -> None:
    """What is proposed for the shop agrees with what its people wrote by hand."""
    root = Path(__file__).parents[3] / "examples/shop"
    paths = [path for folder in ("src", "tests") for path in (root / folder).rglob("*.py")]
    files = {
        str(path.relative_to(root)): path.read_text(encoding="utf-8")
        for path in [root / "pyproject.toml", *paths]
    }
    proposed = load_definition(propose(files).text)
    written = load_definition((root / "clearway.yaml").read_text(encoding="utf-8"))
    assert proposed.service == written.service
    assert proposed.process is not None
    assert written.process is not None
    assert proposed.process.command == written.process.command
    assert proposed.process.port_env == written.process.port_env
    assert proposed.process.health.path == written.process.health.path
    assert proposed.process.metrics == written.process.metrics
    assert proposed.build.test[:4] == written.build.test[:4]


@pytest.mark.parametrize(
    ("files", "recipe", "service", "command", "test"),
    [
        (
            {"setup.py": "setup(name='Old_Thing', entry_points={'console_scripts': ['old = old.cli:main']})"},
            "python",
            "old-thing",
            ("old",),
            (),
        ),
        (
            {
                "setup.cfg": "[metadata]\nname = cfg\n[options.entry_points]\nconsole_scripts =\n "
                " cfg-serve = cfg:run\n"
            },
            "python",
            "cfg",
            ("cfg-serve",),
            (),
        ),
        (
            {
                "pyproject.toml": "[project]\nname='x'\n",
                "src/x/__main__.py": "environ['HTTP_PORT']",
                "tests/test_x.py": "import pytest",
            },
            "python",
            "x",
            ("python", "-m", "x"),
            ("python", "-m", "pytest", "-q"),
        ),
        (
            {
                "package.json": json.dumps(
                    {"name": "@acme/front", "scripts": {"start": "node s.js", "test": "x"}}
                )
            },
            "node",
            "front",
            ("npm", "start"),
            (),
        ),
        ({"package.json": '{"main": "app.js"}'}, "node", "my-app", ("node", "app.js"), ()),
        (
            {
                "pom.xml": "<project><parent><artifactId>spring-boot-starter-parent</artifactId></parent>"
                "<artifactId>ledger</artifactId></project>",
                "src/test/java/T.java": "",
            },
            "maven",
            "ledger",
            ("java", "-jar", "target/ledger.jar"),
            (),
        ),
        (
            {"Makefile": "CC := gcc\nbuild: x\n\techo\ntest:\n\techo\n"},
            "make",
            "my-app",
            None,
            ("make", "test"),
        ),
        (
            {"CMakeLists.txt": "# project(no)\nproject(Greeter C)\nenable_testing()\n", "Makefile": "all:\n"},
            "cmake",
            "greeter",
            None,
            (),
        ),
        (
            {"Dockerfile": 'FROM x\nCMD ["./serve", "--now"]\n'},
            "containerfile",
            "my-app",
            ("./serve", "--now"),
            (),
        ),
        ({"Containerfile": "FROM x\nCMD ./serve\n"}, "containerfile", "my-app", None, ()),
        ({"pyproject.toml": "[project]\nname='lib'\n"}, "python", "lib", None, ()),
    ],
)
def test_each_kind_of_repository_is_recognised(
    files: dict[str, str], recipe: str, service: str, command: tuple[str, ...] | None, test: tuple[str, ...]
) -> None:
    """Python, Node, Maven, Make and Containerfile, each with what its own files tell."""
    proposal = propose(files, folder="My App")
    definition = load_definition(proposal.text)
    assert (definition.build.recipe, definition.service) == (recipe, service)
    assert (definition.process.command if definition.process else None) == command
    assert definition.build.test == test
    assert proposal.explanation


def test_what_is_missing_is_said_in_the_file() -> None:
    """A library has nothing to run: the file says so where the person will look."""
    text = propose({"pyproject.toml": "[project]\nname='lib'\n"}).text
    assert "# no program is installed, so nothing can be deployed" in text


def test_two_ways_of_building_are_both_named() -> None:
    """One is chosen, and the explanation names the other."""
    proposal = propose(
        {"pyproject.toml": "[project]\nname='x'\n", "Makefile": "all:\n", "Dockerfile": "FROM x"}
    )
    assert proposal.recipe == "python"
    assert "also possible: `recipe: containerfile`, `recipe: make`" in proposal.explanation


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "nothing here says how it is built"),
        ({"main.go": ""}, "nothing here says how it is built"),
        ({"sub/pyproject.toml": ""}, "nothing here says how it is built"),
        ({"pyproject.toml": "[project\n"}, "pyproject.toml"),
        ({"setup.cfg": "name\n"}, "setup.cfg"),
        ({"package.json": "{"}, "package.json"),
        ({"package.json": "[" * 100_000}, "package.json"),
        ({f"{number}": "" for number in range(20_001)}, "20001 files"),
    ],
)
def test_what_cannot_be_understood_is_one_clear_error(files: dict[str, str], said: str) -> None:
    """The error names the file, or what was looked for."""
    with pytest.raises(Invalid) as caught:
        propose(files)
    assert said in str(caught.value)
    assert caught.value.expected


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pom.xml", "<parent>" * 100_000),
        ("pom.xml", "<parent></parent>" * 50_000),
        ("setup.py", "console_scripts=[" * 50_000),
        ("setup.py", "\n" * 500_000),
        ("setup.cfg", "[metadata]\nname = x\n[options.entry_points]\nconsole_scripts =\n" + "  \n" * 200_000),
        ("Dockerfile", "\n" * 500_000 + "CMD [" * 50_000),
        ("Makefile", "a\n" * 200_000),
        ("package.json", '{"main": "' + "a" * 100_000 + '"}'),
        ("pyproject.toml", "[project]\nname = '" + "a-" * 90_000 + "'"),
    ],
)
def test_a_strangers_files_cannot_keep_it_busy(name: str, text: str) -> None:
    """Reading is linear in what is read, and what is read is bounded; only the test's time-out could tell."""
    sources = {f"src/x{number}.py": "environ " * 25_000 + "'PORT" * 20_000 for number in range(30)}
    try:
        proposal = propose({name: text, **sources})
    except ClearwayError as error:
        assert error.expected  # noqa: PT017
    else:
        assert load_definition(proposal.text).service == proposal.service


def test_only_what_tells_something_is_read() -> None:
    """The command line reads sources and manifests, and no more than the names of everything else."""
    assert reads("a/b.py")
    assert reads("Dockerfile")
    assert not reads("logo.png")
    assert not reads("notes.md")


_NAMES = [
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "package.json",
    "pom.xml",
    "Makefile",
    "Dockerfile",
    "x/y.py",
]
_BITS = st.sampled_from(
    [
        "[project]",
        "name = 'a'",
        '{"name": "Ä b", "main": 3}',
        "scripts = 1",
        "all: x",
        "CMD [",
        'CMD ["a", 1]',
        "\n",
    ]
)


@settings(max_examples=400)
@example({"pyproject.toml": "[project]\nname = 'a'\nscripts = 1"})
@given(
    st.dictionaries(
        st.sampled_from(_NAMES), st.lists(_BITS | st.text(max_size=30), max_size=5).map("\n".join)
    )
)
def test_any_files_make_a_valid_proposal_or_one_clear_error(files: dict[str, str]) -> None:
    """Whatever a stranger's repository holds: a proposal that is accepted, or an error of Clearway's own."""
    try:
        proposal = propose(files, folder="../Ünïcode 🙂")
    except ClearwayError as error:
        assert error.expected  # noqa: PT017
    else:
        assert load_definition(proposal.text).service == proposal.service


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"package-lock.json": ""}, "package-lock.json names each package with its digest"),
        ({"pnpm-lock.yaml": ""}, "pnpm-lock.yaml names each package with its digest"),
        ({"yarn.lock": ""}, "yarn.lock is not read"),
        ({}, "there is no lock file"),
    ],
)
def test_a_node_package_is_told_about_its_lock_file(files: dict[str, str], words: str) -> None:
    """What the recipe will use, or what is missing and how to make it."""
    package = '{"name": "a", "dependencies": {"b": "1"}, "scripts": {"build": "x", "test": "y"}}'
    proposal = propose({"package.json": package, **files})
    said = "\n".join(proposal.explanation)
    assert words in said
    assert "`npm run build` runs before it is packed" in said
    assert "which tests it: `npm test`" in said
