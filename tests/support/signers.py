"""A signer process of its own, which a test kills and starts again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from clearway.integrations.signer_process import ProcessSigner, serve


class Signing:
    """The process, its places below a folder, and a client."""

    def __init__(self, folder: Path, wait_s: float = 20.0) -> None:
        self.key = folder / "keys" / "evidence.pem"
        self.address = folder / "signer" / "socket"
        self.log = folder / "signer" / "signed.jsonl"
        self.process: subprocess.Popen[bytes] | None = None
        self.client = ProcessSigner(self.address, self.key, wait_s=wait_s)

    def start(self, *more: str) -> Signing:
        """Start it; it can be asked when this returns."""
        words = [sys.executable, "-I", serve.__file__, "--key", str(self.key)]
        words += ["--socket", str(self.address), "--log", str(self.log), *more]
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE)
        self.client.who()
        return self

    def kill(self) -> None:
        """As the machine does when memory is short."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        self.process = None

    def end(self) -> None:
        """For a fixture."""
        if self.process is not None:
            self.kill()
