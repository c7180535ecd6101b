#!/usr/bin/env bash
# Put the completion menus that people have beside us into a folder: nvim-cmp and blink.cmp, from GitHub, each at one commit.
# usage: get_plugins.sh FOLDER
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }

get() { # OWNER/NAME COMMIT
  local place=$folder/${1#*/}
  [ ! -e "$place" ] || return 0
  rm -rf "$place.part"
  git init -q "$place.part"
  git -C "$place.part" fetch -q --depth 1 "https://github.com/$1" "$2"
  git -C "$place.part" checkout -q FETCH_HEAD
  mv "$place.part" "$place"
}

folder=$1
get hrsh7th/nvim-cmp a1d504892f2bc56c2e79b65c6faded2fd21f3eca
get saghen/blink.cmp 78336bc89ee5365633bcf754d93df01678b5c08f # 1.10.2
