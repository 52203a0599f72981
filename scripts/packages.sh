#!/usr/bin/env bash
# Which system packages does building need, and are they there?
#
# Installs what is missing where it may (root, or sudo that asks for no password); elsewhere prints the one command
# to type, and fails.
set -euo pipefail

# cmake, clang, libclang and g++ build llama.cpp and its bindings; protoc is for the vector engine.
packages=(cmake clang libclang-dev g++ make pkg-config protobuf-compiler ca-certificates)

if ! command -v cargo >/dev/null; then
    echo 'Rust is missing: install it with rustup (https://rustup.rs), then type the same again.' >&2
    exit 1
fi

# The models may come from the Python package index, by its own client.
command -v pip3 >/dev/null || command -v pip >/dev/null || python3 -m pip --version >/dev/null 2>&1 || packages+=(python3-pip)

if ! command -v dpkg >/dev/null; then
    for tool in cmake clang pkg-config protoc; do
        command -v "$tool" >/dev/null || {
            echo "$tool is missing. Install what your system calls: ${packages[*]}" >&2
            exit 1
        }
    done
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

as_root=()
if [[ $EUID -ne 0 ]]; then
    if ! sudo --non-interactive true 2>/dev/null; then
        echo "System packages are missing. Type this, then the same again:" >&2
        echo "    sudo apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo --non-interactive)
fi

echo "Installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
