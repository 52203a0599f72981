# The one-box service in a container: `docker build .` compiles it here (about 15 minutes on two cores). The stage
# `base` is all of it but the binary; scripts/compose-check.sh adds a binary that is already built.
#
# Both bases are arguments, so that a mirror or a base of your own can stand in. They must be of one Debian release:
# the binary needs the C library it was linked against.
ARG BUILD_BASE=rust:1.95-slim-bookworm
ARG RUNTIME_BASE=debian:12-slim

FROM ${RUNTIME_BASE} AS base
# libgomp1 and libstdc++6 carry llama.cpp; pip is the client through which models may come from the package index.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libgomp1 libstdc++6 python3 python3-pip \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 7700 wellspring \
    && useradd --uid 7700 --gid 7700 --no-create-home --home-dir /var/lib/wellspring --shell /usr/sbin/nologin wellspring \
    && install -d -o wellspring -g wellspring -m 0700 /var/lib/wellspring
ENV PIP_NO_CACHE_DIR=1 \
    WELLSPRING_DATA_DIR=/var/lib/wellspring/data \
    WELLSPRING_MODELS_DIR=/var/lib/wellspring/models \
    WELLSPRING_LISTEN=0.0.0.0:7700
USER wellspring
WORKDIR /var/lib/wellspring
VOLUME /var/lib/wellspring
EXPOSE 7700
STOPSIGNAL SIGTERM
# The first start rebuilds what a crash left behind before it is ready, hence the start period.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["wellspring", "status", "--json"]
ENTRYPOINT ["wellspring"]
CMD ["serve"]

FROM ${BUILD_BASE} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake clang libclang-dev g++ make pkg-config protobuf-compiler \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cargo build --release --locked && install -m 0755 target/release/wellspring /usr/local/bin/wellspring

FROM base AS runtime
COPY --from=build /usr/local/bin/wellspring /usr/local/bin/wellspring
