"""Models, their versions, and the account."""

import pytest
from replicate.exceptions import ReplicateError


def test_gets_a_model_with_its_latest_version(client):
    model = client.models.get("acme/greeter")
    assert (model.owner, model.name, model.description) == ("acme", "greeter", "Greets")
    schemas = model.latest_version.openapi_schema["components"]["schemas"]
    assert schemas["Input"]["required"] == ["name"]
    assert schemas["Output"]["type"] == "string"


def test_gets_a_version(client):
    model = client.models.get("acme/poet")
    version = model.versions.get(model.latest_version.id)
    assert version.id == "706f657400000000000000000000000000000000000000000000000000000001"
    output = version.openapi_schema["components"]["schemas"]["Output"]
    assert (output["x-cog-array-type"], output["x-cog-array-display"]) == ("iterator", "concatenate")


def test_lists_versions(client):
    model = client.models.get("acme/greeter")
    assert [version.id for version in model.versions.list()] == [model.latest_version.id]


def test_predicts_with_a_model_object(client):
    model = client.models.get("acme/greeter")
    assert client.run(model, input={"name": "Alice"}) == "Hello, Alice!"


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(ReplicateError) as caught:
        client.models.get("acme/nothing")
    assert caught.value.status == 404


def test_knows_the_account(client):
    assert client.accounts.current().username == "cogwire"
