"""Packuments, versions, tarballs and search.

Rules:
1. A packument is made once for each change of its package, and kept as bytes, also compressed.
2. In a group, a name is answered from the one member that owns it.
"""

from __future__ import annotations

import gzip
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from clearway import artifacts
from clearway.faces.counter import send
from clearway.kernel import Invalid, NotFound
from clearway.storage import Blobs, UnitOfWork

from . import desk, packuments

MOST_KEPT = 64 << 20  # bytes of all that is kept
MOST_FOUND = 250
MOST_NAMES = 5000  # that a search looks at


@dataclass(frozen=True)
class Page:
    """A packument as it is sent."""

    plain: bytes
    packed: bytes
    tag: str

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return len(self.plain) + len(self.packed)


class Kept:
    """Pages that were made, as long as nothing changed; the longest unused go first. For several threads."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._pages: OrderedDict[Any, tuple[Any, Page]] = OrderedDict()
        self._lock, self._most, self._size = Lock(), most, 0

    def get(self, key: Any, state: Any) -> Page | None:
        """The page of this key when it was made of this state."""
        with self._lock:
            found = self._pages.get(key)
            if found is None or found[0] != state:
                return None
            self._pages.move_to_end(key)
            return found[1]

    def put(self, key: Any, state: Any, page: Page) -> None:
        """Keep a page, in place of an older one."""
        with self._lock:
            if key in self._pages:
                self._size -= self._pages.pop(key)[1].size
            self._pages[key] = (state, page)
            self._size += page.size
            while self._size > self._most:
                self._size -= self._pages.popitem(last=False)[1][1].size


def made(plain: bytes) -> Page:
    """A page of its bytes."""
    packed = gzip.compress(plain, 6, mtime=0)
    return Page(plain, packed, hashlib.sha256(plain).hexdigest()[:32])


async def packument(request: Request) -> Response:
    """A package, in full or abbreviated."""
    name, base = desk.package(request), desk.base(request)
    form = packuments.wanted(request.headers.get("accept", ""))
    kept: Kept = request.app.state.kept

    def look(uow: UnitOfWork) -> Page:
        place = desk.owner(uow, request, name)
        key, revision = (place.name, name, form, base), desk.revision(uow, place, name)
        if (page := kept.get(key, revision)) is not None:
            return page
        files = artifacts.files_of(uow, place.name, name)
        if not files:
            raise desk.no_package(name)
        tags = artifacts.tags_of(uow, place.name, name)
        page = made(packuments.packument(files, tags, form=form, base=base, revision=revision))
        kept.put(key, revision, page)
        return page

    page = await desk.in_transaction(request, look)
    return _page(request, page, form)


def _page(request: Request, page: Page, form: str) -> Response:
    packed = "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{page.tag}"'
    headers = {"ETag": "W/" + tag, "Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding"}
    shown = [
        each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")[:20]
    ]
    if tag in shown:
        return Response(status_code=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(page.packed if packed else page.plain, 200, {**headers, "Content-Type": form})


async def version(request: Request) -> Response:
    """One version, or what a tag names."""
    name, asked, base = desk.package(request), request.path_params["version"], desk.base(request)

    def look(uow: UnitOfWork) -> dict[str, Any]:
        place = desk.owner(uow, request, name)
        versions = [each.version for each in artifacts.versions_of(uow, place.name, name)]
        if not versions:
            raise desk.no_package(name)
        tags = packuments.tags_shown(versions, artifacts.tags_of(uow, place.name, name))
        found = artifacts.files_of(uow, place.name, name, tags.get(asked, asked))
        if not found:
            raise NotFound(f"{name} has no version {asked[:100]}")
        return packuments.version_of(found[0], base)

    return desk.answer(await desk.in_transaction(request, look))


async def tarball(request: Request) -> Response:
    """A version's tarball."""
    name, file = desk.package(request), request.path_params["file"]

    def find(uow: UnitOfWork) -> artifacts.File:
        place = desk.owner(uow, request, name)
        found = artifacts.file_at(uow, place.name, f"{name}/-/{file}")
        if found is None:
            raise NotFound(f"there is no tarball {file[:200]} of {name}")
        return found

    found = await desk.in_transaction(request, find)
    where = await run_in_threadpool(request.app.state.database.tool(Blobs).path, found.digest)
    return send(request, found, where, {"Cache-Control": "private, max-age=31536000, immutable"})


async def search(request: Request) -> Response:
    """Packages whose name contains every word that is asked for."""
    if "text" not in request.query_params:
        raise Invalid("nothing is searched for", expected="`text`, which may be empty")
    text = request.query_params["text"][:200]
    size, start = _number(request, "size", 20, MOST_FOUND), _number(request, "from", 0, MOST_NAMES)

    def look(uow: UnitOfWork) -> dict[str, Any]:
        place = desk.readable(uow, request)
        found = matching(uow, place.members or (place.name,), text)
        shown = [newest(uow, where, name) for name, where in found[start : start + size]]
        objects = [packuments.found(each) for each in shown if each is not None]
        return {"objects": objects, "total": len(found), "time": uow.now().isoformat()}

    return desk.answer(await desk.in_transaction(request, look))


def _number(request: Request, name: str, usual: int, most: int) -> int:
    text = request.query_params.get(name, str(usual))
    if not (text.isascii() and text.isdecimal() and len(text) < 9):
        raise Invalid(f"{name} is no number", expected=f"0 to {most}")
    return min(int(text), most)


def matching(uow: UnitOfWork, places: tuple[str, ...], text: str) -> list[tuple[str, str]]:
    """Names with the registry that owns each; those that begin with what was asked for stand first."""
    words = []
    for each in text.lower().split():
        key, colon, rest = each.partition(":")
        words.append(f"@{rest}/" if key == "scope" and colon else rest if colon else each)
    longest = max(words, key=len, default="")
    found: dict[str, str] = {}
    for place in places:
        cursor = None
        while len(found) < MOST_NAMES:
            page = artifacts.packages_in(uow, place, after=cursor, limit=1000, like=longest or None)
            for name in page.items:
                if all(word in name for word in words):
                    found.setdefault(name, place)
            cursor = page.next_cursor
            if cursor is None:
                break
    first = words[0] if words else ""
    return sorted(found.items(), key=lambda each: (not each[0].startswith(first), each[0]))


def newest(uow: UnitOfWork, place: str, name: str) -> artifacts.File | None:
    """The version that `latest` names."""
    versions = [each.version for each in artifacts.versions_of(uow, place, name)]
    if not versions:
        return None
    latest = packuments.tags_shown(versions, artifacts.tags_of(uow, place, name))["latest"]
    return next(iter(artifacts.files_of(uow, place, name, latest)), None)


async def tags(request: Request) -> Response:
    """A package's dist-tags."""
    name = desk.package(request)

    def look(uow: UnitOfWork) -> dict[str, str]:
        return shown_tags(uow, desk.owner(uow, request, name).name, name)

    return desk.answer(await desk.in_transaction(request, look))


def shown_tags(uow: UnitOfWork, place: str, name: str) -> dict[str, str]:
    """A package's dist-tags. Raises NotFound."""
    versions = [each.version for each in artifacts.versions_of(uow, place, name)]
    if not versions:
        raise desk.no_package(name)
    return packuments.tags_shown(versions, artifacts.tags_of(uow, place, name))
