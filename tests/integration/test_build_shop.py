"""The example shop, really built: git, sandbox, backend, tests, evidence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from building import Builder
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from repositories import Made

from clearway import artifacts, build
from clearway.artifacts import PROVENANCE, REPRODUCED, SBOM, TEST_RESULT
from clearway.build import Sandbox
from clearway.integrations.bubblewrap import Bubblewrap, Plain
from clearway.integrations.python_packages import PythonPackages
from clearway.storage import Blobs, Bus

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("sandbox")]
SHOP = Path(__file__).parents[2] / "examples" / "shop"


def sandboxes() -> list[Sandbox]:
    bubblewrap = Bubblewrap()
    return [Plain()] if bubblewrap.usable() else [bubblewrap, Plain()]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shop") / "repository"
    subprocess.run([sys.executable, str(SHOP / "make_repository.py"), str(root)], check=True)
    return root


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheelhouse")


@pytest.mark.parametrize("sandbox", sandboxes(), ids=lambda each: each.mode)
def test_the_shop_is_built_twice_with_the_same_bytes_and_evidence(
    shop: Path, wheelhouse: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    """Same digests, tests run inside, and everything signed: provenance, SBOM, tests, reproduction."""
    heard: list[build.BuildFinished] = []
    bus = Bus()
    bus.subscribe(build.BuildFinished, lambda uow, event: heard.append(event))
    builder = Builder(tmp_path, str(shop), sandbox, PythonPackages(wheelhouse), bus)
    done = builder.run("v1.1.0")
    assert (done.status, done.error) == ("succeeded", None), builder.log(done.id)
    assert (done.version, done.reproduced, done.mode) == ("1.1.0", True, sandbox.mode)
    assert (done.tests or {})["passed"] == 9
    assert [(event.build_id, event.status) for event in heard] == [(done.id, "succeeded")]
    bundle, wheel = done.artifacts
    assert (bundle.type, bundle.name) == ("bundle", "shop-1.1.0.bundle.tar")
    with builder.database.read() as uow:
        evidence = {
            each.predicate_type: each.predicate for each in artifacts.verify_stored(uow, bundle.digest)
        }
        stored = artifacts.path_of(uow.tool(Blobs), bundle.digest)
        text, pem = artifacts.export_evidence(uow, wheel.digest), artifacts.public_key_pem(uow)
        verified = artifacts.verify_file(artifacts.path_of(uow.tool(Blobs), wheel.digest), text, pem.encode())
    assert set(evidence) == {PROVENANCE, SBOM, TEST_RESULT, REPRODUCED}
    assert evidence[PROVENANCE]["runDetails"]["builder"]["id"] == sandbox.builder_id
    assert evidence[REPRODUCED]["identical"] is True
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(evidence[SBOM])) is None
    used = {
        each["uri"].split("@")[0] for each in evidence[PROVENANCE]["buildDefinition"]["resolvedDependencies"]
    }
    assert "pkg:pypi/hatchling" in used
    assert verified.verified
    assert "built twice, same bytes" in [each.text for each in verified.proven]
    with tarfile.open(stored) as archive:
        assert archive.getnames() == ["manifest.json", f"wheels/{wheel.name}"]
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert manifest["entrypoints"] == {"shop": "shop.__main__:main"}
    assert manifest["wheels"][0]["digest"] == wheel.digest
    assert os.listdir(builder.workshop.root / done.id) == ["log.txt"]


def test_every_sandbox_makes_the_same_bytes(shop: Path, wheelhouse: Path, tmp_path: Path) -> None:
    """What the builder's kind changes is what it promises, not what it makes."""
    made = set()
    for sandbox in sandboxes():
        folder = tmp_path / sandbox.mode
        folder.mkdir()
        old = os.umask(0o077 if sandbox.mode == "plain" else 0o002)
        try:
            done = Builder(folder, str(shop), sandbox, PythonPackages(wheelhouse)).run("v1.0.0", twice=False)
        finally:
            os.umask(old)
        assert done.reproduced is None
        made.add(done.artifacts[0].digest)
    assert len(made) == 1


def test_make_builds_the_same_bytes_twice(tmp_path: Path) -> None:
    """Time, host and path of the machine don't reach what a Makefile makes."""
    made = Made(tmp_path / "repository")
    made.commit(
        {
            "clearway.yaml": "service: shop\n"
            "build: {recipe: make, target: it, outputs: [dist/*], test: [make, proof]}\n",
            "Makefile": "it:\n\tmkdir -p dist\n"
            "\t(hostname; pwd; umask; id -un; date -d @$$SOURCE_DATE_EPOCH) > dist/it\n"
            "\ttar --sort=name --mtime=@$$SOURCE_DATE_EPOCH -cf dist/it.tar Makefile\n"
            "proof:\n\ttest -s dist/it.tar\n",
        }
    )
    sandbox = sandboxes()[0]
    builder = Builder(tmp_path, str(made.root), sandbox, PythonPackages(tmp_path / "wheelhouse"))
    done = builder.run()
    assert (done.status, done.reproduced) == ("succeeded", True), builder.log(done.id)
    assert [each.name for each in done.artifacts] == ["it", "it.tar"]
    with builder.database.read() as uow, artifacts.open(uow, done.artifacts[0].digest) as stream:
        lines = stream.read().decode().splitlines()
    if sandbox.mode == "bubblewrap":
        assert lines == ["build", "/build/source", "0022", "build", "Sun Mar  1 10:01:00 UTC 2026"]


def test_a_backend_may_ask_for_more_and_live_in_the_repository(tmp_path: Path) -> None:
    """get_requires_for_build_wheel is honoured, once, and backend-path too; the package names the version."""
    made = Made(tmp_path / "repository")
    made.commit(
        {
            "clearway.yaml": "service: shop\nbuild: {recipe: python}\n",
            "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "own"\n'
            'backend-path = ["tools"]\n',
            "tools/own.py": BACKEND,
        }
    )
    builder = Builder(tmp_path, str(made.root), sandboxes()[0], PythonPackages(tmp_path / "wheelhouse"))
    done = builder.run()
    assert (done.status, done.reproduced) == ("succeeded", True), builder.log(done.id)
    assert done.version == f"7.1+g{(done.commit or '')[:8]}"
    log = builder.log(done.id)
    assert "fetch | pluggy" in log
    assert "fetch | nothing is needed" in log


BACKEND = """
import zipfile
def get_requires_for_build_wheel(config_settings=None):
    return ["pluggy"]
def build_wheel(out, config_settings=None, metadata_directory=None):
    import pluggy
    name = "thing-7.1-py3-none-any.whl"
    with zipfile.ZipFile(out + "/" + name, "w") as archive:
        for member, text in (
            ("thing.py", pluggy.__name__),
            ("thing-7.1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: thing\\nVersion: 7.1\\n"),
            ("thing-7.1.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n"),
            ("thing-7.1.dist-info/RECORD", ""),
        ):
            archive.writestr(zipfile.ZipInfo(member), text)
    return name
"""


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"pyproject.toml": "["}, "pyproject.toml cannot be read"),
        ({"pyproject.toml": "[build-system]\nrequires = 3\n"}, "requires is not a list"),
        (
            {"pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "no"\n'},
            "failed with exit code 1",
        ),
        (
            {"pyproject.toml": '[build-system]\nrequires = ["hatchling>=999"]\n'},
            "cannot be had as wheels",
        ),
    ],
)
def test_a_project_that_cannot_be_built_says_why(
    tmp_path: Path, files: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is none, a backend that is missing, a requirement that nobody has."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    made = Made(tmp_path / "repository")
    made.commit({"clearway.yaml": "service: shop\nbuild: {recipe: python}\n", **files})
    done = Builder(tmp_path, str(made.root), sandboxes()[0], PythonPackages(tmp_path / "w")).run()
    assert done.status == "failed"
    assert says in (done.error or "")


HOSTILE = """
import os
def build_wheel(out, config_settings=None, metadata_directory=None):
    {attack}
    os._exit({code})
"""


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        ("os.symlink({secret!r}, out + '/requires.txt')", 75),
        ("os.rename(out, out + '2'); os.symlink({folder!r}, out)", 75),
        ("os.symlink({wheel!r}, out + '/thing-1-py3-none-any.whl')", 0),
        ("os.rename(out, out + '2'); os.symlink({folder!r}, out)", 0),
    ],
    ids=["requirements", "requirements' folder", "wheel", "wheel's folder"],
)
def test_a_backend_s_links_show_nothing_of_the_host(tmp_path: Path, attack: str, code: int) -> None:
    """Neither log, error nor artifacts hold a byte of a file outside the bench."""
    host = tmp_path / "host"
    host.mkdir()
    for name in ("requires.txt", "thing-1-py3-none-any.whl"):
        (host / name).write_text("PRIVATE KEY")
    text = attack.format(
        secret=str(host / "requires.txt"), wheel=str(host / "thing-1-py3-none-any.whl"), folder=str(host)
    )
    made = Made(tmp_path / "repository")
    made.commit(
        {
            "clearway.yaml": "service: shop\nbuild: {recipe: python}\n",
            "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n',
            "own.py": HOSTILE.format(attack=text, code=code),
        }
    )
    builder = Builder(tmp_path, str(made.root), sandboxes()[0], PythonPackages(tmp_path / "wheelhouse"))
    done = builder.run()
    assert (done.status, done.artifacts) == ("failed", ())
    assert "link" in (done.error or "")
    assert "PRIVATE" not in builder.log(done.id) + (done.error or "")
