"""Real models: those in the folder `examples`, run by Cog in processes of their own."""

import hashlib
import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from examples import FOLDER
from replicate.exceptions import ModelError, ReplicateError
from replicate.helpers import FileOutput
from replicate.webhook import Webhooks
from server import wait_until

STORIES = FOLDER / "storyteller" / "stories.txt"
STORY = {"hero": "Zoë", "sentences": 3, "seed": 7}
# It would take more than a minute to tell.
ENDLESS_STORY = {"sentences": 100, "pause": 0.1}


@pytest.fixture
def client(example_client):
    return example_client


@pytest.fixture
def secret(client):
    return client.webhooks.default.secret()


def validate(delivery, secret):
    Webhooks.validate(headers=delivery.headers, body=delivery.body.decode(), secret=secret)


def test_a_model_tells_what_it_takes_and_gives(client):
    version = client.models.get("acme/storyteller").latest_version
    assert version.cog_version == "0.23.1"
    schemas = version.openapi_schema["components"]["schemas"]
    assert schemas["Input"]["properties"]["sentences"]["maximum"] == 1000
    assert schemas["Output"]["x-cog-array-display"] == "concatenate"


def test_runs_a_model(client):
    assert client.run("acme/hello", input={"name": "Zoë", "language": "French"}) == "Bonjour, Zoë!"


def test_runs_a_version_by_polling(client):
    version = client.models.get("acme/hello").latest_version
    assert client.run(f"acme/hello:{version.id}", input={"name": "Alice"}, wait=False) == "Hello, Alice!"


def test_an_answer_comes_with_the_request_that_asks_to_wait(client):
    prediction = client.models.predictions.create(model="acme/hello", input={"name": "Alice"}, wait=True)
    assert (prediction.status, prediction.output) == ("succeeded", "Hello, Alice!")
    assert prediction.logs == "greeting Alice in English\n"
    assert prediction.metrics["predict_time"] >= 0


def test_a_wait_ends_in_time(client):
    prediction = client.models.predictions.create(model="acme/storyteller", input=ENDLESS_STORY, wait=1)
    assert prediction.status == "starting", "the clients take every other word for the end"
    prediction.cancel()


def test_what_is_wrong_with_the_input_is_said_before_the_model_sees_it(client):
    with pytest.raises(ReplicateError) as caught:
        client.run("acme/hello", input={"language": "Klingon"})
    assert caught.value.status == 422
    assert "- input: name is required\n" in caught.value.detail
    assert '- input.language: language must be one of the following: "English", ' in caught.value.detail


def test_many_predictions_at_once_take_turns(client):
    names = [str(number) for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        outputs = pool.map(lambda name: client.run("acme/hello", input={"name": name}), names)
    assert list(outputs) == [f"Hello, {name}!" for name in names]


def test_words_are_streamed_while_the_model_says_them(client):
    prediction = client.predictions.create(model="acme/storyteller", input={**STORY, "pause": 0.05})
    words = []
    for event in prediction.stream():
        if event.event.value == "output":
            words.append(event.data)
        if len(words) == 1:
            prediction.reload()
            assert (prediction.status, prediction.completed_at) == ("processing", None)
    prediction.reload()
    assert prediction.status == "succeeded"
    assert words == prediction.output and len(words) > 10
    assert prediction.logs == "sentence 1 of 3\nsentence 2 of 3\nsentence 3 of 3\n"


def test_a_stream_says_the_same_as_the_output(client):
    streamed = "".join(str(event) for event in client.stream("acme/storyteller", input={**STORY, "pause": 0}))
    assert streamed == "".join(client.run("acme/storyteller", input={**STORY, "pause": 0}))
    assert "Zoë" in streamed


def test_reads_a_file_that_is_uploaded(client):
    with STORIES.open("rb") as document:
        assert client.run("acme/wordcount", input={"document": document}) == counts_of_stories()


def test_reads_a_file_in_a_data_url(client):
    with STORIES.open("rb") as document:
        output = client.run("acme/wordcount", input={"document": document}, file_encoding_strategy="base64")
    assert output == counts_of_stories()


def test_reads_a_file_of_some_megabytes(client):
    content = b"word \xf0\x9f\x99\x82\n" * 800_000
    output = client.run("acme/wordcount", input={"document": io.BytesIO(content)})
    assert (output["bytes"], output["words"]) == (len(content), 1_600_000)
    assert output["sha256"] == hashlib.sha256(content).hexdigest()


def test_an_upload_serves_several_predictions_until_it_is_deleted(client):
    file = client.files.create(STORIES)
    assert file in client.files.list() and client.files.get(file.id) == file
    for _ in range(2):
        assert client.run("acme/wordcount", input={"document": file.urls["get"]}) == counts_of_stories()
    assert client.files.delete(file.id)
    with pytest.raises(ReplicateError) as caught:
        client.run("acme/wordcount", input={"document": file.urls["get"]})
    assert caught.value.status == 422
    assert "document" in caught.value.detail


def test_reads_pictures(client):
    pictures = client.run("acme/picture", input={"word": "Zoë", "count": 3, "size": 40})
    assert all(isinstance(picture, FileOutput) for picture in pictures)
    contents = [picture.read() for picture in pictures]
    assert len(set(contents)) == 3
    for content in contents:
        lines = lines_of_png(content)
        assert lines == [mirrored(line) for line in lines], "the right half mirrors the left one"
    again = client.run("acme/picture", input={"word": "Zoë", "size": 40})
    assert [b"".join(picture) for picture in again] == contents[:1]


def test_a_failure_has_the_models_words_and_its_traceback(client):
    with pytest.raises(ModelError) as caught:
        client.run("acme/wordcount", input={"document": io.BytesIO(b"PNG\x89")})
    prediction = caught.value.prediction
    assert (prediction.status, prediction.output) == ("failed", None)
    assert prediction.error == "The document is not text: byte 4 is not UTF-8"
    assert prediction.logs.startswith("Traceback (most recent call last):\n")
    assert prediction.logs.endswith("\nValueError: The document is not text: byte 4 is not UTF-8\n")
    files = [Path(line.split('"')[1]).name for line in prediction.logs.splitlines() if line.startswith("  File ")]
    assert set(files) == {"predict.py"}, "what Cogwire puts around a model is not shown"


def test_cancels_a_story_and_keeps_what_was_told(client, receiver):
    url = receiver.url("/canceled-story")
    prediction = client.predictions.create(model="acme/storyteller", input=ENDLESS_STORY, webhook=url)
    wait_until(lambda: client.predictions.get(prediction.id).output, what="the first word")
    prediction.cancel()
    assert prediction.status == "canceled"
    last = receiver.wait_for_end("/canceled-story")[-1].prediction
    assert (last["status"], last["error"]) == ("canceled", None)
    assert last["output"] == client.predictions.get(prediction.id).output != []
    assert client.run("acme/storyteller", input={**STORY, "pause": 0}), "the model goes on working"


def test_webhooks_come_in_order_and_signed(client, receiver, secret):
    events = ["start", "output", "logs", "completed"]
    prediction = client.predictions.create(
        model="acme/storyteller", input={**STORY, "pause": 0.05}, webhook=receiver.url("/story"), webhook_events_filter=events
    )
    deliveries = receiver.wait_for_end("/story")
    for delivery in deliveries:
        validate(delivery, secret)
    names = [delivery.headers["cogwire-event"] for delivery in deliveries]
    assert (names[0], names[-1]) == ("start", "completed")
    assert set(names[1:-1]) <= {"output", "logs"} and len(names) > 3, names
    lengths = [len(delivery.prediction["output"] or []) for delivery in deliveries]
    assert lengths == sorted(lengths)
    prediction.reload()
    last = deliveries[-1].prediction
    assert (last["status"], last["output"], last["logs"]) == ("succeeded", prediction.output, prediction.logs)


def test_the_last_webhook_has_files_that_can_be_read(client, receiver, secret):
    client.predictions.create(model="acme/picture", input={"word": "hook", "size": 10}, webhook=receiver.url("/picture"))
    last = receiver.wait_for_end("/picture")[-1]
    validate(last, secret)
    [url] = last.prediction["output"]
    assert len(lines_of_png(FileOutput(url, client).read())) == 10


def test_the_webhook_of_a_failure_says_why(client, receiver, secret):
    document = "data:;base64,iVBORw=="
    client.predictions.create(model="acme/wordcount", input={"document": document}, webhook=receiver.url("/no-text"))
    last = receiver.wait_for_end("/no-text")[-1]
    validate(last, secret)
    assert (last.prediction["status"], last.prediction["error"]) == (
        "failed",
        "The document is not text: byte 1 is not UTF-8",
    )
    assert "UnicodeDecodeError" in last.prediction["logs"]


def counts_of_stories() -> dict:
    content = STORIES.read_bytes()
    return {
        "bytes": len(content),
        "lines": content.count(b"\n"),
        "words": len(content.split()),
        "most_frequent": "the",
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def lines_of_png(content: bytes) -> list[bytes]:
    """The lines of a picture without filters, as red, green and blue. Fails when a checksum is wrong."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, rest = {}, content[8:]
    while rest:
        (length,) = struct.unpack(">I", rest[:4])
        kind, body, checksum, rest = rest[4:8], rest[8 : 8 + length], rest[8 + length : 12 + length], rest[12 + length :]
        assert struct.pack(">I", zlib.crc32(kind + body)) == checksum
        chunks[kind] = body
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    lines = zlib.decompress(chunks[b"IDAT"])
    assert len(lines) == height * (1 + 3 * width)
    return [lines[start + 1 : start + 1 + 3 * width] for start in range(0, len(lines), 1 + 3 * width)]


def mirrored(line: bytes) -> bytes:
    return b"".join(line[start : start + 3] for start in range(len(line) - 3, -1, -3))
