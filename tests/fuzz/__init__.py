"""Fuzz tests: generated requests, documents and messages, against the API as a process.

Run them with `make fuzz`, or `pytest tests/fuzz`. `--examples N` tries N cases per test, and
`--seed N` draws other cases than the usual ones. `oracle` decides what the API may answer.
"""
