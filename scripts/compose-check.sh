#!/usr/bin/env bash
# Does the composed service really start, answer and keep its locks? Once, for real, on this machine (root, Debian).
#
# No image registry is needed: the runtime base is made with debootstrap (RUNTIME_BASE names an image of your own
# instead), and the image takes the binary that is already built. With BUILD_BASE, an image that has Rust, the binary is
# compiled inside. Uses the Docker daemon that answers; where none does, starts one with a data folder of its own and
# stops it at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

wellspring=${WELLSPRING_BIN:?start this with make compose-check}
port=${PORT:-7717}
healthy_seconds_max=180
daemon_seconds_max=30
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wellspring/compose-check
models=${XDG_DATA_HOME:-$HOME/.local/share}/wellspring/models
work=$(mktemp -d)
daemon=
passed=0

export PORT=$port
export COMPOSE_PROJECT_NAME=wellspring-check
export COMPOSE_IMAGE=wellspring-check:prebuilt
WELLSPRING_KEY=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
export WELLSPRING_KEY
export WELLSPRING_SERVER=http://127.0.0.1:$port

say() { echo "compose-check: $*"; }
fail() {
    say "FAILED: $*" >&2
    compose logs --tail 30 >&2 2>/dev/null || true
    exit 1
}
ok() {
    passed=$((passed + 1))
    echo "  ok  $*"
}

compose() {
    if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}

clean_up() {
    local status=$?
    if docker info >/dev/null 2>&1; then
        compose down --volumes --timeout 20 >/dev/null 2>&1 || true
        docker image rm --force "$COMPOSE_IMAGE" wellspring-check:runtime wellspring-check:base >/dev/null 2>&1 || true
    fi
    if [[ -n $daemon ]]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
        # What it left in the network: its bridge, its rules, and a closed FORWARD chain.
        ip link delete docker0 2>/dev/null || true
        iptables-restore <"$work/iptables" 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

install_missing() {
    local missing=()
    for package in "$@"; do
        [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    [[ ${#missing[@]} -eq 0 ]] && return
    say "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

start_daemon() {
    export DOCKER_HOST=unix://$work/docker.sock
    iptables-save >"$work/iptables"
    dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" \
        >"$work/dockerd.log" 2>&1 &
    daemon=$!
    local deadline=$((SECONDS + daemon_seconds_max))
    until docker info >/dev/null 2>&1; do
        if ! kill -0 "$daemon" 2>/dev/null || ((SECONDS > deadline)); then
            tail -n 20 "$work/dockerd.log" >&2
            fail "a Docker daemon cannot run on this machine; its last words are above"
        fi
        sleep 0.5
    done
}

# A minimal Debian 12, kept for the next time.
make_base() {
    mkdir -p "$cache"
    if [[ ! -f $cache/base.tar ]]; then
        say "making a Debian 12 base (two minutes, kept in $cache)"
        debootstrap --variant=minbase bookworm "$work/base" >"$work/debootstrap.log" || {
            tail -n 5 "$work/debootstrap.log" >&2
            fail "debootstrap could not make a base"
        }
        tar -C "$work/base" --numeric-owner -cf "$cache/base.tar.new" .
        mv "$cache/base.tar.new" "$cache/base.tar"
        rm -rf "$work/base"
    fi
    docker import "$cache/base.tar" wellspring-check:base >/dev/null
    RUNTIME_BASE="wellspring-check:base"
}

# The builder that every version has, quietly; the first argument is the context.
build() {
    local context=$1
    shift
    DOCKER_BUILDKIT=0 docker build --quiet --build-arg RUNTIME_BASE="$RUNTIME_BASE" "$@" "$context" >/dev/null 2>"$work/build.log" || {
        tail -n 20 "$work/build.log" >&2
        fail "the image does not build"
    }
}

wait_until_healthy() {
    local deadline=$((SECONDS + healthy_seconds_max)) container
    container=$(compose ps -q wellspring)
    until [[ $(docker inspect --format '{{.State.Health.Status}}' "$container") == healthy ]]; do
        ((SECONDS < deadline)) || fail "not healthy after $healthy_seconds_max s"
        sleep 1
    done
}

# The status code of a GET without a key.
status_without_key() (
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$1" >&3
    read -r -t 5 _ code _ <&3
    echo "$code"
)

answers() {
    "$wellspring" ask --json --mode extract "How many lanterns hang in the Marrow lighthouse?" >"$work/answer.json"
    grep -q 'forty-one' "$work/answer.json" && grep -q '"quote"' "$work/answer.json"
}

[[ $EUID -eq 0 ]] || fail "this needs root: sudo make compose-check"
command -v apt-get >/dev/null || fail "this is written for Debian"
if ! docker info >/dev/null 2>&1; then
    install_missing docker.io docker-compose debootstrap
    start_daemon
fi
[[ -n ${RUNTIME_BASE:-} ]] || { install_missing debootstrap && make_base; }

"$wellspring" models pull

say "building the image"
mkdir "$work/context"
install -m 0755 "$wellspring" "$work/context/wellspring"
if [[ -n ${BUILD_BASE:-} ]]; then
    build . --target runtime --build-arg BUILD_BASE="$BUILD_BASE" --tag "$COMPOSE_IMAGE"
    unchecked=nothing
else
    build - --target base --tag wellspring-check:runtime <Dockerfile
    build "$work/context" --file - --tag "$COMPOSE_IMAGE" <<'END'
FROM wellspring-check:runtime
COPY wellspring /usr/local/bin/wellspring
END
    unchecked='compiling inside the image, which needs a base with Rust (BUILD_BASE)'
fi
ok "the image builds: $(docker image inspect --format '{{.Size}}' "$COMPOSE_IMAGE") bytes"

if env -u WELLSPRING_KEY bash -c "$(declare -f compose); compose config" >/dev/null 2>&1; then
    fail "compose.yaml starts without a key"
fi
ok "without a key compose refuses"

# The models on this machine go into the volume; the models container then checks them and fetches nothing.
compose run --rm --no-deps -T -v "$models:/from:ro" --entrypoint cp models -R /from /var/lib/wellspring/models >/dev/null 2>&1
compose up -d --no-build >"$work/up.log" 2>&1 || { cat "$work/up.log" >&2; fail "compose could not start the service"; }
wait_until_healthy
ok "healthy after $SECONDS s in all"

container=$(compose ps -q wellspring)
[[ $(docker port "$container" 7700/tcp) == "127.0.0.1:$port" ]] || fail "published beyond the loopback"
ok "published on 127.0.0.1:$port only"
[[ $(docker exec "$container" id -u) == 7700 ]] || fail "it runs as another user than wellspring"
ok "runs as user 7700"
if docker exec "$container" touch /usr/local/bin/x 2>/dev/null; then fail "the root file system is writable"; fi
ok "its root file system is read-only"
[[ $(status_without_key /v1/documents) == 401 ]] || fail "an API call without a key is not refused with 401"
ok "an API call without the key is refused"

mkdir "$work/pages"
echo '# The Marrow lighthouse

In the Marrow lighthouse hang forty-one lanterns, one for each keeper who served there.' >"$work/pages/lighthouse.md"
"$wellspring" add "$work/pages/lighthouse.md"
answers || fail "a pushed document does not answer: $(cat "$work/answer.json")"
ok "a pushed document answers, with its quote"

compose restart --timeout 20 wellspring >/dev/null 2>&1
wait_until_healthy
answers || fail "after a restart the document does not answer: $(cat "$work/answer.json")"
ok "after a restart it still does"

[[ $(docker inspect --format '{{.State.OOMKilled}}' "$container") == false ]] || fail "it ran out of memory"
compose stop --timeout 20 wellspring >/dev/null 2>&1
[[ $(docker inspect --format '{{.State.ExitCode}}' "$container") == 0 ]] || fail "it does not stop cleanly"
ok "stops cleanly within the grace period"

say "$passed checks passed; not checked: $unchecked."
