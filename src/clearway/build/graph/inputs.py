"""Which of the commit's files a step sees, and their digest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import PurePosixPath

from clearway import source
from clearway.build.outputs import fits
from clearway.build.work import Work
from clearway.kernel import digest_of

from .nodes import Node

LONG_AGO = 315532800  # 1980-01-01: archives cannot say less; the time of steps that know no commit


class Globs:
    """Whether a path of the checkout is meant by one of the globs; without any, every path is."""

    def __init__(self, project: str, globs: Sequence[str]) -> None:
        folder = PurePosixPath(project).relative_to("source").parts
        self._globs = [(*folder, *PurePosixPath(glob).parts) for glob in globs]

    def __call__(self, path: str) -> bool:
        parts = PurePosixPath(path).parts
        return not self._globs or any(fits(parts, glob) for glob in self._globs)


class Inputs:
    """The files of one commit."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def digest(self, node: Node) -> str:
        """The same for the same names, modes and contents; of the whole tree without inputs."""
        if not node.step.inputs:
            return f"git:{self._work.facts.tree}"
        wanted = Globs(self._work.project, node.step.inputs)
        return digest_of([[path, mode, sha] for path, mode, sha in self._listed if wanted(path)])

    @cached_property
    def _listed(self) -> list[tuple[str, int, str]]:
        return list(source.inventory(self._work.repo, self._work.facts.commit))
