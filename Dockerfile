# The image holds one static binary and nothing else: no shell, no library, no package that could need an update.
#
# Any Rust image with a C compiler can build it (glibc or musl); CI passes one that it made itself, offline.
ARG BUILD_IMAGE=rust:1.95-bookworm

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY . .
# The host is named as the target so that the flags are for the binary alone: a proc-macro cannot be static.
RUN host="$(rustc -vV | sed -n 's/^host: //p')" && \
    RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$host" && \
    cp "target/$host/release/swarm-cluster-state-manager" /swarm-cluster-state-manager

FROM scratch
COPY --from=build /swarm-cluster-state-manager /swarm-cluster-state-manager
VOLUME /var/lib/swarm-cluster-state-manager
EXPOSE 3476
ENTRYPOINT ["/swarm-cluster-state-manager"]
# Loopback, the default of the program, would be of no use in a container.
CMD ["--addr=0.0.0.0:3476"]
