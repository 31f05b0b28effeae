#!/bin/sh
# What tests use from the system: installed when we are root, otherwise named with the tests that skip.
set -eu
want() { # program package "what is skipped"
    command -v "$1" >/dev/null 2>&1 && return 0
    missing="$missing $2"
    skipped="$skipped $2 ($3);"
}
missing="" skipped=""
want bwrap bubblewrap "nothing (the wheel's own bubblewrap is used instead)"
want buildah buildah "builds of images (tests/integration/test_build_image.py)"
want skopeo skopeo "builds of images (tests/integration/test_build_image.py)"
want busybox busybox-static "builds of images (tests/integration/test_build_image.py)"
want podman podman "builds in containers (tests/contract/sandbox)"
want runc runc "builds in containers (tests/contract/sandbox)"
want faketime faketime "a rebuild with another clock (tests/integration/test_reproduce.py)"
want chromium chromium "the browser journeys (tests/journeys/test_browser.py)"
want cc build-essential "builds of C (tests/integration/test_build_cmake.py)"
want cmake cmake "builds of C (tests/integration/test_build_cmake.py)"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "system: installing$missing"
    if apt-get -o DPkg::Lock::Timeout=300 update -qq &&
       apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $missing >/dev/null 2>&1; then
        exit 0
    fi
fi
echo "system: not root, or no apt: missing, and these tests are skipped:$skipped"
