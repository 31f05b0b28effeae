"""Whole Clearways for journeys: real processes, real router, real software."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bench.running import Supervised


class System(Supervised):
    """A running Clearway in a folder of its own."""

    def up(self) -> None:
        """Start, and wait until it answers."""
        self.start()
        self.wait("readiness", self.ready)

    def ready(self) -> bool:
        """Whether it answers."""
        assert self.process is not None
        assert self.process.poll() is None, (self.home / "up.log").read_text()[-4000:]
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(self.url + "/healthz", timeout=2).status_code == 200
        return False

    def client(self, token: str | None = None) -> httpx.Client:
        """An HTTP client with a token (the administrator's by default)."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def cli(
        self, *arguments: str, cwd: Path | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the CLI against this system."""
        environment = os.environ | {"CLEARWAY_HOME": str(self.home), "CLEARWAY_URL": self.url}
        done = subprocess.run(
            [sys.executable, "-m", "clearway.cli", *arguments],
            capture_output=True,
            text=True,
            cwd=cwd,
            env=environment,
            timeout=170,
            check=False,
        )
        assert not check or done.returncode == 0, (
            f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done

    def wait(self, what: str, look: Callable[[], Any], seconds: float = 60.0, every_s: float = 0.05) -> Any:
        """Look until something true comes back."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if seen := look():
                return seen
            time.sleep(every_s)
        raise AssertionError(
            f"waited {seconds} s in vain for {what}\n" + (self.home / "up.log").read_text()[-4000:]
        )


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A fresh Clearway, stopped with everything it started."""
    system = System(tmp_path)
    try:
        yield system
    finally:
        system.down()
