"""Creating, reading, listing, canceling predictions, and deadlines."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from replicate.exceptions import ReplicateError
from server import wait_until

PAGE = 100
MINIMUM_DEADLINE = "5s"


def test_creates_and_waits(client):
    prediction = client.predictions.create(model="acme/greeter", input={"name": "Alice"})
    assert prediction.status in ("starting", "processing", "succeeded")
    prediction.wait()
    assert (prediction.status, prediction.output, prediction.error) == ("succeeded", "Hello, Alice!", None)
    assert prediction.logs == "greeting Alice\n"
    assert prediction.model == "acme/greeter"
    assert prediction.metrics["predict_time"] >= 0
    assert prediction.created_at <= prediction.started_at <= prediction.completed_at


def test_creates_from_a_version(client):
    version = client.models.get("acme/greeter").latest_version
    prediction = client.predictions.create(version=version, input={"name": "Alice"})
    assert prediction.version == version.id
    assert client.predictions.get(prediction.id).id == prediction.id


def test_polls_while_outputs_arrive(client):
    prediction = client.predictions.create(model="acme/counter", input={})
    lengths = set()

    def ended():
        prediction.reload()
        lengths.add(len(prediction.output or []))
        return prediction.status == "succeeded"

    wait_until(ended, what="the end of acme/counter")
    assert prediction.output[-1] == {"number": 3, "half": 1.5}
    assert len(lengths) > 2, "outputs are visible while the model runs"


def test_cancels_a_running_prediction(client):
    prediction = client.predictions.create(model="acme/stuck", input={})
    wait_until(lambda: client.predictions.get(prediction.id).logs, what="the first log line")
    prediction.cancel()
    assert prediction.status == "canceled"
    assert prediction.completed_at is not None
    assert client.predictions.get(prediction.id).status == "canceled"


def test_canceling_twice_changes_nothing(client):
    prediction = client.predictions.create(model="acme/stuck", input={})
    first = client.predictions.cancel(prediction.id)
    second = client.predictions.cancel(prediction.id)
    assert (second.status, second.completed_at) == ("canceled", first.completed_at)


def test_a_deadline_before_the_start_reads_as_canceled(client, http):
    """The server aborts it; this client does not know the word, would not decode it, and must not see it."""
    created = http.post(
        "/models/acme/cold/predictions", json={"input": {}}, headers={"Cancel-After": MINIMUM_DEADLINE}
    )
    assert created.status_code == 201, created.text
    assert created.json()["deadline"] > created.json()["created_at"]
    prediction = client.predictions.get(created.json()["id"])
    prediction.wait()
    assert prediction.status == "canceled"
    assert prediction.started_at is None
    assert http.get(f"/predictions/{prediction.id}").json()["status"] == "aborted"
    assert prediction.id in [listed.id for listed in client.predictions.list()]


def test_lists_all_pages_newest_first(client):
    with ThreadPoolExecutor(8) as pool:
        create = lambda number: client.predictions.create(model="acme/echo", input={"value": number}).id
        created = list(pool.map(create, range(PAGE + 10)))
    listed, page = [], client.predictions.list()
    assert page.previous is None
    assert len(page.results) == PAGE
    while True:
        listed.extend(page.results)
        if page.next is None:
            break
        page = client.predictions.list(page.next)
        assert page.previous is not None
    ids = [prediction.id for prediction in listed]
    assert len(ids) == len(set(ids)), "no prediction is on two pages"
    assert set(created) <= set(ids)
    # Ids order predictions by the millisecond.
    times = [prediction.created_at[: len("2026-01-31T12:00:00.000")] for prediction in listed]
    assert times == sorted(times, reverse=True)


def test_an_unknown_prediction_is_not_found(client):
    with pytest.raises(ReplicateError) as caught:
        client.predictions.get("0" * 26)
    assert caught.value.status == 404
    assert caught.value.detail == "The requested resource could not be found."


def test_a_wrong_token_is_refused(server):
    import replicate

    with pytest.raises(ReplicateError) as caught:
        replicate.Client(api_token="r8_wrong", base_url=server.url).predictions.list()
    assert caught.value.status == 401
    assert caught.value.detail == "You did not pass a valid authentication token"
