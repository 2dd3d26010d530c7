"""The archives' formats."""

import numpy as np
import pytest

import elman
from elman import DataError

TS = """# two features
@problemName small
@timeStamps false
@univariate false
@classLabel true up down
@data
1.5,2,?:3,4,5:up

-1:7:down
"""


def write(path, text):
    path.write_text(text)
    return path


def test_ts(tmp_path):
    X, y, info = elman.read_sequences(write(tmp_path / "a.ts", TS), missing="mean")
    assert X[0].tolist() == [[1.5, 3], [2, 4], [pytest.approx(2.5 / 3), 5]]
    assert X[1].tolist() == [[-1, 7]]
    assert y.tolist() == ["up", "down"]
    assert info.classes == {"down": 1, "up": 1}


def test_ts_with_times_and_numbers(tmp_path):
    text = (
        "@problemName a\n@timeStamps true\n@targetLabel true\n@data\n"
        "(2026-01-01 10:00:00,1.5),(2026-01-01 10:00:01,2.5):(0,3),(1,4):0.25\n"
    )
    X, y, info = elman.read_sequences(write(tmp_path / "a.ts", text))
    assert X[0].tolist() == [[1.5, 3], [2.5, 4]]
    assert y.tolist() == [0.25]
    assert info.classes is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("@data", "@date"), "has no line '@data'"),
        (("-1:7", "-1"), "line 9 has 1 features; line 7 has 2"),
        (("3,4,5", "3,four,5"), "line 7, feature 2: could not convert string to float: 'four'"),
        (("1.5,2,?:3,4,5:up\n\n-1:7:down\n", ""), "no line after '@data'"),
    ],
)
def test_damaged_ts(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        elman.read_sequences(write(tmp_path / "a.ts", TS.replace(*change)))


def test_missing_values_are_named_by_line(tmp_path):
    with pytest.raises(DataError, match="the first in column 'feature 0', line 7, step 3"):
        elman.read_sequences(write(tmp_path / "a.ts", TS))


def test_flat_arff(tmp_path):
    text = (
        "% c\n@relation small\n@attribute t1 numeric\n@attribute t2 real\n@attribute t3 numeric\n"
        "@attribute target {up,down}\n@data\n1,2,3,up\n4,5,?,down\n"
    )
    X, y, _ = elman.read_sequences(write(tmp_path / "a.arff", text))
    assert [x.ravel().tolist() for x in X] == [[1, 2, 3], [4, 5]]
    assert y.tolist() == ["up", "down"]
    with pytest.raises(DataError, match=r"Take the \.ts file"):
        elman.read_sequences(write(tmp_path / "b.arff", text.replace("t2 real", "t2 string")))
    with pytest.raises(DataError, match=r"not an \.arff file, or is damaged"):
        elman.read_sequences(write(tmp_path / "c.arff", text.replace("4,5", "4")))


def test_relational_arff(tmp_path):
    text = (
        "@relation small\n@attribute bag relational\n@attribute t1 numeric\n@attribute t2 numeric\n"
        "@end bag\n@attribute class {up,down}\n@data\n'1,2\\n3,4',up\n'5,6\\n7,8',down\n"
    )
    X, y, _ = elman.read_sequences(write(tmp_path / "a.arff", text))
    assert [x.tolist() for x in X] == [[[1, 3], [2, 4]], [[5, 7], [6, 8]]]
    assert y.tolist() == ["up", "down"]


def test_numbers_survive_to_the_bit(tmp_path):
    values = np.random.default_rng(0).standard_normal((3, 7))
    lines = [",".join(map(repr, row)) + ":a\n" for row in values.tolist()]
    text = "@problemName a\n@classLabel true a\n@data\n" + "".join(lines)
    X, _, _ = elman.read_sequences(write(tmp_path / "a.ts", text))
    np.testing.assert_array_equal(X.values.reshape(3, 7), values)


@pytest.mark.parametrize("kind", ["ts", "arff"])
def test_text_that_is_not_utf_8(tmp_path, kind):
    text = TS if kind == "ts" else "@relation r\n\n@attribute a numeric\n@data\n\n"
    path = tmp_path / f"a.{kind}"
    path.write_text(text + "1:2:größer\n", encoding="latin-1")
    line = text.count("\n") + 1
    with pytest.raises(DataError, match=rf"^\S+ is not UTF-8 text: line {line} has the byte 0xf6"):
        elman.read_sequences(path)
