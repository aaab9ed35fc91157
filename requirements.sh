#!/usr/bin/env bash
# Writes the exact versions that a fresh environment gets from pyproject.toml, for Linux x86_64 and Python 3.11 to 3.13.
# Called by `make lock`.
#
#   requirements.lock             of the extra `dev`, with the pipeline in it: what `make demo` installs
#   requirements-references.lock  what the extra `references` adds: for `make test`
#   requirements-docs.lock        what the extra `docs` adds: for `make docs`
#
# All versions are found at once, so that none changes another. Versions that are pinned and still fit stay, so that a
# second call changes nothing; UPGRADE=1 make lock takes the newest.
#
# torch is chosen by hand, since everything heavy hangs on it: TORCH=2.14.0 make lock.
# Its build (+cpu, +cu130) and the CUDA packages, which a CUDA build brings by itself, stay out,
# so that one lock serves machines with and without a GPU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch/tools"
"$scratch/tools/bin/python" -m pip install -qq uv
echo "torch==${TORCH:-2.13.0}" > "$scratch/torch"

# resolve <file> <constraints> <extra> ...: writes into the file what is installed, a pin a line; what the file had is preferred
resolve() {
  local file=$1 constraints=$2
  shift 2
  "$scratch/tools/bin/uv" pip compile -q --universal --python-version 3.11 --no-header --no-annotate \
    -c "$constraints" $(printf -- '--extra %s ' "$@") -o "$file" pyproject.toml
  # without the CUDA packages, the build, and the conditions that [tool.uv] in pyproject.toml sets for all
  sed -i -E "/^(nvidia|cuda|triton)/d; s/\+[a-z0-9.]+//;
    s/ and (platform_machine == 'x86_64'|platform_python_implementation == 'CPython'|sys_platform == 'linux')//g;
    s/ (;|and) python_full_version < '3.14'$//" "$file"
}
[ -n "${UPGRADE:-}" ] || { grep -hv '^#' requirements*.lock | grep -v '^torch==' || true; } > "$scratch/all"
resolve "$scratch/all" "$scratch/torch" dev references docs
resolve "$scratch/some" "$scratch/all" dev
resolve "$scratch/tested" "$scratch/all" dev references
resolve "$scratch/documented" "$scratch/all" dev docs
head="# Written by \`make lock\` for Linux x86_64 and Python 3.11 to 3.13; do not edit."
{ echo "$head"; cat "$scratch/some"; } > "$scratch/requirements.lock"
for what in tested:references documented:docs; do
  { echo "$head"; grep -vxFf "$scratch/some" "$scratch/${what%:*}"; } > "$scratch/requirements-${what#*:}.lock"
done
mv "$scratch"/requirements*.lock .
