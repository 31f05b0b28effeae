"""The cmake recipe with real compilers: C and C++, libraries, tests, and no trace of where it was built."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path
from typing import BinaryIO

import pytest
from building import Builder, assert_nothing_matters
from repositories import Made

from clearway import build
from clearway.build.ports import FakePackages
from clearway.integrations.bubblewrap import make_sandbox
from clearway.storage import Blobs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.xdist_group("sandbox"),
    pytest.mark.skipif(not shutil.which("cmake") or not shutil.which("cc"), reason="no CMake or no compiler"),
]

PROJECT = {
    "clearway.yaml": """
service: shop
version: 1.2.0
build:
  recipe: cmake
  configure: [-DGREETING=hello]
  outputs: [usr/bin/greet]
""",
    "CMakeLists.txt": """
cmake_minimum_required(VERSION 3.18)
project(greet C CXX)
enable_testing()
add_library(words STATIC words.c more.c)
add_library(voice SHARED voice.cpp)
target_compile_definitions(words PRIVATE GREETING="${GREETING}")
add_executable(greet main.c)
target_compile_options(greet PRIVATE -g)
target_link_libraries(greet words voice)
install(TARGETS greet words voice)
install(FILES words.h DESTINATION include)
install(CODE [[execute_process(COMMAND ln -sf greet $ENV{DESTDIR}/usr/bin/hello)]])
add_test(NAME says COMMAND greet)
add_test(NAME says-again COMMAND greet)
add_test(NAME absent COMMAND greet)
set_tests_properties(absent PROPERTIES DISABLED TRUE)
""",
    "words.h": "const char *words(void);\nint voice(void);\n",
    "words.c": '#include "words.h"\nconst char *words(void) { return GREETING " " __DATE__ " " __TIME__; }\n',
    "more.c": 'const char *origin(void) { return __FILE__ " " __TIMESTAMP__; }\n',
    "voice.cpp": '#include <cassert>\nextern "C" int voice(void) { assert(sizeof(int) > 1); return 0; }\n',
    "main.c": '#include <stdio.h>\n#include "words.h"\nextern const char *origin(void);\n'
    "int main(void) { puts(words()); puts(origin()); return voice(); }\n",
}


def _builder(place: Path, made: Made, mode: str = "auto") -> Builder:
    place.mkdir(parents=True)
    return Builder(place, str(made.root), make_sandbox(mode), FakePackages(place / "p"))


def _open(builder: Builder, done: build.Build) -> BinaryIO:
    return builder.database.tool(Blobs).open(done.artifacts[0].digest)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = Made(tmp_path / "repository")
    made.commit(PROJECT)
    return made


def test_a_project_is_built_tested_and_installed_into_an_archive(made: Made, tmp_path: Path) -> None:
    """Twice with the same bytes; tests are counted; the archive comes first, then what was named."""
    builder = _builder(tmp_path / "one", made)
    done = builder.run()
    assert (done.status, done.reproduced) == ("succeeded", True), builder.log(done.id)
    assert done.tests == {"ok": True, "passed": 2, "failed": 0, "skipped": 1, "total": 3}
    assert [(each.name, each.type) for each in done.artifacts] == [
        (f"shop-{done.version}.tar", "archive"),
        ("greet", "file"),
    ]
    with _open(builder, done) as stream, tarfile.open(fileobj=stream) as archive:
        members = {each.name: each for each in archive.getmembers()}
    assert {"usr/bin/greet", "usr/lib/libwords.a", "usr/lib/libvoice.so", "usr/include/words.h"} <= set(
        members
    )
    assert (members["usr/bin/hello"].issym(), members["usr/bin/hello"].linkname) == (True, "greet")
    assert (members["usr/bin/greet"].mode, members["usr/include/words.h"].mode) == (0o755, 0o644)
    assert {(each.uid, each.gid, each.uname, each.mtime) for each in members.values()} == {
        (0, 0, "", int(members["usr"].mtime))
    }


def test_path_umask_and_clock_leave_no_trace(made: Made, tmp_path: Path) -> None:
    """Plain processes in two folders of different length, under two umasks: the same bytes."""
    found = []
    for name, mask in (("a", 0o022), ("a-much/longer/place", 0o077)):
        before = os.umask(mask)
        try:
            builder = _builder(tmp_path / name, made, "plain")
            done = builder.run(twice=False)
        finally:
            os.umask(before)
        assert done.status == "succeeded", builder.log(done.id)
        found.append([each.digest for each in done.artifacts])
        with _open(builder, done) as stream:
            assert str(tmp_path).encode() not in stream.read()
    assert found[0] == found[1]


def test_programs_and_archive_are_the_same_whatever_is_otherwise(made: Made, tmp_path: Path) -> None:
    """C programs, static and shared libraries, and the tar archive of them."""
    builder = _builder(tmp_path / "one", made)
    found = builder.reproduce(builder.run(twice=False))
    assert_nothing_matters(found)
    assert {each["name"]: each["verdict"] for each in found.report["outputs"]} == {
        each["name"]: "identical" for each in found.report["outputs"]
    }


def test_a_red_test_fails_the_build(made: Made, tmp_path: Path) -> None:
    """With the counts, and nothing is stored."""
    made.commit({"voice.cpp": 'extern "C" int voice(void) { return 1; }\n'})
    builder = _builder(tmp_path / "one", made)
    done = builder.run(twice=False)
    assert (done.status, done.artifacts) == ("failed", ())
    assert done.tests == {"ok": False, "passed": 0, "failed": 2, "skipped": 1, "total": 3}


def test_a_project_that_installs_nothing_is_told_so(tmp_path: Path) -> None:
    """There would be nothing to deliver."""
    made = Made(tmp_path / "repository")
    made.commit(
        {
            "clearway.yaml": "service: shop\nbuild: {recipe: cmake}\n",
            "CMakeLists.txt": "cmake_minimum_required(VERSION 3.18)\nproject(x NONE)\n",
        }
    )
    done = _builder(tmp_path / "one", made).run(twice=False)
    assert done.status == "failed"
    assert "installs nothing" in (done.error or "")


def test_a_tree_is_not_left_by_a_link_in_what_is_installed(made: Made, tmp_path: Path) -> None:
    """A link to a file of the machine is packed as a link; one in the place of the folder is refused."""
    made.commit(
        {
            "CMakeLists.txt": "cmake_minimum_required(VERSION 3.18)\nproject(x NONE)\n"
            "install(FILES words.h DESTINATION include)\n"
            "install(CODE [[execute_process(COMMAND ln -s /etc/passwd $ENV{DESTDIR}/usr/leak)]])\n",
            "clearway.yaml": "service: shop\nbuild: {recipe: cmake}\n",
        }
    )
    builder = _builder(tmp_path / "one", made)
    done = builder.run(twice=False)
    with _open(builder, done) as stream, tarfile.open(fileobj=stream) as archive:
        assert archive.getmember("usr/leak").issym()
    made.commit(
        {
            "CMakeLists.txt": "cmake_minimum_required(VERSION 3.18)\nproject(x NONE)\n"
            'install(CODE [[execute_process(COMMAND sh -c "rm -r $DESTDIR; ln -s /etc $DESTDIR")]])\n'
        }
    )
    done = builder.run(twice=False)
    assert done.status == "failed"
    assert "link" in (done.error or "")
