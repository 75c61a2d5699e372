# The image contains one static binary and nothing else: no shell, no library, no package that needs updates.
#
# Any Rust image with a C compiler can build it (glibc or musl); CI passes one that it builds offline.
ARG BUILD_IMAGE=rust:1.95-bookworm

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY . .
# The host is passed as the target so that the flags apply to the binary only: a proc-macro cannot be static.
RUN host="$(rustc -vV | sed -n 's/^host: //p')" && \
    RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$host" && \
    cp "target/$host/release/swarm-cluster-state-manager" /swarm-cluster-state-manager

FROM scratch
COPY --from=build /swarm-cluster-state-manager /swarm-cluster-state-manager
VOLUME /var/lib/swarm-cluster-state-manager
EXPOSE 3476
ENTRYPOINT ["/swarm-cluster-state-manager"]
# The default, loopback, is useless in a container.
CMD ["--addr=0.0.0.0:3476"]
