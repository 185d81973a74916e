#!/usr/bin/env bash
# A short look at a server with SHARDS shards: bench/benchmark_config.sh with two seconds for each test, and without
# redis-benchmark. The same environment variables change that.
set -euo pipefail
export REDISTILL_SECONDS="${REDISTILL_SECONDS:-2}" REDISTILL_REQUESTS="${REDISTILL_REQUESTS:-0}"
exec "$(dirname "${BASH_SOURCE[0]}")/bench/benchmark_config.sh" "$@"
