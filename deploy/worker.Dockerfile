# The worker's own image.
#
#   docker build -f deploy/worker.Dockerfile -t pinacle-worker .
#   docker run -e DATABASE_URL=… -e SSH_PRIVATE_KEY=… -e HTTP_ADDR=0.0.0.0:9470 pinacle-worker
#
# `docker stop --time 100` stops it cleanly: DRAIN_TIMEOUT, and the time that ending a command may take.

FROM rust:1.95-slim-trixie AS build
WORKDIR /build
COPY . .
# There is no database here; the queries were checked when .sqlx was written.
RUN SQLX_OFFLINE=true cargo build --release --locked --bin pinacle-worker

FROM debian:trixie-slim
# The root certificates that verify a database's TLS certificate.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --user-group --no-create-home --shell /usr/sbin/nologin pinacle
COPY --from=build /build/target/release/pinacle-worker /usr/local/bin/
USER pinacle
EXPOSE 9470
ENTRYPOINT ["pinacle-worker"]
CMD ["run"]
