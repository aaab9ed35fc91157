#!/bin/bash
# The folds of the cross-validation, each a job of an array in a clone of its own; they share by git and DVC.
#
#   sbatch --array=0-4 cluster/slurm/folds.sh      # in a clone with a DVC remote: dvc remote add -d shared FOLDER-OR-URL
#   python -m studies.crossval gather --remote origin
#
# Submitted again after an end of any kind, a fold goes on where it was. CLONES is where the clones lie (beside this one
# if unset), REMOTE the git remote that the folds are shared by.
#SBATCH --job-name=brainseg-fold
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=48:00:00
set -euo pipefail

home=$SLURM_SUBMIT_DIR
fold=$SLURM_ARRAY_TASK_ID
folds=${FOLDS:-5}
remote=${REMOTE:-origin}
clone=${CLONES:-$home/..}/$(basename "$home")-fold-$fold

if [ ! -d "$clone" ]; then
  git clone --quiet "$home" "$clone.new"
  git -C "$clone.new" remote set-url origin "$(git -C "$home" remote get-url "$remote")"
  [ ! -f "$home/.dvc/config.local" ] || cp "$home/.dvc/config.local" "$clone.new/.dvc/"
  mv "$clone.new" "$clone"
fi
cd "$clone"
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
exec python -m studies.crossval run --fold "$fold" --folds "$folds" --remote origin
