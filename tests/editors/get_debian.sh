#!/usr/bin/env bash
# Unpack programs of a Debian suite into a folder of its own: no root, nothing of the system is touched.
# usage: get_debian.sh FOLDER SUITE "PROGRAM..." PACKAGE...   then FOLDER/bin/PROGRAM runs
# Needs a Debian (amd64) with apt-get and dpkg-deb; packages come from this machine's own mirror, or DEBIAN_MIRROR.
set -euo pipefail
[ $# -ge 4 ] || { echo "usage: $0 FOLDER SUITE \"PROGRAM...\" PACKAGE..." >&2; exit 2; }
suite=$2
read -ra programs <<<"$3"
for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || { echo "$tool not found: ${programs[0]} is fetched on Debian alone" >&2; exit 1; }
done
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "${programs[0]} is fetched for amd64 alone" >&2; exit 1; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift 3

mirror=${DEBIAN_MIRROR:-}
if [ -z "$mirror" ]; then
    mirror=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
        awk '$1 == "URIs:" { print $2; exit } $1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^http/) { print $i; exit } }' || true)
fi
[ -n "$mirror" ] || { echo "no Debian mirror found: set DEBIAN_MIRROR" >&2; exit 1; }

# A private apt that believes nothing is installed, so it names every package that is needed, libc too.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,cache/archives/partial,debs}
keys=${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
echo "deb [arch=amd64 signed-by=$keys] $mirror $suite main" >"$work/sources.list"
: >"$work/status"
apt() {
    apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State="$work" -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status" \
        -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o APT::Install-Recommends=false \
        -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)" "$@"
}
apt update
mapfile -t packages < <(apt -s install "$@" patchelf | awk '$1 == "Inst" { print $2 }')
(cd "$work/debs" && apt download "${packages[@]}")

root=$folder/root
rm -rf "$root"
mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
for package in "$work"/debs/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink --no-same-owner
done
rm -rf "$root"/usr/share/{doc,man,locale}

# The suite's libc is newer than ours: a program is told to use its own loader and libraries, wherever it is started.
libraries=$root/usr/lib/x86_64-linux-gnu
loader=$root/usr/lib64/ld-linux-x86-64.so.2
cp "$root/usr/bin/patchelf" "$work/patchelf"
patch() { "$loader" --library-path "$libraries" "$work/patchelf" "$@"; }
mkdir -p "$folder/bin"
for program in "${programs[@]}"; do
    patch --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$(readlink -f "$root/usr/bin/$program")"
    ln -sfn "$root/usr/bin/$program" "$folder/bin/$program"
done
# Libraries that look in a folder of the system shall look here.
while read -r library; do
    path=$(patch --print-rpath "$library" 2>/dev/null) || continue
    case $path in /usr/lib/*) patch --set-rpath "$root$path:$libraries" "$library" ;; esac
done < <(find "$libraries" -name '*.so*' -type f)
"$folder/bin/${programs[0]}" --version 2>/dev/null | head -1
