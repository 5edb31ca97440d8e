#!/bin/sh
# Makes a base image for the tests of the container image where python:3.12.11-slim-bookworm cannot be pulled:
# Debian bookworm with its own Python (3.11) and this machine's certificates, by debootstrap. Prints the file, a tar for
# `docker import`; it is made once and kept in the user's cache.
#
# Usage: sh scripts/test_base_image.sh [FILE]
# For tests only: an image that is shipped is built on Python's own. The file appears whole or not at all.
set -eu

suite=bookworm
file="${1:-${XDG_CACHE_HOME:-$HOME/.cache}/ginkgo-data-tests/base-$suite.tar}"

if [ -f "$file" ]; then
    echo "$file"
    exit 0
fi
fail() {
    echo "test_base_image.sh: $1" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || fail "debootstrap needs root."
command -v debootstrap >/dev/null || fail "needs debootstrap (Debian: apt-get install debootstrap)."

# The mirror that this machine's apt uses for the suite.
mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $suite" | head -n 1)"
[ -n "$mirror" ] || fail "apt knows no mirror of Debian $suite."

mkdir -p "$(dirname "$file")"
work="$(mktemp -d "$file.XXXXXX")"
trap 'rm -rf "$work"' EXIT INT TERM
root="$work/root"

attempt=1
until debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$root" "$mirror" >"$work/log" 2>&1; do
    [ "$attempt" -lt 3 ] || { tail -n 20 "$work/log" >&2; fail "debootstrap did not end well in 3 attempts."; }
    attempt=$((attempt + 1))
    rm -rf "$root"
    sleep 5
done
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
    "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/locale
# Behind a proxy that ends TLS, the machine's certificates are not Debian's alone.
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
fi
tar -C "$root" -cf "$work/base.tar" .
mv "$work/base.tar" "$file"
echo "$file"
