"""Texts on the command line."""

import json

import pytest
from typer.testing import CliRunner

from elman import RNNClassifier, RNNTagger, load
from elman.cli import app

runner = CliRunner()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["good one,high", "bad one,low"] * 20
    (tmp_path / "texts.csv").write_text("\n".join(["review,stars", *rows]))
    return tmp_path


def invoke(*arguments):
    return runner.invoke(app, list(map(str, arguments)))


def test_a_file_of_texts_is_trained_on_evaluated_and_answered(folder):
    options = ("--hidden", 8, "--epochs", 3, "--min-frequency", 2, "-o", "model.safetensors")
    trained = invoke("train", "texts.csv", "--text", "review", "--label", "stars", *options)
    assert trained.exit_code == 0, trained.output
    assert "a row a text, a step a character" in trained.output
    model = load("model.safetensors")
    assert "g" in model.vocabulary_
    assert model.min_frequency == 2
    evaluated = invoke("evaluate", "model.safetensors", "texts.csv")
    assert "of 40 sequences)" in evaluated.output
    explained = invoke(
        "explain", "model.safetensors", "texts.csv", "--index", 1, "--json", "e.json"
    )
    assert explained.exit_code == 0, explained.output
    assert "7 of 7 terms proved" in explained.output
    answered = invoke("predict", "model.safetensors", "texts.csv")
    assert answered.output.splitlines()[0] == 'sequence,"stars"'
    assert len(answered.output.splitlines()) == 41
    followed = invoke("predict", "model.safetensors", "--follow")
    assert followed.exit_code == 2
    assert "whole texts" in followed.output


def test_a_file_of_texts_is_looked_into(folder):
    found = invoke("inspect", "texts.csv", "--text", "review", "--label", "stars")
    assert found.exit_code == 0, found.output
    assert "40 sequences, 7 to 8 steps" in found.output


def test_a_model_of_the_next_symbol_writes(folder):
    text = "to be or not to be, " * 20
    model = RNNTagger(8, max_iter=20, random_state=0).fit([text[:-1]], [text[1:]])
    model.save("model.safetensors")
    options = ("--prompt", "to ", "--n", 9, "--seed", 0)
    written = invoke("sample", "model.safetensors", *options)
    assert written.exit_code == 0, written.output
    expected = model.sample(9, "to ", random_state=0)
    assert written.output == f"to {expected}\n"
    assert (
        f'"sample": "{expected}"'
        in invoke("sample", "model.safetensors", *options, "--json").output
    )


def test_a_model_of_words_takes_a_prompt_of_words(folder):
    words = ("to be or not to be . " * 20).split()
    RNNTagger(8, max_iter=2, random_state=0).fit([words[:-1]], [words[1:]]).save(
        "model.safetensors"
    )
    written = invoke("sample", "model.safetensors", "--prompt", "to be", "--n", 4, "--seed", 0)
    assert written.output.startswith("to be ")
    assert len(written.output.split()) == 6


def test_words_of_one_letter_are_words(folder):
    words = ("a b c " * 20).split()
    settings = {"max_iter": 2, "random_state": 0, "engine": "reference"}
    RNNTagger(8, **settings).fit([words[:-1]], [words[1:]]).save("model.safetensors")
    written = invoke("sample", "model.safetensors", "--prompt", "a b", "--n", 4, "--seed", 0)
    assert written.exit_code == 0, written.output
    assert len(written.output.split()) == 6
    assert {len(word) for word in written.output.split()} == {1}


def test_a_model_of_texts_that_was_saved_in_a_program(folder):
    texts, stars = ["good one", "bad one"] * 10, ["high", "low"] * 10
    settings = {"max_iter": 2, "random_state": 0, "engine": "reference"}
    model = RNNClassifier(4, **settings).fit(texts, stars)
    model.save("model.safetensors")
    expected = model.predict(["good one", "bad one"] * 20)
    answered = invoke("predict", "model.safetensors", "texts.csv", "--text", "review")
    assert answered.exit_code == 0, answered.output
    assert answered.output.splitlines() == ['sequence,"prediction"'] + [
        f"{i},{answer}" for i, answer in enumerate(expected)
    ]
    named = ("--text", "review", "--label", "stars", "--json")
    evaluated = invoke("evaluate", "model.safetensors", "texts.csv", *named)
    assert json.loads(evaluated.output)["n"] == 40
    explained = invoke("explain", "model.safetensors", "texts.csv", *named[:-1], "--html", "e.html")
    assert "8 of 8 terms proved" in explained.output
    assert "--label stars --text review" in (folder / "e.html").read_text(encoding="utf-8")
    refused = invoke("predict", "model.safetensors", "texts.csv")
    assert refused.exit_code == 1
    assert "which one holds the texts?" in refused.output
    (folder / "alone.csv").write_text("review\ngood one\nbad one\n")
    alone = invoke("predict", "model.safetensors", "alone.csv", "--separator", ",")
    assert alone.output.splitlines()[1:] == [f"{i},{expected[i]}" for i in range(2)]


def test_a_model_that_knows_its_columns_takes_no_others(folder):
    options = ("--hidden", 3, "--epochs", 1, "--engine", "reference", "-o", "model.safetensors")
    invoke("train", "texts.csv", "--text", "review", "--label", "stars", *options)
    for command in ("predict", "evaluate", "explain"):
        refused = invoke(command, "model.safetensors", "texts.csv", "--text", "review")
        assert refused.exit_code == 2
        assert "--text" in refused.output


def test_a_model_of_labels_does_not_write(folder):
    invoke(
        "train",
        "texts.csv",
        "--text",
        "review",
        "--label",
        "stars",
        "--epochs",
        1,
        "-o",
        "a.safetensors",
    )
    refused = invoke("sample", "a.safetensors")
    assert refused.exit_code == 2
    assert "does not predict" in refused.output


def test_a_model_of_whole_numbers_takes_a_prompt_of_them(folder):
    numbers = [[3, 1, 2] * 5, [1, 2, 3] * 5]
    settings = {"max_iter": 2, "random_state": 0, "engine": "reference", "tokens": True}
    model = RNNTagger(8, **settings).fit([x[:-1] for x in numbers], [x[1:] for x in numbers])
    model.save("model.safetensors")
    written = invoke("sample", "model.safetensors", "--prompt", "3 1", "--n", 4, "--seed", 0)
    expected = model.sample(4, [3, 1], random_state=0)
    assert written.output == f"3 1 {' '.join(map(str, expected))}\n"
    for options in (("--prompt", "three"), ("--temperature", "inf")):
        refused = invoke("sample", "model.safetensors", *options)
        assert refused.exit_code == 2
        assert options[0] in refused.output
