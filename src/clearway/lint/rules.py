"""Every rule with its check. A rule has a good and a bad example in its test, or it is no rule."""

from __future__ import annotations

from .model import Check, Rule
from .packages import (
    floating_requirement,
    git_dependency,
    lock_without_digests,
    no_lock,
    unpinned_build,
)
from .places import (
    apt_unpinned,
    build_time,
    gzip_name,
    image_floating,
    image_tag,
    jar_date,
    line_endings,
    maven_timestamp,
    network_in_step,
    npm_install,
    pipe_to_shell,
    tar_order,
    unsigned_commit,
    unsigned_tag,
    zip_extra,
)

ALLOW = Rule(
    "allow-reason",
    "warning",
    "An allowance that says nothing",
    "Whoever reads it later must know why it was right, and that it still is needed.",
    "Write `clearway-lint: allow RULE: the reason`, and remove what is not needed any more.",
)
CHECKS: tuple[tuple[Rule, Check], ...] = (
    (
        Rule(
            "no-lock",
            "error",
            "Dependencies without a lock file",
            "Ranges are resolved anew each time: tomorrow's build has other packages than today's.",
            "Make one and commit it: `npm install --package-lock-only`, or `uv lock`.",
        ),
        no_lock,
    ),
    (
        Rule(
            "lock-digests",
            "error",
            "A lock file without digests",
            "A version is a name that a registry may give to other bytes; a digest is the bytes.",
            "Make it again so that it has them: npm 7 or newer, `uv pip compile --generate-hashes`.",
        ),
        lock_without_digests,
    ),
    (
        Rule(
            "build-unpinned",
            "warning",
            "Build requirements that are not pinned",
            "The build backend writes the package; another version of it may write other bytes.",
            'Pin it in [build-system], as in requires = ["hatchling==1.27.0"].',
        ),
        unpinned_build,
    ),
    (
        Rule(
            "requirement-floating",
            "warning",
            "A dependency on whatever is newest",
            "Nobody chose the version that will be taken.",
            "Name the versions that are known to work, and let a lock file name the one.",
        ),
        floating_requirement,
    ),
    (
        Rule(
            "git-dependency",
            "error",
            "A dependency from a git branch",
            "Branches and tags move, there is no digest, and packing runs the scripts of what is there.",
            "Publish it to a registry, or name the commit in full.",
        ),
        git_dependency,
    ),
    (
        Rule(
            "image-floating",
            "error",
            "An image without a tag, or `latest`",
            "It is another image whenever somebody pushes one.",
            "Name its digest: FROM NAME:TAG@sha256:...",
        ),
        image_floating,
    ),
    (
        Rule(
            "image-tag",
            "warning",
            "An image by its tag alone",
            "Tags are moved to rebuilt images.",
            "Add the digest: FROM NAME:TAG@sha256:...",
        ),
        image_tag,
    ),
    (
        Rule(
            "apt-unpinned",
            "warning",
            "System packages without versions",
            "apt takes what the archive has on that day.",
            "Name versions (apt-get install name=1.2-3), or use a snapshot of the archive.",
        ),
        apt_unpinned,
    ),
    (
        Rule(
            "npm-install",
            "error",
            "An install that may change the lock file",
            "`npm install` resolves anew where the lock file does not fit, and goes on.",
            "Use `npm ci`, `pnpm install --frozen-lockfile` or `yarn install --immutable`.",
        ),
        npm_install,
    ),
    (
        Rule(
            "pipe-to-shell",
            "error",
            "A download that runs unseen",
            "What the server sends today is run, whatever it is; nobody can say later what it was.",
            "Download it, check its digest (sha256sum --check), then run it.",
        ),
        pipe_to_shell,
    ),
    (
        Rule(
            "build-time",
            "warning",
            "The time of the build in what is built",
            "Two builds of one commit differ, and the time says nothing that the commit does not.",
            'Take the commit\'s: date --date="@$SOURCE_DATE_EPOCH"; int(os.environ["SOURCE_DATE_EPOCH"]).',
        ),
        build_time,
    ),
    (
        Rule(
            "maven-timestamp",
            "error",
            "Maven without a fixed time",
            "Every jar then has the time of its build in each entry.",
            "Set project.build.outputTimestamp in <properties>: a fixed time, or ${git.commit.time}.",
        ),
        maven_timestamp,
    ),
    (
        Rule(
            "tar-order",
            "warning",
            "A tar archive with the order and times of the disk",
            "Names come in the order of the file system, with the times and owners of that day.",
            'tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner',
        ),
        tar_order,
    ),
    (
        Rule(
            "gzip-name",
            "warning",
            "gzip that keeps a time",
            "The header has the name and the time of the file.",
            "Use gzip -n.",
        ),
        gzip_name,
    ),
    (
        Rule(
            "jar-date",
            "warning",
            "A jar with the time of its build",
            "Each entry has the time at which it was added.",
            'jar --date="$(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)"',
        ),
        jar_date,
    ),
    (
        Rule(
            "zip-extra",
            "warning",
            "A zip archive with times and owners",
            "Extra fields have access times and user ids of the machine.",
            "Use zip -X on sorted names, and set their times first.",
        ),
        zip_extra,
    ),
    (
        Rule(
            "network-in-step",
            "error",
            "A build step that wants a network",
            "Steps have none: what they would bring is named nowhere.",
            "Let a lock file name it, or put it into the repository.",
        ),
        network_in_step,
    ),
    (
        Rule(
            "unsigned-commit",
            "note",
            "The commit is not signed",
            "The author's name is what somebody typed.",
            "Sign commits: git config commit.gpgsign true, with an SSH or OpenPGP key.",
        ),
        unsigned_commit,
    ),
    (
        Rule(
            "unsigned-tag",
            "warning",
            "A version tag that is not signed",
            "Whoever may push may move it, and nobody can tell.",
            "Make signed tags: git tag --sign, or let `clearway release SERVICE --next` make them.",
        ),
        unsigned_tag,
    ),
    (
        Rule(
            "line-endings",
            "warning",
            "Line endings that depend on the machine",
            "A text has CRLF, and no .gitattributes says what is meant: checkouts differ.",
            "Add `* text=auto eol=lf` to .gitattributes, and normalise: git add --renormalize .",
        ),
        line_endings,
    ),
)
RULES: tuple[Rule, ...] = (*(rule for rule, _ in CHECKS), ALLOW)
