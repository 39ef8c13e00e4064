"""`replicate.run`: inputs, outputs and files."""

import hashlib
import io

import httpx
import pytest
from replicate.exceptions import ModelError, ReplicateError
from replicate.helpers import FileOutput

HELLO_WORLD = "replicate/hello-world:9dcd6d78e7c6560c340d916fe32e9f24aabfa331e5cce95fe31f77fb03121426"


def test_runs_a_model_by_name(client):
    assert client.run("acme/greeter", input={"name": "Alice"}) == "Hello, Alice!"


def test_runs_the_example_of_replicates_documentation(client):
    assert client.run(HELLO_WORLD, input={"text": "Alice"}) == "hello Alice"


@pytest.mark.parametrize("wait", [True, 5, False])
def test_runs_with_and_without_waiting(client, wait):
    output = client.run("acme/greeter", input={"name": "Bob", "punctuation": "."}, wait=wait)
    assert output == "Hello, Bob."


def test_iterates_over_the_output_of_a_version(client):
    version = client.models.get("acme/poet").latest_version
    pieces = list(client.run(f"acme/poet:{version.id}", input={}))
    assert pieces == ["line 1\n", "line 2\n", "line 3\n", " äöü 🙂\n\n", "the end"]


def test_iterates_by_polling(client):
    version = client.models.get("acme/poet").latest_version
    pieces = client.run(f"acme/poet:{version.id}", input={}, wait=False)
    assert "".join(pieces) == "line 1\nline 2\nline 3\n äöü 🙂\n\nthe end"


def test_gives_back_any_json(client):
    value = {"text": "ä\u2028\"\\/", "list": [1, 2.5, -0.0, 1e21, None, True], "nested": {"b": {}, "a": []}}
    assert client.run("acme/echo", input={"value": value}) == value


def test_raises_the_error_of_a_failed_model(client):
    with pytest.raises(ModelError, match="^out of luck: rain$") as caught:
        client.run("acme/broken", input={"reason": "rain"})
    assert caught.value.prediction.status == "failed"
    assert caught.value.prediction.logs == "about to fail\n"


def test_raises_what_is_wrong_with_the_input(client):
    with pytest.raises(ReplicateError) as caught:
        client.run("acme/greeter", input={"punctuation": "?"})
    error = caught.value
    assert (error.status, error.title) == (422, "Input validation failed")
    assert "- input: name is required\n" in error.detail
    assert 'must be one of the following: "!", "."' in error.detail


def test_reads_an_output_file(client, pixel):
    output = client.run("acme/painter", input={})
    assert isinstance(output, FileOutput)
    assert output.url.startswith("data:image/png;base64,")
    assert output.read() == pixel.read_bytes()
    assert b"".join(output) == pixel.read_bytes()


def test_hands_over_a_file_as_a_data_url(client, pixel):
    """The server stores the file: the model and the prediction have a link, which needs no token."""
    with pixel.open("rb") as image:
        output = client.run("acme/viewer", input={"image": image}, file_encoding_strategy="base64")
    link = httpx.get(output["image"])
    assert (link.status_code, link.headers["content-type"]) == (200, "image/png")
    assert link.content == pixel.read_bytes()


def test_uploads_a_file_and_names_the_upload_in_the_input(client, server, pixel):
    with pixel.open("rb") as image:
        output = client.run("acme/viewer", input={"image": image})
    assert output["image"].startswith(f"{server.url}/v1/files/")
    file = client.files.get(output["image"].rsplit("/", 1)[1])
    assert (file.name, file.content_type, file.size) == ("pixel.png", "image/png", pixel.stat().st_size)
    assert file.checksums["sha256"] == hashlib.sha256(pixel.read_bytes()).hexdigest()


def test_creates_lists_gets_and_deletes_files(client, pixel):
    file = client.files.create(pixel, metadata={"order": 7})
    assert file.metadata == {"order": 7}
    assert client.files.get(file.id) == file
    assert client.files.list()[0] == file
    assert httpx.get(file.urls["download"]).content == pixel.read_bytes()
    client.files.delete(file.id)
    with pytest.raises(ReplicateError) as caught:
        client.files.get(file.id)
    assert (caught.value.status, caught.value.detail) == (404, "File not found")


def test_learns_that_a_file_is_too_large(client):
    with pytest.raises(ReplicateError) as caught:
        client.files.create(io.BytesIO(bytes(102 * 1024 * 1024)))
    assert (caught.value.status, caught.value.detail) == (413, "Files must be less than 100MB in size")


def test_an_unknown_version_is_named_as_replicate_names_it(client):
    with pytest.raises(ReplicateError) as caught:
        client.run("acme/greeter:" + "0" * 64, input={})
    assert (caught.value.status, caught.value.title) == (422, "Invalid version or not permitted")


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(ReplicateError) as caught:
        client.run("acme/nothing", input={})
    assert caught.value.status == 404
