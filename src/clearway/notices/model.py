"""Who is told what: documents of kind Notice, and the message that is made from a ledger entry. Pure.

Rules:
1. An address never holds a secret: secrets are named, and read where the message is sent.
2. What is told is what the ledger says; so a notice can be about anything that is recorded.
3. Notices about notices are never sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from pydantic import Field, StringConstraints, model_validator

from clearway.kernel import Document, Name

Loudness = Literal["info", "success", "warning"]
State = Literal["waiting", "sent", "failed", "dropped"]
OWN = "notice."
ATTEMPTS = 8
FIRST_PAUSE_S = 5.0
PAUSE_GROWS = 3.0

# Addresses of these kinds hold no secret unless a user, a password or a telling parameter is in them. In all
# other kinds (chat services) the address itself is the secret.
PLAIN_SCHEMES = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos"})
_BAD = ("fail", "rolled", "going-back", "refused", "rejected", "held", "aborted", "inconclusive")
_GOOD = ("succeeded", "restored", "resolved", "pass")
_TELLING = re.compile(r"pass|secret|token|key|auth|sig|cred", re.IGNORECASE)
# Where whoever knows the path may write: there the path is the secret.
_HOOKS = re.compile(
    r"^(hooks\.slack\.com|(.+\.)?discord(app)?\.com|(.+\.)?webhook\.office\.com|outlook\.office(365)?\.com"
    r"|(.+\.)?logic\.azure\.com|(.+\.)?powerplatform\.com|chat\.googleapis\.com|api\.telegram\.org"
    r"|hooks\.zapier\.com|maker\.ifttt\.com|hook\.(.+\.)?make\.com|webhook\.site|open\.(feishu\.cn|larksuite\.com)"
    r"|qyapi\.weixin\.qq\.com|oapi\.dingtalk\.com)/|/(hooks|webhookb2)/.",
    re.IGNORECASE,
)
# What a machine made up: a known beginning, or 20 letters and digits in one word.
_RANDOM = re.compile(
    r"\b(gh[opsur]_|github_pat_|glpat-|xox[abeoprs]-|sk_|AKIA|cwy_)\w|(?=[\w-]{0,60}\d)(?=[\w-]{0,60}[A-Za-z])[\w-]{20,}"
)
HOLE = "0hole0"  # stands for a {name} while an address is looked at
_HOLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[a-z0-9*?.-]+$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
SecretName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]


class SecretRef(Document):
    """Where a secret is read when the message is sent: an environment variable or a file of the worker."""

    env: Variable | None = None
    """The name of an environment variable."""
    file: Text | None = None
    """The absolute path of a file; white space around its text is left out."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("a secret comes from one place; expected `env` or `file`")
        if self.file is not None and not self.file.startswith("/"):
            raise ValueError("the secret's file is not absolute; expected a path that starts with /")
        return self


class Email(Document):
    """A mail server and who gets the mail."""

    to: tuple[Text, ...] = Field(min_length=1, max_length=50)
    """Addresses."""
    sender: Text
    """The address that it comes from."""
    server: Text
    """The mail server's host."""
    port: int = Field(default=25, ge=1, le=65535)
    """The mail server's port."""
    security: Literal["none", "starttls", "ssl"] = "starttls"
    """How the connection is protected."""
    user: Text | None = None
    """Who signs in at the mail server."""
    password: SecretRef | None = None
    """Where the password is read."""


class Notice(Document):
    """Who is told of which events."""

    name: Name
    """The notice's name."""
    events: tuple[Pattern, ...] = Field(min_length=1, max_length=50)
    """Actions of the ledger, such as `incident.opened`; `*` stands for anything."""
    services: tuple[Name, ...] = ()
    """Only these services; all when empty."""
    environments: tuple[Name, ...] = ()
    """Only these environments; all when empty."""
    url: Text | None = None
    """An Apprise address, such as `jsons://hooks.example.org/x`; `{name}` stands for a secret."""
    url_from: SecretRef | None = None
    """Where the whole address is read: for services whose address is a secret."""
    email: Email | None = None
    """Tell by e-mail."""
    secrets: dict[SecretName, SecretRef] = Field(default={})
    """Secrets that `url` names."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if sum(target is not None for target in (self.url, self.url_from, self.email)) != 1:
            raise ValueError("a notice goes to one place; expected one of `url`, `url_from`, `email`")
        if self.url is not None:
            check_url(self.url, self.secrets)
        return self


class NoticeDocument(Notice):
    """`kind: Notice`."""

    kind: Literal["Notice"]


@dataclass(frozen=True)
class Target:
    """Where a message goes; secrets are still references."""

    url: str  # with {name} where a secret belongs; empty: `whole` is the address
    secrets: Mapping[str, SecretRef] = field(default_factory=dict)
    whole: SecretRef | None = None


@dataclass(frozen=True)
class Message:
    """What is told."""

    id: str  # the delivery's: the same message again has the same id
    title: str
    body: str
    type: Loudness


@dataclass(frozen=True)
class Delivery:
    """One message to one place."""

    id: str
    notice: str
    entry: int  # the ledger entry that it tells of
    action: str
    title: str
    body: str
    type: Loudness
    state: State
    attempts: int
    reason: str  # why the last attempt failed; never holds an address
    created_at: datetime
    ended_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """For edges and pages."""
        return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in vars(self).items()}


@dataclass(frozen=True)
class Fact:
    """What a notice reads of a ledger entry."""

    index: int
    at: datetime
    actor: str
    action: str
    subject: str
    reason: str
    data: Any


def check_url(url: str, secrets: Mapping[str, SecretRef]) -> None:
    """Raises ValueError when the address holds a secret, or names one that is not declared."""
    holes = set(_HOLE.findall(url))
    if holes != set(secrets):
        raise ValueError(
            f"`url` names {sorted(holes)}, `secrets` declares {sorted(secrets)}; expected the same"
        )
    parts = urlsplit(_HOLE.sub(HOLE, url))  # a brace is no letter of a host
    if not parts.scheme or "://" not in url:
        raise ValueError("`url` is no address; expected an Apprise address such as jsons://host/path")
    if parts.scheme not in PLAIN_SCHEMES:
        if not holes:
            raise ValueError(
                f"an address of {parts.scheme} is itself a secret; "
                "expected `url_from`, or {name} for its secret parts"
            )
        return
    if any(_tells(parts)):
        raise ValueError(
            "`url` holds a secret, or what looks like one; "
            "expected {name} in its place, and the name under `secrets`, or `url_from`"
        )


def _tells(parts: SplitResult) -> Iterator[bool]:
    """Each place of an address where a secret may stand: whether one does."""
    user, password = parts.username or "", parts.password or ""
    yield bool(password) and password != HOLE
    yield bool(user) and HOLE not in (user, password)  # a token is often given as the user
    pieces = [unquote(piece) for piece in re.split(r"[/;#]", f"{parts.path}#{parts.fragment}") if piece]
    host = (parts.hostname or "").rstrip(".")
    address = f"{host}/{'/'.join(pieces)}"
    yield bool(pieces) and HOLE not in pieces and bool(_HOOKS.search(address))
    asked = parse_qsl(parts.query)
    yield any(value and value != HOLE and _TELLING.search(key) for key, value in asked)
    yield any(_RANDOM.search(piece) for piece in [*pieces, *(value for _, value in asked)])


def target_of(notice: Notice) -> Target:
    """Where the notice's messages go."""
    if notice.email is None:
        return Target(notice.url or "", notice.secrets, notice.url_from)
    mail = notice.email
    user = "" if mail.user is None else quote(mail.user, safe="")
    secrets = {} if mail.password is None else {"password": mail.password}
    sign_in = f"{user}:{{password}}@" if secrets else f"{user}@" if user else ""
    scheme = "mailto" if mail.security == "none" else "mailtos"
    mode = "" if mail.security == "none" else f"&mode={mail.security}"
    sender, to = quote(mail.sender, safe="@"), quote(",".join(mail.to), safe="@,")
    return Target(f"{scheme}://{sign_in}{mail.server}:{mail.port}?from={sender}&to={to}{mode}", secrets)


def fill(url: str, values: Mapping[str, str]) -> str:
    """The address with its secrets in place, quoted so that they cannot change its meaning."""
    return _HOLE.sub(lambda hole: quote(values[hole[1]], safe=""), url)


def concerns(notice: Notice, fact: Fact) -> bool:
    """Whether the notice is about this entry."""
    if fact.action.startswith(OWN) or not any(fnmatchcase(fact.action, each) for each in notice.events):
        return False
    service, environment = place_of(fact)
    return (not notice.services or service in notice.services) and (
        not notice.environments or environment in notice.environments
    )


def place_of(fact: Fact) -> tuple[str | None, str | None]:
    """The service and environment of an entry, where it says so."""
    data = fact.data if isinstance(fact.data, Mapping) else {}
    kind, _, name = fact.subject.partition(":")
    service, environment = data.get("service"), data.get("environment")
    if kind == "service":
        service = service or name
    elif kind == "environment":
        environment = environment or name
    elif kind == "config" and "/" in name:
        service, environment = name.split("/", 1)
    return service, environment


def compose(delivery_id: str, fact: Fact) -> Message:
    """The message about an entry: short, plain, and enough to act on."""
    service, environment = place_of(fact)
    data = fact.data if isinstance(fact.data, Mapping) else {}
    what = " ".join(str(part) for part in (service, data.get("version")) if part) or fact.subject
    place = f" in {environment}" if environment else ""
    outcome = str(data.get("outcome") or data.get("verdict") or "")
    title = f"{what}{place}: {fact.action.replace('.', ' ').replace('-', ' ')}"
    title += f", {outcome}" if outcome else ""
    lines = [
        *([fact.reason] if fact.reason else []),
        f"by {fact.actor} at {fact.at.isoformat(timespec='seconds')}",
        f"{fact.subject}, ledger entry {fact.index}",
    ]
    return Message(delivery_id, title[:200], "\n".join(lines)[:4000], kind_of(fact.action, outcome))


def kind_of(action: str, outcome: str = "") -> Loudness:
    """How loud it is."""
    said = f"{action.partition('.')[2]} {outcome}"
    if action == "incident.opened" or any(word in said for word in _BAD):
        return "warning"
    return "success" if any(word in said for word in _GOOD) else "info"


def pause(attempts: int) -> timedelta | None:
    """How long to wait after so many attempts; None: give up."""
    if attempts >= ATTEMPTS:
        return None
    return timedelta(seconds=FIRST_PAUSE_S * PAUSE_GROWS ** (attempts - 1))


KINDS: Mapping[str, type[NoticeDocument]] = {"Notice": NoticeDocument}
Notices = Sequence[Notice]
