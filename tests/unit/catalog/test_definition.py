"""clearway.yaml: what it says, and what it may not say."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from clearway.catalog import ServiceDefinition, definition_schema, load_definition
from clearway.kernel import DocumentError

SHOP = """\
service: shop
build: {recipe: python, python: ">=3.11", test: [python, -m, unittest]}
process:
  command: [python, -m, shop]
  port_env: PORT
  health: {path: /healthz, timeout: 10s}
  metrics: {path: /metrics}
  stop_grace: 5s
config:
  GREETING: {type: string, default: Hello}
  MAX_ITEMS: {type: integer, minimum: 1, default: 5}
  API_KEY: {type: string, secret: true}
migrations: []
compatibility: {reads: [1], writes: 1}
canary:
  metrics:
    - name: errors
      kind: proportion
      numerator: {metric: shop_requests_total, labels: {status: "5.."}}
      denominator: {metric: shop_requests_total}
      critical: true
    - {name: latency, kind: values, histogram: shop_request_seconds, tolerance: 0.5}
"""


def test_a_full_definition_is_read_and_survives_json() -> None:
    """What is read can be stored in a release as JSON, and read back the same."""
    definition = load_definition(SHOP)
    assert definition.process is not None
    assert definition.process.health.timeout.total_seconds() == 10
    assert definition.config["MAX_ITEMS"].default == 5
    assert ServiceDefinition.model_validate(definition.model_dump(mode="json")) == definition


def test_a_small_definition_has_sound_defaults() -> None:
    """A name and a recipe are enough for what is built and not deployed."""
    definition = load_definition("service: lib\nbuild: {recipe: make}\n")
    assert (definition.process, definition.config, definition.canary) == (None, {}, None)
    assert definition.compatibility.reads == (1,)


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("/healthz, timeout", "healthz, timeout", "6:18", "`process.health.path`"),
        ("port_env: PORT", "port_env: null", "4:3", "nothing tells the process its port"),
        ("command: [python, -m, shop]", "command: []", "4:12", "at least 1 item"),
        ("command: [python, -m, shop]", "command: python -m shop", "4:12", "expected a list"),
        ("recipe: python", "recipe: pyton", "2:17", "did you mean `python`?"),
        ("recipe: python", "recipe: script", "2:8", "expected both `steps` and `outputs`"),
        ("test: [", "outputs: [../x], test: [", "2:52", "leaves the service's folder"),
        ("  GREETING", "  GREET ING", "10:3", "the key `GREET ING`"),
        ("  GREETING", "  PORT", "1:1", "which tells the port"),
        ("type: integer, minimum: 1", "type: string, minimum: 1", "11:14", "bounds on the type string"),
        ("minimum: 1,", "minimum: 2, maximum: 1,", "11:14", "above `maximum`"),
        ("secret: true", "secret: true, default: x", "12:12", "a secret with a default"),
        ("default: Hello", "pattern: '('", "10:37", "is not a regular expression"),
        ("default: Hello", "default: [x]", "10:37", "true or false, or a whole number, or a number, or text"),
        ("type: string, default: Hello", "type: enum", "10:13", "expected both or neither"),
        ("reads: [1]", "reads: [2]", "14:16", "cannot read it"),
        ("kind: values", "kind: value", "22:29", "did you mean `values`?"),
        ("histogram: shop", "histgram: shop", "22:7", "`histogram` is missing"),
        ("name: latency", "name: errors", "17:5", "two metrics with the same name"),
        ("metric: shop_requests_total}", "metric: 5shop}", "20:29", "text that matches"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, place: str, said: str) -> None:
    """Every rule of the definition names the place that breaks it."""
    with pytest.raises(DocumentError) as caught:
        load_definition(SHOP.replace(old, new, 1))
    assert str(caught.value).startswith(f"clearway.yaml:{place}: ")
    assert said in str(caught.value)


def test_the_schema_agrees_with_the_reader() -> None:
    """An editor's check by the JSON Schema passes what Clearway reads, and stops what it refuses."""
    schema = definition_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(SHOP), schema)
    for old, new in (
        ("recipe: python", "recipe: cobol"),
        ("stop_grace: 5s", "stop_grace: soon"),
        ("config:", "cfg:"),
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(yaml.safe_load(SHOP.replace(old, new)), schema)


def test_the_published_schema_is_the_models() -> None:
    """What editors fetch is what Clearway checks; `python scripts/publish_reference.py` writes it anew."""
    published = Path(__file__).parents[3] / "docs/reference/clearway.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == definition_schema()
