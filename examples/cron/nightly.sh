#!/bin/sh
# Runs the nightly report. It prints nothing if all is well, so that cron sends mail about failures only.
set -u
cd "$(dirname "$0")" || exit

day=$(date +%Y-%m-%d)
log=logs/$day.log
mkdir -p logs nightly

.venv/bin/nbexec run report.ipynb -p region North --timeout 600 \
    --output "nightly/$day.ipynb" --overwrite --failed-apart >"$log" 2>&1
code=$?
if [ "$code" -ne 0 ]; then
    echo "The report of $day failed with exit code $code:"
    tail -n 40 "$log"
fi
exit "$code"
