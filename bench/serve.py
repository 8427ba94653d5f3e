"""How many searches a server gets done for one, four and sixteen users, and what it holds afterwards.

    python bench/serve.py [--users 1 4 16] [--searches 16]

Every user asks about one easy probe after another, nano, 6 turns. Printed: searches per minute, seconds until
the first turn, memory of the server when idle and after all. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import base64
import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

from mini_o3.serve.samples import sample_probe


def memory(pid: int) -> float:
    """Resident megabytes of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def one_search(client: httpx.Client, body: dict[str, object], firsts: list[float]) -> None:
    begun = time.monotonic()
    with client.stream("POST", "/v1/search", json=body) as stream:
        seen = 0
        for line in stream.iter_lines():
            if line.startswith("data: ") and json.loads(line[6:])["type"] == "turn":
                if not seen:
                    firsts.append(time.monotonic() - begun)
                seen += 1


def measure(client: httpx.Client, bodies: list[dict[str, object]], users: int, searches: int) -> None:
    """Let so many users search side by side, and print how it went."""
    firsts: list[float] = []
    share = max(searches // users, 1)

    def user(number: int) -> None:
        for place in range(number, number + share):
            one_search(client, bodies[place % len(bodies)], firsts)

    began = time.monotonic()
    threads = [threading.Thread(target=user, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = 60 * share * users / (time.monotonic() - began)
    first = statistics.median(firsts)
    print(f"{users} users: {rate:.1f} searches a minute, first turn {first:.2f} s ({len(firsts)} searches)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--searches", type=int, default=16, help="for each number of users")
    options = parser.parse_args()
    bodies = []
    for seed in range(500_100_000, 500_100_008):
        data, question = sample_probe(seed)
        image = "data:image/jpeg;base64," + base64.b64encode(data).decode()
        bodies.append({"image": image, "question": question, "max_turns": 6, "stream": True})
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mini_o3", "serve", "--port", "0", "--data", f"{folder}/data"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        try:
            with httpx.Client(base_url=url, timeout=600, trust_env=False) as client:
                began = time.monotonic()
                client.get("/").raise_for_status()
                print(f"first page after {time.monotonic() - began:.3f} s")
                one_search(client, bodies[0], [])  # loads the policy
                print(f"memory with nano loaded {memory(server.pid):.0f} MB")
                for users in options.users:
                    measure(client, bodies, users, options.searches)
                    print(f"    memory afterwards {memory(server.pid):.0f} MB")
        finally:
            server.terminate()
            server.wait(20)
    print(platform.processor() or platform.machine(), "python", platform.python_version())


if __name__ == "__main__":
    main()
