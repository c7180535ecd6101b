#!/usr/bin/env bash
# Unpack Kate, and a display for it that needs no screen, into a folder of its own (750 MB). usage: get_kate.sh FOLDER
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
# Without these Kate cannot tell its version.
export QT_QPA_PLATFORM=offscreen QT_PLUGIN_PATH=$folder/root/usr/lib/x86_64-linux-gnu/qt6/plugins
"$(dirname "$0")/get_debian.sh" "$folder" forky "kate Xvfb xkbcomp xdotool" kate xvfb xdotool
# Xvfb runs /usr/bin/xkbcomp; here it shall be that below its working folder.
LC_ALL=C sed -i 's|\x00/usr/bin\x00|\x00usr/bin\x00\x00|' "$folder/root/usr/bin/Xvfb"
