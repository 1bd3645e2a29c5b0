# Sourced by ./run test: the checks in the order in which they are cheap, then the tests.
bin=$top/.venv/bin
say "format and lint"
"$bin/ruff" format --check .
"$bin/ruff" check .
say "types"
"$bin/mypy"
say "layers"
"$bin/lint-imports" --no-cache
say "tests"
"$bin/pytest" "$@"
