#!/bin/bash
# A cohort on machines that ssh reaches: a scheduler here, a worker a line of HOSTS. The storage of the scans and of
# --out, and the environment that `brainseg` is installed in, lie under the same paths everywhere.
#
#   cluster/hosts.sh HOSTS INPUT --out DIR
#
# HOSTS is a file, a host a line; a host that stands there twice gets two workers. ADDRESS is this machine's name as the
# others know it (its host name if unset), and THREADS the cores of a worker (4 if unset).
set -euo pipefail

hosts=$1
shift
[ -s "$hosts" ] || { echo "error: $hosts names no host, expected one a line." >&2; exit 2; }
bin=$(dirname "$(command -v brainseg)")
contact=$(mktemp --directory)
started=()
end() {
  for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
  rm -rf "$contact"
}
trap end EXIT
trap 'exit 143' TERM

"$bin/dask" scheduler --port 0 --no-dashboard --scheduler-file "$contact/scheduler.json" >/dev/null 2>&1 &
started+=($!)
for _ in $(seq 120); do [ -s "$contact/scheduler.json" ] && break; sleep 1; done
[ -s "$contact/scheduler.json" ] || { echo "error: the scheduler did not start within two minutes." >&2; exit 2; }
port=$("$bin/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"].rpartition(":")[2])' \
  "$contact/scheduler.json")
address=tcp://${ADDRESS:-$(hostname)}:$port

while read -r host; do
  [ -n "$host" ] || continue
  # -tt: the worker ends with the connection
  ssh -tt -o BatchMode=yes "$host" "OMP_NUM_THREADS=${THREADS:-4} $bin/dask worker $address --nthreads 1 --no-nanny \
    --no-dashboard --memory-limit 0 --death-timeout 120 --local-directory /tmp" </dev/null >/dev/null 2>&1 &
  started+=($!)
done <"$hosts"
"$bin/brainseg" predict "$@" --scheduler "$address"
