"""The faults of a round: their kinds, and a schedule drawn from a seed."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from crash.cluster import API, LEASE_SECONDS, MAINTENANCE, ROLES, WORKER
from crash.failpoints import Action, Trigger
from crash.ledger import RUNS
from crash.proxy import Proxy
from crash.seeds import seeded
from crash.stage import Stage

LONG_OUTAGE = "Postgres away"

_OUTAGE_SECONDS = 20.0
_SHUFFLES, _SHUFFLE_SECONDS = 100, 0.03
# One bag of this many has a long outage.
_LONG_OUTAGE_BAGS = 3
_QUEUE = "opsrun"
POINTS = {
    API: (
        "RunStarter._create.before_commit",
        "RunStarter._create.after_commit",
        "RunBroker.kick_all.before",
        "RunBroker.kick_all.after",
        "*.before_commit",
        "TenantFeed.*",
    ),
    WORKER: (
        "RunClaimer.claim.before_commit",
        "RunClaimer.claim.after_commit",
        "RunExecution.batch.before_commit",
        "RunExecution.batch.after_commit",
        "RunExecution.set_total.after_commit",
        "RunExecution.heartbeat.before",
        "RunExecution._end.before",
        "RunExecution._end.before_commit",
        "RunExecution._end.after_commit",
        "RunBroker.kick_all.before",
        "RunBroker.kick_all.after",
        "RunBroker._ack.before",
        "RunBroker._ack.after",
        "Itemized.*.before_batch",
    ),
    MAINTENANCE: (
        "RunMaintenance.relay.before_commit",
        "RunMaintenance.relay.after_commit",
        "RunBroker.kick_all.before",
        "RunBroker.kick_all.after",
        "RunMaintenance.rescue.before_commit",
        "RunMaintenance.rescue.after_commit",
        "RunMaintenance.redispatch.before_commit",
        "RunMaintenance.redispatch.after_commit",
    ),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of some kind at `at` seconds into the round. `seed` determines its details."""

    at: float
    kind: str
    seed: int

    def __str__(self) -> str:
        return f"{self.at:7.1f} s  {self.kind:<16} ({self.seed})"


def schedule(
    random: Random, seconds: float, mean_pause: float, only: Sequence[str] = ()
) -> list[Fault]:
    """Draw the faults of a round, of all kinds or `only` some; each is about equally frequent."""
    faults = []
    at = random.uniform(0, mean_pause)
    bag: list[str] = []
    bags = 0
    while at < seconds:
        if not bag:
            bags += 1
            bag = sorted(only or (kind for kind in (*KINDS, *_OFTEN) if kind != LONG_OUTAGE))
            if not only and bags % _LONG_OUTAGE_BAGS == 0:
                bag.append(LONG_OUTAGE)
            random.shuffle(bag)
        faults.append(Fault(at, bag.pop(), random.getrandbits(32)))
        at += random.uniform(0.2, 2 * mean_pause)
    return faults


async def inject(stage: Stage, fault: Fault) -> None:
    """Inject the fault, and return when it is over."""
    stage.witness.counts["faults"] += 1
    await KINDS[fault.kind](stage, seeded(fault.seed))


async def _kill(stage: Stage, random: Random) -> None:
    random.choice(stage.cluster.processes).signal(signal.SIGKILL)


async def _failpoint(stage: Stage, random: Random) -> None:
    role = random.choice(ROLES)
    action = random.choice((Action.KILL, Action.KILL, Action.PAUSE, Action.RAISE))
    point = random.choice(POINTS[role])
    seconds = random.uniform(0.5, 2.5 * LEASE_SECONDS)
    if action is Action.RAISE and "commit" not in point and "kick" not in point:
        action = Action.KILL
    stage.cluster.failpoints[role].set(Trigger(point, action, seconds, random.randrange(4)))


async def _stop(stage: Stage, random: Random) -> None:
    process = random.choice(stage.cluster.processes)
    process.signal(signal.SIGSTOP)
    await asyncio.sleep(random.uniform(1.2, 3) * LEASE_SECONDS)
    process.signal(signal.SIGCONT)


async def _terminate(stage: Stage, random: Random) -> None:
    random.choice(stage.cluster.processes).signal(signal.SIGTERM)


async def _flush(stage: Stage, _: Random) -> None:
    await _on_valkey(stage, lambda valkey: valkey.flushall())


async def _no_group(stage: Stage, _: Random) -> None:
    await _on_valkey(stage, lambda valkey: valkey.xgroup_destroy(_QUEUE, _QUEUE))


async def _valkey_dies(stage: Stage, random: Random) -> None:
    async with stage.servers.valkey.down(signal.SIGKILL):
        await asyncio.sleep(random.uniform(0, 4))


async def _postgres_dies(stage: Stage, random: Random) -> None:
    async with stage.servers.postgres.down(signal.SIGQUIT):
        await asyncio.sleep(random.uniform(0, 4))


async def _postgres_outage(stage: Stage, _: Random) -> None:
    async with stage.servers.postgres.down(signal.SIGQUIT):
        await asyncio.sleep(_OUTAGE_SECONDS)


async def _sessions_end(stage: Stage, _: Random) -> None:
    async with stage.ledger() as ledger:
        await ledger.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename LIKE 'opsrun%' AND random() < 0.5"
        )


def _any_proxy(stage: Stage, random: Random) -> Proxy:
    return random.choice((stage.servers.postgres, stage.servers.valkey)).proxy


async def _cut(stage: Stage, random: Random) -> None:
    _any_proxy(stage, random).cut()


async def _blackhole(stage: Stage, random: Random) -> None:
    await _any_proxy(stage, random).blackhole(random.uniform(0.5, 2 * LEASE_SECONDS))


async def _slow(stage: Stage, random: Random) -> None:
    await _any_proxy(stage, random).slow(random.uniform(2, 8), random.uniform(0.01, 0.1))


async def _half_open(stage: Stage, random: Random) -> None:
    _any_proxy(stage, random).fall_silent()
    await asyncio.sleep(random.uniform(1, 3 * LEASE_SECONDS))


async def _lost_reply(stage: Stage, random: Random) -> None:
    stage.servers.postgres.proxy.lose_replies_to_commit(random.randint(1, 5))


async def _duplicates(stage: Stage, random: Random) -> None:
    """Send messages of old and new runs again, in random order."""
    async with stage.ledger() as ledger:
        runs = random.sample(list(runs := await ledger.rows(RUNS)), min(30, len(runs)))
    stage.witness.counts["duplicate messages"] += len(runs)

    async def send(valkey: Redis) -> None:
        for run in runs:
            arguments = [str(run["tenant_id"]), str(run["id"])]
            await valkey.xadd(_QUEUE, {"data": _message(run["run_type"], arguments)})

    await _on_valkey(stage, send)


async def _shuffle(stage: Stage, random: Random) -> None:
    """Reorder the waiting messages repeatedly for some seconds."""

    async def reorder(valkey: Redis) -> None:
        for _ in range(_SHUFFLES):
            entries: Any = await valkey.xrange(_QUEUE)
            random.shuffle(entries)
            stage.witness.counts["reordered messages"] += len(entries)
            for entry_id, fields in entries:
                await valkey.xadd(_QUEUE, fields)
                await valkey.xdel(_QUEUE, entry_id)
            await asyncio.sleep(_SHUFFLE_SECONDS)

    await _on_valkey(stage, reorder)


async def _garbage(stage: Stage, random: Random) -> None:
    async def send(valkey: Redis) -> None:
        await valkey.xadd(_QUEUE, {"data": random.randbytes(40)})
        await valkey.xadd(_QUEUE, {"data": _message("no.such", [])})
        await valkey.xadd(_QUEUE, {"nothing": "here"})

    await _on_valkey(stage, send)


def _message(task: str, arguments: list[str]) -> bytes:
    body = {"task_id": "again", "task_name": task, "labels": {}, "args": arguments, "kwargs": {}}
    return json.dumps(body).encode()


async def _poison(stage: Stage, random: Random) -> None:
    await stage.load.start_poison(random.choice(stage.members))


async def _on_valkey(stage: Stage, action: Callable[[Redis], Awaitable[object]]) -> None:
    async with Redis.from_url(stage.servers.valkey.direct_url, socket_timeout=5) as valkey:
        await action(valkey)


KINDS: dict[str, Callable[[Stage, Random], Awaitable[None]]] = {
    "kill -9": _kill,
    "failpoint": _failpoint,
    "stop": _stop,
    "SIGTERM": _terminate,
    "FLUSHALL": _flush,
    "XGROUP DESTROY": _no_group,
    "Valkey dies": _valkey_dies,
    "Postgres dies": _postgres_dies,
    LONG_OUTAGE: _postgres_outage,
    "sessions end": _sessions_end,
    "cut": _cut,
    "blackhole": _blackhole,
    "slow": _slow,
    "half-open": _half_open,
    "lost reply": _lost_reply,
    "doubles": _duplicates,
    "shuffle": _shuffle,
    "garbage": _garbage,
    "poison": _poison,
}

# Drawn more often, since there are many failpoints.
_OFTEN = ("failpoint",) * 6

# Errors of a fault that needs a server which another fault has ended.
SERVER_ERRORS = (OSError, TimeoutError, RedisError, asyncpg.PostgresError, asyncpg.InterfaceError)
