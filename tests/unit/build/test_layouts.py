"""An image's layout comes from a job: nothing in it is believed."""

from __future__ import annotations

import json
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from clearway.build.layouts import read, write
from clearway.build.model import BuildFailed


class Made:
    """A layout as buildah leaves it."""

    def __init__(self, bench: Path) -> None:
        self.bench = bench
        self.root = bench / "image"
        (self.root / "blobs/sha256").mkdir(parents=True)
        (self.root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data: bytes) -> str:
        """Keep bytes; returns their digest."""
        digest = sha256(data).hexdigest()
        (self.root / "blobs/sha256" / digest).write_bytes(data)
        return f"sha256:{digest}"

    def image(self, *, noise: str, count: int = 1) -> None:
        """An image whose history says `noise` where buildah writes accidents."""
        config: dict[str, Any] = {"history": [{"created_by": f"COPY dir:{noise * 64} in /app"}]}
        config["history"].append({"created_by": "CMD x", "comment": "FROM localhost/base-0:fetched"})
        manifest = {
            "config": {"digest": self.blob(json.dumps(config).encode()), "size": 1},
            "layers": [{"digest": self.blob(b"layer"), "size": 5}],
            "annotations": {"org.opencontainers.image.base.name": "localhost/base-0:fetched"},
        }
        entry = {"digest": self.blob(json.dumps(manifest).encode()), "mediaType": "manifest"}
        (self.root / "index.json").write_text(json.dumps({"manifests": [entry] * count}))


BASES = {"localhost/base-0:fetched": ("debian@sha256:1", "sha256:1")}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_accidents_of_the_builder_are_left_out(tmp_path: Path) -> None:
    """Two builds that differ in the headers of their context alone are one image."""
    digests, tars = set(), set()
    for noise in "ab":
        made = Made(tmp_path / noise)
        made.image(noise=noise)
        found = read(made.bench, "image", BASES)
        target = tmp_path / f"{noise}.tar"
        write(found, made.bench, "image", target, tag="1.0", epoch=1)
        digests.add(found.digest)
        tars.add(target.read_bytes())
    assert (len(digests), len(tars)) == (1, 1)
    with tarfile.open(target) as archive:
        assert archive.getnames()[-2:] == ["index.json", "oci-layout"]
        config = archive.extractfile(f"blobs/sha256/{sha256(found.config).hexdigest()}")
        assert config is not None
        history = json.load(config)["history"]
    assert history == [
        {"created_by": "COPY dir in /app"},
        {"comment": "FROM debian@sha256:1", "created_by": "CMD x"},
    ]
    assert json.loads(found.manifest)["annotations"]["org.opencontainers.image.base.digest"] == "sha256:1"


def _link(made: Made) -> None:
    (made.root / "blobs/sha256" / ("0" * 64)).symlink_to("/etc/passwd")


def _other_bytes(made: Made) -> None:
    (made.root / "blobs/sha256" / ("0" * 64)).write_bytes(b"other")


def _stray(made: Made) -> None:
    (made.root / "stray").write_bytes(b"")


def _without_layer(made: Made) -> None:
    (made.root / "blobs/sha256" / sha256(b"layer").hexdigest()).unlink()


def _two(made: Made) -> None:
    made.image(noise="a", count=2)


def _no_json(made: Made) -> None:
    (made.root / "index.json").write_text("[")


@pytest.mark.parametrize("harm", [_link, _other_bytes, _stray, _without_layer, _two, _no_json])
def test_what_is_no_image_is_refused(made: Made, harm: Any) -> None:
    """Links, wrong names, strangers, missing layers, two images, broken texts."""
    made.image(noise="a")
    harm(made)
    with pytest.raises((BuildFailed, FileNotFoundError)):
        read(made.bench, "image", {})
