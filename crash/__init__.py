"""Fault injection: break the product on purpose, and check that it keeps its promises.

Run it with `make crash-test ARGS="--seed 7 --minutes 10"`, or `python -m crash --help` for the
options. `make crash-check` (tests/crash) runs a short round, and shows that planted bugs are seen.

A round starts several processes of each kind behind proxies (`cluster`, `servers`, `proxy`), lets
seeded clients start runs and subscribe (`load`, `subscribers`), injects faults (`faults`,
`failpoints`), waits until all runs have ended, and compares rows, logs and messages with the
promises (`checker`, `folds`). `witness` counts events and collects violations.
"""
