#!/usr/bin/env bash
# Start a worker with eight slots on each host: ssh_workers.sh SCHEDULER HOST...
set -euo pipefail

scheduler=$1
shift
for host in "$@"; do
    ssh "$host" "nohup ~/venv/bin/dask worker $scheduler --preload nbexec.dask_worker --name $host --nthreads 8 \
        >>~/dask-worker.log 2>&1 </dev/null &"
done
