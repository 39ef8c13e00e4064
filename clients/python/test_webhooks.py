"""Signed webhooks, judged by the validators that receivers use."""

import pytest
from replicate.exceptions import ReplicateError
from replicate.webhook import InvalidSignatureError, Webhooks
from standardwebhooks import Webhook, WebhookVerificationError

TOLERANCE_SECONDS = 300


@pytest.fixture
def secret(client):
    return client.webhooks.default.secret()


def run_to_the_end(client, receiver, path, model, input, filter=None):
    """Runs a model, and gives its prediction and what the receiver got."""
    events = {} if filter is None else {"webhook_events_filter": filter}
    prediction = client.predictions.create(model=model, input=input, webhook=receiver.url(path), **events)
    deliveries = receiver.wait_for_end(path)
    prediction.reload()
    return prediction, deliveries


def test_the_validators_accept_what_is_sent(client, receiver, secret):
    value = {"text": "ä 🙂 </script> \u2028", "numbers": [0.5, 1.0, 1e-7, 1e21], "10": "ten", "9": "nine"}
    _, deliveries = run_to_the_end(client, receiver, "/signed", "acme/echo", {"value": value})
    for delivery in deliveries:
        Webhooks.validate(
            headers=delivery.headers, body=delivery.body.decode(), secret=secret, tolerance=TOLERANCE_SECONDS
        )
        assert Webhook(secret.key).verify(delivery.body, delivery.headers)["id"] == delivery.prediction["id"]


def test_the_validators_refuse_what_was_changed(client, receiver, secret):
    _, deliveries = run_to_the_end(client, receiver, "/tampered", "acme/greeter", {"name": "Alice"})
    delivery = deliveries[-1]
    tampered = delivery.body.replace(b"Alice", b"Mallory")
    assert tampered != delivery.body
    with pytest.raises(InvalidSignatureError):
        Webhooks.validate(headers=delivery.headers, body=tampered.decode(), secret=secret)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret.key).verify(tampered, delivery.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret.key).verify(delivery.body, {**delivery.headers, "webhook-id": "msg_other"})


def test_the_body_is_the_prediction(client, http, receiver):
    prediction, deliveries = run_to_the_end(client, receiver, "/body?tag=a%20b", "acme/greeter", {"name": "Alice"})
    last = deliveries[-1]
    assert last.prediction == http.get(f"/predictions/{prediction.id}").json()
    assert last.prediction["webhook"] == receiver.url("/body?tag=a%20b")
    assert last.headers["content-type"] == "application/json"
    assert last.headers["user-agent"].startswith("cogwire/")
    assert last.headers["webhook-id"].startswith("msg_")


def test_all_events_come_in_order(client, receiver):
    everything = ["start", "output", "logs", "completed"]
    _, deliveries = run_to_the_end(client, receiver, "/order", "acme/counter", {}, everything)
    events = [delivery.headers["cogwire-event"] for delivery in deliveries]
    assert (events[0], events[-1]) == ("start", "completed")
    assert set(events[1:-1]) <= {"output", "logs"} and events[1:-1], events
    statuses = [delivery.prediction["status"] for delivery in deliveries]
    assert statuses == ["processing"] * (len(statuses) - 1) + ["succeeded"]
    lengths = [len(delivery.prediction["output"] or []) for delivery in deliveries]
    assert lengths == sorted(lengths) and lengths[-1] == 3
    sequence = [int(delivery.headers["cogwire-sequence"]) for delivery in deliveries]
    assert sequence == sorted(set(sequence))
    assert len({delivery.headers["webhook-id"] for delivery in deliveries}) == len(deliveries)


def test_without_a_filter_outputs_and_the_end_are_sent(client, receiver):
    _, deliveries = run_to_the_end(client, receiver, "/default", "acme/counter", {})
    events = [delivery.headers["cogwire-event"] for delivery in deliveries]
    assert set(events) == {"output", "completed"}
    assert events[-1] == "completed"


def test_only_what_the_filter_names_is_sent(client, receiver):
    _, deliveries = run_to_the_end(client, receiver, "/filtered", "acme/counter", {}, ["completed"])
    assert [delivery.headers["cogwire-event"] for delivery in deliveries] == ["completed"]
    assert deliveries[0].prediction["webhook_events_filter"] == ["completed"]


@pytest.mark.parametrize("model, status", [("acme/broken", "failed"), ("acme/stuck", "canceled")])
def test_every_end_is_sent(client, receiver, model, status):
    path = f"/{status}"
    prediction = client.predictions.create(model=model, input={}, webhook=receiver.url(path))
    if status == "canceled":
        prediction.cancel()
    last = receiver.wait_for_end(path)[-1]
    assert last.prediction["status"] == status


def test_a_failed_delivery_is_repeated_with_the_same_id_and_body(client, receiver, secret):
    receiver.answers = [500, 404]
    path = "/repeated"
    client.predictions.create(
        model="acme/greeter", input={"name": "Alice"}, webhook=receiver.url(path), webhook_events_filter=["completed"]
    )
    first, second, third = receiver.wait(path, lambda all: len(all) == 3)
    assert first.body == second.body == third.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == third.headers["webhook-id"]
    assert [delivery.headers["cogwire-attempt"] for delivery in (first, second, third)] == ["1", "2", "3"]
    for delivery in (first, second, third):
        Webhooks.validate(headers=delivery.headers, body=delivery.body.decode(), secret=secret)


def test_an_unknown_event_is_refused(client, receiver):
    with pytest.raises(ReplicateError) as caught:
        client.predictions.create(
            model="acme/greeter",
            input={"name": "Alice"},
            webhook=receiver.url("/never"),
            webhook_events_filter=["completd"],
        )
    assert caught.value.status == 422
    assert "completed" in caught.value.detail, "the message says what was probably meant"
