"""All SQL about the budgets of requests.

A budget is one row with the numbers of requests by second, so that a take is one statement under
one lock. All times are the database's. The table belongs to no tenant: tenants may share an app.
"""

from datetime import timedelta

from sqlalchemy import text

from domain.tenancy.session import TenantSession
from domain.tenancy.statements import Statement

# A window of requests as they arrive is longer as one of takes: a second, because takes are counted
# by whole seconds, and the time that a request may travel.
TRAVEL = timedelta(seconds=1)

_TAKE = Statement(
    text(
        """
        INSERT INTO opsrun.request_budget AS budget (owner, area, seconds, counts, is_taken)
        SELECT :owner, :area, ARRAY[floor(extract(epoch FROM clock_timestamp()))::bigint],
               ARRAY[CAST(:requests AS integer)], true
        ON CONFLICT (owner, area) DO UPDATE SET (seconds, counts, is_taken) = (
            WITH now AS (
                SELECT floor(extract(epoch FROM clock_timestamp()))::bigint AS second
            ), kept AS (
                SELECT second, requests
                FROM unnest(budget.seconds, budget.counts) AS used (second, requests)
                WHERE second > (SELECT second FROM now) - CAST(:span AS bigint)
            ), answer AS (
                SELECT budget.closed_until <= clock_timestamp()
                    AND coalesce(sum(requests), 0) + CAST(:requests AS integer)
                        <= CAST(:limit AS integer) AS is_taken
                FROM kept
            ), entries AS (
                SELECT second, sum(requests)::integer AS requests FROM (
                    SELECT second, requests FROM kept
                    UNION ALL
                    SELECT now.second, CAST(:requests AS integer) FROM now, answer
                    WHERE answer.is_taken
                ) AS all_entries GROUP BY second
            )
            SELECT coalesce(array_agg(second ORDER BY second), '{}'),
                   coalesce(array_agg(requests ORDER BY second), '{}'),
                   (SELECT is_taken FROM answer)
            FROM entries
        )
        RETURNING is_taken, extract(epoch FROM greatest(
            clock_timestamp(), budget.closed_until, to_timestamp((
                SELECT min(second) + CAST(:span AS bigint) FROM (
                    SELECT second, sum(requests) OVER (ORDER BY second) AS freed,
                           sum(requests) OVER () + CAST(:requests AS integer)
                               - CAST(:limit AS integer) AS excess
                    FROM unnest(budget.seconds, budget.counts) AS used (second, requests)
                ) AS entries WHERE excess > 0 AND freed >= excess
            ))
        ) - clock_timestamp())::float8 AS wait
        """
    )
)
_CLOSE = Statement(
    text(
        """
        INSERT INTO opsrun.request_budget AS budget (owner, area, closed_until)
        SELECT :owner, :area, clock_timestamp() + make_interval(secs => CAST(:pause AS float8))
        ON CONFLICT (owner, area) DO UPDATE
        SET closed_until = greatest(budget.closed_until, excluded.closed_until)
        """
    )
)


async def take(
    session: TenantSession,
    owner: str,
    area: str,
    requests: int,
    *,
    limit: int,
    window: timedelta,
) -> float:
    """Take requests of a budget; return the seconds until the next try, 0.0 if they were taken."""
    span = int((window + TRAVEL).total_seconds()) + 1
    values = {"owner": owner, "area": area, "requests": requests, "limit": limit, "span": span}
    row = await session.one(_TAKE, values)
    return 0.0 if row.is_taken else max(row.wait, 0.05)


async def close(session: TenantSession, owner: str, area: str, seconds: float) -> None:
    """Refuse all takes of a budget for a time, or longer if it was closed for longer."""
    await session.execute(_CLOSE, {"owner": owner, "area": area, "pause": seconds})
