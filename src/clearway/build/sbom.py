"""The CycloneDX bill of materials of a build. The same build writes the same one."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_NAMESPACE = uuid.UUID("4a8d3f52-6c1e-5b7a-9d20-c1ea52a70000")


def sbom(
    service: str,
    version: str,
    products: Sequence[Mapping[str, Any]],
    packages: Sequence[Mapping[str, Any]],
    epoch: int,
) -> dict[str, Any]:
    """CycloneDX 1.6 JSON: the service, and every package that runs with it."""
    # A quarter of a second to import: only who builds pays for it.
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    def component(kind: Any, name: str, number: str, purl: str, digest: str) -> Any:
        return Component(
            type=kind,
            name=name,
            version=number,
            purl=PackageURL.from_string(purl),
            bom_ref=purl,
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest.removeprefix("sha256:"))],
        )

    first = products[0]
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, f"{first['digest']} {version}"))
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, UTC)
    root = component(ComponentType.APPLICATION, service, version, first["purl"], first["digest"])
    bom.metadata.component = root
    parts = []
    for product in products[1:]:
        kind = ComponentType.LIBRARY if product["type"] == "wheel" else ComponentType.FILE
        name = PackageURL.from_string(product["purl"]).name if product["type"] == "wheel" else product["name"]
        number = PackageURL.from_string(product["purl"]).version or version
        parts.append(component(kind, name, number, product["purl"], product["digest"]))
    for wheel in packages:
        purl = PackageURL("pypi", name=wheel["name"], version=wheel["version"]).to_string()
        parts.append(component(ComponentType.LIBRARY, wheel["name"], wheel["version"], purl, wheel["digest"]))
    for part in parts:
        bom.components.add(part)
    bom.register_dependency(root, parts)
    found: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    return found
