"""A real server on loopback whose policy does what the test says."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest
from web_client import Script, Served


@pytest.fixture
def serve(tmp_path):
    """`serve(turns, **settings)` starts a server and returns it."""
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("fastapi")
    from mini_o3.serve.app import create_app
    from mini_o3.serve.settings import ServeSettings

    running = []

    def start(turns=(), port=0, **settings):
        policy = Script(list(turns))
        given = ServeSettings(**{"data": tmp_path / "data", "grace": 0.3, **settings})
        app = create_app(given, load=lambda spec: policy)
        listening = socket.create_server(("127.0.0.1", port))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        client = httpx.Client(base_url=url, timeout=20, trust_env=False)

        def stop():
            client.close()
            server.should_exit = True
            thread.join(20)
            listening.close()

        running.append(stop)
        return Served(url, app, policy, client, stop)

    yield start
    for stop in running:
        stop()
