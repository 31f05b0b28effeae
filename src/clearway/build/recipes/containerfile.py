"""The containerfile recipe: an image by buildah, without a daemon, and of which no byte depends on when.

Rules:
1. Base images are fetched before, by digest; while it builds there is no network, also in a plain process.
2. Buildah runs as one job of the sandbox, with a user namespace of its own in which it is root: what it and
   the image's commands may do is what any job may do. There is one user, so files belong to root.
3. The image is packed by us from an OCI layout of which we checked every blob.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packageurl import PackageURL

from clearway import source
from clearway.build import layouts, ungrouped
from clearway.build.containerfiles import bases, with_local
from clearway.build.model import BuildFailed
from clearway.build.parts import Part
from clearway.build.ports import Images, Mount
from clearway.build.products import Product, digest_file
from clearway.build.steps import Steps
from clearway.build.testing import judge
from clearway.build.work import Work

from .compilers import tool_of
from .made import compare, made

LAYOUT = "out/image"
_IMAGE = "localhost/clearway/image:built"
_APART = ("unshare", "--map-root-user", "--mount", "--net")


def make(steps: Steps) -> dict[str, Any]:
    """The whole recipe."""
    images = steps.do("fetch", fetch)
    first = steps.do("build 1", lambda work: _build_first(work, images))
    compared = None
    if steps.known.twice:
        compared = steps.do(
            "build 2", lambda work: compare(work, first["outputs"], build(work, 2, images)["outputs"])
        )
    parts = [_part(each).as_json() for each in images]
    internal = {"image": {"manifest": first["manifest"]}}
    return made(first["products"], tests=first["tests"], compared=compared, packages=parts, internal=internal)


def fetch(work: Work) -> list[dict[str, str]]:
    """Bring the images that the file names; only here is a network."""
    found = []
    for number, base in enumerate(bases(_text(work))):
        output = work.log.step("fetch")
        image = work.database.tool(Images).fetch(base.reference, output.write, work.watch)
        output.end()
        work.log.say("fetch", f"{base.reference} has the manifest {image.digest}")
        found.append(
            {"written": base.written, "name": base.name, "digest": image.digest, "path": str(image.path)}
            | {"local": f"localhost/clearway/base-{number}:fetched"}
        )
    if not found:
        work.log.say("fetch", "nothing is needed")
    return found


def _text(work: Work) -> str:
    path = os.path.normpath(f"{work.facts.path}/{work.definition.build.file}")
    try:
        return source.read_file(work.repo, work.facts.commit, path).decode()
    except UnicodeDecodeError as error:
        raise BuildFailed(f"{path} is not a text") from error


def _part(image: Mapping[str, str]) -> Part:
    short = image["name"].rpartition("/")[2]
    about = {"repository_url": image["name"]}
    purl = PackageURL("oci", name=short.lower(), version=image["digest"], qualifiers=about).to_string()
    return Part(purl=purl, name=image["name"], version=image["digest"], digest=image["digest"])


def _build_first(work: Work, images: list[dict[str, str]]) -> dict[str, Any]:
    found = build(work, 1, images)
    path = Path(next(iter(found["outputs"].values())))
    purl = PackageURL(
        "oci", name=work.build.service, version=found["manifest"], qualifiers={"tag": tag(work.facts.version)}
    )
    product = Product(path.name, "image", purl.to_string(), digest_file(path), str(path))
    work.log.say("outputs", f"{product.name} {product.digest}, manifest {found['manifest']}")
    return {**found, "products": [product.as_json()]}


def build(work: Work, number: int, images: list[dict[str, str]]) -> dict[str, Any]:
    """Everything once, in a fresh bench; tests run in the image after the first time. Raises BuildFailed."""
    _must_be_possible(work)
    work.export()
    buildah = _Buildah(work, images, number)
    for image in images:
        buildah.run("load", buildah.load(image))
    buildah.run("image", buildah.bud(_text(work)))
    buildah.run("export", [*buildah.words, "push", *buildah.policy, _IMAGE, buildah.layout])
    found = layouts.read(
        work.bench.source, LAYOUT, {each["local"]: (each["written"], each["digest"]) for each in images}
    )
    name = f"{work.build.service}-{work.facts.version}.oci.tar"
    kept = work.workshop.fresh(work.build.id, f"out-{number}") / name
    version = tag(work.facts.version)
    layouts.write(found, work.bench.source, LAYOUT, kept, tag=version, epoch=work.facts.epoch)
    tests = buildah.test() if number == 1 and work.definition.build.test else None
    return {"outputs": {name: str(kept)}, "manifest": found.digest, "tests": tests}


def _must_be_possible(work: Work) -> None:
    if missing := [name for name in ("buildah", "skopeo", "unshare") if tool_of(name) is None]:
        raise BuildFailed(
            f"this machine has no {', '.join(missing)}", todo="Install it for the workers that build images."
        )
    if work.sandbox.mode == "container":
        raise BuildFailed(
            "images cannot be built inside a container: its runtime forbids what buildah needs",
            todo='Let these builds run in bubblewrap (`sandbox = "bubblewrap"`).',
        )


class _Buildah:
    """The words of its commands, with storage in the bench."""

    def __init__(self, work: Work, images: list[dict[str, str]], number: int) -> None:
        self.work, self.number = work, number
        self.mounts = [Mount(Path(each["path"]), f"/bases/{at}") for at, each in enumerate(images)]
        self.at = {each["path"]: mount for each, mount in zip(images, self.mounts, strict=True)}
        self.root, self.runroot = work.inside("out/storage"), work.inside("out/run")
        self.words = ["buildah", "--root", self.root, "--runroot", self.runroot, "--storage-driver", "vfs"]
        self.words += ["--storage-opt", "vfs.ignore_chown_errors=true"]
        (work.bench.source / "out/policy.json").write_text(
            '{"default": [{"type": "insecureAcceptAnything"}]}'
        )
        self.policy = ["--signature-policy", work.inside("out/policy.json")]
        self.layout = f"oci:{work.inside(LAYOUT)}:{tag(work.facts.version)}"
        self.local = {each["written"]: each["local"] for each in images}

    def run(self, name: str, command: list[str]) -> None:
        """One command. Raises BuildFailed when it fails."""
        step = f"{name} {self.number}" if self.work.build.twice else name
        code, _ = self._run(step, command)
        if code:
            raise BuildFailed(f"step {name} failed with exit code {code}", todo="The log shows its words.")

    def _run(self, step: str, command: list[str]) -> tuple[int, Any]:
        variables = {"BUILDAH_ISOLATION": "chroot", "XDG_RUNTIME_DIR": self.runroot, "STORAGE_DRIVER": "vfs"}
        driver = Mount(Path(ungrouped.__file__), "/driver/ungrouped.py")
        around = [*_APART, "python", "-I", "-S", self.work.sandbox.where(driver)]
        mounts = (driver, *self.mounts)
        return self.work.run(step, [*around, *command], mounts=mounts, variables=variables)

    def load(self, image: Mapping[str, str]) -> list[str]:
        """Put a fetched image into the storage, under the name that the file is given for it."""
        storage = f"[vfs@{self.root}+{self.runroot}:vfs.ignore_chown_errors=true]"
        path = self.work.sandbox.where(self.at[image["path"]])
        policy = ["--policy", self.work.inside("out/policy.json"), "--tmpdir", self.work.inside("tmp")]
        return [
            "skopeo",
            *policy,
            "copy",
            "--quiet",
            f"dir:{path}",
            f"containers-storage:{storage}{image['local']}",
        ]

    def bud(self, text: str) -> list[str]:
        """Build the image."""
        (self.work.bench.source / "out/Containerfile").write_text(with_local(text, self.local))
        options = ["--isolation", "chroot", "--format", "oci", "--no-cache", "--pull-never"]
        options += ["--timestamp", str(self.work.facts.epoch), "--identity-label=false", "--layers=false"]
        for name, value in sorted(self.work.definition.build.arguments.items()):
            options += ["--build-arg", f"{name}={value}"]
        place = self.work.inside(self.work.project)
        file = self.work.inside("out/Containerfile")
        return [*self.words, "bud", *self.policy, *options, "--tag", _IMAGE, "--file", file, place]

    def test(self) -> dict[str, Any]:
        """Run the definition's test command in a container of the image. Raises BuildFailed."""
        self.run("container", [*self.words, "from", *self.policy, "--pull-never", "--name", "tested", _IMAGE])
        command = list(self.work.definition.build.test)
        code, output = self._run(
            "test", [*self.words, "run", "--isolation", "chroot", "tested", "--", *command]
        )
        return judge(self.work, code, output)


def tag(version: str) -> str:
    """A version as registries allow it in a tag."""
    return re.sub(r"[^\w.-]", "-", version)[:128]
