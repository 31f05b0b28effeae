"""POMs and metadata that strangers send, and the metadata that is sent to them. Pure.

Rules:
1. No document type and no entity: one line of XML could otherwise be a gigabyte, or somebody's file.
2. A POM says the coordinates of its address, after its own properties and its parent are put in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element, ParseError, SubElement, indent, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from clearway.kernel import Invalid

from .layout import Address, Build

MOST_XML = 4 << 20  # bytes of a POM or of metadata
_NAMESPACE = re.compile(r"\{http://maven\.apache\.org/(?:POM|METADATA)/[0-9.]{1,10}\}")
_PROPERTY = re.compile(r"\$\{([A-Za-z0-9_.-]{1,100})\}")


def _root(data: bytes, expected: str) -> Element:
    try:
        root: Element = fromstring(data, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as error:
        message = f"XML with a document type or entities ({type(error).__name__})"
        raise Invalid(message, expected=f"a {expected} without them") from None
    except (ParseError, ValueError, LookupError) as error:
        raise Invalid(f"this is no XML: {str(error)[:200]}", expected=f"a {expected}") from None
    if _tag(root) != expected:
        raise Invalid(f"XML with the root <{_tag(root)[:60]}>", expected=f"<{expected}>")
    return root


def _tag(element: Element) -> str:
    return _NAMESPACE.sub("", str(element.tag), count=1)


def _child(element: Element | None, name: str) -> Element | None:
    return next((each for each in (element if element is not None else ()) if _tag(each) == name), None)


def _children(element: Element, name: str) -> list[Element]:
    found = _child(element, name)
    return [] if found is None else list(found)


def _words(element: Element | None, name: str) -> str:
    found = _child(element, name)
    return (found.text or "").strip() if found is not None else ""


@dataclass(frozen=True)
class Pom:
    """What a POM says of itself."""

    group: str
    artifact: str
    version: str
    packaging: str = "jar"
    name: str = ""
    description: str = ""
    licences: tuple[str, ...] = ()


def read_pom(data: bytes) -> Pom:
    """What a POM says of itself. Raises Invalid."""
    root = _root(data, "project")
    parent = _child(root, "parent")
    known = {_tag(each): (each.text or "").strip() for each in _children(root, "properties")}
    known |= {"project.parent.version": _words(parent, "version")}
    known |= {"project.parent.groupId": _words(parent, "groupId")}

    def said(name: str, *, inherited: bool = False) -> str:
        text = _words(root, name) or (_words(parent, name) if inherited else "")
        for _ in range(3):
            text = _PROPERTY.sub(lambda found: known.get(found[1], found[0])[:300], text)[:1000]
        return text

    return Pom(
        said("groupId", inherited=True),
        said("artifactId"),
        said("version", inherited=True),
        (_words(root, "packaging") or "jar")[:100],
        _words(root, "name")[:200],
        _words(root, "description")[:2000],
        tuple(_words(each, "name")[:200] for each in _children(root, "licenses")[:20]),
    )


def check_pom(pom: Pom, address: Address) -> None:
    """Raises Invalid when a POM is not the one of its address."""
    for name, said, placed in (
        ("groupId", pom.group, address.group),
        ("artifactId", pom.artifact, address.artifact),
        ("version", pom.version, address.version),
    ):
        if said == placed:
            continue
        todo = "Let flatten-maven-plugin write out what only the build knows." if "${" in said else None
        raise Invalid(
            f"the POM says {name} {said[:100]!r}", expected=f"{placed}, as its address says", todo=todo
        )


def check_metadata(data: bytes, address: Address) -> None:
    """Raises Invalid when metadata that a client sends is none of its address."""
    root = _root(data, "metadata")
    if _child(root, "plugins") is not None:
        return  # a group's list of plug-ins has no coordinates
    for name, placed in (("groupId", address.group), ("artifactId", address.artifact)):
        if (said := _words(root, name)) and said != placed:
            raise Invalid(
                f"the metadata says {name} {said[:100]!r}", expected=f"{placed}, as its address says"
            )


def of_versions(group: str, artifact: str, versions: Sequence[str], changed: datetime) -> bytes:
    """The metadata of all versions, given in the order in which they came."""
    root = _coordinates(group, artifact)
    versioning = SubElement(root, "versioning")
    _add(versioning, "latest", versions[-1])
    if released := [each for each in versions if not each.endswith("-SNAPSHOT")]:
        _add(versioning, "release", released[-1])
    listed = SubElement(versioning, "versions")
    for each in versions:
        _add(listed, "version", each)
    _add(versioning, "lastUpdated", f"{changed:%Y%m%d%H%M%S}")
    return _written(root)


def of_snapshot(files: Iterable[Address], changed: datetime) -> bytes | None:
    """The metadata of one snapshot version: its newest build that has a POM, or the newest where none has.

    A build whose files are still coming is not told: who asks meanwhile gets the one before, whole.
    """
    known = [(each.build, each) for each in files if each.build is not None]
    plain = [each for each in files if each.build is None]
    first = (known[0][1] if known else plain[0]) if known or plain else None
    if first is None or first.version is None:
        return None
    root = _coordinates(first.group, first.artifact)
    root.set("modelVersion", "1.1.0")
    root.insert(2, Element("version"))
    root[2].text = first.version
    versioning = SubElement(root, "versioning")
    snapshot = SubElement(versioning, "snapshot")
    if not known:
        _add(snapshot, "localCopy", "false")
        _add(versioning, "lastUpdated", f"{changed:%Y%m%d%H%M%S}")
        return _written(root)
    whole = [build for build, each in known if each.extension == "pom"] or [build for build, _ in known]
    newest = max(whole, key=_order)
    _add(snapshot, "timestamp", newest.time)
    _add(snapshot, "buildNumber", str(newest.number))
    _add(versioning, "lastUpdated", newest.time.replace(".", ""))
    newest_of: dict[tuple[str, str], Build] = {}
    for build, each in known:
        key = (each.classifier, each.extension)
        if _order(build) <= _order(newest) and (
            key not in newest_of or _order(build) > _order(newest_of[key])
        ):
            newest_of[key] = build
    _list_files(versioning, first.version, newest_of)
    return _written(root)


def _order(build: Build) -> tuple[str, int]:
    return (build.time, build.number)


def _list_files(versioning: Element, version: str, newest_of: dict[tuple[str, str], Build]) -> None:
    listed = SubElement(versioning, "snapshotVersions")
    for (classifier, extension), build in sorted(newest_of.items()):
        entry = SubElement(listed, "snapshotVersion")
        if classifier:
            _add(entry, "classifier", classifier)
        _add(entry, "extension", extension)
        _add(entry, "value", f"{version.removesuffix('-SNAPSHOT')}-{build.time}-{build.number}")
        _add(entry, "updated", build.time.replace(".", ""))


def _coordinates(group: str, artifact: str) -> Element:
    root = Element("metadata")
    _add(root, "groupId", group)
    _add(root, "artifactId", artifact)
    return root


def _add(element: Element, name: str, text: str) -> None:
    SubElement(element, name).text = text


def _written(root: Element) -> bytes:
    indent(root)
    content: bytes = tostring(root, encoding="UTF-8", xml_declaration=True)
    return content + b"\n"
