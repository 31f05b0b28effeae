"""The containerfile recipe with real buildah and skopeo, against a registry on this machine."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from building import Builder, assert_nothing_matters
from registry import Registry, registry
from repositories import Made

from clearway import artifacts, build
from clearway.build import Images
from clearway.build.ports import FakePackages
from clearway.integrations.bubblewrap import make_sandbox
from clearway.integrations.images import Skopeo
from clearway.kernel import Permanent
from clearway.storage import Blobs

MISSING = [each for each in ("buildah", "skopeo", "busybox") if shutil.which(each) is None]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.xdist_group("sandbox"),
    pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {', '.join(MISSING)}"),
]

DEFINITION = """
service: shop
version: 1.2.0
build:
  recipe: containerfile
  arguments: {GREETING: hello}
  test: [/bin/sh, -c, "test $(cat /said) = hello"]
"""
FILE = """
FROM BASE AS tools
ARG GREETING
RUN echo $GREETING > /said; date > /now; touch -d 2001-02-03 /old
FROM tools
COPY . /app
COPY --from=tools /said /copied
ENV NAME=shop
CMD ["/bin/sh", "/app/serve.sh"]
"""


@pytest.fixture
def images() -> Iterator[Registry]:
    with registry() as kept:
        yield kept


@pytest.fixture
def base(images: Registry) -> str:
    """A base with a shell, whose files belong to other users than root."""
    box = Path(shutil.which("busybox") or "").read_bytes()
    names = ("sh", "cat", "test", "date", "touch", "wget", "ls", "id")
    return images.image({f"bin/{name}": (0o755, box) for name in names} | {"etc/owned": (0o640, b"x")})


def _builder(place: Path, made: Made, mode: str = "auto") -> Builder:
    place.mkdir(parents=True, exist_ok=True)
    builder = Builder(place, str(made.root), make_sandbox(mode), FakePackages(place / "p"))
    builder.database.tools[Images] = Skopeo(place / "images")
    return builder


def _made(folder: Path, base: str, file: str = FILE) -> Made:
    made = Made(folder / "repository")
    made.commit(
        {
            "clearway.yaml": DEFINITION,
            "Containerfile": file.replace("BASE", base),
            "serve.sh": "echo serving\n",
            "Makefile": "all:\n",
        }
    )
    return made


def _layout(builder: Builder, done: build.Build) -> dict[str, bytes]:
    with (
        builder.database.tool(Blobs).open(done.artifacts[0].digest) as stream,
        tarfile.open(fileobj=stream) as tar,
    ):
        members = [(each.name, tar.extractfile(each)) for each in tar.getmembers()]
        return {name: found.read() for name, found in members if found is not None}


def _json(layout: dict[str, bytes], digest: str) -> Any:
    return json.loads(layout[f"blobs/sha256/{digest.removeprefix('sha256:')}"])


def test_an_image_is_built_twice_with_the_same_bytes(tmp_path: Path, base: str) -> None:
    """From a base by digest, with commands, arguments and stages; tested in a container of itself."""
    made = _made(tmp_path, base, FILE.replace("date > /now; ", ""))
    builder = _builder(tmp_path / "one", made)
    done = builder.run()
    assert (done.status, done.reproduced) == ("succeeded", True), builder.log(done.id)
    assert [(each.name, each.type) for each in done.artifacts] == [(f"shop-{done.version}.oci.tar", "image")]
    layout = _layout(builder, done)
    manifest = json.loads(layout["index.json"])["manifests"][0]["digest"]
    assert done.artifacts[0].purl == f"pkg:oci/shop@{manifest}?tag={done.version.replace('+', '-')}"  # type: ignore[union-attr]
    config = _json(layout, _json(layout, manifest)["config"]["digest"])
    assert config["config"]["Cmd"] == ["/bin/sh", "/app/serve.sh"]
    assert "NAME=shop" in config["config"]["Env"]
    assert (done.tests or {})["ok"] is True


def test_an_image_is_the_same_whatever_is_otherwise(tmp_path: Path, base: str) -> None:
    """Layers, configuration, manifest and index."""
    made = _made(tmp_path, base, FILE.replace("date > /now; ", ""))
    builder = _builder(tmp_path / "one", made)
    assert_nothing_matters(builder.reproduce(builder.run(twice=False)))


def test_folder_umask_and_builder_leave_no_trace(tmp_path: Path, base: str) -> None:
    """As a plain process in another folder: the same manifest."""
    made = _made(tmp_path, base, FILE.replace("date > /now; ", ""))
    found = set()
    for place, mode in (("one", "auto"), ("another/deeper/folder", "plain")):
        builder = _builder(tmp_path / place, made, mode)
        done = builder.run(twice=False)
        assert done.status == "succeeded", builder.log(done.id)
        found.add(done.artifacts[0].digest)
    assert len(found) == 1


def test_what_a_command_makes_of_the_clock_is_found(tmp_path: Path, base: str) -> None:
    """A RUN that writes the time differs, and the build says that it does."""
    builder = _builder(
        tmp_path / "one", _made(tmp_path, base, FILE.replace("date >", "cat /proc/sys/kernel/random/uuid >"))
    )
    done = builder.run()
    assert (done.status, done.reproduced) == ("succeeded", False), builder.log(done.id)


def test_bases_are_evidence_and_fetched_once(tmp_path: Path, base: str, images: Registry) -> None:
    """The provenance names the base by its digest; the next build asks the registry for nothing."""
    builder = _builder(tmp_path / "one", _made(tmp_path, base))
    done = builder.run(twice=False)
    digest = base.rpartition("@")[2]
    with builder.database.read() as uow:
        statements = artifacts.evidence(uow, done.artifacts[0].digest)
    told = json.dumps([dict(each.statement) for each in statements])
    assert digest.removeprefix("sha256:") in told
    asked = len(images.asked)
    assert builder.run(twice=False).status == "succeeded"
    assert len(images.asked) == asked


@pytest.mark.parametrize("mode", ["auto", "plain"])
def test_commands_have_no_network(tmp_path: Path, base: str, images: Registry, mode: str) -> None:
    """Not even the registry that the base came from, not even in a plain process."""
    file = f"FROM BASE\nRUN wget -q -T 3 -O /x http://127.0.0.1:{images.port}/v2/\n"
    builder = _builder(tmp_path / "one", _made(tmp_path, base, file), mode)
    asked = len(images.asked)
    done = builder.run(twice=False)
    assert done.status == "failed"
    assert images.asked[asked:].count("/v2/") == 1  # of the fetch


def test_a_base_that_is_not_there_or_not_pinned(tmp_path: Path, base: str) -> None:
    """Each is said before anything is built."""
    made = _made(tmp_path, base, "FROM " + base[:-8] + "00000000\n")
    builder = _builder(tmp_path / "one", made)
    assert "cannot be fetched" in (builder.run(twice=False).error or "")
    made.commit({"Containerfile": "FROM debian:12\n"})
    assert "not named by its digest" in (builder.run(twice=False).error or "")


def test_a_kept_base_that_was_changed_is_refused(tmp_path: Path, base: str) -> None:
    """What lies on the disk is hashed each time."""
    store = Skopeo(tmp_path / "images")
    image = store.fetch(base, lambda data: None, lambda: None)
    layer = next(each for each in image.path.iterdir() if each.stat().st_size > 1000)
    layer.chmod(0o600)
    with layer.open("r+b") as stream:
        stream.write(b"other")
    with pytest.raises(Permanent, match="is damaged"):
        store.fetch(base, lambda data: None, lambda: None)


def test_inside_a_container_images_are_refused(tmp_path: Path, base: str) -> None:
    """With what to do instead."""
    builder = _builder(tmp_path / "one", _made(tmp_path, base), "container")
    assert "cannot be built inside a container" in (builder.run(twice=False).error or "")
