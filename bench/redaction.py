"""Measure the redaction of log lines: `python -m bench.redaction`. Prints, and judges nothing."""

from functools import partial
from time import process_time
from timeit import Timer

import click

from domain.redaction.sanitizer import sanitize

RUN, TENANT = "3c9b8a6e-0f1d-4f7a-9a55-3a0f7e1f5b2c", "4f9b8a6e-0f1d-4f7a-9a55-3a0f7e1f5b2c"
GRAPH = "https://graph.microsoft.com/v1.0/deviceManagement/configurationPolicies?$top=50"
HARMLESS = (
    "Application startup complete.",
    '127.0.0.1:53412 - "POST /graphql HTTP/1.1" 200',
    f"run_id={RUN}",
    "request_id=4bf92f3577b34da6a3ce929d0e0e4736",
    f"Rescued run {RUN} of tenant {TENANT}: lease expired at 2026-11-28T10:12:17.123456+00:00",
    f'HTTP Request: GET {GRAPH} "HTTP/1.1 503 Service Unavailable"',
    "Wrote /var/lib/opsrun/exports/2026-11-28/win-compliance-u-v3.1.json (12345 bytes)",
)
SECRETS = (
    "cannot reach postgresql://opsrun:hunter2@db:5432/opsrun",
    'login failed {"user": "sa", "password": "hunter2"}',
)
CALLS = 1000


def main() -> None:
    """Print the time of the first call, which builds the tables, and that of each line."""
    began = process_time()
    sanitize("")
    click.echo(f"{(process_time() - began) * 1e3:7.1f} ms  first call")
    for text in (*HARMLESS, *SECRETS):
        # The best of many, in time of this process: other work on the machine must not count.
        timer = Timer(partial(sanitize, text), timer=process_time)
        click.echo(f"{min(timer.repeat(15, CALLS)) / CALLS * 1e6:7.1f} µs  {text}")


if __name__ == "__main__":
    main()
