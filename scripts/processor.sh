#!/usr/bin/env bash
# For which instructions of this machine's processor should llama.cpp be built, beyond those of every x86-64 with AVX2?
#
# Prints one NAME=ON a line, as llama.cpp's own build calls them; its build script hands these on. Nothing where the
# kernel does not tell. AMX is left out: it computes in another order, and texts are to be the same however they are
# batched (docs/adr/0013-slots-that-do-not-touch.md).
set -euo pipefail

flags=" $(sed -n 's/^flags[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1) "

has() {
    local flag
    for flag in "$@"; do
        [[ $flags == *" $flag "* ]] || return 1
    done
}

# Without a line for it, `has` would end the script.
offer() {
    local name=$1
    shift
    if has "$@"; then echo "$name=ON"; fi
}

has avx2 fma f16c bmi2 || exit 0
offer GGML_AVX_VNNI avx_vnni
if has avx512f avx512cd avx512vl avx512dq avx512bw; then
    echo GGML_AVX512=ON
    offer GGML_AVX512_VBMI avx512vbmi
    offer GGML_AVX512_VNNI avx512_vnni
    offer GGML_AVX512_BF16 avx512_bf16
fi
