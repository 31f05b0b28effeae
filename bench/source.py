"""History: a changelog of everything beside git-cliff's, and one range; on a history made by script.

Like for like: the same groups, every commit a line, merges skipped by both. Both are whole processes, from
their start to the written file.
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import histories
from bench.figures import Figure, median, spread, timed
from clearway import source
from clearway.changes import make_notes, render

COMMAND = "make bench ONLY=source"
RUNS = 5
_LINE = re.compile(r"^- .*\([0-9a-f]{10}, ", re.MULTILINE)

_OURS = """
import resource, sys
from pathlib import Path
from clearway import source
from clearway.changes import changelog, render
repo = source.Repo(Path(sys.argv[1]))
tags = source.tags(repo)
tip = source.resolve(repo, "refs/heads/main")
commits = source.history(repo, [*tags.values(), tip])
told = [render(each) for each in changelog("shop", commits, tags, tip)]
Path(sys.argv[2]).write_text(chr(10).join(told))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

_GROUPS = {
    "^feat": "Features",
    "^fix": "Fixes",
    "^perf": "Performance",
    "^(refactor|style|chore)": "Inside",
    "^docs": "Documentation",
    "^test": "Tests",
    "^(build|ci)": "Build",
    ".*": "Other changes",
}
_CLIFF = """
[changelog]
body = \"\"\"
# {{ version | default(value="Unreleased") }}
{% for group, commits in commits | group_by(attribute="group") %}
## {{ group }}
{% for commit in commits %}
- {% if commit.scope %}**{{ commit.scope }}:** {% endif %}{{ commit.message | split(pat="\\n") | first }} \
({{ commit.id | truncate(length=10, end="") }}, {{ commit.author.name }}){% endfor %}
{% endfor %}
\"\"\"
[git]
conventional_commits = true
filter_unconventional = false
commit_parsers = [
  { message = "^Merge", skip = true },
"""


def notes_all_tags() -> list[Figure]:
    """The notes of all tags: 10,500 commits, 945 tags, 95 of them beside another one."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "history.git"
        histories.make(place)
        page = Path(folder) / "ours.md"
        words = [sys.executable, "-c", _OURS, str(place), str(page)]
        memory: list[float] = []
        took = [timed(lambda: memory.append(float(_out(words)))) for _ in range(RUNS)]
        lines = len(_LINE.findall(page.read_text()))
        peer, peer_mb, note = _cliff(place, Path(folder), lines)
    of = {"runs": RUNS, "command": COMMAND}
    return [
        Figure(
            "source.notes_all_tags_s",
            median(took),
            "s",
            "git-cliff",
            peer,
            spread=spread(took),
            note=note,
            **of,
        ),
        Figure("source.notes_rss_mb", max(memory), "MB", "git-cliff", peer_mb, spread=spread(memory), **of),
    ]


def range_s() -> list[Figure]:
    """The notes between two tags that 1,200 commits lie between, in a server that runs already."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "history.git"
        histories.make(place)
        repo = source.Repo(place)
        here, there = source.resolve(repo, "v7.0.0"), source.resolve(repo, "v8.0.0")

        def once() -> None:
            render(make_notes("shop", "v8.0.0", there, source.commits_between(repo, [here], there)))

        took = [timed(once) for _ in range(RUNS)]
    return [Figure("source.range_s", median(took), "s", runs=RUNS, spread=spread(took), command=COMMAND)]


def _cliff(place: Path, folder: Path, lines: int) -> tuple[float | None, float | None, str]:
    program = shutil.which("git-cliff") or shutil.which("git-cliff", path=str(Path(sys.executable).parent))
    if program is None:
        return None, None, f"{lines} lines; git-cliff is not installed: pip install git-cliff"
    settings, page = folder / "cliff.toml", folder / "cliff.md"
    groups = [f"  {{ message = '{pattern}', group = '{name}' }},\n" for pattern, name in _GROUPS.items()]
    settings.write_text(_CLIFF + "".join(groups) + "]\n")
    work = folder / "work"
    subprocess.run(["git", "clone", "--quiet", str(place), str(work)], check=True)
    words = [program, "--repository", str(work), "--config", str(settings), "--output", str(page)]
    seconds = timed(lambda: subprocess.run(words, check=True, capture_output=True, cwd=work))
    # The largest child so far: it is git-cliff where it took more than ours and git did.
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    theirs = len(_LINE.findall(page.read_text()))
    version = _out([program, "--version"]).strip()
    return (
        seconds,
        memory,
        f"lines: {lines} here, where what breaks is said twice; {theirs} by {version}, which ran once",
    )


def _out(words: list[str]) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def import_and_fetch() -> list[Figure]:
    """A first import of 10,500 commits and 945 tags, then ten new commits; beside plain git's own."""
    first, ten, clone, fetch = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "history.git"
        histories.make(place)
        address = f"file://{place}"
        for run in range(RUNS):
            mirrors = source.Mirrors(Path(folder) / f"mirrors{run}")
            other = str(Path(folder) / f"clone{run}.git")
            words = ["git", "clone", "--quiet", "--mirror", address, other]
            first.append(timed(lambda at=mirrors: at.sync("shop", address)))
            clone.append(timed(lambda said=words: _out(said)))
            _grow(place, 10)
            again = ["git", f"--git-dir={other}", "fetch", "--quiet", "--prune"]
            ten.append(1000 * timed(lambda at=mirrors: at.sync("shop", address)))
            fetch.append(1000 * timed(lambda said=again: _out(said)))
    of = {"runs": RUNS, "command": COMMAND}
    peers = ("git clone --mirror", "git fetch")
    return [
        Figure(
            "source.import_10k_s", median(first), "s", peers[0], median(clone), spread=spread(first), **of
        ),
        Figure("source.fetch_10_ms", median(ten), "ms", peers[1], median(fetch), spread=spread(ten), **of),
    ]


def _grow(place: Path, commits: int) -> None:
    one = "commit refs/heads/main\ncommitter A <a@example.com> 1600000000 +0000\ndata 4\nfix\n\n"
    start = "from refs/heads/main^0\n"
    stream = (one + start + "\n" + (one + "\n") * (commits - 1)).encode()
    subprocess.run(["git", f"--git-dir={place}", "fast-import", "--quiet"], input=stream, check=True)


FIGURES = [notes_all_tags, range_s, import_and_fetch]
