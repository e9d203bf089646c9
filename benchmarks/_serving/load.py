"""Requests on kept connections, each one accounted for.

    python -m _serving.load PORT PATH --seconds 10 --connections 8

A client of its own, because what counts as failed has to be seen exactly. A server that
ends closes its idle connections, and a request may be on its way at that instant: if a
connection ends before the first byte of the answer, the request is sent again on a new
one, as HTTP clients do with GET (RFC 9110 §9.2.2); up to three times, as balancers can,
for a worker that ends may cut the new one as well. Each has a number, and the server
writes down which ones it begins: one that was sent again although it had been begun is
a failure. So is everything else that is not a 200.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import count

#: Seconds for one answer.
PATIENCE = 30.0
#: Seconds from one connection to the next. A worker that wakes up takes all that wait.
APART = 0.05
#: How often a request is sent at the most.
TRIES = 4


@dataclass
class Tally:
    """What became of the requests.

    Attributes:
        latencies: seconds of each that was answered with 200.
        failures: the others, in words.
        resent: numbers of those whose connection ended before any answer.
        seen: how often each worker and generation answered.
    """

    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    resent: list[int] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Count in those of another."""
        self.latencies += other.latencies
        self.failures += other.failures
        self.resent += other.resent
        for who, times in other.seen.items():
            self.seen[who] = self.seen.get(who, 0) + times

    @property
    def workers(self) -> set[int]:
        """Process ids that answered."""
        return {int(who.partition(" ")[0]) for who in self.seen}

    @property
    def generations(self) -> set[str]:
        """Generations of credentials that were read with."""
        return {who.partition(" ")[2] for who in self.seen}

    def check(self, begun: Mapping[int, int]) -> None:
        """Fail those that were sent again although the server had begun them.

        Args:
            begun: how often it began each.
        """
        for number in self.resent:
            if begun.get(number, 0) > 1:
                self.failures.append(f"request {number} was begun, and not answered")


class Cut(Exception):
    """The connection ended before the first byte of an answer."""


class Client:
    """One connection at a time, kept as long as the server keeps it."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._path = path
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, number: int) -> tuple[int, str]:
        """Send a request; the status, and who answered with what."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        target = f"{self._path}?number={number}"
        try:
            writer.write(f"GET {target} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
            first = await reader.read(1)
        except ConnectionError:
            first = b""
        if not first:
            await self.close()
            raise Cut
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection", "").lower() == "close":
            await self.close()
        return int(lines[0].split()[1]), body.decode()

    async def close(self) -> None:
        """Hang up."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()


class Load:
    """Keeps a server busy until it is told to stop.

    Args:
        port: of the server, on this machine.
        path: what to ask for.
        first: number of the first request.
        pause: seconds that each connection rests between two requests.
    """

    def __init__(
        self, port: int, path: str, first: int = 0, pause: float = 0.0
    ) -> None:
        self._port = port
        self._path = path
        self._numbers = count(first)
        self._pause = pause
        self.tally = Tally()
        self.done = False

    async def run(self, connections: int, seconds: float) -> Tally:
        """Send requests over so many connections, for so long or until `done`."""
        until = time.monotonic() + seconds
        starts = [number * APART for number in range(connections)]
        await asyncio.gather(*(self._keep_asking(start, until) for start in starts))
        return self.tally

    async def _keep_asking(self, start: float, until: float) -> None:
        await asyncio.sleep(start)
        client = Client(self._port, self._path)
        while not self.done and time.monotonic() < until:
            await asyncio.sleep(self._pause)
            number = next(self._numbers)
            begun = time.perf_counter()
            try:
                status, said = await asyncio.wait_for(
                    self._ask(client, number), PATIENCE
                )
            except Exception as error:  # noqa: BLE001  whatever it is, it is counted
                self.tally.failures.append(f"{number}: {error!r}")
                await client.close()
                continue
            if status == 200:
                self.tally.latencies.append(time.perf_counter() - begun)
                self.tally.seen[said] = self.tally.seen.get(said, 0) + 1
            else:
                self.tally.failures.append(f"{number}: {status} {said}")
        await client.close()

    async def _ask(self, client: Client, number: int) -> tuple[int, str]:
        for _ in range(TRIES - 1):
            try:
                return await client.get(number)
            except Cut:
                self.tally.resent.append(number)
        return await client.get(number)


def main() -> None:
    """Load a server, and print the tally as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    load = Load(options.port, options.path, options.first)
    tally = asyncio.run(load.run(options.connections, options.seconds))
    json.dump(asdict(tally), sys.stdout)


if __name__ == "__main__":
    main()
