#!/usr/bin/env bash
# The paper's tables at the paper's size. What each table takes is printed first: jobs, trainings, data, time, disk.
#   scripts/paper_tables.sh plan                       print that and stop; plan=3e13 for a machine of so many operations a second
#   scripts/paper_tables.sh gpu                        one GPU, one job after the other
#   scripts/paper_tables.sh pool 'hydra.launcher.devices=[0,1,2,3]'    a pool of GPUs, a job on each
#   scripts/paper_tables.sh slurm hydra.launcher.partition=gpu         an array of Slurm jobs, a GPU for each
# Further words go to cu-unlearn (seed=0 model=resnet18 paths.data=DIR); paths.outputs=DIR to cu-report, too. TABLES="1 4"
# for some. A killed command goes on where it was when it is typed again.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${CU_BIN:-.venv/bin}
tables=${TABLES:-1 2 4 5 3 6 7} # 3, 6 and 7 train nothing: they show the runs of 1 and 4
how=${1:-}
[ $# -gt 0 ] && shift
case $how in
  plan | plan=*) launcher=() ;;
  gpu) launcher=(hardware.device=cuda) ;;
  pool) launcher=(hydra/launcher=pool hardware.device=cuda) ;;
  slurm) launcher=(hydra/launcher=slurm hydra.launcher.gpus_per_node=1 hardware.device=cuda) ;;
  *)
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
where=() # of the runs
for word in "$@"; do
  case $word in paths.outputs=*) where+=("$word") ;; esac
done
settings=() # what a login node without a GPU can plan with: not the launcher, not the device
for word in "$@"; do
  case $word in hydra.launcher.* | hydra/launcher=*) ;; *) settings+=("$word") ;; esac
done
rule=plan=true
[[ $how == plan=* ]] && rule=$how
for table in $tables; do
  case $table in 3 | 6 | 7) continue ;; esac # the runs of 1 and 4
  echo "== table $table"
  "$bin/cu-unlearn" -m "experiment=paper/table$table" ${settings[@]+"${settings[@]}"} "$rule"
done
[[ $how == plan* ]] && exit 0
for table in $tables; do
  "$bin/cu-unlearn" -m "experiment=paper/table$table" ${launcher[@]+"${launcher[@]}"} "$@"
  "$bin/cu-report" "report=paper/table$table" ${where[@]+"${where[@]}"}
done
