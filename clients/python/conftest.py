"""One server with scripted models, one with real ones, one receiver, and the official client, which knows nothing of Cogwire but its
URL."""

from pathlib import Path

import httpx
import pytest
import replicate
from examples import serve_examples
from receiver import Receiver
from server import Server

FILES = Path(__file__).resolve().parents[1] / "files"


@pytest.fixture(scope="session")
def server():
    with Server() as server:
        yield server


@pytest.fixture(scope="session")
def examples():
    """A server with the models in the folder `examples`."""
    with serve_examples() as server:
        yield server


@pytest.fixture(scope="session")
def receiver():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def client(server):
    return client_of(server)


@pytest.fixture
def example_client(examples):
    """The client of the server with real models."""
    return client_of(examples)


def client_of(server: Server) -> replicate.Client:
    client = replicate.Client(api_token=server.token, base_url=server.url)
    client.poll_interval = 0.05
    return client


@pytest.fixture(scope="session")
def http(server):
    """Plain HTTP, for what the official client has no words for."""
    with httpx.Client(base_url=f"{server.url}/v1", headers={"Authorization": f"Bearer {server.token}"}) as http:
        yield http


@pytest.fixture
def pixel() -> Path:
    """A small PNG file. The model acme/painter gives the same one."""
    return FILES / "pixel.png"
