"""The asynchronous half of the client, which has a transport of its own."""

import asyncio

import pytest
from replicate.exceptions import ModelError


def test_runs_a_model(client):
    assert asyncio.run(client.async_run("acme/greeter", input={"name": "Alice"})) == "Hello, Alice!"


def test_runs_many_at_once(client):
    async def run_all():
        runs = (client.async_run("acme/greeter", input={"name": str(number)}) for number in range(20))
        return await asyncio.gather(*runs)

    assert asyncio.run(run_all()) == [f"Hello, {number}!" for number in range(20)]


def test_raises_the_error_of_a_failed_model(client):
    with pytest.raises(ModelError):
        asyncio.run(client.async_run("acme/broken", input={}))


def test_streams(client):
    async def collect():
        return [str(event) async for event in await client.async_stream("acme/poet", input={})]

    assert "".join(asyncio.run(collect())) == "line 1\nline 2\nline 3\n äöü 🙂\n\nthe end"
