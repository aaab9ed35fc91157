#!/usr/bin/env bash
# Writes the exact versions that a fresh environment gets from pyproject.toml, for Linux x86_64 and Python 3.11. Called by
# `make lock`.
#
#   requirements.lock             of the extra `dev`, with the pipeline in it: what `make demo` installs
#   requirements-references.lock  what the extra `references` adds: for `make test`
#
# All versions are found at once, so that the second never changes the first.
#
# torch is chosen by hand, since everything heavy hangs on it: TORCH=2.14.0 make lock.
# Its build (+cpu, +cu130) and the CUDA packages, which a CUDA build brings by itself, stay out,
# so that one lock serves machines with and without a GPU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo "torch==${TORCH:-2.13.0}" > "$scratch/constraints.txt"

# versions <environment> <extras> <constraints>: what pip installs, a pin a line
versions() {
  "${PYTHON:-python3}" -m venv "$scratch/$1"
  "$scratch/$1/bin/python" -m pip install -qq -c "$3" ".[$2]"
  "$scratch/$1/bin/python" -m pip freeze --exclude brainseg \
    | { grep -Eiv '^(nvidia|cuda|triton)' || true; } \
    | sed 's/+[a-z0-9.]*$//'
}
head="# Written by \`make lock\` for Linux x86_64 and Python 3.11; do not edit."
versions all dev,references "$scratch/constraints.txt" > "$scratch/all"
versions some dev "$scratch/all" > "$scratch/some"
{ echo "$head"; cat "$scratch/some"; } > "$scratch/requirements.lock"
{ echo "$head"; grep -vxFf "$scratch/some" "$scratch/all"; } > "$scratch/requirements-references.lock"
mv "$scratch/requirements.lock" "$scratch/requirements-references.lock" .
