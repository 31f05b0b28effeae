"""History: a changelog of everything beside git-cliff's, and one range; on a history made by script.

Like for like: the same groups, every commit a line, merges skipped by both. Both are whole processes, from
their start to the written file.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import histories, webhooks, where
from bench.figures import Figure, median, spread, timed
from clearway import source

COMMAND = "make bench ONLY=source"
RUNS, PEER_RUNS = 5, 3
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

_RANGE = """
import sys
from pathlib import Path
from clearway import source
from clearway.changes import make_notes, render
repo = source.Repo(Path(sys.argv[1]))
here, there = source.resolve(repo, "v7.0.0"), source.resolve(repo, "v8.0.0")
print(render(make_notes("shop", "v8.0.0", there, source.commits_between(repo, [here], there))))
"""

_NEXT = """
import sys
from datetime import date
from pathlib import Path
from clearway import source
from clearway.catalog import Versioning
from clearway.changes.change import changes_of, without_reverted, without_twins
from clearway.changes.next_version import next_version
from clearway.changes.service.versions import read_past
repo, rules = source.Repo(Path(sys.argv[1])), Versioning()
tip = source.resolve(repo, "refs/heads/main")
past = read_past(repo, rules, tip)
news = without_reverted(without_twins(source.commits_between(repo, [past.last_commit], tip)))
print(next_version(rules, past, [each for one in news for each in changes_of(one)], date(2026, 1, 1)).version)
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


def notes_and_versions() -> list[Figure]:
    """The notes of all tags and of one range, and the next version, each beside git-cliff's."""
    with tempfile.TemporaryDirectory() as folder, _git_cliff() as program:
        place, work, page = (Path(folder) / name for name in ("history.git", "work", "ours.md"))
        histories.make(place)
        subprocess.run(["git", "clone", "--quiet", str(place), str(work)], check=True)
        words = [sys.executable, "-c", _OURS, str(place), str(page)]
        memory: list[float] = []
        took = [timed(lambda: memory.append(float(_out(words)))) for _ in range(RUNS)]
        lines = len(_LINE.findall(page.read_text()))
        ranged = [timed(lambda: _out([sys.executable, "-c", _RANGE, str(place)])) for _ in range(RUNS)]
        following = [timed(lambda: _out([sys.executable, "-c", _NEXT, str(place)])) for _ in range(RUNS)]
        cliff = _Cliff(program, work, Path(folder))
        all_tags = [timed(cliff.all_tags) for _ in range(PEER_RUNS)]
        peer_range = [timed(lambda: cliff.run("v7.0.0..v8.0.0")) for _ in range(PEER_RUNS)]
        peer_next = [timed(lambda: cliff.run("--bumped-version")) for _ in range(PEER_RUNS)]
        note = f"lines: {lines} here, where what breaks is said twice; {cliff.lines} by {cliff.version}"
    return [
        _against("notes_all_tags_s", took, all_tags, note),
        Figure("source.notes_rss_mb", max(memory), "MB", "limit", 100.0, RUNS, spread(memory), COMMAND),
        _against("range_s", ranged, peer_range, "v7.0.0..v8.0.0, about 1,200 commits"),
        _against("next_version_s", following, peer_next, "git-cliff --bumped-version"),
    ]


def _against(name: str, ours: list[float], theirs: list[float], note: str) -> Figure:
    """A figure whose ratio is git-cliff's time over ours."""
    told = (median(ours), "s", "git-cliff", median(theirs), len(ours), spread(ours), COMMAND, note)
    return Figure(f"source.{name}", *told, times=True)


class _Cliff:
    """git-cliff on a clone, with the same groups and all commits."""

    def __init__(self, program: str, work: Path, folder: Path) -> None:
        self.work, self.page, settings = work, folder / "cliff.md", folder / "cliff.toml"
        groups = [f"  {{ message = '{pattern}', group = '{name}' }},\n" for pattern, name in _GROUPS.items()]
        settings.write_text(_CLIFF + "".join(groups) + "]\n")
        self.words = [program, "--repository", str(work), "--config", str(settings)]
        self.version = _out([program, "--version"]).strip()
        self.lines = 0

    def run(self, *more: str) -> None:
        """One run, its page in a file."""
        words = [*self.words, "--output", str(self.page), *more]
        subprocess.run(words, check=True, capture_output=True, cwd=self.work)

    def all_tags(self) -> None:
        """The whole history."""
        self.run()
        self.lines = len(_LINE.findall(self.page.read_text()))


@contextmanager
def _git_cliff() -> Iterator[str]:
    """git-cliff from its wheel, in an environment of its own that goes away afterwards."""
    with tempfile.TemporaryDirectory() as place:
        _out([sys.executable, "-m", "venv", place])
        _out([f"{place}/bin/pip", "install", "--quiet", "git-cliff==2.14.2"])
        yield f"{place}/bin/git-cliff"


def _out(words: list[str]) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{words[0]}: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
    return done.stdout


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


FIGURES = [notes_and_versions, import_and_fetch, where.where_ms, webhooks.webhooks]
