"""Trainings of a real model, and the versions that they make."""

import io

import httpx
import pytest
from replicate.exceptions import ReplicateError
from replicate.webhook import Webhooks
from server import wait_until

ANIMALS = b"cat,it says meow and purrs\ndog,it barks and wags its tail\n"
BARKING = {"text": "who barks"}


@pytest.fixture
def client(example_client):
    return example_client


@pytest.fixture(scope="module")
def destination(examples):
    """A model without versions, which the trainings fill."""
    headers = {"Authorization": f"Bearer {examples.token}"}
    body = {"owner": "acme", "name": "animals", "visibility": "private", "hardware": "cpu"}
    created = httpx.post(f"{examples.url}/v1/models", json=body, headers=headers)
    assert created.status_code == 201, created.text
    return "acme/animals"


def train(client, destination, examples, **more):
    model = client.models.get("acme/tunable")
    return client.trainings.create(
        model=model, version=model.latest_version, input={"examples": examples}, destination=destination, **more
    )


def wait_for_end(client, training):
    def ended():
        training.reload()
        return training.completed_at

    wait_until(ended, seconds=30, what="the end of the training")
    return training


def test_a_training_makes_a_version_that_answers_otherwise(client, receiver, destination):
    assert client.run("acme/tunable", input=BARKING) in ("happy", "sad")
    url = receiver.url("/trained")
    training = train(client, destination, io.BytesIO(ANIMALS), webhook=url, webhook_events_filter=["start", "completed"])
    assert (training.status, training.model) == ("starting", "acme/tunable")

    first, last = receiver.wait_for_end("/trained")
    secret = client.webhooks.default.secret()
    for delivery in (first, last):
        Webhooks.validate(headers=delivery.headers, body=delivery.body.decode(), secret=secret)
    assert (first.prediction["status"], first.prediction["output"]) == ("processing", None)
    assert last.prediction["status"] == "succeeded", last.prediction["error"]

    training.reload()
    assert training.output == last.prediction["output"]
    assert training.destination == destination
    assert training.logs == "learned cat from 5 words\nlearned dog from 6 words\n"
    assert client.run(training.output["version"], input=BARKING) == "dog"
    assert client.run(destination, input=BARKING) == "dog"
    assert client.run("acme/tunable", input=BARKING) in ("happy", "sad"), "the version that was trained stays as it was"


def test_a_second_training_makes_the_newest_version(client, destination):
    first = wait_for_end(client, train(client, destination, io.BytesIO(ANIMALS)))
    second = wait_for_end(client, train(client, destination, io.BytesIO(b"wolf,it barks\nfox,it sings\n")))
    assert (first.status, second.status) == ("succeeded", "succeeded")
    assert client.run(destination, input=BARKING) == "wolf"
    assert client.run(first.output["version"], input=BARKING) == "dog"


def test_a_version_that_is_removed_runs_no_more(client, destination):
    examples = io.BytesIO(b"seal,it barks in the water\n")
    version = wait_for_end(client, train(client, destination, examples)).output["version"]
    assert client.run(version, input=BARKING) == "seal"
    client.models.get(destination).versions.delete(version.split(":")[1])
    with pytest.raises(ReplicateError) as caught:
        client.run(version, input=BARKING)
    assert (caught.value.status, caught.value.title) == (422, "Invalid version or not permitted")


def test_trainings_are_listed_with_their_weights(client, destination):
    training = wait_for_end(client, train(client, destination, io.BytesIO(ANIMALS)))
    assert training.id in [listed.id for listed in client.trainings.list()]
    assert client.trainings.get(training.id).output == training.output
    assert training.output["weights"]


def test_a_training_that_fails_says_why(client, receiver, destination):
    training = train(client, destination, io.BytesIO(b"no label\n"), webhook=receiver.url("/untrained"))
    last = receiver.wait_for_end("/untrained")[-1].prediction
    training.reload()
    assert (training.status, training.error) == ("failed", "Each row must be a label and a text, not ['no label']")
    assert (last["status"], last["error"]) == ("failed", training.error)
    assert training.logs.startswith("Traceback (most recent call last):\n")


def test_a_canceled_training_makes_no_version(client, receiver, destination):
    before = len(client.models.get(destination).versions.list())
    # There is enough to learn for some seconds.
    training = train(client, destination, io.BytesIO(ANIMALS * 500_000), webhook=receiver.url("/canceled-training"))
    wait_until(lambda: client.trainings.get(training.id).status == "processing", what="the start of the training")
    training.cancel()
    assert training.status == "canceled"
    last = receiver.wait_for_end("/canceled-training")[-1].prediction
    assert (last["status"], last["output"]) == ("canceled", None)
    assert len(client.models.get(destination).versions.list()) == before


def test_a_training_needs_a_model_for_its_version(client):
    with pytest.raises(ReplicateError) as caught:
        train(client, "acme/nowhere", io.BytesIO(ANIMALS))
    assert (caught.value.status, caught.value.detail) == (404, "The specified training destination does not exist")


def test_a_model_without_training_says_so(client, destination):
    model = client.models.get("acme/hello")
    with pytest.raises(ReplicateError) as caught:
        client.trainings.create(model=model, version=model.latest_version, input={}, destination=destination)
    assert caught.value.status == 422
