"""An image in the OCI layout: every blob checked, and what the builder noted by accident left out.

Rules:
1. A blob is what its name says, and nothing else lies in the layout.
2. Layers are taken as they are. The configuration's history keeps its words, without the hashes that buildah
   makes of a context's headers, and without the names that images had only while it built.
3. The files we write are of one form: sorted keys, no spaces.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from . import outputs, trees
from .model import BuildFailed

_MOST_JSON = 4 << 20
_BLOB = re.compile(r"blobs/sha256/[a-f0-9]{64}\Z")
_PLACES = ("blobs/", "blobs/sha256/", "index.json", "oci-layout")
_HASHES = re.compile(r"\b(dir|file|multi):[0-9a-f]{64}\b")
_STAGE = re.compile(r"FROM [0-9a-f]{12}\Z")
_NAME, _BASE = "org.opencontainers.image.ref.name", "org.opencontainers.image.base."


@dataclass(frozen=True)
class Layout:
    """A checked image, ready to be written."""

    manifest: bytes
    config: bytes
    layers: tuple[str, ...]  # digests
    media_type: str  # of the manifest

    @property
    def digest(self) -> str:
        """Of the manifest: the name of the image."""
        return _digest(self.manifest)


def read(bench: Path, root: str, bases: Mapping[str, tuple[str, str]]) -> Layout:
    """The layout below `root`. `bases`: by the name while it built, the written name and the digest.

    Raises BuildFailed.
    """
    _check(bench, root)
    try:
        (entry,) = _json(bench, f"{root}/index.json")["manifests"]
        manifest = _json(bench, _place(root, entry["digest"]))
        config = _json(bench, _place(root, manifest["config"]["digest"]))
        layers = tuple(str(each["digest"]) for each in manifest["layers"])
        for each in config.get("history", ()):
            _tidy(each, bases)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise BuildFailed(f"the image's index cannot be read: {error}") from error
    for layer in layers:
        with outputs.file(bench, _place(root, layer)):
            pass
    packed = _bytes(config)
    manifest["config"] |= {"digest": _digest(packed), "size": len(packed)}
    annotations = manifest.get("annotations", {})
    if known := bases.get(annotations.get(f"{_BASE}name", "")):
        annotations |= {f"{_BASE}name": known[0], f"{_BASE}digest": known[1]}
    elif f"{_BASE}name" in annotations:
        annotations = {name: value for name, value in annotations.items() if not name.startswith(_BASE)}
    manifest["annotations"] = annotations
    return Layout(_bytes(manifest), packed, layers, str(entry["mediaType"]))


def write(layout: Layout, bench: Path, root: str, target: Path, *, tag: str, epoch: int) -> None:
    """The image as a tar in the OCI layout, of which no byte depends on when and where."""
    index = {
        "schemaVersion": 2,
        "manifests": [
            {
                "mediaType": layout.media_type,
                "digest": layout.digest,
                "size": len(layout.manifest),
                "annotations": {_NAME: tag},
            }
        ],
    }
    texts = {"index.json": _bytes(index), "oci-layout": _bytes({"imageLayoutVersion": "1.0.0"})}
    texts |= {_place("", _digest(each))[1:]: each for each in (layout.manifest, layout.config)}
    layers = {_place("", each)[1:] for each in layout.layers}
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted({*texts, *layers}):
            if name in texts:
                _add(archive, name, len(texts[name]), io.BytesIO(texts[name]), epoch)
                continue
            with outputs.file(bench, f"{root}/{name}") as stream:
                _add(archive, name, stream.seek(0, io.SEEK_END), stream, epoch)


def _add(archive: tarfile.TarFile, name: str, size: int, stream: IO[bytes], epoch: int) -> None:
    stream.seek(0)
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, epoch, 0o644
    archive.addfile(info, stream)


def _check(bench: Path, root: str) -> None:
    for name, link in trees.entries(bench, root):
        if link is not None or not (name in _PLACES or _BLOB.match(name)):
            raise BuildFailed(f"{name} does not belong into an image")
        if _BLOB.match(name):
            found = sha256()
            with outputs.file(bench, f"{root}/{name}") as stream:
                while chunk := stream.read(1 << 20):
                    found.update(chunk)
            if found.hexdigest() != name[-64:]:
                raise BuildFailed(f"the image's {name} has another content than its name says")


def _tidy(step: dict[str, Any], bases: Mapping[str, tuple[str, str]]) -> None:
    if "created_by" in step:
        step["created_by"] = _HASHES.sub(r"\1", step["created_by"])
    comment = step.get("comment", "")
    if _STAGE.match(comment):
        step["comment"] = "FROM an earlier stage"
    elif known := bases.get(comment.removeprefix("FROM ")):
        step["comment"] = f"FROM {known[0]}"


def _json(bench: Path, name: str) -> Any:
    return json.loads(outputs.read_text(bench, name, _MOST_JSON))


def _place(root: str, digest: object) -> str:
    return f"{root}/blobs/sha256/{str(digest).removeprefix('sha256:')}"


def _bytes(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"
