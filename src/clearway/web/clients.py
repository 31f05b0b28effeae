"""What a client needs to be told to use a registry: the lines to copy, by format. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from clearway.catalog import Registry


@dataclass(frozen=True)
class Setup:
    """How one client is used with a registry."""

    client: str
    text: str  # commands or a file's content, with TOKEN where a token belongs


def setup(registry: Registry, address: str) -> tuple[Setup, ...]:
    """The lines for the clients of this registry's format; `address` is where people reach Clearway."""
    parts = urlsplit(address)
    host, name, base = parts.netloc, registry.name, f"{address}/{registry.format}/{registry.name}"
    with_token = f"{parts.scheme}://__token__:TOKEN@{host}/pypi/{name}"
    return {
        "pypi": (
            Setup("pip", f"pip install --index-url {with_token}/simple/ PACKAGE"),
            Setup("uv", f"uv pip install --default-index {with_token}/simple/ PACKAGE"),
            Setup("twine", f"twine upload --repository-url {base}/legacy/ -u __token__ -p TOKEN dist/*"),
        ),
        "maven": (
            Setup("pom.xml", f"<repository><id>{name}</id><url>{base}</url></repository>"),
            Setup(
                "settings.xml",
                f"<server><id>{name}</id><username>me</username><password>TOKEN</password></server>",
            ),
            Setup("deploy", f"mvn deploy -DaltDeploymentRepository={name}::{base}"),
        ),
        "npm": (
            Setup("token", f"npm config set //{host}/npm/{name}/:_authToken TOKEN"),
            Setup("npm", f"npm install --registry {base}/ PACKAGE"),
            Setup("publish", f"npm publish --registry {base}/"),
        ),
        "generic": (
            Setup("push", f'curl -H "Authorization: Bearer TOKEN" -T FILE {base}/NAME/VERSION/FILE'),
            Setup("get", f'curl -H "Authorization: Bearer TOKEN" -O {base}/NAME/VERSION/FILE'),
        ),
    }[registry.format]
