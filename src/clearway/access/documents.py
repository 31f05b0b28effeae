"""The documents that declare people and roles (kinds User and Role). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from clearway.kernel import Document

from .model import Binding, Grant, RoleName, User

__all__ = ["KINDS", "RoleDocument", "UserDocument"]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Text = Annotated[str, Field(max_length=500)]
SigningKey = Annotated[
    str,
    Field(
        max_length=20_000,
        pattern=r"^\s*((ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/=]+|"
        r"-----BEGIN PGP PUBLIC KEY BLOCK-----)",
    ),
]


class GrantDocument(Document):
    """A role in some environments; without `environments`, in all. A bare role name says the same."""

    role: RoleName
    environments: list[Name] | None = Field(default=None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return {"role": value} if isinstance(value, str) else value

    def grant(self) -> Grant:
        """As a value."""
        return Grant(self.role, None if self.environments is None else tuple(sorted(set(self.environments))))


class UserDocument(Document):
    """A person, or a robot account that scripts use."""

    kind: Literal["User"] = "User"
    name: Name
    account: Literal["person", "robot"] = "person"
    full_name: Text = ""
    email: Text = ""
    aliases: list[Text] = Field(default_factory=list, max_length=50)
    groups: list[Name] = Field(default_factory=list)
    roles: list[GrantDocument] = Field(default_factory=list)
    disabled: bool = False
    signing_keys: list[SigningKey] = Field(default_factory=list, max_length=20)

    def user(self) -> User:
        """As a value."""
        return User(
            self.name,
            self.account,
            self.full_name,
            self.email,
            tuple(self.aliases),
            tuple(sorted(set(self.groups))),
            tuple(role.grant() for role in self.roles),
            self.disabled,
            signing_keys=tuple(self.signing_keys),
        )


class RoleDocument(Document):
    """Gives a built-in role to users and groups, in some environments or in all."""

    kind: Literal["Role"] = "Role"
    name: Name
    role: RoleName
    environments: list[Name] | None = Field(default=None, min_length=1)
    users: list[Name] = Field(default_factory=list)
    groups: list[Name] = Field(default_factory=list)
    description: Text = ""

    def binding(self) -> Binding:
        """As a value."""
        grant = GrantDocument(role=self.role, environments=self.environments).grant()
        return Binding(
            self.name,
            grant,
            tuple(sorted(set(self.users))),
            tuple(sorted(set(self.groups))),
            self.description,
        )


KINDS: Mapping[str, type[BaseModel]] = {"User": UserDocument, "Role": RoleDocument}
