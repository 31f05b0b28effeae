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

from clearway import artifacts, build
from clearway.artifacts import PROVENANCE, REPRODUCED, SBOM, TEST_RESULT
from clearway.build import Sandbox
from clearway.integrations.bubblewrap import Bubblewrap, Plain
from clearway.integrations.python_packages import PythonPackages
from clearway.storage import Bus

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
        stored = artifacts.path_of(uow, bundle.digest)
        text, pem = artifacts.export_evidence(uow, wheel.digest), artifacts.public_key_pem(uow)
        verified = artifacts.verify_file(artifacts.path_of(uow, wheel.digest), text, pem.encode())
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
