"""Fetching by HTTP: from hosts that this machine's own settings name, hashed while the bytes arrive.

Rules:
1. A lock file comes from a repository, which anybody may have written. It says which bytes; whom we connect
   to is said by this machine: its registries, and `fetch_hosts` of clearway.toml.
2. A redirect is a new address under the same rules, and never leads from https to anything less.
3. Bytes that are wrong are thrown away before anybody saw them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urljoin, urlsplit

from clearway.build.ports import Fetched, Locked, Watch, Write, must_prove
from clearway.kernel import Permanent, Retry

from .registries import Registries
from .store import Hashes, Store, kinds_of

_REDIRECTS = (301, 302, 303, 307, 308)
_LATER = (408, 425, 429, 500, 502, 503, 504)
_WAITS_S = (0.5, 2.0)  # before the second and third try
_HOPS = 5
_HEADERS = {"User-Agent": "clearway", "Accept-Encoding": "identity"}
LOOK_S = 0.3


@dataclass(frozen=True)
class FetchLimits:
    """What one file, and one call, may cost."""

    file_bytes: int = 512 << 20
    total_bytes: int = 4 << 30
    seconds: float = 120.0  # for one file
    total_seconds: float = 900.0
    together: int = 6


class HttpFetcher:
    """Fulfils build's Fetcher port."""

    def __init__(
        self,
        root: Path,
        hosts: Iterable[str] = (),
        registries: Registries | None = None,
        limits: FetchLimits | None = None,
        waits: Sequence[float] = _WAITS_S,
    ) -> None:
        self._store = Store(root)
        self._hosts = {each.lower() for each in hosts}
        self._registries = registries or Registries()
        self._limits = limits or FetchLimits()
        self._waits = waits

    def fetch(self, items: Sequence[Locked], write: Write, watch: Watch) -> tuple[Fetched, ...]:
        """See Fetcher.fetch."""
        found: dict[int, Fetched] = {}
        missing: list[tuple[int, Locked]] = []
        for number, item in enumerate(items):
            must_prove(item)
            if number % 50 == 0:
                watch()
            if kept := self._kept(item):
                found[number] = kept
            else:
                missing.append((number, item))
        if missing:
            found |= self._bring(missing, write, watch)
        return tuple(found[number] for number in range(len(items)))

    def _kept(self, item: Locked) -> Fetched | None:
        known = self._store.find(item.digests)
        if known is None:
            return None
        path, hashes = known
        try:
            location = self._address(item)
        except Permanent:
            location = ""  # no registry is known here, and none is needed
        return Fetched(item.name, path, hashes.sha256, hashes.size, "store", location)

    def _bring(self, missing: Sequence[tuple[int, Locked]], write: Write, watch: Watch) -> dict[int, Fetched]:
        """Several at a time; the first that fails ends them all."""
        import httpx  # a fifth of a second to import: only who fetches pays for it

        stop, spent = Event(), _Spent(self._limits)
        addresses = {number: self._address(item) for number, item in missing}
        found: dict[int, Fetched] = {}
        with (
            httpx.Client(
                timeout=30.0, headers={"User-Agent": "clearway", "Accept-Encoding": "identity"}
            ) as client,
            ThreadPoolExecutor(self._limits.together) as pool,
        ):
            running: dict[Future[Fetched], int] = {}
            for number, item in missing:
                one = _One(self, client, item, addresses[number], stop, spent)
                running[pool.submit(one.fetch)] = number
            try:
                while running:
                    watch()
                    spent.look()
                    done, _ = wait(running, timeout=LOOK_S, return_when=FIRST_COMPLETED)
                    for each in done:
                        number = running.pop(each)
                        found[number] = each.result()
                        write(f"{found[number].name} {found[number].size} bytes\n".encode())
            finally:
                stop.set()
                for each in running:
                    each.cancel()
        return found

    def _address(self, item: Locked) -> str:
        if item.registry == "npm":
            return urljoin(self._registries.npm(item.scope), item.url.lstrip("/"))
        return item.url

    def must_be_allowed(self, item: Locked, url: str, before: str = "") -> None:
        """Raises Permanent for an address that we do not connect to."""
        try:
            parts = urlsplit(url)
            host, scheme = (parts.hostname or "").lower(), parts.scheme
        except ValueError:
            host, scheme = "", ""
        if scheme not in ("http", "https") or not host:
            raise Permanent(
                f"{item.name}: it would come from {scheme or 'no'} address; only http(s) is asked"
            )
        if before and urlsplit(before).scheme == "https" and scheme != "https":
            raise Permanent(f"{item.name}: a redirect from https to {scheme} is not followed")
        if host not in self._hosts and host not in self._registries.hosts():
            raise Permanent(
                f"{item.name}: it would come from {host}, which is no registry of this machine",
                todo="Require it from a registry, or name the host in fetch_hosts of clearway.toml.",
            )

    def one(self, item: Locked, client: Any, address: str, go_on: Callable[[int], None]) -> Fetched:
        """Fetch one file. Raises Permanent and Retry."""
        hashes = Hashes(kinds_of(item.digests))
        stream, fresh = self._store.begin()
        try:
            with stream:
                self._stream(item, client, address, go_on, hashes, stream.write)
            if wrong := hashes.wrong(item.digests):
                kind = wrong[0].partition(":")[0]
                raise Permanent(
                    f"{item.name}: the registry sends other bytes than the lock file names"
                    f" ({kind} {wrong[0].partition(':')[2][:16]}… was expected)",
                    todo="Somebody changed the package or the lock file. Find out who before you go on.",
                )
            path = self._store.keep(fresh, hashes)
        finally:
            fresh.unlink(missing_ok=True)
        return Fetched(item.name, path, hashes.sha256, hashes.size, "network", address)

    def _stream(
        self,
        item: Locked,
        client: Any,
        address: str,
        go_on: Callable[[int], None],
        hashes: Hashes,
        keep: Callable[[bytes], Any],
    ) -> None:
        url, before = address, ""
        for _ in range(_HOPS):
            self.must_be_allowed(item, url, before)
            with client.stream("GET", url, follow_redirects=False) as answer:
                if answer.status_code in _REDIRECTS and "location" in answer.headers:
                    before, url = url, urljoin(url, answer.headers["location"])
                    continue
                if answer.status_code in _LATER:
                    raise Retry(f"{item.name}: the registry answers {answer.status_code}")
                if answer.status_code != 200:
                    raise Permanent(f"{item.name}: the registry answers {answer.status_code}")
                for data in answer.iter_raw():
                    hashes.update(data)
                    go_on(len(data))
                    if hashes.size > self._limits.file_bytes:
                        raise Permanent(f"{item.name}: more than {self._limits.file_bytes >> 20} MiB")
                    keep(data)
                return
        raise Permanent(f"{item.name}: more than {_HOPS} redirects")

    @property
    def waits(self) -> Sequence[float]:
        """Between tries."""
        return self._waits

    @property
    def seconds(self) -> float:
        """For one file."""
        return self._limits.seconds


class _Spent:
    """What one call has cost up to now."""

    def __init__(self, limits: FetchLimits) -> None:
        self._limits, self._began, self._bytes = limits, time.monotonic(), 0

    def add(self, count: int) -> None:
        self._bytes += count
        if self._bytes > self._limits.total_bytes:
            raise Permanent(f"the packages are more than {self._limits.total_bytes >> 20} MiB together")

    def look(self) -> None:
        if time.monotonic() - self._began > self._limits.total_seconds:
            raise Retry(f"fetching took more than {self._limits.total_seconds:.0f} s")


@dataclass
class _One:
    """One file, tried again when the registry is away."""

    fetcher: HttpFetcher
    client: Any
    item: Locked
    address: str
    stop: Event
    spent: _Spent

    def fetch(self) -> Fetched:
        import httpx

        for pause in (*self.fetcher.waits, None):
            self._until = time.monotonic() + self.fetcher.seconds
            try:
                return self.fetcher.one(self.item, self.client, self.address, self._go_on)
            except Retry:
                if pause is None:
                    raise
            except (httpx.TransportError, httpx.InvalidURL) as error:
                if pause is None or isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
                    raise self._away(error) from error
            if self.stop.wait(pause):
                raise CancelledError
        raise AssertionError("unreachable")

    def _away(self, error: Exception) -> Retry:
        host = urlsplit(self.address).hostname
        return Retry(f"{self.item.name}: {host} cannot be reached: {error}", todo="Build again in a while.")

    def _go_on(self, count: int) -> None:
        self.spent.add(count)
        if self.stop.is_set():
            raise CancelledError
        if time.monotonic() > self._until:
            raise Retry(f"{self.item.name}: it took more than {self.fetcher.seconds:.0f} s")
