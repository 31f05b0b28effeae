"""Pages of the Simple API 1.4: JSON (PEP 691, 700, 792) and the frozen HTML (PEP 503, 592, 714). Pure."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from packaging.version import Version

from clearway.artifacts import File

API = "1.4"
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
PLAIN = "text/html"
_KNOWN = {
    JSON: JSON,
    "application/vnd.pypi.simple.latest+json": JSON,
    HTML: HTML,
    "application/vnd.pypi.simple.latest+html": HTML,
    PLAIN: PLAIN,
    "text/*": PLAIN,
    "*/*": PLAIN,
}


def wanted(accept: str, asked: str | None) -> str | None:
    """Which form a client wants (PEP 691): by `?format=`, else by Accept; None when we have none of them."""
    if asked is not None:
        return _KNOWN.get(asked.replace(" ", "+")) if asked not in ("*/*", "text/*") else None
    best: tuple[float, int, str] | None = None
    for place, part in enumerate(accept.split(",")[:50] if accept.strip() else ["*/*"]):
        kind, *options = (each.strip() for each in part.split(";"))
        form = _KNOWN.get(kind.lower())
        weight = next((each[2:] for each in options if each.startswith("q=")), "1")
        try:
            value = float(weight)
        except ValueError:
            continue
        if form and value > 0 and (best is None or (-value, place) < best[:2]):
            best = (-value, place, form)
    return best[2] if best else None


def project_list(names: Sequence[str], form: str) -> bytes:
    """The page of all projects."""
    if form == JSON:
        content = {"meta": {"api-version": API}, "projects": [{"name": each} for each in names]}
        return json.dumps(content, separators=(",", ":")).encode()
    rows = "".join(f'<a href="{quote(each)}/">{html.escape(each)}</a><br>\n' for each in names)
    return _page("Simple index", rows)


def project(name: str, files: Sequence[File], form: str) -> bytes:
    """The page of one project; files by version and name."""
    ordered = sorted(files, key=lambda each: (Version(each.version or "0"), each.path))
    if form == JSON:
        versions = dict.fromkeys(str(each.version) for each in ordered)
        content = {
            "meta": {"api-version": API},
            "name": name,
            "project-status": {"status": "active"},
            "versions": list(versions),
            "files": [_file(each) for each in ordered],
        }
        return json.dumps(content, separators=(",", ":")).encode()
    return _page(f"Links for {name}", "".join(_link(each) for each in ordered))


def _address(file: File) -> str:
    # relative to /pypi/REGISTRY/simple/PROJECT/, so that it holds behind any proxy and host name
    return f"../../files/{quote(file.path)}"


def _name(file: File) -> str:
    return file.path.rpartition("/")[2]


def _file(file: File) -> dict[str, Any]:
    facts: Mapping[str, Any] = file.facts
    return {
        "filename": _name(file),
        "url": _address(file),
        "hashes": {"sha256": file.digest.removeprefix("sha256:")},
        **({"requires-python": facts["requires_python"]} if facts.get("requires_python") else {}),
        "size": file.size,
        "upload-time": _instant(file.at),
        "yanked": facts.get("yanked", False),
        "core-metadata": {"sha256": facts["metadata"]},
    }


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _link(file: File) -> str:
    facts: Mapping[str, Any] = file.facts
    attributes = ""
    if requires := facts.get("requires_python"):
        attributes += f' data-requires-python="{html.escape(requires)}"'
    for name in ("data-core-metadata", "data-dist-info-metadata"):
        attributes += f' {name}="sha256={facts["metadata"]}"'
    if facts.get("yanked", False) is not False:
        reason = "" if facts["yanked"] is True else str(facts["yanked"])
        attributes += f' data-yanked="{html.escape(reason)}"'
    address = f"{_address(file)}#sha256={file.digest.removeprefix('sha256:')}"
    return f'<a href="{html.escape(address)}"{attributes}>{html.escape(_name(file))}</a><br>\n'


def _page(title: str, rows: str) -> bytes:
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8">'
        f'<meta name="pypi:repository-version" content="{API}"><title>{html.escape(title)}</title></head>'
        f"<body>\n<h1>{html.escape(title)}</h1>\n{rows}</body></html>\n"
    ).encode()
