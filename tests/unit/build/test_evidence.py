"""The statements about a build: complete, the same for the same inputs, and readable by others' tools."""

from __future__ import annotations

import inspect
import json
import re
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from building import Builder, Steps, script_service
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf.json_format import Parse
from in_toto.models.metadata import Envelope
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult as ResultOfTests
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage
from repositories import Made
from securesystemslib.signer import SSlibKey

from clearway import access, artifacts, build, catalog
from clearway.artifacts import PROVENANCE, SBOM, TEST_RESULT, Evidence, Signer
from clearway.build.flows import run_build
from clearway.build.parts import Part, public_location, read_parts, requirement_names
from clearway.build.ports import FakePackages, FakeSandbox, Job
from clearway.build.sbom import sbom
from clearway.kernel import SYSTEM, Actor, sha256

DIGEST = "sha256:" + "ab" * 32


def make_it(job: Job) -> Generator[bytes, None, int]:
    Path(job.cwd, "out.txt").write_text("made")
    yield b""
    return 0


def green(job: Job) -> Generator[bytes, None, int]:
    yield b"Ran 3 tests in 0.1s\n\nOK\n"
    return 0


MATERIAL = {"name": "python", "uri": "pkg:generic/cpython@3.11.0", "digest": {"sha256": "cd" * 32}}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "repository")


@pytest.fixture
def builder(tmp_path: Path, made: Made) -> Builder:
    sandbox = FakeSandbox({"make-it": make_it, "tests-pass": green}, materials=(MATERIAL,))
    return Builder(tmp_path, str(made.root), sandbox, FakePackages(tmp_path / "packages"))


def service(made: Made) -> str:
    extra = "  test: [tests-pass]\n  environment: {FLAVOUR: dark}\n"
    return script_service(made, "  - {name: compile, run: [make-it]}\n", extra=extra)


def said(builder: Builder, done: build.Build) -> dict[str, Evidence]:
    assert done.status == "succeeded", done.error
    with builder.database.read() as uow:
        return {each.predicate_type: each for each in artifacts.verify_stored(uow, done.artifacts[0].digest)}


def test_a_provenance_says_all_that_anybody_could_choose(builder: Builder, made: Made) -> None:
    """Whatever can be asked of a build, and whatever clearway.yaml may say, is an external parameter."""
    sha = service(made)
    done = builder.run()
    definition = said(builder, done)[PROVENANCE].predicate["buildDefinition"]
    outer = definition["externalParameters"]
    asked = set(inspect.signature(build.request).parameters) - {"uow", "actor"}
    assert asked <= set(outer)
    assert (outer["ref"], outer["twice"], outer["trigger"], outer["path"]) == ("main", True, "system", ".")
    assert outer["definition"]["path"] == "clearway.yaml"
    text = (made.root / "clearway.yaml").read_bytes()
    assert "sha256:" + outer["definition"]["digest"]["sha256"] == sha256(text)
    written = catalog.load_definition(text).build
    assert outer["build"] == written.model_dump(mode="json", by_alias=True)
    assert {name.removesuffix("_") for name in type(written).model_fields} <= {
        name.removesuffix("_") for name in outer["build"]
    }
    inner = definition["internalParameters"]
    assert inner["surroundings"]["environment"]["TZ"] == "UTC"
    assert inner["signer"] == {"key": "memory"}
    source, *rest = definition["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": sha}
    assert rest == [MATERIAL]


def test_a_person_s_build_says_so_without_a_name(builder: Builder, made: Made) -> None:
    """Who asked is in the ledger; what kind of asking it was belongs to the parameters."""
    service(made)
    with builder.database.begin() as uow:
        access.apply(uow, SYSTEM, [access.UserDocument(name="dana", roles=["admin"])])
        build_id = build.request(uow, Actor("dana"), "shop", "main", twice=False).id
    run_build(builder.database, Steps(), build_id)
    found = said(builder, builder.get(build_id))[PROVENANCE].predicate
    assert found["buildDefinition"]["externalParameters"]["trigger"] == "person"
    assert "dana" not in json.dumps(found)


def test_the_log_of_a_provenance_is_the_beginning_of_the_log(builder: Builder, made: Made) -> None:
    """So many bytes of it have this digest: what the storing says comes later."""
    service(made)
    done = builder.run()
    (log,) = said(builder, done)[PROVENANCE].predicate["runDetails"]["byproducts"]
    whole = builder.log(done.id).encode()
    assert 0 < log["annotations"]["bytes"] < len(whole)
    assert sha256(whole[: log["annotations"]["bytes"]]) == "sha256:" + log["digest"]["sha256"]


def test_the_same_inputs_give_the_same_statements(builder: Builder, made: Made) -> None:
    """But for the build's name, its times and its log."""
    service(made)

    def timeless(found: Evidence) -> Any:
        said = json.loads(json.dumps(found.statement))
        if found.predicate_type == PROVENANCE:
            del said["predicate"]["runDetails"]["metadata"]
            del said["predicate"]["runDetails"]["byproducts"]
        return said

    first = {kind: timeless(each) for kind, each in said(builder, builder.run()).items()}
    shutil.rmtree(builder.database.tool(build.Cache).root)  # else the second one ran nothing, and says so
    done = builder.run()
    second = {kind: timeless(each) for kind, each in said(builder, done).items()}
    here = str(builder.workshop.root)
    assert _without(first, here) == _without(second, here)


def _without(found: Any, folder: str) -> str:
    """Without the folder of the build itself, which a plain process sees."""
    return re.sub(re.escape(folder) + r"/bld_\w+", "BENCH", json.dumps(found, sort_keys=True))


def test_others_tools_read_the_statements(builder: Builder, made: Made) -> None:
    """in-toto's verifier takes the envelope, its bindings the statement, SLSA's form every field."""
    service(made)
    found = said(builder, builder.run())
    (keyid, public), *_ = builder.database.tool(Signer).public_keys().items()
    described = {"keyid": keyid, **SSlibKey.from_crypto(public, keyid=keyid).to_dict()}
    for each in found.values():
        Envelope.from_dict(json.loads(json.dumps(each.envelope))).verify_signature(described)
        Statement.copy_from_pb(Parse(json.dumps(each.statement), StatementMessage())).validate()
    message = Parse(json.dumps(found[PROVENANCE].predicate), Provenance())
    assert message.build_definition.resolved_dependencies[0].name == "source"
    # `counts` is an extension of ours, which the framework lets readers skip.
    result = Parse(json.dumps(found[TEST_RESULT].predicate), ResultOfTests(), ignore_unknown_fields=True)
    assert result.result == "PASSED"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(found[SBOM].predicate)) is None


def part(name: str, *needs: str, **more: str) -> Part:
    values = {"purl": f"pkg:pypi/{name}@1.0", "name": name, "version": "1.0", "digest": DIGEST, **more}
    return Part(**values, needs=needs)  # type: ignore[arg-type]


def bill(packages: list[Part], tools: list[Part]) -> dict[str, Any]:
    product = {"name": "shop.tar", "type": "bundle", "purl": "pkg:generic/shop@1.0", "digest": DIGEST}
    found = sbom("shop", "1.0", [product], packages, tools, 1_700_000_000)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(found)) is None
    return found


def test_a_bill_has_a_graph_and_scopes_and_licences() -> None:
    """What runs is required, what built is excluded, and each needs what it says."""
    packages = [part("web", "json", licence="MIT OR Apache-2.0"), part("json", licence="Somebody's own")]
    found = bill(packages, [part("backend", "json"), part("json")])
    by_name = {each["name"]: each for each in found["components"]}
    assert {name: each["scope"] for name, each in by_name.items()} == {
        "web": "required",
        "json": "required",
        "backend": "excluded",
    }
    assert by_name["web"]["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert by_name["json"]["licenses"] == [{"license": {"name": "Somebody's own"}}]
    graph = {each["ref"]: each.get("dependsOn", []) for each in found["dependencies"]}
    assert graph["pkg:generic/shop@1.0"] == ["pkg:pypi/backend@1.0", "pkg:pypi/web@1.0"]
    assert graph["pkg:pypi/web@1.0"] == graph["pkg:pypi/backend@1.0"] == ["pkg:pypi/json@1.0"]
    assert found["metadata"]["tools"]["components"][0]["name"] == "clearway"


def test_a_circle_of_packages_hangs_on_the_service() -> None:
    """Nothing that runs is without a way from the root."""
    found = bill([part("a", "b"), part("b", "a")], [])
    graph = {each["ref"]: each.get("dependsOn", []) for each in found["dependencies"]}
    assert graph["pkg:generic/shop@1.0"] == ["pkg:pypi/a@1.0", "pkg:pypi/b@1.0"]


def test_two_versions_of_one_package_are_two() -> None:
    """As npm installs them; who needs which is said by the package URL."""
    old = Part("pkg:npm/ms@1.0", "ms", "1.0", DIGEST)
    new = Part("pkg:npm/ms@2.0", "ms", "2.0", DIGEST)
    user = Part("pkg:npm/debug@1.0", "debug", "1.0", DIGEST, needs=("pkg:npm/ms@1.0",))
    found = bill([user, old, new], [])
    assert len(found["components"]) == 3
    graph = {each["ref"]: each.get("dependsOn", []) for each in found["dependencies"]}
    assert graph["pkg:npm/debug@1.0"] == ["pkg:npm/ms@1.0"]
    assert graph["pkg:generic/shop@1.0"] == ["pkg:npm/debug@1.0", "pkg:npm/ms@2.0"]


def test_the_same_packages_are_the_same_bill() -> None:
    """Whatever order they were found in."""
    packages = [part("web", "json"), part("json")]
    assert bill(packages, []) == bill(packages[::-1], [])


def test_the_bill_of_a_compiled_program_has_the_machine_s_tools(tmp_path: Path, made: Made) -> None:
    """A compiler's runtime may be part of what it makes; other recipes bring what they use."""
    compiler = {"name": "gcc-12", "uri": "pkg:deb/debian/gcc-12@12.2.0-14?arch=amd64"}
    sandbox = FakeSandbox({"make": make_it, "make-it": make_it}, materials=(MATERIAL, compiler))
    builder = Builder(tmp_path, str(made.root), sandbox, FakePackages(tmp_path / "packages"))
    made.commit({"clearway.yaml": "service: shop\nbuild: {recipe: make, outputs: [out.txt]}\n"})
    bill = said(builder, builder.run())[SBOM].predicate
    (found,) = bill["components"]
    assert (found["name"], found["scope"], found["version"]) == ("gcc-12", "excluded", "12.2.0-14")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None
    script_service(made, "  - {name: compile, run: [make-it]}\n")
    assert "components" not in said(builder, builder.run())[SBOM].predicate


def test_parts_of_other_ecosystems_come_as_they_are(tmp_path: Path) -> None:
    """A recipe hands over what it knows; a place loses its password, and what is no place is left out."""
    row = {
        "purl": "pkg:npm/left-pad@1.3.0",
        "name": "left-pad",
        "version": "1.3.0",
        "digest": "sha512:" + "cd" * 64,
        "origin": "index",
        "location": "https://bob:hunter2@example.com:8443/left-pad.tgz?token=x#y",
        "licence": "WTFPL",
        "needs": [],
        "path": "/somewhere",
    }
    (found,) = read_parts([row, dict(row)])
    assert found.location == "https://example.com:8443/left-pad.tgz"
    assert found.licence == "WTFPL"
    for text in (
        "",
        "/etc/passwd",
        "file:///x",
        "javascript:alert(1)",
        "https://[::1",
        "https://x:99999999/",
    ):
        assert public_location(text) == ""
    gone = {
        "name": "x",
        "version": "1",
        "path": str(tmp_path / "gone.whl"),
        "digest": DIGEST,
        "origin": "index",
    }
    assert read_parts([gone])[0].licence == ""


def test_requirements_for_elsewhere_are_no_edge() -> None:
    """Markers count; extras and nonsense do not."""
    texts = ["Json-Lib>=1", "other; python_version < '3'", "more; extra == 'x'", "::"]
    assert requirement_names(texts) == ["json-lib"]
