#!/bin/sh
# Runs one notebook once for each region, on a server with nbexec, and tells how each run ended:
#
#   NBEXEC_TOKEN=… sh run_regions.sh North South East
#
# NBEXEC_SERVER says which server it is. The exit code is 1 if any run failed.
set -eu
api=${NBEXEC_SERVER:-http://localhost:8888}/api/executions
day=$(date +%Y-%m-%d)

# The token goes into a file, because other users of the machine can see the arguments of a command.
header=$(mktemp)
trap 'rm -f "$header"' EXIT
echo "Authorization: token $NBEXEC_TOKEN" >"$header"

call() {
    curl -sS --fail-with-body --retry 5 --retry-connrefused -H @"$header" "$@"
}

# Prints the model of an execution once it has ended.
final_model() {
    while model=$(call "$api/$1"); do
        case $(printf '%s' "$model" | jq -r .execution.status) in
            # The stream ends when the notebook has ended. One that is cut before that is opened again.
            initializing | executing) call -N -o /dev/null "$api/$1/events" || sleep 5 ;;
            *) printf '%s' "$model"; return ;;
        esac
    done
    return 1
}

ids=
for region in "$@"; do
    # The key makes it safe to send the request again: whatever is lost on the way, the notebook runs once a day.
    answer=$(call -H "Idempotency-Key: $day-$region" --data-urlencode notebook=report.ipynb \
                  --data-urlencode "region=$region" "$api") || { echo "$region: $answer" >&2; exit 1; }
    ids="$ids $(printf '%s' "$answer" | jq -r .exec_id)"
done

failed=0
for id in $ids; do
    model=$(final_model "$id")
    printf '%s' "$model" | jq -r '.execution | [.params.region, (.status | split("\n")[0]), .output_path] | @tsv'
    printf '%s' "$model" | jq -e '.execution.status == "completed"' >/dev/null || failed=1
done
exit "$failed"
