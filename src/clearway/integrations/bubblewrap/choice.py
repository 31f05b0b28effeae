"""Which sandbox builds run in: the strongest that works here, or the one that a setting names."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property

from clearway.build.ports import Ended, Job, Mount, Resource, Sandbox, Watch, Write
from clearway.kernel import Invalid

from .container import Container
from .sandbox import Bubblewrap, Plain

log = logging.getLogger("clearway.build")
MODES = ("auto", "bubblewrap", "container", "plain")


class Either:
    """Bubblewrap where it works, else a container, else a plain process; finds out at the first build."""

    @cached_property
    def _chosen(self) -> Sandbox:
        for each in (Bubblewrap(), Container()):
            reason = each.usable()
            if reason is None:
                return each
            log.warning(
                "builds do not run in the sandbox %s, which is not usable here: %s", each.mode, reason
            )
        return Plain()

    @property
    def mode(self) -> str:
        """See Sandbox.mode."""
        return self._chosen.mode

    @property
    def builder_id(self) -> str:
        """See Sandbox.builder_id."""
        return self._chosen.builder_id

    @property
    def promises(self) -> frozenset[str]:
        """See Sandbox.promises."""
        return self._chosen.promises

    @property
    def python(self) -> str:
        """See Sandbox.python."""
        return self._chosen.python

    @property
    def materials(self) -> tuple[Resource, ...]:
        """See Sandbox.materials."""
        return self._chosen.materials

    @property
    def fixed(self) -> Mapping[str, str]:
        """See Sandbox.fixed."""
        return self._chosen.fixed

    def where(self, mount: Mount) -> str:
        """See Sandbox.where."""
        return self._chosen.where(mount)

    def run(self, job: Job, write: Write, watch: Watch) -> Ended:
        """See Sandbox.run."""
        return self._chosen.run(job, write, watch)


def make_sandbox(mode: str = "auto") -> Sandbox:
    """The sandbox that a setting names. Raises Invalid for another word."""
    if mode not in MODES:
        raise Invalid(f"the sandbox {mode!r}", expected=f"one of {', '.join(MODES)}")
    made: dict[str, type[Bubblewrap | Container | Plain]] = {
        "bubblewrap": Bubblewrap,
        "container": Container,
        "plain": Plain,
    }
    return made[mode]() if mode in made else Either()
