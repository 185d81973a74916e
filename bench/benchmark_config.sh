#!/usr/bin/env bash
# Starts a server with SHARDS shards on a free port, loads it, prints throughput, latency and the CPU time that the
# server spent for each request, and stops it. See docs/performance-tuning.md.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: bench/benchmark_config.sh SHARDS

SHARDS is a power of two from 1 to 65536. Environment:
  REDISTILL_SECONDS    seconds of each test (10)
  REDISTILL_KEYS       number of different keys, all written before the first test (1000000)
  REDISTILL_PIPELINE   requests that a connection sends at once (128)
  REDISTILL_CLIENTS    connections (50)
  REDISTILL_WORKERS    worker threads of the server (0: one for each core)
  REDISTILL_REQUESTS   requests of each test of redis-benchmark, if that is installed; 0 leaves it out (2000000)
  REDISTILL_BIN_DIR    directory of redistill and redistill-benchmark; built by cargo if it is not set
TEXT
}

fail() {
    echo "benchmark_config.sh: $1" >&2
    exit "${2:-1}"
}

# Fails unless the second argument is a whole number; the first says what it is.
check_number() {
    [[ $2 =~ ^[0-9]{1,12}$ ]] || fail "$1 must be a whole number, not '$2'" 2
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    exit 0
fi
if [[ $# -ne 1 ]]; then
    usage >&2
    exit 2
fi
shards=$1
seconds=${REDISTILL_SECONDS:-10}
keys=${REDISTILL_KEYS:-1000000}
pipeline=${REDISTILL_PIPELINE:-128}
clients=${REDISTILL_CLIENTS:-50}
workers=${REDISTILL_WORKERS:-0}
requests=${REDISTILL_REQUESTS:-2000000}
check_number SHARDS "$shards"
shards=$((10#$shards))
if ((shards < 1 || shards > 65536 || (shards & (shards - 1)) != 0)); then
    fail "SHARDS must be a power of two from 1 to 65536, not '$1'" 2
fi
check_number REDISTILL_KEYS "$keys"
check_number REDISTILL_PIPELINE "$pipeline"
check_number REDISTILL_CLIENTS "$clients"
check_number REDISTILL_WORKERS "$workers"
check_number REDISTILL_REQUESTS "$requests"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ -n ${REDISTILL_BIN_DIR:-} ]]; then
    binaries=$REDISTILL_BIN_DIR
else
    (cd "$root" && cargo build --quiet --release --bin redistill --package redistill \
        --bin redistill-benchmark --package redistill-benchmark) || fail "the build failed"
    binaries=${CARGO_TARGET_DIR:-$root/target}/release
fi
for program in redistill redistill-benchmark; do
    [[ -x $binaries/$program ]] || fail "there is no $binaries/$program"
done
binaries=$(cd "$binaries" && pwd)

directory=$(mktemp -d)
server=
cleanup() {
    if [[ -n $server ]]; then
        # It may have ended by itself.
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$directory"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Starts the server on $port; fails if it ended without serving.
start() {
    cat >"$directory/redistill.toml" <<TEXT
[server]
port = $port
num_shards = $shards
workers = $workers
batch_size = 256
buffer_pool_size = 2048
TEXT
    # In a directory of its own, and without settings from this environment.
    (
        cd "$directory"
        exec env -i PATH="$PATH" ${MALLOC_CONF:+MALLOC_CONF="$MALLOC_CONF"} \
            "$binaries/redistill" --config redistill.toml
    ) >"$directory/log" 2>&1 &
    server=$!
    for _ in {1..400}; do
        if grep -q 'ready to accept connections' "$directory/log"; then
            return 0
        fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
    return 1
}

# Nobody can reserve a port for somebody else: one that is in use is found out by trying.
for _ in {1..10}; do
    port=$((20000 + RANDOM % 10000))
    if start; then
        break
    fi
    grep -q 'in use' "$directory/log" || break
done
if [[ -z $server ]]; then
    cat "$directory/log" >&2
    fail "the server did not start"
fi

# Resident memory of the server.
resident() {
    local status=/proc/$server/status
    [[ -r $status ]] && awk '/^VmRSS:/ { printf "%.1f MB\n", $2 / 1000 }' "$status" || echo "unknown"
}

load() {
    "$binaries/redistill-benchmark" -p "$port" -c "$clients" -P "$pipeline" -r "$keys" -d 64 -q \
        --server-pid "$server" "$@"
}

echo "shards $shards, port $port, $("$binaries/redistill" --version)"
echo "empty server  $(resident)"
# Every key exists from here on: a GET that finds nothing is not what a cache is for.
load --prefill -t ping_mbulk -n 1 >"$directory/prefill" || {
    cat "$directory/prefill" >&2
    fail "the keys could not be written"
}
echo "with $keys keys  $(resident)"
load -t set,get --duration "$seconds"
if [[ $requests -gt 0 ]] && command -v redis-benchmark >/dev/null; then
    echo "redis-benchmark, which is slower than the server: its figures are those of the client"
    redis-benchmark -h 127.0.0.1 -p "$port" -t set,get -n "$requests" -c "$clients" -P "$pipeline" -r "$keys" -d 64 \
        --csv
fi
