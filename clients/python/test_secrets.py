"""Several signing secrets at once, and compressed and thin bodies, judged by the validators that receivers use."""

import gzip
import itertools

import httpx
import pytest
from replicate.webhook import InvalidSignatureError, WebhookSigningSecret, Webhooks
from server import Server, wait_until
from standardwebhooks import Webhook, WebhookVerificationError

PATHS = (f"/secrets/{number}" for number in itertools.count())


class Signer:
    """A server whose secrets the tests change, and a receiver of what it signs."""

    def __init__(self, server, receiver):
        headers = {"Authorization": f"Bearer {server.token}"}
        self._http = httpx.Client(base_url=f"{server.url}/v1", headers=headers)
        self._receiver = receiver

    def key(self):
        return self._answer(self._http.get("/webhooks/default/secret"))["key"]

    def rotate(self, **asked):
        return self._answer(self._http.post("/webhooks/default/secret/rotate", json=asked))

    def retire(self):
        return self._answer(self._http.post("/webhooks/default/secret/retire"))

    def next(self, **headers):
        """The webhook of a prediction that is created for it."""
        path = next(PATHS)
        body = {
            "input": {"name": "ä 🙂 </script> \u2028"},
            "webhook": self._receiver.url(path),
            "webhook_events_filter": ["completed"],
        }
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self._answer(self._http.post("/models/acme/greeter/predictions", json=body, headers=headers))
        (delivery,) = self._receiver.wait_for_end(path)
        return delivery

    @staticmethod
    def _answer(response):
        assert response.is_success, response.text
        return response.json()


@pytest.fixture
def signer(receiver):
    with Server() as server:
        yield Signer(server, receiver)


def accepts(key, delivery):
    """What both validators say; they must agree."""
    try:
        Webhooks.validate(headers=delivery.headers, body=delivery.body.decode(), secret=WebhookSigningSecret(key=key))
        replicates = True
    except InvalidSignatureError:
        replicates = False
    try:
        Webhook(key).verify(delivery.body, delivery.headers)
        standard = True
    except WebhookVerificationError:
        standard = False
    assert replicates == standard
    return standard


def test_any_secret_that_still_signs_will_do(signer):
    keys = [signer.key()]
    for overlap in ("1h", "2h"):
        signer.rotate(overlap=overlap)
        keys.append(signer.key())

    def verdicts():
        delivery = signer.next()
        return [accepts(key, delivery) for key in keys]

    assert verdicts() == [True, True, True]
    signer.retire()
    # The sender remembers secrets for a second.
    wait_until(lambda: verdicts() == [False, False, True], what="the end of the retired secrets")


def test_a_private_key_may_sign_beside_the_secret(signer):
    assert signer.rotate(kind="ed25519")["public_key"].startswith("whpk_")
    delivery = signer.next()
    assert sorted(entry.split(",")[0] for entry in delivery.headers["webhook-signature"].split()) == ["v1", "v1a"]
    assert accepts(signer.key(), delivery)


def test_compressed_bodies_are_signed_as_they_were_before(signer):
    delivery = signer.next(cogwire_webhook_gzip="true")
    assert delivery.headers["content-encoding"] == "gzip"
    assert gzip.decompress(delivery.sent) == delivery.body
    assert accepts(signer.key(), delivery)


def test_thin_bodies_are_signed_and_name_what_they_are_about(signer):
    delivery = signer.next(cogwire_webhook_body="thin", cogwire_metadata="order=7")
    assert delivery.headers["cogwire-body"] == "thin"
    assert delivery.headers["cogwire-metadata"] == "order=7"
    assert (delivery.prediction["thin"], delivery.prediction["status"]) == (True, "succeeded")
    assert accepts(signer.key(), delivery)
