#!/usr/bin/env bash
# A walk through a fresh installation, as an operator does it: package, unit, password, ACL, TLS with client certificates, a
# certificate changed under load, health, metrics and the dashboard. `cargo xtask walk` builds the package and calls this as
# root on a machine that may be changed; it needs curl, openssl, redis-tools, prometheus (promtool) and chromium.
# What cannot run without a service manager, Docker or Kubernetes is checked by linters, or named as not run.
set -euo pipefail
cd "$(dirname "$0")/.."

PACKAGE=${1:?the Debian package}
PORT=16379 TLS_PORT=16380 HTTP_PORT=18080
WORK=$(mktemp --directory)
chmod 755 "$WORK"
SERVER_PID=

finish() {
    [ -z "$SERVER_PID" ] || kill "$SERVER_PID" 2>/dev/null || true
    rm --recursive --force "$WORK"
}
trap finish EXIT

step() { printf '\n== %s\n' "$*"; }
skip() { printf 'NOT RUN: %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# expect WHAT EXPECTED COMMAND...: its output has to contain that.
expect() {
    local what=$1 expected=$2 output
    shift 2
    output=$("$@" 2>&1) || true
    case $output in
        *"$expected"*) printf 'ok: %s\n' "$what" ;;
        *) fail "$what: expected '$expected', got '$output'" ;;
    esac
}

wait_for() {
    for _ in $(seq 100); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    fail "waited in vain for: $*"
}

certificate() { # NAME SUBJECT EXTENSION
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$2" \
        -keyout "$WORK/$1.key" -out "$WORK/$1.csr" 2>/dev/null
    openssl x509 -req -in "$WORK/$1.csr" -CA "$WORK/ca.pem" -CAkey "$WORK/ca.key" -CAcreateserial -days 2 \
        -extfile <(printf '%s' "$3") -out "$WORK/$1.pem" 2>/dev/null
    chmod 644 "$WORK/$1.key" "$WORK/$1.pem"
}

step "The package"
apt-get install --yes --no-install-recommends "$PACKAGE" >/dev/null
expect "the binary is installed" "redistill" redistill --version
expect "the manual page is there" "redistill" zcat --force /usr/share/man/man1/redistill.1.gz
expect "the user is there" "redistill" getent passwd redistill
expect "the configuration is not for everybody" "660 root redistill" stat --format '%a %U %G' /etc/redistill/redistill.toml
expect "the configuration is valid" "The configuration is valid" redistill --config /etc/redistill/redistill.toml --check-config

step "The unit"
systemd-analyze verify /usr/lib/systemd/system/redistill.service
printf 'ok: systemd-analyze verify\n'
systemd-analyze security --offline=yes /usr/lib/systemd/system/redistill.service 2>/dev/null | tail -1 || true

step "The service's command, started directly as its user"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '/CN=walk CA' -days 2 \
    -keyout "$WORK/ca.key" -out "$WORK/ca.pem" 2>/dev/null
certificate server '/CN=localhost' 'subjectAltName=DNS:localhost,IP:127.0.0.1'
certificate client '/CN=reporting' 'extendedKeyUsage=clientAuth'
cp /etc/redistill/redistill.toml "$WORK/redistill.toml"
chown --recursive redistill "$WORK"
setpriv --reuid redistill --regid redistill --init-groups /usr/bin/redistill --config "$WORK/redistill.toml" \
    --port $PORT --requirepass secret --maxmemory 256mb \
    --tls-port $TLS_PORT --tls-cert-file "$WORK/server.pem" --tls-key-file "$WORK/server.key" \
    --tls-ca-cert-file "$WORK/ca.pem" --tls-auth-clients optional \
    --server.health_check_port $HTTP_PORT 2>"$WORK/log" &
SERVER_PID=$!
export REDISCLI_AUTH=secret
CLI="redis-cli -p $PORT"
TLS="redis-cli -p $TLS_PORT --tls --cacert $WORK/ca.pem"
wait_for $CLI ping

step "Password and users"
expect "without a password nothing" "NOAUTH" env --unset REDISCLI_AUTH $CLI get key
expect "a wrong one is refused" "WRONGPASS" env --unset REDISCLI_AUTH $CLI auth wrong
expect "a user who may read reports" "OK" $CLI acl setuser reporting on '>report' '~report:*' +@read +ping
expect "the user reads" "" $CLI --user reporting --pass report get report:1
expect "the user does not write" "NOPERM" $CLI --user reporting --pass report set report:1 x
expect "the user does not read other keys" "NOPERM" $CLI --user reporting --pass report get other
expect "it is in the log of refusals" "reporting" $CLI acl log

step "TLS"
expect "TLS with the CA" "PONG" $TLS ping
expect "a client certificate" "PONG" $TLS --cert "$WORK/client.pem" --key "$WORK/client.key" ping
expect "certificates can be demanded" "OK" $CLI config set tls-auth-clients yes
expect "then none is no entrance" "rror" $TLS ping
expect "and one is" "PONG" $TLS --cert "$WORK/client.pem" --key "$WORK/client.key" ping

step "A new certificate under load"
redistill-benchmark -p $TLS_PORT -a secret --tls --cacert "$WORK/ca.pem" --cert "$WORK/client.pem" --key "$WORK/client.key" \
    -c 20 -P 4 -t set,get --duration 6 --json -q > "$WORK/load.json" &
LOAD=$!
serial() {
    openssl s_client -connect 127.0.0.1:$TLS_PORT -CAfile "$WORK/ca.pem" -cert "$WORK/client.pem" -key "$WORK/client.key" \
        </dev/null 2>/dev/null | openssl x509 -noout -serial
}
sleep 1
BEFORE=$(serial)
certificate server '/CN=localhost' 'subjectAltName=DNS:localhost,IP:127.0.0.1'
kill -HUP $SERVER_PID
for _ in $(seq 50); do
    AFTER=$(serial)
    if [ "$BEFORE" != "$AFTER" ]; then break; fi
    sleep 0.1
done
[ "$BEFORE" != "$AFTER" ] || fail "the new certificate is not in use"
wait $LOAD || fail "requests have failed: $(cat "$WORK/load.json")"
printf 'ok: %s is now %s; no request failed\n' "$BEFORE" "$AFTER"

step "Health and metrics"
HTTP=http://127.0.0.1:$HTTP_PORT
expect "health" '"status":"ok"' curl --silent --fail $HTTP/health
expect "ready" "" curl --silent --fail $HTTP/ready
expect "live" "" curl --silent --fail $HTTP/live
curl --silent --fail --user :secret $HTTP/metrics > "$WORK/metrics"
promtool check metrics < "$WORK/metrics" || fail "promtool does not like the metrics"
printf 'ok: %s samples, checked by promtool\n' "$(grep --count --invert-match '^#' "$WORK/metrics")"
promtool check rules deploy/prometheus/*.y*ml

step "What others run"
for program in docker:deploy/docker/compose.yaml kubectl:deploy/kubernetes/redistill.yaml brew:deploy/homebrew/redistill.rb; do
    command -v "${program%%:*}" >/dev/null || skip "${program##*:}: there is no ${program%%:*} here"
done
python3 - deploy/kubernetes/redistill.yaml deploy/docker/compose.yaml .github/workflows/*.yml <<'PYTHON'
import sys, yaml
for name in sys.argv[1:]:
    documents = [d for d in yaml.safe_load_all(open(name)) if d]
    print(f"ok: {name}: {len(documents)} documents of YAML")
PYTHON

step "The end"
kill -TERM $SERVER_PID
wait $SERVER_PID || fail "the server has ended with $?: $(tail -3 "$WORK/log")"
SERVER_PID=
printf 'ok: the server has ended by itself\n'
