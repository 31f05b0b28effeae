"""Random histories of one file, imported in one go: to hold our own reading of them against git's."""

from __future__ import annotations

import os
import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

_DEAF = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}


def git(folder: Path, *words: str, stdin: bytes = b"") -> str:
    """Run git there, deaf to this machine's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *words], cwd=folder, env=kept | _DEAF, input=stdin, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@dataclass
class Edited:
    """A bare repository whose every commit holds one text, perhaps under another name."""

    folder: Path
    stream: list[bytes] = field(default_factory=list)
    texts: list[tuple[str, list[str]]] = field(default_factory=list)  # each commit's name and lines
    words: int = 0

    def commit(self, lines: list[str], parents: list[int], path: str = "f") -> int:
        """One more commit, by its parents' numbers; its own number."""
        number = len(self.texts)
        data = "".join(f"{line}\n" for line in lines).encode()
        when = 1_700_000_000 + number * 60
        head = f"commit refs/heads/main\nmark :{number + 1}\ncommitter d <d@x> {when} +0000\ndata 1\nc\n"
        if parents:
            head += f"from :{parents[0] + 1}\n"
        head += "".join(f"merge :{each + 1}\n" for each in parents[1:])
        body = f"deleteall\nM 644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"
        self.stream.append(head.encode() + body)
        self.texts.append((path, lines))
        return number

    def word(self) -> str:
        """A line that no commit had before."""
        self.words += 1
        return f"line {self.words} of {self.words * 7919 % 1000}"

    def edited(self, chance: random.Random, lines: list[str]) -> list[str]:
        """The lines with one to three places written anew, put in, or taken out."""
        made = list(lines)
        for _ in range(chance.randint(1, 3)):
            at, size = chance.randint(0, len(made)), chance.randint(0, 2)
            made[at : at + size] = [self.word() for _ in range(chance.randint(0 if size else 1, 2))]
        return made or [self.word()]

    def made(self) -> list[str]:
        """Import it all; the ids of the commits by their numbers."""
        self.folder.mkdir(parents=True)
        git(self.folder, "init", "--quiet", "--bare", "--template=", "--initial-branch=main")
        marks = self.folder / "marks"
        git(self.folder, "fast-import", "--quiet", f"--export-marks={marks}", stdin=b"".join(self.stream))
        found = dict(line.split() for line in marks.read_text().splitlines())
        return [found[f":{number + 1}"] for number in range(len(self.texts))]
