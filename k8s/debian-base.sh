#!/bin/sh
# A base image from Debian's packages, where no registry of images can be reached: Python and what
# it needs, nothing else. Takes root, mmdebstrap and buildah; then
#
#   make image BASE=localhost/gatebeyz-base
set -eu
name="${1:-localhost/gatebeyz-base}"
suite="$(. /etc/os-release && echo "$VERSION_CODENAME")"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
mmdebstrap --quiet --mode=root --variant=minbase --format=directory \
  --include=python3,python3-venv,python-is-python3,ca-certificates \
  "$suite" "$folder/root" /etc/apt/sources.list.d/debian.sources
container="$(buildah from scratch)"
buildah copy --quiet "$container" "$folder/root" /
buildah config --env PATH=/usr/local/bin:/usr/bin:/bin "$container"
buildah commit --quiet --rm "$container" "$name"
