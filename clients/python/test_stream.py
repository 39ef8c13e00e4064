"""Event streams."""

import pytest
from replicate.exceptions import ReplicateError

TEXT = "line 1\nline 2\nline 3\n äöü 🙂\n\nthe end"


def test_streams_a_model(client):
    assert "".join(str(event) for event in client.stream("acme/poet", input={})) == TEXT


def test_streams_a_built_in_model(client):
    events = client.stream("replicate/canary", input={"text": "Alice"})
    assert "".join(str(event) for event in events) == "hello there, Alice"


def test_a_stream_has_logs_outputs_and_an_end(client):
    events = list(client.stream("acme/poet", input={}))
    kinds = [event.event.value for event in events]
    assert kinds[0] == "logs"
    assert kinds[1:-1] == ["output"] * 5
    assert (kinds[-1], events[-1].data) == ("done", "{}")
    assert len({event.id for event in events}) == len(events), "every event has an id of its own"


def test_a_late_reader_gets_everything(client):
    prediction = client.predictions.create(model="acme/poet", input={})
    prediction.wait()
    assert "".join(str(event) for event in prediction.stream()) == TEXT


def test_a_canceled_stream_ends_with_the_reason(client):
    prediction = client.predictions.create(model="acme/counter", input={})
    events = prediction.stream()
    next(event for event in events if event.event.value == "output")
    prediction.cancel()
    assert list(events)[-1].data == '{"reason":"canceled"}'


def test_a_model_without_a_stream_says_so(client):
    prediction = client.predictions.create(model="acme/greeter", input={"name": "Alice"})
    with pytest.raises(ReplicateError, match="does not support streaming"):
        next(prediction.stream())
