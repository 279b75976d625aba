"""Times what a person waits for: `bindings/bench`. A measurement, not a test: it fails on nothing but errors."""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any, Awaitable, Callable

import godkend
from support import PIN, config, login, phone, scanned
from tests.world import World

RUNS = int(os.environ.get("GODKEND_RUNS", "30"))


def memory_kb() -> int:
    """Resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def show(what: str, seconds: list[float]) -> None:
    seconds.sort()
    middle, late = statistics.median(seconds), seconds[min(len(seconds) - 1, int(len(seconds) * 0.95))]
    print(f"{what:<44} {middle * 1000:9.3f} ms {late * 1000:9.3f} ms")


async def timed(runs: int, work: Callable[[], Awaitable[Any]]) -> list[float]:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        await work()
        times.append(time.perf_counter() - start)
    return times


async def main() -> None:
    before = memory_kb()
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {RUNS} runs")
    print(f"{'':<44} {'median':>12} {'95 %':>12}")
    async with phone() as one:
        await one.shut_down()
        opens, shown, approved = [], [], []
        for _ in range(RUNS):
            start = time.perf_counter()
            opened = await godkend.Phone.open(config(World.shared()), one.desktop.keys(), one.desktop.store())
            assert opened.state().people[0].standing.is_active()
            opens.append(time.perf_counter() - start)
            asked = await login()
            frame = await asyncio.to_thread(asked.frame)
            start = time.perf_counter()
            try:
                request = (await opened.scan(frame)).request
            except godkend.PhoneError.Refused:  # a frame that grew old on a busy machine
                request = await scanned(opened, asked)
            else:
                shown.append(time.perf_counter() - start)
            start = time.perf_counter()
            await opened.approve_with_pin(request, PIN)
            approved.append(time.perf_counter() - start)
            await opened.shut_down()
        show("from opening the library to ready", opens)
        show("from a scan to the request shown (new TLS)", shown)
        show("from the PIN to approved", approved)
        opened = await godkend.Phone.open(config(World.shared()), one.desktop.keys(), one.desktop.store())
        request = await scanned(opened, await login())
        plain = []
        for _ in range(200):
            start = time.perf_counter()
            for _ in range(50):
                opened.seconds_left(request)
            plain.append((time.perf_counter() - start) / 50)
        show("a call across the binding, a record in", plain)
        states = []
        for _ in range(200):
            start = time.perf_counter()
            opened.state()
            states.append(time.perf_counter() - start)
        show("a call across the binding, the state out", states)

        async def not_a_code() -> None:
            try:
                await opened.scan("")
            except godkend.PhoneError.NotACode:
                pass

        show("an async call across the binding, with error", await timed(200, not_a_code))
        await opened.shut_down()
        print(f"memory: {before / 1024:.1f} MB before the first phone, {memory_kb() / 1024:.1f} MB after {RUNS + 2}")


asyncio.run(main())
