"""Reading history and files out of a mirror. Nothing here runs a program or trusts a name inside a tree."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from clearway.kernel import Conflict, Invalid, NotFound

from .model import Commit, check_path, check_ref, is_sha

_FILE, _PROGRAM, _LINK, _FOLDER = 0o100644, 0o100755, 0o120000, 0o040000
MAX_FILE = 4 << 20  # bytes that read_file gives at most
MAX_TEXT = 1 << 20  # bytes of a file that is compared line by line: the worst of 4 MiB take 15 seconds
MAX_TREE = 4 << 30  # bytes that export_tree writes at most
MAX_ENTRIES = 200_000
BINARY_LOOK = 8000  # bytes in which a zero says that it is no text, as git has it
MAX_PATCH = 2000  # files of one commit whose patch is compared
_MOST_PATCHES = 100_000
_PATCHES: dict[str, str | None] = {}  # a commit's patch never changes, whatever mirror it is in
_PATCHES_LOCK = Lock()
_FEW = 4  # commits that are looked for one by one; for more, one walk is less work


@cache
def _libgit2() -> Any:
    """libgit2, loaded when a mirror is first read; settings of the machine and its users do not reach it."""
    import pygit2

    levels = pygit2.enums.ConfigLevel
    for level in (levels.SYSTEM, levels.XDG, levels.GLOBAL):
        pygit2.settings.search_path[level] = os.devnull
    return pygit2


class Repo:
    """An open mirror. One thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._git: Any = _libgit2().Repository(str(path), _libgit2().enums.RepositoryOpenFlag.NO_SEARCH)
        except _libgit2().GitError as error:
            raise NotFound(f"no mirror of the repository is here: {error}") from None

    def find(self, sha: str) -> Any:
        """The commit with this full id. Raises NotFound."""
        if not is_sha(sha):
            raise Invalid(f"{sha[:80]!r} is not a commit id", expected="40 hexadecimal digits")
        found = self._git.get(sha)
        if not isinstance(found, _libgit2().Commit):
            raise NotFound(f"no commit {sha} in this repository", todo="Push it, then try again.")
        return found

    def holds(self, sha: str) -> bool:
        """Whether this is the full id of a commit that is here."""
        return is_sha(sha) and isinstance(self._git.get(sha), _libgit2().Commit)

    def signature(self, sha: str) -> tuple[str, bytes]:
        """A commit's signature and the bytes that it is for; an empty one when it is not signed."""
        signature, payload = self.find(sha).gpg_signature
        return (signature or b"").decode(errors="replace"), payload or b""

    def reference(self, name: str) -> str | None:
        """The commit a full reference leads to, through tags; None when there is none."""
        try:
            found = self._git.references.get(name)
        except (_libgit2().GitError, ValueError):
            return None
        if found is None:
            return None
        try:
            return str(found.peel(_libgit2().Commit).id)
        except (_libgit2().GitError, _libgit2().InvalidSpecError):
            return None

    def references(self) -> list[str]:
        """Every reference's full name."""
        return sorted(self._git.references)

    def pointers(self) -> dict[str, str]:
        """Every branch and tag by its full name, with the object that it names: for a tag, itself."""
        found = {}
        for each in self._git.references.iterator():
            if each.name.startswith(("refs/heads/", "refs/tags/")) and not isinstance(each.target, str):
                found[str(each.name)] = str(each.target)
        return found

    def is_behind(self, old: str, new: str) -> bool:
        """Whether the commit that an object leads to is in the history of another's; unknown ones are not."""
        first, second = self._commit_of(old), self._commit_of(new)
        if first is None or second is None:
            return False
        return first == second or bool(self._git.descendant_of(second, first))

    def unreached(self, tips: Mapping[str, str], kept: Iterable[str]) -> dict[str, int]:
        """For each of the named objects, how many commits its history has that none of the kept ones has.

        An object that is not here any more counts as one.
        """
        hidden = {found for each in set(kept) if (found := self._commit_of(each)) is not None}
        counts = {}
        for name, tip in tips.items():
            start = self._commit_of(tip)
            if start is None:
                counts[name] = 1
                continue
            walker = self._git.walk(start)
            for each in hidden:
                walker.hide(each)
            counts[name] = sum(1 for _ in walker)
        return counts

    def _commit_of(self, sha: str) -> Any:
        found = self._git.get(sha)
        try:
            return None if found is None else found.peel(_libgit2().Commit).id
        except (_libgit2().GitError, _libgit2().InvalidSpecError):
            return None

    def starting_with(self, prefix: str) -> list[str]:
        """Commits whose id begins with a prefix of at least seven digits; two when it is ambiguous."""
        try:
            found = self._git.revparse_single(prefix + "^{commit}")
        except KeyError:
            return []
        except (ValueError, _libgit2().GitError):
            return [prefix, prefix]
        return [str(found.id)]

    def walk(self, include: str, exclude: Iterable[str]) -> Iterator[Any]:
        """Commits that `include` reaches and none of `exclude` does: newest first."""
        mode = _libgit2().enums.SortMode.TOPOLOGICAL | _libgit2().enums.SortMode.TIME
        walker = self._git.walk(self.find(include).id, mode)
        for sha in exclude:
            walker.hide(self.find(sha).id)
        try:
            yield from walker
        except KeyError as error:
            raise NotFound(
                f"the history of {include[:12]} is not whole: {error}", todo="Fetch the repository again."
            ) from None

    def walk_all(
        self, tips: Iterable[str], *, without: Iterable[str] = (), by_time: bool = True
    ) -> Iterator[Any]:
        """Every commit that one of the tips reaches, and none of `without` does.

        No commit comes before one that builds on it, and where that leaves a choice the newest comes first,
        unless `by_time` is not wanted (a third faster).
        """
        mode = _libgit2().enums.SortMode.TOPOLOGICAL
        if by_time:
            mode |= _libgit2().enums.SortMode.TIME
        walker = self._git.walk(None, mode)
        for sha in tips:
            walker.push(self.find(sha).id)
        for sha in without:
            walker.hide(self.find(sha).id)
        try:
            yield from walker
        except KeyError as error:
            raise NotFound(f"the history is not whole: {error}", todo="Fetch the repository again.") from None

    def write_tag(self, payload: bytes) -> str:
        """Keep a tag's object, to which no name leads yet; its id."""
        return str(self._git.write(_libgit2().enums.ObjectType.TAG, payload))

    def entry(self, sha: str, path: str) -> str | None:
        """The id of what is at a path of a commit; None when nothing is, or the commit is not here."""
        found = self._git.get(sha)
        if found is None:
            return None  # before the first commit of a shallow history
        try:
            return str(found.tree.id if path in ("", ".") else found.tree[path].id)
        except KeyError:
            return None

    def slot(self, sha: str, path: str) -> tuple[str, int] | None:
        """The id and the mode of what is at a path of a commit, without loading it; None: nothing is."""
        try:
            found = self._git[sha].tree[path]
        except KeyError:
            return None
        return str(found.id), int(found.filemode)

    def size(self, blob: str) -> int:
        """The bytes of an object, from its header. Raises NotFound."""
        try:
            return int(self._git.odb.read_header(blob)[1])
        except KeyError:
            raise NotFound(f"object {blob} is not in this mirror") from None

    def text(self, blob: str) -> bytes | None:
        """A file's bytes; None when it is binary, or bigger than MAX_TEXT."""
        if self.size(blob) > MAX_TEXT:
            return None
        found = self._git.get(blob)
        if not isinstance(found, _libgit2().Blob) or b"\0" in found.data[:BINARY_LOOK]:
            return None
        return bytes(found.data)

    def blob_diff(self, old: str, new: str, *, spaces: bool = True) -> list[tuple[int, int, int, int]]:
        """Where two texts differ: old start and lines, new start and lines, as a unified diff counts them."""
        options = _libgit2().enums.DiffOption
        flags = options.FORCE_TEXT | (options.NORMAL if spaces else options.IGNORE_WHITESPACE)
        patch = self._git[old].diff(self._git[new], flags, "a", "a", 0, 0)
        return [(each.old_start, each.old_lines, each.new_start, each.new_lines) for each in patch.hunks]

    def tree_diff(self, sha: str, parent: str | None) -> Any:
        """What a commit changes against its parent, or against nothing; contents are not loaded yet."""
        tree = self.find(sha).tree
        return tree.diff_to_tree(swap=True) if parent is None else self.find(parent).tree.diff_to_tree(tree)

    def patch_id(self, sha: str, parent: str | None) -> str | None:
        """The stable id of what a commit changes against its parent, or against nothing."""
        tree = self.find(sha).tree
        try:
            before = self.find(parent).tree if parent else None
        except NotFound:
            return None  # the first commit of a shallow history
        diff = before.diff_to_tree(tree) if before is not None else tree.diff_to_tree(swap=True)
        if not 0 < len(diff) <= MAX_PATCH:
            return None
        return str(diff.patchid)

    def mailmap(self, text: bytes) -> Callable[[str, str], tuple[str, str]]:
        """Names and addresses as a mailmap's text has them."""
        known = _libgit2().Mailmap.from_buffer(text.decode(errors="replace"))

        def resolve(name: str, address: str) -> tuple[str, str]:
            found = known.resolve(name, address)
            return str(found[0]), str(found[1])

        return resolve

    def reaches(self, tip: str, sha: str) -> bool:
        """Whether history from `tip` reaches the commit, which may be itself."""
        return tip == sha or bool(self._git.descendant_of(self.find(tip).id, self.find(sha).id))

    def tree(self, sha: str, path: str) -> Any:
        """The object at a path of a commit. Raises NotFound."""
        tree = self.find(sha).tree
        try:
            return tree if path in ("", ".") else tree[path]
        except KeyError:
            raise NotFound(f"there is no {path} in commit {sha[:12]}") from None


def resolve(repo: Repo, ref: str) -> str:
    """The commit id that a branch, tag, or (shortened) commit id names.

    Raises Invalid on what cannot be a name, Conflict when two things carry it, NotFound when nothing does.
    """
    check_ref(ref)
    if is_sha(ref):
        return str(repo.find(ref).id)
    if ref.startswith("refs/"):
        found = {ref: repo.reference(ref)}
    else:
        found = {name: repo.reference(name) for name in (f"refs/tags/{ref}", f"refs/heads/{ref}")}
    hits = {name: sha for name, sha in found.items() if sha}
    if len(set(hits.values())) > 1:
        raise Conflict(f"{ref} is a tag and a branch", todo=f"Say refs/tags/{ref} or refs/heads/{ref}.")
    if hits:
        return next(iter(hits.values()))
    if len(ref) >= 7 and all(letter in "0123456789abcdef" for letter in ref):
        short = repo.starting_with(ref)
        if len(short) > 1:
            raise Conflict(f"several commits begin with {ref}", todo="Give more digits.")
        if short:
            return short[0]
    if not repo.references():
        raise NotFound("the repository is empty", todo="Commit something, and push it.")
    raise NotFound(
        f"{ref} is no branch, tag or commit of this repository", todo="Push it, or check the name."
    )


def commit(repo: Repo, sha: str) -> Commit:
    """One commit. Raises NotFound."""
    return _read(repo.find(sha))


def _read(found: Any) -> Commit:
    message = found.message if isinstance(found.message, str) else found.raw_message.decode(errors="replace")
    subject, _, body = message.strip().partition("\n")
    return Commit(
        sha=str(found.id),
        author=_text(found.author.raw_name),
        author_email=_text(found.author.raw_email),
        authored_at=_instant(found.author.time),
        committed_at=_instant(found.commit_time),
        subject=subject.strip(),
        body=body.strip(),
        parents=tuple(str(parent) for parent in found.parent_ids),
        committer=_text(found.committer.raw_name),
        committer_email=_text(found.committer.raw_email),
    )


@lru_cache(maxsize=10_000)  # the same few people, thousands of times
def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _instant(seconds: int) -> datetime:
    # A hostile commit may claim any time; what no calendar holds becomes the nearest that one does.
    return datetime.fromtimestamp(min(max(seconds, 0), 253402300799), UTC)


def commits_between(repo: Repo, exclude: Sequence[str], include: str) -> list[Commit]:
    """What `include` has and none of `exclude` has: the set difference, newest first."""
    return [_read(found) for found in repo.walk(include, exclude)]


def history(repo: Repo, tips: Iterable[str], without: Iterable[str] = ()) -> list[Commit]:
    """Everything that one of the tips reaches, and none of `without` does, in one walk: newest first."""
    return [_read(found) for found in repo.walk_all(tips, without=without)]


def touched(repo: Repo, commits: Iterable[Commit], paths: Sequence[str]) -> list[Commit]:
    """Those commits that changed something below one of the paths; a merge only by what no parent has."""
    return [each for each in commits if any(_changed(repo, each, check_path(path)) for path in paths)]


def _changed(repo: Repo, commit: Commit, path: str) -> bool:
    here = repo.entry(commit.sha, path)
    before = [repo.entry(parent, path) for parent in commit.parents] or [None]
    return all(each != here for each in before)


def reached(repo: Repo, tip: str, shas: Iterable[str]) -> set[str]:
    """Those commits that history from `tip` reaches, itself included."""
    wanted = set(shas)
    if len(wanted) <= _FEW:
        return {sha for sha in wanted if repo.reaches(tip, sha)}
    found: set[str] = set()
    for each in repo.walk(tip, []):
        if (sha := str(each.id)) in wanted:
            found.add(sha)
            if len(found) == len(wanted):
                break
    return found


def unreached(repo: Repo, shas: Iterable[str]) -> set[str]:
    """Those commits that no branch and no tag has in its history; unknown ones too."""
    found = repo.unreached({sha: sha for sha in shas}, repo.pointers().values())
    return {sha for sha, count in found.items() if count}


def patch_ids(repo: Repo, commits: Iterable[Commit]) -> dict[str, str]:
    """What each commit changes, as an id that a cherry-pick keeps (git's stable patch-id).

    Merges have none, nor have commits that change nothing, or more than MAX_PATCH files.
    """
    found = {each.sha: _patch_id(repo, each) for each in commits if len(each.parents) < 2}
    return {sha: patch for sha, patch in found.items() if patch}


def _patch_id(repo: Repo, commit: Commit) -> str | None:
    with _PATCHES_LOCK:
        if (commit.sha) in _PATCHES:
            return _PATCHES[commit.sha]
    patch = repo.patch_id(commit.sha, commit.parents[0] if commit.parents else None)
    with _PATCHES_LOCK:
        if len(_PATCHES) >= _MOST_PATCHES:
            _PATCHES.clear()
        _PATCHES[commit.sha] = patch
    return patch


def mailmap(repo: Repo, sha: str) -> Callable[[str, str], str]:
    """Names as the commit's .mailmap has them: `name, address` to the name that counts."""
    known = known_as(repo, sha)
    return lambda name, address: known(name, address)[0]


def known_as(repo: Repo, sha: str) -> Callable[[str, str], tuple[str, str]]:
    """People as the commit's .mailmap has them: `name, address` to the name and the address that count."""
    try:
        text = read_file(repo, sha, ".mailmap")
    except (NotFound, Invalid):
        return lambda name, address: (name, address)
    return repo.mailmap(text)


def tags(repo: Repo) -> dict[str, str]:
    """Every tag that leads to a commit, with that commit."""
    prefix = "refs/tags/"
    found = {
        name.removeprefix(prefix): repo.reference(name)
        for name in repo.references()
        if name.startswith(prefix)
    }
    return {name: sha for name, sha in found.items() if sha}


def read_file(repo: Repo, sha: str, path: str) -> bytes:
    """A file's bytes as committed. Raises NotFound, or Invalid when it is a folder, a link or huge."""
    found = repo.tree(sha, check_path(path))
    if not isinstance(found, _libgit2().Blob) or found.filemode not in (_FILE, _PROGRAM, 0o100664):
        raise Invalid(f"{path} is not a plain file in commit {sha[:12]}")
    if found.size > MAX_FILE:
        raise Invalid(f"{path} has {found.size} bytes", expected=f"at most {MAX_FILE}")
    return bytes(found.data)


def list_files(repo: Repo, sha: str, path: str = ".") -> list[str]:
    """The names directly inside a folder, folders with a slash at the end. Raises NotFound."""
    found = repo.tree(sha, check_path(path) if path != "." else ".")
    if not isinstance(found, _libgit2().Tree):
        raise Invalid(f"{path} is not a folder in commit {sha[:12]}")
    return [str(each.name) + ("/" if each.filemode == _FOLDER else "") for each in found]


def export_tree(repo: Repo, sha: str, destination: Path, path: str = ".") -> int:
    """Write the files of a commit below an empty folder, as committed; returns how many.

    No filter, no attribute, no submodule is acted upon. Modes are 644 and 755, times those of the commit.
    Raises Invalid on a tree that would write outside the folder, or that is too big.
    """
    destination.mkdir(parents=True, exist_ok=True)
    stamp = max(int(repo.find(sha).commit_time), 0)
    found = repo.tree(sha, check_path(path) if path != "." else ".")
    if not isinstance(found, _libgit2().Tree):
        raise Invalid(f"{path} is not a folder in commit {sha[:12]}")
    writer = _Writer(destination, stamp)
    writer.folder(found, destination, 0)
    writer.check_links()
    return writer.entries


class _Writer:
    def __init__(self, root: Path, stamp: int) -> None:
        self.root = root
        self.stamp = stamp
        self.entries = 0
        self.bytes = 0
        self.links: list[Path] = []

    def folder(self, tree: Any, place: Path, depth: int) -> None:
        if depth > 100:
            raise Invalid("the tree is more than 100 folders deep")
        seen: set[str] = set()
        for entry in tree:
            name = str(entry.name)
            if name in seen or name in ("", ".", "..") or "/" in name or "\0" in name or _is_git(name):
                raise Invalid(
                    f"the commit holds an entry named {name[:80]!r}", expected="an honest file name"
                )
            seen.add(name)
            self.entries += 1
            if self.entries > MAX_ENTRIES:
                raise Invalid(f"the commit holds more than {MAX_ENTRIES} files")
            self._entry(entry, place / name, depth)
        os.utime(place, (self.stamp, self.stamp))

    def _entry(self, entry: Any, place: Path, depth: int) -> None:
        if entry.filemode == _FOLDER:
            place.mkdir(mode=0o755)
            place.chmod(0o755)
            self.folder(entry, place, depth + 1)
        elif entry.filemode == _LINK:
            self._link(entry.data.decode(errors="surrogateescape"), place)
        elif isinstance(entry, _libgit2().Blob):
            self._file(entry, place)
        else:
            place.mkdir(mode=0o755)  # a submodule: its folder, empty, as a plain clone has it

    def _file(self, blob: Any, place: Path) -> None:
        self.bytes += blob.size
        if self.bytes > MAX_TREE:
            raise Invalid(f"the commit's files have more than {MAX_TREE} bytes")
        mode = 0o755 if blob.filemode == _PROGRAM else 0o644
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as out:
            out.write(blob.data)
        place.chmod(mode)
        os.utime(place, (self.stamp, self.stamp))

    def _link(self, target: str, place: Path) -> None:
        inside = Path(os.path.normpath(place.parent / target))
        if target.startswith("/") or "\0" in target or not inside.is_relative_to(self.root):
            raise Invalid(
                f"{place.relative_to(self.root)} is a link to {target[:80]!r}",
                expected="a link inside the repository",
            )
        place.symlink_to(target)
        self.links.append(place)
        os.utime(place, (self.stamp, self.stamp), follow_symlinks=False)

    def check_links(self) -> None:
        """A link through another link can lead where neither does by its text: follow them for real."""
        root = os.path.realpath(self.root)
        for place in self.links:
            if not Path(os.path.realpath(place)).is_relative_to(root):
                raise Invalid(
                    f"{place.relative_to(self.root)} leads out of the repository through other links",
                    expected="a link inside the repository",
                )


def _is_git(name: str) -> bool:
    """`.git` in any spelling that some file system takes for it."""
    return name.rstrip(". ").lower() in (".git", "git~1")
