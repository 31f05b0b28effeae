"""Platforms and services for journeys: small, quick, and real."""

from __future__ import annotations

import subprocess
from pathlib import Path

ONE_ENVIRONMENT = """\
kind: Team
name: makers
members: [dev]
---
kind: User
name: dev
roles: [{{role: developer}}, {{role: release-manager}}]
---
kind: Environment
name: prod
order: 1
type: production
strategy: {strategy}
instances: {instances}
---
kind: Route
name: straight
environments: [prod]
---
kind: Service
name: {service}
team: makers
repository: {repository}
route: straight
"""


def one_environment(service: str, repository: Path, strategy: str, instances: int = 2) -> str:
    """A route with one production environment, so that a journey is about its deployment."""
    return ONE_ENVIRONMENT.format(
        service=service, repository=repository, strategy=strategy, instances=instances
    )


def git(folder: Path, *arguments: str) -> str:
    """Run git with a fixed identity; returns what it printed."""
    command = [
        "git",
        "-C",
        str(folder),
        "-c",
        "user.name=dev",
        "-c",
        "user.email=dev@example.com",
        *arguments,
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
