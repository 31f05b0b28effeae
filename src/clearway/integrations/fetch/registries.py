"""The registries that this machine is set to, as its own tools tell; no address is written down here.

Rule: what a repository says about registries is not asked: it would choose where we connect to.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cached_property
from urllib.parse import urlsplit

from clearway.kernel import Permanent

_SECONDS = 30


class Registries:
    """Read once from npm's settings, when they are first needed."""

    def __init__(self, npm: Mapping[str, str] | None = None) -> None:
        self._given = npm

    @cached_property
    def _npm(self) -> dict[str, str]:
        """`registry`, and `@scope:registry` for scopes with their own."""
        if self._given is not None:
            return dict(self._given)
        program = shutil.which("npm")
        if program is None:
            found = os.environ.get("NPM_CONFIG_REGISTRY")
            return {"registry": found} if found else {}
        words = [program, "config", "list", "--json"]
        try:
            done = subprocess.run(words, capture_output=True, cwd="/", timeout=_SECONDS, check=True)
            said = json.loads(done.stdout)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            raise Permanent(f"npm does not tell which registry this machine uses: {error}") from error
        return {
            name: value
            for name, value in said.items()
            if isinstance(value, str) and (name == "registry" or name.endswith(":registry"))
        }

    def npm(self, scope: str = "") -> str:
        """The registry of npm packages, with a slash at its end. Raises Permanent when there is none."""
        found = self._npm.get(f"{scope}:registry") or self._npm.get("registry")
        if not found:
            raise Permanent(
                "this machine knows no npm registry", todo="Install npm, or set NPM_CONFIG_REGISTRY."
            )
        return found.rstrip("/") + "/"

    def hosts(self) -> set[str]:
        """The hosts of all of them."""
        return {host for each in self._npm.values() if (host := urlsplit(each).hostname)}
