"""CI systems of others that may vouch for what they built: who issues their tokens, who may say what. Pure.

Rules:
1. Nothing is trusted that is not named: a service without an entry takes nothing from anybody's CI, and
   repository and ref are never left out.
2. Names are compared exactly. In refs, `*` stands for letters within one part, `**` for any number of parts.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import Field, StringConstraints, field_validator

from clearway.kernel import Document, Name

CIForge = Literal["github", "gitlab", "azure-devops"]
Said = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\s\x00-\x1f\x7f]+$")]
RefGlob = Annotated[
    str, StringConstraints(max_length=300, pattern=r"^refs/(heads|tags)/[^\s\x00-\x1f\x7f~^:?\[\\]+$")
]

# What starts a job decides whose code runs in it: a job for a stranger's pull request may carry the token of
# the branch it goes to (`pull_request_target`), so only what people of the repository start counts unasked.
USUAL_EVENTS: dict[str, tuple[str, ...]] = {
    "github": ("push", "workflow_dispatch", "schedule", "release", "create"),
    "gitlab": ("push", "web", "schedule", "api", "trigger", "pipeline", "parent_pipeline"),
    "azure-devops": (),  # its tokens do not say
}


def is_safe_address(address: str) -> bool:
    """Whether keys may be fetched from there: https, or plain http that never leaves this machine."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - raises for one that is none
    except ValueError:
        return False
    if parts.username or parts.password or parts.query or parts.fragment or not parts.hostname:
        return False
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    return parts.scheme == "https" or (parts.scheme == "http" and local)


def ref_fits(ref: str, glob: str) -> bool:
    """Whether a full ref fits a pattern: `refs/heads/*` has `refs/heads/main`, not `refs/heads/a/b`."""
    return _parts_fit(ref.split("/"), glob.split("/"))


def _parts_fit(parts: list[str], globs: list[str]) -> bool:
    reached = {0}
    for part in parts:
        reached = _past(reached, globs)
        reached = {
            at if globs[at] == "**" else at + 1
            for at in reached
            if at < len(globs) and (globs[at] == "**" or fnmatchcase(part, globs[at]))
        }
    return len(globs) in _past(reached, globs)


def _past(reached: set[int], globs: list[str]) -> set[int]:
    """With the places that are reached because `**` may stand for nothing."""
    found = set(reached)
    for at in range(len(globs)):
        if at in found and globs[at] == "**":
            found.add(at + 1)
    return found


class MayAttest(Document):
    """Which jobs may vouch for one service; all that is named must fit."""

    service: Name
    """The service."""
    repositories: tuple[Said, ...] = Field(min_length=1, max_length=50)
    """GitHub: `owner/name`; GitLab: the project's path; Azure DevOps: the repository's address."""
    refs: tuple[RefGlob, ...] = Field(min_length=1, max_length=50)
    """Full refs that the job runs for, such as `refs/heads/main` or `refs/tags/v*`."""
    workflows: tuple[Said, ...] = Field(default=(), max_length=50)
    """GitHub, GitLab: files of the pipeline, such as `.github/workflows/release.yml`; Azure DevOps: ids of
    pipelines; any when left out."""
    environments: tuple[Said, ...] = Field(default=(), max_length=50)
    """Deployment environments that the job names; any, and none, when left out."""
    events: tuple[Said, ...] = Field(default=(), max_length=50)
    """What may have started the job, in the CI's own words; what people with write access do, when left
    out, never a pull request."""


class ProvenanceKey(Document):
    """A key with which the CI itself signs provenance, and the builder that the key speaks for."""

    key: Annotated[str, StringConstraints(max_length=4000)]
    """The public key, PEM: Ed25519, or ECDSA on P-256 or P-384."""
    builder: Said
    """The only `builder.id` that counts under this key."""

    @field_validator("key")
    @classmethod
    def _readable(cls, text: str) -> str:
        try:
            found = load_pem_public_key(text.encode())
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("that is no public key; expected -----BEGIN PUBLIC KEY-----") from None
        good = isinstance(found, Ed25519PublicKey) or (
            isinstance(found, EllipticCurvePublicKey) and found.curve.name in ("secp256r1", "secp384r1")
        )
        if not good:
            raise ValueError("a key of another kind; expected Ed25519, or ECDSA on P-256 or P-384")
        return text


class TrustedCI(Document):
    """A CI system whose jobs may send artifacts and evidence, shown by its OIDC token."""

    name: Name
    """What it is called here."""
    forge: CIForge
    """Whose tokens these are: each says repository and ref in its own words."""
    issuer: Annotated[str, StringConstraints(max_length=500)]
    """Exactly the token's `iss`; the public keys are found from there. https only."""
    audience: Said
    """Exactly the token's `aud`: this server's own name, so that tokens for others are no good here."""
    services: tuple[MayAttest, ...] = Field(min_length=1, max_length=500)
    """Who may vouch for which service."""
    provenance_keys: tuple[ProvenanceKey, ...] = Field(default=(), max_length=10)
    """Keys with which the CI signs provenance by itself; with it a build is recorded at level 2."""
    description: Annotated[str, StringConstraints(max_length=500)] = ""
    """What runs there."""

    @field_validator("issuer")
    @classmethod
    def _safe(cls, address: str) -> str:
        if not is_safe_address(address):
            raise ValueError("that is no issuer; expected https://HOST/PATH, without a query")
        return address

    def rules_for(self, service: str) -> tuple[MayAttest, ...]:
        """Those about one service."""
        return tuple(each for each in self.services if each.service == service)


class TrustedCIDocument(TrustedCI):
    """`kind: TrustedCI`."""

    kind: Literal["TrustedCI"]
