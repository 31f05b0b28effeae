"""Annotated tags, made in the repository that a service comes from.

Rules:
1. A tag is never moved: where the name is taken by another commit, that is a Conflict; by the same commit, it
   is done already. So making it twice is making it once, whoever was killed in between.
2. The tag reaches our mirror only by being fetched: what we believe is what the origin has.
3. A repository on this machine belongs to somebody else: none of its hooks or helpers run on our behalf.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from clearway.kernel import Invalid, Permanent

from .model import check_ref

SIGNING_S = 30.0
_NAME = re.compile(r"[^<>\n\0]{1,200}\Z")

# What a repository's own settings could make git start on the receiving side.
QUIET_RECEIVER = (
    "git -c core.hooksPath=/dev/null -c core.alternateRefsCommand=false -c gc.auto=0"
    " -c maintenance.auto=false -c receive.autogc=false receive-pack"
)


@dataclass(frozen=True)
class Tag:
    """An annotated tag as it is to be."""

    name: str
    commit: str
    message: str
    tagger: str  # a person's name
    email: str
    at: datetime

    def payload(self) -> bytes:
        """The bytes of the tag's object, without a signature. Raises Invalid."""
        check_ref(self.name)
        if not _NAME.match(self.tagger) or not _NAME.match(self.email):
            raise Invalid(f"{self.tagger[:60]!r} <{self.email[:60]}> cannot make a tag")
        return (
            f"object {self.commit}\ntype commit\ntag {self.name}\n"
            f"tagger {self.tagger} <{self.email}> {int(self.at.timestamp())} +0000\n\n"
            f"{self.message.strip()}\n"
        ).encode()


@dataclass(frozen=True)
class TagKey:
    """The operator's key that signs tags: an SSH key's file, or the id of a key that gpg has."""

    kind: Literal["ssh", "openpgp"]
    key: str

    def sign(self, payload: bytes) -> bytes:
        """The armoured signature of a tag's bytes, as git appends it. Raises Permanent."""
        if self.kind == "ssh":
            words = ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", self.key]
        else:
            words = ["gpg", "--batch", "--no-tty", "--status-fd=2", "-bsa", "-u", self.key]
        program = shutil.which(words[0])
        if program is None:
            raise Permanent(f"{words[0]} is not installed, so the tag cannot be signed")
        if self.kind == "ssh" and not Path(self.key).is_file():
            raise Permanent("the key that signs tags is not there", where=self.key)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "GNUPGHOME") if name in os.environ}
        try:
            done = subprocess.run(
                [program, *words[1:]],
                input=payload,
                env=kept | {"LC_ALL": "C"},
                capture_output=True,
                timeout=SIGNING_S,
                check=False,
                start_new_session=True,  # no terminal: a key with a passphrase must not wait for somebody
            )
        except subprocess.TimeoutExpired:
            raise Permanent(f"signing the tag took more than {SIGNING_S:.0f} s") from None
        if done.returncode != 0 or not done.stdout.startswith(b"-----BEGIN "):
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise Permanent(
                f"the tag cannot be signed: {said[-1][:200] if said else 'no reason was given'}",
                todo="Check tag_signing_key in clearway.toml: the key must be usable without a passphrase.",
            )
        return done.stdout
