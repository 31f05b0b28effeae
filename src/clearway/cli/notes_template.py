"""Notes by somebody's own Jinja template, in a process of its own that is ended when it runs away.

Rules:
1. The template sees the notes as data and nothing else: sandboxed, no files, no other templates.
2. Its time, memory and output have limits; past one of them there is no text at all, never a part of one.
3. For HTML everything is escaped by itself; for Markdown the filter `plain` does it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

from clearway.cli.exits import CliError

__all__ = ["by_template"]

MOST_TEMPLATE = 100_000  # characters
MOST_OUTPUT = 4_000_000  # characters
PROCESSOR_S = 5
WALL_S = 20.0
MEMORY = 512 << 20
_SPECIAL = re.compile(r"([\\`*_<>\[\]|#])")


def by_template(template: str, notes: dict[str, Any], html: bool) -> str:
    """The notes as the template writes them. Raises CliError."""
    if len(template) > MOST_TEMPLATE:
        raise CliError("the template is too long", expected=f"at most {MOST_TEMPLATE} characters")
    asked = json.dumps({"template": template, "notes": notes, "html": html}).encode()
    words = [sys.executable, "-I", "-m", "clearway.cli.notes_template"]
    try:
        done = subprocess.run(words, input=asked, capture_output=True, timeout=WALL_S, check=False, env={})
    except subprocess.TimeoutExpired:
        raise CliError(f"the template took more than {WALL_S:.0f} s, and was ended") from None
    if done.returncode < 0:
        raise CliError(f"the template took more than {PROCESSOR_S} s, and was ended")
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it failed"]
        raise CliError(f"the template cannot be used: {said[-1][:300]}")
    return done.stdout.decode()


def _main() -> int:
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    asked = json.loads(sys.stdin.buffer.read())
    try:
        world = ImmutableSandboxedEnvironment(autoescape=asked["html"], undefined=StrictUndefined)
        world.filters["plain"] = _plain
        parts: list[str] = []
        room = MOST_OUTPUT
        for part in world.from_string(asked["template"]).generate(notes=asked["notes"]):
            room -= len(part)
            if room < 0:
                raise ValueError(f"it writes more than {MOST_OUTPUT} characters")
            parts.append(part)
    except MemoryError:
        print(f"it needs more than {MEMORY >> 20} MB", file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - whatever a template does is an answer
        print(" ".join(f"{type(error).__name__}: {error}".split()), file=sys.stderr)
        return 1
    sys.stdout.buffer.write("".join(parts).encode())
    return 0


def _plain(text: object) -> str:
    """Text that stays text in Markdown."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


if __name__ == "__main__":
    sys.exit(_main())
