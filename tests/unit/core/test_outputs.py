"""A run's result before it leaves: its schema, each business rule at and past its bound, its reading."""

import pytest

from holdfast.core.outputs import OutputSettings, Rule, check_output, settings_fault

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
WHOLE = '{"n": 3, "m": 3, "word": "ab1", "list": [1, 2], "yes": true, "deep": {"k": [7]}}'


def problems(text, *rules, schema=None):
    return check_output(OutputSettings(schema=schema, rules=list(rules)), text).problems


@pytest.mark.parametrize(
    "rule",
    [
        Rule(field="n", min=3),
        Rule(field="n", max=3),
        Rule(field="n", min=0, max=10),
        Rule(field="n", one_of=[3, 4]),
        Rule(field="n", equals_field="m"),
        Rule(field="word", matches="[a-z]+1"),
        Rule(field="word", length=3),
        Rule(field="list", length=2),
        Rule(length=6),
        Rule(field="deep.k.0", min=7, max=7),
        Rule(field="list.1", one_of=[2]),
    ],
)
def test_a_result_that_keeps_the_rule_passes(rule):
    assert problems(WHOLE, rule) == ()


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (Rule(field="n", min=4), "n: min is 4"),
        (Rule(field="n", max=2), "n: max is 2"),
        (Rule(field="n", min=1, max=2.5), "n: max is 2.5"),
        (Rule(field="word", min=1), "word: it is no number"),
        (Rule(field="yes", max=1), "yes: it is no number"),
        (Rule(field="n", one_of=[1, "3"]), 'n: it is none of [1, "3"]'),
        (Rule(field="n", one_of=[]), "n: it is none of []"),
        (Rule(field="n", equals_field="word"), "n: it differs from word"),
        (Rule(field="n", equals_field="nowhere"), "n: it differs from nowhere"),
        (Rule(field="word", matches="[a-z]+"), "word: it does not match `[a-z]+`"),
        (Rule(field="n", matches="3"), "n: it does not match `3`"),
        (Rule(field="word", length=2), "word: its length is not 2"),
        (Rule(field="n", length=1), "n: its length is not 1"),
        (Rule(length=5), "result: its length is not 5"),
        (Rule(field="nowhere"), "nowhere: it is missing"),
        (Rule(field="list.2", min=0), "list.2: it is missing"),
        (Rule(field="list.x"), "list.x: it is missing"),
        (Rule(field="word.0"), "word.0: it is missing"),
        (Rule(field="n", min=4, says="too few"), "too few"),
        (Rule(field="n", one_of=[1], says="no"), "no"),
        (Rule(field="n", equals_field="word", says="no"), "no"),
        (Rule(field="word", matches="x", says="no"), "no"),
        (Rule(field="word", length=1, says="no"), "no"),
    ],
)
def test_a_result_that_breaks_the_rule_is_told_why(rule, said):
    assert problems(WHOLE, rule) == (said,)


def test_every_rule_is_looked_at_but_only_once_the_schema_holds():
    rules = (Rule(field="n", min=4), Rule(field="n", max=2))
    assert problems('{"n": 3}', *rules, schema=SCHEMA) == ("n: min is 4", "n: max is 2")
    (one,) = problems('{"n": "3"}', *rules, schema=SCHEMA)
    assert one == "/n: must be integer"
    (whole,) = problems("[]", *rules, schema=SCHEMA)
    assert whole == "result: must be object"


@pytest.mark.parametrize(
    "text",
    ['{"n": 3}', '  {"n": 3}\n', 'so:\n```json\n{"n": 3}\n```\nbye', 'so:\n```\n{"n": 3}\n```'],
)
def test_a_result_is_read_bare_or_from_its_only_block(text):
    checked = check_output(OutputSettings(schema=SCHEMA), text)
    assert (checked.value, checked.problems) == ({"n": 3}, ())


@pytest.mark.parametrize("text", ["", "three", '```\n{"n": 3}\n```\n```\n{"n": 4}\n```'])
def test_what_is_no_json_is_no_result(text):
    checked = check_output(OutputSettings(schema=SCHEMA), text)
    assert checked.value is None
    assert checked.problems[0].startswith("it is no json: ")


def test_without_schema_and_rules_any_text_passes_as_it_is():
    checked = check_output(OutputSettings(), " three ")
    assert (checked.value, checked.problems) == (" three ", ())


def test_settings_that_cannot_be_held_are_said():
    assert settings_fault(OutputSettings(schema=SCHEMA, rules=[Rule(matches="a+")])) == ""
    assert settings_fault(OutputSettings(schema={"type": "nothing"})).startswith("schema: ")
    assert settings_fault(OutputSettings(rules=[Rule(matches="(")])) == "rules: `(` is no pattern"
    unheld = check_output(OutputSettings(schema={"type": "nothing"}), "{}")
    assert unheld.value is None
    assert unheld.problems[0].startswith("the agent's output schema does not hold: ")
