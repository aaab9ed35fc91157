#!/usr/bin/env bash
# Writes requirements.lock: the exact versions that a fresh environment gets from pyproject.toml
# (with the extra `dev`), for Linux x86_64 and Python 3.11. Called by `make lock`.
#
# torch is chosen by hand, since everything heavy hangs on it: TORCH=2.14.0 make lock.
# Its build (+cpu, +cu130) and the CUDA packages, which a CUDA build brings by itself, stay out,
# so that one lock serves machines with and without a GPU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo "torch==${TORCH:-2.13.0}" > "$scratch/constraints.txt"

"${PYTHON:-python3}" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install -qq -c "$scratch/constraints.txt" ".[dev]"
{
  echo "# Written by \`make lock\` for Linux x86_64 and Python 3.11; do not edit."
  "$scratch/venv/bin/python" -m pip freeze --exclude brainseg \
    | grep -Eiv '^(nvidia|cuda|triton)' \
    | sed 's/+[a-z0-9.]*$//'
} > "$scratch/requirements.lock"
mv "$scratch/requirements.lock" requirements.lock

# What `make docs` adds to that: the packages of the extra `docs` that are not in requirements.lock.
"$scratch/venv/bin/python" -m pip install -qq -c "$scratch/constraints.txt" -c requirements.lock ".[docs]"
{
  echo "# Written by \`make lock\`, on top of requirements.lock; do not edit."
  "$scratch/venv/bin/python" -m pip freeze --exclude brainseg | grep -Eiv '^(nvidia|cuda|triton)' | sed 's/+[a-z0-9.]*$//' \
    | grep -vxFf requirements.lock
} > "$scratch/requirements-docs.lock"
mv "$scratch/requirements-docs.lock" requirements-docs.lock
