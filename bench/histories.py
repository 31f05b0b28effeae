"""Large histories, made by `git fast-import` from a fixed seed: the same commits everywhere, in seconds."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

KINDS = ("feat", "fix", "docs", "chore", "refactor", "test", "perf", "ci", "build", "style")
SCOPES = ("api", "web", "store", "cli", "", "", "")
WORDS = [
    "add",
    "keep",
    "drop",
    "check",
    "read",
    "write",
    "show",
    "move",
    "name",
    "sort",
    "a",
    "the",
    "of",
    "each",
    "order",
    "cart",
    "price",
    "page",
    "list",
]
PEOPLE = tuple((f"Person {n}", f"person{n}@example.com") for n in range(60))
START = 1_500_000_000
STEP = 3000  # seconds between two commits


def make(place: Path, commits: int = 10_500, tagged: int = 850, twice: int = 100) -> None:
    """A bare repository with this many commits, a merge every 25, and tags: `twice` commits carry two."""
    subprocess.run(
        ["git", "init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(place)], check=True
    )
    program = ["git", f"--git-dir={place}", "fast-import", "--quiet"]
    stream = b"".join(_stream(random.Random(7), commits, tagged, twice))
    subprocess.run(program, input=stream, check=True)
    subprocess.run(["git", f"--git-dir={place}", "pack-refs", "--all"], check=True)


def _stream(dice: random.Random, commits: int, tagged: int, twice: int) -> Iterator[bytes]:
    every = max(1, commits // tagged)
    side = 0  # the mark of a side branch's commit that waits for its merge
    main = 0
    made = 0
    for mark in range(1, commits + 1):
        branched, merges = mark % 25 == 10 and main, mark % 25 == 13 and side
        name, address = dice.choice(PEOPLE)
        when = f"{name} <{address}> {START + mark * STEP} +0000".encode()
        text = f"Merge branch 'topic-{mark}'\n".encode() if merges else _message(dice, mark)
        branch = b"refs/heads/topic" if branched else b"refs/heads/main"
        yield b"commit %s\nmark :%d\nauthor %s\ncommitter %s\n" % (branch, mark, when, when)
        yield b"data %d\n%s\n" % (len(text), text)
        if main:
            yield b"from :%d\n" % main
        if merges:
            yield b"merge :%d\n" % side
            side = 0
        yield b"M 100644 inline src/%d.txt\ndata 5\n%05d\n" % (dice.randrange(400), mark % 100_000)
        if branched:
            side = mark
            continue
        main = mark
        if mark % every == 0 and made < tagged:
            made += 1
            yield _tag(f"v{made // 100}.{made // 10 % 10}.{made % 10}", mark)
            if made % max(1, tagged // twice) == 0:
                yield _tag(f"web-v{made}.0.0", mark)


def _tag(name: str, mark: int) -> bytes:
    when = START + mark * STEP
    text = f"{name}\n".encode()
    head = f"tag {name}\nfrom :{mark}\ntagger Bot <bot@example.com> {when} +0000\n".encode()
    return head + b"data %d\n%s\n" % (len(text), text)


def _message(dice: random.Random, mark: int) -> bytes:
    told = " ".join(dice.choices(WORDS, k=6))
    if mark % 10 == 0:
        return f"{told.capitalize()} {mark}\n".encode()  # by no convention
    scope = dice.choice(SCOPES)
    bang = "!" if mark % 97 == 0 else ""
    head = f"{dice.choice(KINDS)}{f'({scope})' if scope else ''}{bang}: {told} {mark}\n"
    body = f"\n{' '.join(dice.choices(WORDS, k=40))}\n\nRefs: SHOP-{mark}\n" if mark % 3 == 0 else ""
    return (head + body).encode()
