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
        "npm": (
            Setup("npm", f"npm config set //{host}/npm/{name}/:_authToken TOKEN"),
            Setup("npm install", f"npm install --registry {base}/ PACKAGE"),
            Setup("npm publish", f"npm publish --registry {base}/"),
        ),
        "oci": (
            Setup("login", f"podman login {host} -u me -p TOKEN"),
            Setup("push", f"skopeo copy oci:IMAGE docker://{host}/{name}/IMAGE:TAG"),
            Setup("pull", f"podman pull {host}/{name}/IMAGE:TAG"),
        ),
        "maven": (
            Setup("pom.xml", f"<repository><id>{name}</id><url>{base}</url></repository>"),
            Setup(
                "settings.xml",
                f"<server><id>{name}</id><username>me</username><password>TOKEN</password></server>",
            ),
        ),
        "nuget": (
            Setup("source", f"nuget sources add -Name {name} -Source {base}/v3/index.json"),
            Setup("push", f"nuget push PACKAGE.nupkg TOKEN -Source {base}/v3/index.json"),
        ),
        "generic": (
            Setup("push", f'curl -H "Authorization: Bearer TOKEN" -T FILE {base}/NAME/VERSION/FILE'),
            Setup("get", f'curl -H "Authorization: Bearer TOKEN" -O {base}/NAME/VERSION/FILE'),
        ),
    }[registry.format]
