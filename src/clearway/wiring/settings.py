"""Settings: `clearway.toml` in the home folder, every value with a default that works on one machine."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from clearway.kernel import Invalid

_NUMBERS = ("port", "builds_at_once")


@dataclass(frozen=True)
class Settings:
    """Where everything is. Paths below `home` unless said otherwise."""

    home: Path
    host: str = "127.0.0.1"
    port: int = 8800
    database_url: str = ""  # empty: SQLite in the home folder
    public_url: str = ""  # what people type; empty: http://host:port
    log_level: str = "info"
    git_credential_helper: str = ""  # asked by git for private https repositories; empty: nobody is
    builds_at_once: int = 2  # in a worker; pools and teams share them out
    tag_signing: str = ""  # ssh or openpgp: how the tags that Clearway makes are signed; empty: not at all
    tag_signing_key: str = ""  # the private SSH key's file, or the id of a key that gpg has

    sandbox: str = "auto"  # bubblewrap, container or plain: where builds run; auto: the first that works here
    fetch_hosts: str = ""  # more hosts that builds may fetch locked packages from, with commas between
    maven_repository: str = ""  # http(s) or file; empty: the mirror of central in the settings of Maven
    signer_user: str = ""  # who the signer process becomes when Clearway runs as root; empty: it stays root

    @property
    def signer_key(self) -> Path:
        """The key that signs evidence; opened by the signer process alone."""
        return self.home / "keys" / "evidence.pem"

    @property
    def signer_socket(self) -> Path:
        """Where the signer process listens."""
        return self.home / "signer" / "socket"

    @property
    def hosts_to_fetch(self) -> list[str]:
        """Of `fetch_hosts`, each by itself."""
        return self.fetch_hosts.replace(",", " ").split()

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.home / 'clearway.db'}"

    @property
    def url(self) -> str:
        """The address people use."""
        return self.public_url or f"http://{self.host}:{self.port}"

    def folder(self, name: str) -> Path:
        """A folder below home, made when missing, for nobody but its owner."""
        path = self.home / name
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path


def load(home: Path, **given: object) -> Settings:
    """Read `home/clearway.toml`; what is given on the command line wins. Raises Invalid with file and key."""
    home = home.expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    values: dict[str, object] = {}
    file = home / "clearway.toml"
    if file.exists():
        values = _read(file)
    if url := os.environ.get("CLEARWAY_DATABASE_URL"):
        values["database_url"] = url
    values.update({key: value for key, value in given.items() if value is not None})
    return Settings(home=home, **values)  # type: ignore[arg-type]


def _read(file: Path) -> dict[str, object]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(str(error), where=str(file), expected="a TOML file") from error
    kinds = {
        field.name: int if field.name in _NUMBERS else str
        for field in fields(Settings)
        if field.name != "home"
    }
    for key, value in values.items():
        if key not in kinds:
            raise Invalid(f"unknown key {key!r}", where=str(file), expected="one of " + ", ".join(kinds))
        if not isinstance(value, kinds[key]) or isinstance(value, bool):
            raise Invalid(f"{key} is {value!r}", where=str(file), expected=kinds[key].__name__)
    _check_signing(values, str(file))
    if not 1 <= int(str(values.get("builds_at_once", 1))) <= 64:
        raise Invalid("builds_at_once is out of reach", where=str(file), expected="1 to 64")
    return values


def _check_signing(values: Mapping[str, object], where: str) -> None:
    """Somebody who wants signed tags must not get unsigned ones because of half a setting."""
    kind, key = values.get("tag_signing", ""), values.get("tag_signing_key", "")
    if kind not in ("", "ssh", "openpgp"):
        raise Invalid(f"tag_signing is {kind!r}", where=where, expected="ssh or openpgp")
    if bool(kind) != bool(key) or str(key).startswith("-"):
        raise Invalid(
            "tag_signing and tag_signing_key belong together",
            where=where,
            expected="both: ssh with the private key's file, or openpgp with a key's id",
        )
