#!/usr/bin/env bash
# `make run`: a folder in, a cited answer out, and the service stays.
#
# Reads DOCS (a folder; empty for our own documents and the sample pages), PORT and QUESTION from the environment.
# The service is this very process at the end (exec), so that Ctrl-C reaches it and a failed start shows its own
# error; the first question is asked from beside it.
set -euo pipefail
cd "$(dirname "$0")/.."

ready_seconds_max=120
# A large folder takes longer: then the question is asked of what is searchable by then.
searchable_seconds_max=600
generator_seconds_max=60

wellspring=${WELLSPRING_BIN:?start this with make run}
port=${PORT:-7700}
address=127.0.0.1:$port
data_home=${XDG_DATA_HOME:-$HOME/.local/share}/wellspring
export WELLSPRING_SERVER=http://$address
export WELLSPRING_LOG=${WELLSPRING_LOG:-warn}

fail() {
    echo "make run: $*" >&2
    exit 1
}

# The status code that a GET of a path is answered with; fails when nobody listens. Bash alone, since curl may be missing.
status_code() (
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$1" "$address" >&3
    read -r -t 5 _ code _ <&3
    echo "$code"
) 2>/dev/null

# Our documents and the sample pages, as one folder. The transcript in the README repeats the question that is asked
# below: left in, the answer would cite its own copy.
stage_sample() {
    local staged=$1 fresh=$1.new
    rm -rf "$fresh"
    mkdir -p "$fresh"
    cp -Rp ARCHITECTURE.md docs "$fresh"
    mv "$fresh/docs/sample" "$fresh/ferry"
    sed '/<!-- transcript -->/,/<!-- end of transcript -->/d' README.md >"$fresh/README.md"
    touch -r README.md "$fresh/README.md"
    rm -rf "$staged"
    mv "$fresh" "$staged"
}

# A question about an unknown folder: its first title.
question_about_folder() {
    local title
    title=$("$wellspring" documents list --limit 1 --json | sed -n 's/.*"title": *"\([^"\\]*\)".*/\1/p' | head -n 1)
    echo "What is ${title:-this about}?"
}

# Waits, at most $1 seconds and while the service lives, until the rest of the arguments, a command, succeeds.
wait_for() {
    local seconds_max=$1 deadline
    shift
    deadline=$((SECONDS + seconds_max))
    until "$@"; do
        kill -0 $$ 2>/dev/null || exit 0
        ((SECONDS < deadline)) || return 1
        sleep 0.2
    done
}

is_ready() { [[ $(status_code /readyz) == 200 ]]; }
# Something was found, and nothing of it is waiting.
is_searchable() {
    local status
    status=$("$wellspring" status --json 2>/dev/null) || return 1
    grep -Eq '"pending": *0\b' <<<"$status" && grep -Eq '"documents": *[1-9]' <<<"$status"
}
is_generator_decided() { ! "$wellspring" status --json 2>/dev/null | grep -q '"loading"'; }

# The first question, asked beside the service.
first_question() {
    wait_for "$ready_seconds_max" is_ready || {
        echo "Not ready after $ready_seconds_max s; it goes on starting. See: $wellspring status" >&2
        return
    }
    echo "Ready at $WELLSPRING_SERVER after $SECONDS s. Reading $documents"
    if [[ -z $(find "$documents" -type f -not -name '.*' -print -quit) ]]; then
        echo "There is nothing to read there yet: put documents into it, then ask." >&2
        return
    fi
    wait_for "$searchable_seconds_max" is_searchable ||
        echo "Still reading after $searchable_seconds_max s; asking what is searchable by now." >&2
    echo "Searchable after $SECONDS s."
    wait_for "$generator_seconds_max" is_generator_decided || true
    [[ -n $question ]] || question=$(question_about_folder)
    printf '\n> %s\n\n' "$question"
    # An honest "the documents do not say" ends with a code of its own; it is an answer here.
    "$wellspring" ask "$question" || true
    cat <<END

Your turn, from another terminal:
    export WELLSPRING_SERVER=$WELLSPRING_SERVER
    $wellspring ask "…"
Ctrl-C stops the service; make run starts it again in seconds.
END
}

if [[ ! $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then
    fail "PORT=$port is no port; take 1 to 65535"
fi
if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    fail "something already listens on $address. Stop it, or take another port: make run PORT=7701"
fi

if [[ -n ${DOCS:-} ]]; then
    documents=${DOCS/#\~/$HOME}
    [[ -d $documents ]] || fail "DOCS=$documents is no folder"
    documents=$(cd "$documents" && pwd -P)
    question=${QUESTION:-}
else
    documents=$data_home/sample
    mkdir -p "$data_home"
    stage_sample "$documents"
    question=${QUESTION:-When does the last boat back leave Teal Island?}
fi
# One data folder for each folder read, so that runs over different ones do not mix; the models are shared.
data=$data_home/run-$(printf %s "$documents" | cksum | cut -d ' ' -f 1)

"$wellspring" models pull
SECONDS=0
(first_question &)
exec "$wellspring" serve --listen "$address" --data-dir "$data" --watch "$documents"
