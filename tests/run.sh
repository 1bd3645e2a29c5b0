# Sourced by ./run test: the checks in the order in which they are cheap, then the tests; with
# arguments only the tests that they name.
bin=$top/.venv/bin
if [ $# -gt 0 ]; then
    exec "$bin/pytest" "$@"
fi
say "format and lint"
"$bin/ruff" format --check .
"$bin/ruff" check .
say "types"
"$bin/mypy"
say "layers"
"$bin/lint-imports" --no-cache
say "tests that need nothing"
"$bin/pytest" -q --cov --cov-report=term:skip-covered haoscar_pxe tests/unit tests/lease
say "tests with real peers, faults and virtual machines"
"$bin/pytest" -v --durations=10 tests/wire tests/faults tests/lab
