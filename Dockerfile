# Not tried yet: the tests and the demo run the binary as it is.
#
#   docker build -t jira-findings-operator .

# musl, so that the binary needs nothing but the kernel.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache build-base ca-certificates
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
# Members of the workspace; not built.
COPY demo demo
COPY tests tests
RUN cargo build --release --locked --package jira-findings-operator --bin jira-findings-operator

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/jira-findings-operator /jira-findings-operator
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/jira-findings-operator"]
CMD ["run"]
