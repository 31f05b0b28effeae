"""Images by digest, fetched with skopeo and kept: the bytes as the registry has them.

Rules:
1. An image is named by its digest; skopeo checks the manifest, and we check every file before it counts.
2. What was fetched is kept under its digest, written by nobody any more, and fetched once.
3. Only a registry on this machine may be spoken to without TLS.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from clearway.build.ports import Image, Watch, Write
from clearway.kernel import Permanent, Retry

_SECONDS = 1800.0
_LOCAL = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?/")
_FOR_GOOD = re.compile(
    r"StatusCode: 40[0134]|unknown|not found|unauthorized|denied|unsupported|digest did not match", re.I
)
_POLICY = {"default": [{"type": "insecureAcceptAnything"}]}  # the digest says what is accepted


class Skopeo:
    """Fulfils build's Images port."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def fetch(self, reference: str, write: Write, watch: Watch) -> Image:
        """See Images.fetch."""
        digest = reference.rpartition("@")[2]
        place = self._root / f"{digest.replace(':', '-')}-{platform.machine()}"
        if not place.is_dir():
            self._bring(reference, place, write, watch)
        return Image(reference, check(place), place)

    def _bring(self, reference: str, place: Path, write: Write, watch: Watch) -> None:
        program = shutil.which("skopeo")
        if program is None:
            raise Permanent("skopeo was not found", todo="Install it: it fetches the images of builds.")
        self._root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._root, prefix="incoming-") as folder:
            incoming, policy = Path(folder, "image"), Path(folder, "policy.json")
            policy.write_text(json.dumps(_POLICY))
            words = [program, "--policy", str(policy), "--override-os", "linux", "copy", "--quiet"]
            if _LOCAL.match(reference):
                words.append("--src-tls-verify=false")
            _run([*words, f"docker://{reference}", f"dir:{incoming}"], reference, write, watch)
            check(incoming)
            for path in incoming.iterdir():
                path.chmod(0o444)
            incoming.chmod(0o755)
            with contextlib.suppress(FileExistsError, OSError):  # somebody else was quicker
                incoming.rename(place)


def check(place: Path) -> str:
    """The digest of the manifest; every file is what its name says. Raises Permanent."""
    data = (place / "manifest.json").read_bytes()
    manifest = json.loads(data)
    for each in (manifest["config"], *manifest["layers"]):
        wanted = str(each["digest"]).removeprefix("sha256:")
        with (place / wanted).open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != wanted:
                raise Permanent(
                    f"the image in {place} is damaged: {wanted} has another content",
                    todo="Remove that folder; it is fetched again.",
                )
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _run(words: list[str], reference: str, write: Write, watch: Watch) -> None:
    kept = ("PATH", "HOME", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
    proxies = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    environment = {name: os.environ[name] for name in (*kept, *proxies) if name in os.environ}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            until = time.monotonic() + _SECONDS
            while process.poll() is None:
                watch()
                if time.monotonic() > until:
                    raise Retry(f"the image {reference} did not come within half an hour")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.2)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        output.seek(0)
        said = output.read(65536)
    write(said)
    if process.returncode:
        words_said = said.decode(errors="replace").strip()[-500:]
        kind = Permanent if _FOR_GOOD.search(words_said) else Retry
        raise kind(f"the image {reference} cannot be fetched: {words_said}")
