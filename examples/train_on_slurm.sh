#!/bin/sh
# One model on four machines: sbatch train_on_slurm.sh
# train.py is the script that runs on one machine, as it is. Any other number of machines comes to
# the same bits.
#SBATCH --job-name=elman
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1        # a rank a machine ...
#SBATCH --cpus-per-task=16         # ... with a thread a core
#SBATCH --time=04:00:00
#SBATCH --signal=INT@120           # Ctrl-C to all ranks, two minutes before the end

. .venv/bin/activate               # with mpi4py built for the cluster's MPI
export OMP_NUM_THREADS="$SLURM_CPUS_PER_TASK"
export NUMBA_CACHE_DIR="/tmp/numba-$USER"   # compiled code: a directory of each machine

# pmix for Open MPI, pmi2 for MPICH; a rank that is lost ends the job
srun --mpi=pmix --kill-on-bad-exit=1 python train.py
