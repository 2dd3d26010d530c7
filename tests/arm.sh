#!/bin/sh
# The fingerprints on aarch64, whose programs qemu emulates: `make test-arm`.
#
# All that this needs comes into .arm, and nothing into the system: qemu, Debian's Python for arm64,
# and elman's dependencies as wheels for it.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
ARM=$PWD/.arm
QEMU=$ARM/host/usr/bin/qemu-aarch64-static

# unpack FOLDER ARCHITECTURE PACKAGE …: packages with all that they depend on, from where this system
# has its own. An empty status file lets apt believe that nothing is installed.
unpack() {
    root=$ARM/$1 architecture=$2
    shift 2
    rm -rf "$root"
    mkdir -p "$root/apt/lists/partial" "$root/apt/archives/partial" "$root/usr/lib"
    ln -s usr/lib "$root/lib"
    touch "$root/apt/status"
    cat > "$root/apt/apt.conf" <<EOF
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Dir::State "$root/apt";
Dir::State::status "$root/apt/status";
Dir::Cache "$root/apt";
EOF
    APT_CONFIG=$root/apt/apt.conf apt-get -qq update
    APT_CONFIG=$root/apt/apt.conf apt-get -qq --no-install-recommends --download-only install "$@"
    for package in "$root"/apt/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --directory "$root"
    done
    rm -r "$root/apt"
}

if ! [ "$ARM/.ready" -nt pyproject.toml ]; then
    if ! command -v apt-get > /dev/null; then
        echo "make test-arm unpacks Debian's packages: run it on Debian; there is no apt-get here" >&2
        exit 1
    fi
    unpack host "$(dpkg --print-architecture)" qemu-user-static
    unpack root arm64 python3 libstdc++6
    version=$(basename "$ARM"/root/usr/lib/python3.*)
    platforms=
    for tag in manylinux_2_28 manylinux_2_27 manylinux_2_26 manylinux_2_17 manylinux2014; do
        platforms="$platforms --platform ${tag}_aarch64"
    done
    rm -rf "$ARM/site"
    "$PYTHON" -c 'import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print(*project["dependencies"], sep="\n")' > "$ARM/requirements.txt"
    # shellcheck disable=SC2086 # words
    "$PYTHON" -m pip install -qq --disable-pip-version-check --only-binary=:all: $platforms \
        --python-version "${version#python}" --target "$ARM/site" --requirement "$ARM/requirements.txt"
    touch "$ARM/.ready"
fi

export NUMBA_CACHE_DIR="$ARM/numba" PYTHONPATH="$ARM/site:src" PYTHONDONTWRITEBYTECODE=1
exec "$QEMU" -L "$ARM/root" "$ARM/root/usr/bin/python3" tests/fingerprint.py
