"""The CycloneDX bill of materials of a build: what is in it, and what made it.

Rules:
1. The same build writes the same bill.
2. What runs with the service is required; what only built it has the scope "excluded", which CycloneDX keeps
   for that.
3. The graph says who needs whom; a package that nobody is known to need hangs on the service.
4. A licence is written as an expression when SPDX knows it, else as the words of the package.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from clearway import __version__
from clearway.artifacts import licence_expression

from .parts import Part

_NAMESPACE = uuid.UUID("4a8d3f52-6c1e-5b7a-9d20-c1ea52a70000")
_ALGORITHMS = {"sha256": "SHA_256", "sha512": "SHA_512", "sha384": "SHA_384", "sha1": "SHA_1", "md5": "MD5"}


def sbom(
    service: str,
    version: str,
    products: Sequence[Mapping[str, Any]],
    packages: Sequence[Part],
    tools: Sequence[Part],
    epoch: int,
) -> dict[str, Any]:
    """CycloneDX 1.6 JSON: the service, its files, every package that runs with it, and what built it."""
    # A quarter of a second to import: only who builds pays for it.
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentScope, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    first = products[0]
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, f"{first['digest']} {version}"))
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, UTC)
    bom.metadata.tools.components.add(
        Component(type=ComponentType.APPLICATION, name="clearway", version=__version__)
    )
    root = _product(first, service, version, ComponentType.APPLICATION)
    bom.metadata.component = root
    files = [_product(each, each["name"], version, ComponentType.FILE) for each in products[1:]]
    known = {part.purl for part in packages}
    building = [part for part in tools if part.purl not in known]
    made = {part.purl: _component(part, ComponentScope.REQUIRED) for part in packages}
    made |= {part.purl: _component(part, ComponentScope.EXCLUDED) for part in building}
    for each in (*files, *made.values()):
        bom.components.add(each)
    # What only built it is needed as well, to build: its scope tells the two apart.
    first_ones = [*_unneeded(packages), *_unneeded(building)]
    bom.register_dependency(root, [*files, *(made[part.purl] for part in first_ones)])
    for group, among in ((packages, packages), (building, [*building, *packages])):
        called = _by_name(among)
        for part in group:
            needed = [made[purl] for name in part.needs for purl in called.get(name, ())]
            bom.register_dependency(made[part.purl], needed)
    found: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    return found


def _by_name(parts: Sequence[Part]) -> dict[str, list[str]]:
    """The package URLs of each name, and of each package URL: there may be several versions of one name."""
    found: dict[str, list[str]] = {part.purl: [part.purl] for part in parts}
    for part in parts:
        found.setdefault(part.name, []).append(part.purl)
    return found


def _unneeded(parts: Sequence[Part]) -> list[Part]:
    """Those that nobody among them needs, and so what they are for; of circles, which have no first, all."""
    called = _by_name(parts)
    needed = {purl for part in parts for name in part.needs for purl in called.get(name, ())}
    return [part for part in parts if part.purl not in needed] or list(parts)


def _product(product: Mapping[str, Any], name: str, version: str, kind: Any) -> Any:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    purl = PackageURL.from_string(product["purl"])
    if kind is not ComponentType.APPLICATION and product["type"] not in ("file", "bundle"):
        kind, name = ComponentType.LIBRARY, purl.name
    return Component(
        type=kind,
        name=name,
        version=version if kind is ComponentType.APPLICATION else purl.version or version,
        purl=purl,
        bom_ref=product["purl"],
        hashes=_hashes(product["digest"]),
        properties=[Property(name="clearway:origin", value="built")],
    )


def _component(part: Part, scope: Any) -> Any:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, Property, XsUri
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    places = [ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(part.location))]
    return Component(
        type=ComponentType.LIBRARY,
        name=part.name,
        version=part.version,
        purl=PackageURL.from_string(part.purl),
        bom_ref=part.purl,
        scope=scope,
        hashes=_hashes(part.digest),
        licenses=_licences(part.licence),
        external_references=places if part.location else [],
        properties=[Property(name="clearway:origin", value=part.origin)],
    )


def _hashes(digest: str) -> list[Any]:
    from cyclonedx.model import HashAlgorithm, HashType

    kind, _, value = digest.partition(":")
    if kind not in _ALGORITHMS:
        return []
    return [HashType(alg=HashAlgorithm[_ALGORITHMS[kind]], content=value)]


def _licences(said: str) -> list[Any]:
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression

    if not said:
        return []
    known = licence_expression(said)
    return [LicenseExpression(known) if known else DisjunctiveLicense(name=said)]
