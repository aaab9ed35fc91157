#!/bin/bash
# A cohort on SLURM: this job looks on, and an array of jobs, `worker.sh`, does the cases. Both need the storage of the
# scans and of --out, and the environment that `brainseg` is installed in, under the same paths.
#
#   WORKERS=20 sbatch cluster/slurm/cohort.sh INPUT --out DIR
#
# Submitted again after an end of any kind, it does the cases that are missing. Options of a cluster (partition,
# account, time) go to sbatch; for the workers they stand in WORKER_OPTIONS.
#SBATCH --job-name=brainseg
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --time=24:00:00
set -euo pipefail

# sbatch runs a copy of this script, which lies elsewhere
here=${BRAINSEG_CLUSTER:-$SLURM_SUBMIT_DIR/cluster/slurm}
contact=$(mktemp --directory "$SLURM_SUBMIT_DIR/.brainseg-dask-XXXXXX")
workers= scheduler= cohort=
end() {
  trap - TERM
  for process in $cohort $scheduler; do kill "$process" 2>/dev/null || true; wait "$process" || true; done
  [ -z "$workers" ] || scancel "$workers" || true
  rm -rf "$contact"
}
trap end EXIT
trap 'exit 143' TERM

dask scheduler --port 0 --no-dashboard --scheduler-file "$contact/scheduler.json" >"$contact/scheduler.log" 2>&1 &
scheduler=$!
for _ in $(seq 120); do [ -s "$contact/scheduler.json" ] && break; sleep 1; done
[ -s "$contact/scheduler.json" ] || { echo "error: the scheduler did not start within two minutes." >&2; exit 2; }
address=$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"])' "$contact/scheduler.json")

# shellcheck disable=SC2086  # several options
workers=$(sbatch --parsable --array="1-${WORKERS:-4}" ${WORKER_OPTIONS:-} "$here/worker.sh" "$address")
brainseg predict "$@" --scheduler "$address" &
cohort=$!
wait "$cohort"
