#!/bin/sh
# Makes the virtual environment at $1 from the hash-checked locks. Touches nothing else, except that on a
# Debian machine whose Python came without `venv`, root installs that one package.
set -eu
venv=$1
python=${PYTHON:-python3}

command -v "$python" >/dev/null 2>&1 || { echo "setup: $python not found; Python 3.11 or newer is needed" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: $("$python" --version) is too old; Python 3.11 or newer is needed (PYTHON=python3.12 make setup)" >&2; exit 1; }
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "setup: installing python3-venv"
        apt-get -o DPkg::Lock::Timeout=300 update -qq
        apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends python3-venv >/dev/null
    else
        echo "setup: this Python has no 'venv'; on Debian: apt install python3-venv" >&2; exit 1
    fi
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
if [ ! -x "$venv/bin/uv" ]; then
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r locks/bootstrap.txt
fi
export VIRTUAL_ENV="$PWD/$venv"
# Compiled once, here: where PYTHONDONTWRITEBYTECODE is set, every process would else compile all that it imports.
"$venv/bin/uv" pip install --quiet --compile-bytecode --require-hashes -r locks/dev.txt
"$venv/bin/uv" pip install --quiet --no-deps --no-build-isolation -e .
"$venv/bin/python" -m compileall -q src
echo "setup: ready in $venv"
