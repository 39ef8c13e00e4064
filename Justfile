# Short names for the commands of this repository. `just` lists them.

default:
    @just --list

# Everything that a change has to pass.
test *PARTS:
    ./scripts/test {{ PARTS }}

# The tests of one crate: just crate engine
crate NAME *FILTER:
    ./scripts/postgres run --fast cargo nextest run -p cogwire-{{ NAME }} {{ FILTER }}

# Formatting and lints.
lint:
    cargo fmt --check
    cargo clippy --workspace --all-targets -- -D warnings

# A server with the scripted models that the client tests use.
serve *ARGS:
    cargo run -- serve --scripts clients/scripts.toml {{ ARGS }}

# A command beside a PostgreSQL server of its own: just postgres cargo test -p cogwire-store
postgres *COMMAND:
    ./scripts/postgres run --fast {{ COMMAND }}

# The tour: a server, a receiver and predictions, on your screen.
demo:
    cargo run --release -- demo

# Licences, sources and banned crates.
deny:
    cargo deny check bans licenses sources

# The figures of the README, measured here and now.
bench *ARGS:
    ./bench/run {{ ARGS }}
