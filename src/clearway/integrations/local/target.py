"""Runs instances as processes of this machine.

Rules:
1. A bundle is installed complete or not at all, its files read-only, and recorded outside its tree.
2. Before each start the installed files are compared with the record; changed ones are replaced.
3. A look at an instance takes HEALTH_S at most, however slowly it answers.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import shutil
import socket
import sys
import sysconfig
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from clearway.deploy.ports import Launch, Seen
from clearway.kernel import Permanent, Retry

from . import installed
from .programs import Program

HEALTH_S = 2.0
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
MAX_BUNDLE = 4 << 30  # bytes a bundle may unpack to


class LocalTarget:
    """Installs in `root/installs`, recorded in `root/records`, instances in `root/instances/<id>`."""

    def __init__(self, root: Path) -> None:
        self.installs = root / "installs"
        self.instances = root / "instances"
        self.records = root / "records"
        for folder in (self.installs, self.instances, self.records):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _place(self, bundle_digest: str) -> Path:
        return self.installs / bundle_digest.replace(":", "-")

    def _program(self, instance_id: str) -> Program:
        return Program(self.instances / instance_id)

    def install(self, bundle_digest: str, bundle: Path) -> str:
        """See Target. Unpacked beside and renamed, so a crash leaves no half install."""
        place = self._place(bundle_digest)
        record = self.records / f"{place.name}.json"
        there = place.exists()
        changed = installed.difference(place, record) if there else ""
        if changed is None:
            return ""
        beside = Path(tempfile.mkdtemp(dir=self.installs, prefix=".new-"))
        aside = beside.with_name(beside.name + ".old")
        try:
            _unpack(bundle, beside / "bundle")
            _install_wheels(beside / "bundle", beside / "site", beside / "bin")
            installed.seal(beside, record)
            if there:  # what runs keeps its open files; what it reads from now on is right again
                with contextlib.suppress(FileNotFoundError):
                    os.rename(place, aside)
            os.rename(beside, place)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return changed  # somebody else was first, with the same bytes
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Retry(
                    "the disk that holds installed services is full", todo="Free some space."
                ) from error
            raise Permanent(f"the bundle cannot be installed: {error}") from error
        except (Permanent, Retry):
            raise
        except Exception as error:
            # Whatever readers raise of broken bytes (a bad zip, header or name): they stay broken.
            text = f"{type(error).__name__}: {error}"
            raise Permanent(f"the bundle cannot be installed: {text}") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
            shutil.rmtree(aside, ignore_errors=True)
        return changed

    def start(self, launch: Launch) -> None:
        """See Target."""
        place = self._place(launch.bundle_digest)
        if not place.exists():
            raise Permanent(f"bundle {launch.bundle_digest} is not installed")
        program = self._program(launch.instance_id)
        variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        variables |= {
            "HOME": str(program.folder),
            "PYTHONPATH": str(place / "site"),
            "PYTHONNOUSERSITE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": os.pathsep.join([str(place / "bin"), os.environ.get("PATH", os.defpath)]),
        }
        program.start(_argv(place, launch.command), variables | dict(launch.variables))

    def stop(self, instance_id: str, grace_s: float) -> None:
        """See Target."""
        self._program(instance_id).stop(grace_s)

    def observe(self, instance_id: str, port: int, health_path: str) -> Seen:
        """See Target."""
        program = self._program(instance_id)
        pid = program.pid()
        if pid is None:
            last = program.log_tail(3).strip().replace("\n", " | ")
            text = f"the process is gone; it last said: {last[-300:] or 'nothing'}"
            return Seen(False, False, None, text)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.sock = _Within(HEALTH_S)
            connection.sock.connect(("127.0.0.1", port))
            connection.request("GET", health_path, headers={"Connection": "close"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return Seen(True, False, pid, f"{health_path} does not answer: {type(error).__name__}")
        finally:
            connection.close()
        return Seen(True, status < 400, pid, "" if status < 400 else f"{health_path} answers {status}")

    def log_tail(self, instance_id: str, lines: int = 20) -> str:
        """See Target."""
        return self._program(instance_id).log_tail(lines)


class _Within(socket.socket):
    """A connection that has so many seconds for everything, not for each read."""

    def __init__(self, seconds: float) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self._deadline = time.monotonic() + seconds
        self.settimeout(seconds)

    def recv_into(self, *args: Any) -> int:
        """See socket."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self.settimeout(left)
        return super().recv_into(*args)


def _argv(place: Path, command: tuple[str, ...]) -> list[str]:
    """`python` is this interpreter's base with the install on its path; others are found in the install."""
    name, *rest = command
    if name in ("python", "python3"):
        base = Path(sys.base_prefix) / "bin" / f"python{sysconfig.get_python_version()}"
        return [str(base if base.exists() else sys.executable), "-s", *rest]
    for candidate in (place / "bin" / name, place / "bundle" / name):
        if "/" not in name.removeprefix("./") and candidate.exists():
            return [str(candidate), *rest]
    found = name if os.path.isabs(name) else shutil.which(name)
    if not found:
        raise Permanent(f"the program {name!r} is neither in the bundle nor on this machine")
    return [found, *rest]


def _unpack(bundle: Path, to: Path) -> None:
    """Unpack a tar of plain files. By hand: Debian 12's Python 3.11.2 has no extraction filters yet."""
    to.mkdir(parents=True)
    try:
        with tarfile.open(bundle) as archive:
            members = archive.getmembers()
            if sum(member.size for member in members) > MAX_BUNDLE:
                raise Permanent(f"the bundle unpacks to more than {MAX_BUNDLE >> 30} GiB")
            for member in members:
                _unpack_one(archive, member, to)
    except tarfile.TarError as error:
        raise Permanent(f"the bundle is no readable archive: {error}") from error


def _unpack_one(archive: tarfile.TarFile, member: tarfile.TarInfo, to: Path) -> None:
    """One file or folder; links, devices and paths that lead out are refused."""
    place = (to / member.name).resolve()
    if not place.is_relative_to(to.resolve()) or not (member.isfile() or member.isdir()):
        raise Permanent(f"the bundle holds {member.name!r}, which is no plain file inside it")
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    content = archive.extractfile(member)
    if content is None:
        raise Permanent(f"the bundle holds {member.name!r} without content")
    with content, place.open("wb") as out:
        shutil.copyfileobj(content, out)
    place.chmod(0o755 if member.mode & 0o100 else 0o644)


def _install_wheels(bundle: Path, site: Path, scripts: Path) -> None:
    """Every wheel of the bundle into `site`, console scripts into `scripts`; nothing is fetched."""
    from installer import install
    from installer.destinations import SchemeDictionaryDestination
    from installer.sources import WheelFile

    base = Path(sys.base_prefix) / "bin" / f"python{sysconfig.get_python_version()}"
    scheme = {
        "purelib": str(site),
        "platlib": str(site),
        "scripts": str(scripts),
        "data": str(site.parent / "data"),
        "headers": str(site.parent / "headers"),
    }
    site.mkdir()
    scripts.mkdir()
    destination = SchemeDictionaryDestination(
        scheme, interpreter=str(base if base.exists() else sys.executable), script_kind="posix"
    )
    for wheel in sorted(bundle.rglob("*.whl")):
        try:
            with WheelFile.open(wheel) as source:
                install(source, destination, {"INSTALLER": b"clearway"})
        except OSError:
            raise
        except Exception as error:  # whatever a wheel that lies makes its reader raise
            raise Permanent(
                f"the wheel {wheel.name} cannot be installed: {error}",
                todo="Mend how the service is packaged, and build it again.",
            ) from error
