#!/bin/bash
# One worker of a cohort: a case at a time on the cores of this job. `cohort.sh` submits an array of them.
#
#   sbatch --array=1-20 cluster/slurm/worker.sh ADDRESS
#
# More may join at any time, and any may be cancelled: its case is done by another.
#SBATCH --job-name=brainseg-worker
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=24:00:00
set -euo pipefail

export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
exec dask worker "$1" --nthreads 1 --no-nanny --no-dashboard --memory-limit 0 --death-timeout 120 \
  --local-directory "${TMPDIR:-/tmp}"
