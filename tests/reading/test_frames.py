"""Files with tables: every library reads the same, and bad files get one clear error."""

import gzip
import re
from importlib.util import find_spec

import numpy as np
import pandas as pd
import polars as pl
import pytest

import elman
from elman import DataError
from elman.reading import frames
from elman.reading.read import read_raw
from reading.frames import LIBRARIES, columns_of, frame_of


@pytest.fixture(params=LIBRARIES)
def library(request, monkeypatch):
    """Let one library alone be there."""
    monkeypatch.setattr(frames, "LIBRARIES", (request.param,))
    return request.param


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "feather"])
def test_formats_are_read_back_equal(tmp_path, library, kind):
    columns, values = columns_of(np.random.default_rng(0), [3, 1, 4])
    frame = frame_of(columns)
    path = tmp_path / f"readings.{kind}"
    if kind.startswith("csv"):
        frame.to_csv(path, index=False)
    else:
        getattr(frame, f"to_{kind}")(path)
    X, y, info = elman.read_sequences(path, label="state")
    np.testing.assert_array_equal(X.values, values)
    assert y.tolist() == ["good", "bad", "good"]
    assert info.ids.tolist() == ["m0", "m1", "m2"]
    assert info.source == path.name


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_separators_and_decimal_commas_are_seen(tmp_path, library):
    path = write(tmp_path / "a.csv", "id;at;x\na;1;1,5\na;2;2,5\n")
    X, _, info = elman.read_sequences(path)
    assert X[0].ravel().tolist() == [1.5, 2.5]
    assert 'separator ";", decimal comma' in str(info)
    path = write(tmp_path / "b.csv", "\ufeffid\tx\na\t1\na\t2\n")
    assert elman.read_sequences(path)[0][0].ravel().tolist() == [1, 2]


@pytest.mark.parametrize("first", ["", "1"])
@pytest.mark.parametrize("n_whole", [1, 500])
def test_decimal_commas_are_seen_in_later_lines(tmp_path, library, first, n_whole):
    text = "id;t;x\n" + "".join(f"1;{t};{first}\n" for t in range(n_whole))
    path = write(tmp_path / "a.csv", f"{text}1;{n_whole};3,5\n")
    X, _, info = elman.read_sequences(path, missing="mean")
    assert X.names == ("x",)
    assert X.values[-1] == 3.5
    assert "decimal comma" in str(info)


def test_decimal_commas_are_seen_in_a_line_that_is_longer_than_what_is_looked_at(tmp_path):
    names = ";".join(f"column {i}" for i in range(4000))
    path = write(tmp_path / "a.csv", f"id;{names}\n1{';1,25' * 4000}\n1{';2,5' * 4000}\n")
    assert elman.read_sequences(path, layout="long")[0].values[:, 7].tolist() == [1.25, 2.5]


def test_one_number_with_a_comma_among_points_is_no_decimal_comma(tmp_path, library):
    path = write(tmp_path / "a.csv", "id;x\n1;1.5\n1;2.5\n1;1,234\n")
    with pytest.raises(DataError, match=r"in line 4 \(id 1\), the text '1,234'"):
        elman.read_sequences(path)


@pytest.mark.parametrize("word", ["", "NA", "NaN", "null", "n/a", "?"])
def test_words_for_what_is_missing(tmp_path, library, word):
    path = write(tmp_path / "a.csv", f"id,x,z\na,1,1\na,{word},2\n")
    X, _, info = elman.read_sequences(path, missing="mean")
    assert X.values.tolist() == [[1, 1], [1, 2]]
    assert info.filled == 1


def test_late_text_among_numbers_is_named(tmp_path, library):
    rows = "".join(f"m{i // 100},{i},{i / 2}\n" for i in range(5000))
    path = write(tmp_path / "a.csv", f"id,n,x\n{rows}m50,5000,broken\n")
    with pytest.raises(
        DataError, match=r"'x' holds numbers and, in line 5,002 \(id 'm50'\), the text"
    ):
        elman.read_sequences(path)


@pytest.mark.parametrize("missing", ["", "NA"])
def test_whole_numbers_that_are_decimal_later_stay_numbers(tmp_path, library, missing):
    n = 3000
    rows = "".join(f"{i // 1000},{i},{i % 7},{i // 1000 % 2}\n" for i in range(n))
    last = f"{n // 1000},{n},2.5,0\n{n // 1000},{n + 1},{missing},0\n"
    path = write(tmp_path / "a.csv", f"id,time,x,label\n{rows}{last}")
    X, y, info = elman.read_sequences(path, missing="forward")
    assert X.values[-3:].ravel().tolist() == [(n - 1) % 7, 2.5, 2.5]
    assert X.names == ("x",)
    assert y.tolist()[:3] == [0, 1, 0]
    assert info.times[[0, -1]].tolist() == [0, n + 1]


@pytest.mark.parametrize(
    ("text", "keywords", "message"),
    [
        ("id,x\na,1\n", {"separator": ";"}, "one column, 'id,x'.*by ';'. Its first line has ','"),
        ("id;x\na;1\n", {"separator": ","}, "one column, 'id;x'.*by ','. Its first line has ';'"),
        ("idx\na\n", {}, "has one column, 'idx': expected columns.*say so: separator=','"),
        ("1,2,3\n4,5,6\n", {}, "has no header: its first line is '1,2,3'"),
        ("id,x\na,1\na,1,2\n", {}, "3 columns in line 3, and 2 in line 1, separated by ','"),
        ('id,x\n"a,1\n', {}, "has 1 column in line 2, and 2 in line 1"),
        ("id,x\n", {}, "has no rows, only the columns id, x"),
        ("id,x\na,1\n", {"separator": ",,"}, "expected one character"),
    ],
)
def test_bad_text_is_refused(tmp_path, library, text, keywords, message):
    with pytest.raises(DataError, match=message):
        elman.read_sequences(write(tmp_path / "a.csv", text), **keywords)


def test_text_that_is_not_utf_8(tmp_path, library):
    path = write(tmp_path / "a.csv", "id,ort,x\na,Wien,1\na,Köln,2\n", "latin-1")
    with pytest.raises(
        DataError, match=r"not UTF-8 text: line 3, column 2 has the byte 0xf6.*iconv"
    ):
        elman.read_sequences(path)
    path = write(tmp_path / "a.csv", "id,ört,x\na,Wien,1\na,Bonn,2\n", "latin-1")
    with pytest.raises(DataError, match=r"line 1, column 2 has the byte 0xf6.*: iconv"):
        elman.read_sequences(path)
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataError, match=r"0xf6.*: gzip -dc .*a.csv.gz \| iconv .* > new.csv"):
        elman.read_sequences(packed)
    path = write(tmp_path / "b 1.csv", "id,x\na,1\n", "utf-16")
    with pytest.raises(DataError, match=r"but UTF-16.*iconv -f UTF-16 -t UTF-8 '.*b 1.csv' > new"):
        elman.read_sequences(path)
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08\x12\x05elman" + bytes(9))
    with pytest.raises(DataError, match=r"m.onnx is neither a table nor a model") as caught:
        elman.read_sequences(tmp_path / "m.onnx")
    assert "iconv" not in str(caught.value)


@pytest.mark.parametrize("head", [b"PAR1", b"ARROW1\0\0"])
def test_damaged_binary_files(tmp_path, library, head):
    (tmp_path / "a").write_bytes(head + bytes(100))
    with pytest.raises((DataError, OSError), match=re.compile("damaged|not a|invalid|Invalid")):
        elman.read_sequences(tmp_path / "a")


def test_arrow_streams_are_named(tmp_path, library):
    pl.DataFrame({"id": [1], "x": [1.0]}).write_ipc_stream(tmp_path / "a.arrows")
    with pytest.raises(DataError, match=r"is an Arrow stream; expected an Arrow file"):
        elman.read_sequences(tmp_path / "a.arrows")


def test_damaged_gzip_and_nothing(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"id,x\na,1\n" * 1000)[:40])
    with pytest.raises(DataError, match="gzip cannot unpack it"):
        elman.read_sequences(tmp_path / "a.csv.gz")
    (tmp_path / "a.csv").touch()
    with pytest.raises(DataError, match="is empty"):
        elman.read_sequences(tmp_path / "a.csv")


def test_a_missing_library_is_named_with_its_command(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'elman\[tables\]'"):
        elman.read_sequences(write(tmp_path / "a.csv", "id,x\na,1\n"))


def test_a_missing_file_has_a_likely_name(tmp_path):
    write(tmp_path / "readings.csv", "id,x\na,1\n")
    with pytest.raises(
        FileNotFoundError, match=r"no file .*reading.csv. Did you mean 'readings.csv'?"
    ):
        elman.read_sequences(tmp_path / "reading.csv")
    write(tmp_path / "t.csv", "id,x\na,1\n")
    with pytest.raises(
        FileNotFoundError, match=r"no file .*digits\.csv\.$"
    ):  # .csv alone is not like
        elman.read_sequences(tmp_path / "digits.csv")
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        elman.read_sequences(tmp_path / "nowhere" / "reading.csv")


def test_the_documented_library_is_the_first():
    assert find_spec(frames.library()).name == "polars"


@pytest.mark.parametrize("packed", [False, True])
def test_lines_of_text_are_counted_as_an_editor_does(tmp_path, library, packed):
    # line 1 is the header, lines 2 and 3 one row, line 4 is empty
    text = 'id,x,note\na,1,"two\nlines"\n\na,,x\nb,1,y\n'
    path = tmp_path / ("a.csv.gz" if packed else "a.csv")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    place = "missing in line 4" if library == "polars" else r"column 'x', line 5 \(id 'a'\)"
    with pytest.raises(DataError, match=place):  # to polars the empty line is a row
        elman.read_sequences(path, id="id", features=["x"])


def test_rows_of_other_tables_are_counted_from_one(tmp_path, library):
    path = tmp_path / "a.parquet"
    frame_of({"id": ["a", "a"], "x": [1.0, np.nan]}).to_parquet(path)
    with pytest.raises(DataError, match=r"column 'x', row 2 \(id 'a'\)"):
        elman.read_sequences(path)


def many_rows(n):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((n, 3)).round(3)
    frame = pd.DataFrame(values, columns=["x", "y", "z"])
    frame.insert(0, "id", np.arange(n) // 100)
    frame["label"] = np.where(frame["id"] % 2, "a", "b")
    return frame, values


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_batches_come_together_and_their_share_is_told(tmp_path, kind):
    frame, values = many_rows(200_000)
    path = tmp_path / f"a.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, row_group_size=30_000)
    shares = []
    raw = read_raw(path, progress=shares.append)
    np.testing.assert_array_equal(raw.sequences.values, values)
    assert raw.sequences.values.flags.c_contiguous
    assert raw.info.columns == ("id", "x", "y", "z", "label")
    assert len(raw.sequences) == 2000
    assert len(shares) >= 3
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1  # of a text the number of rows is a guess


def test_batches_are_sorted_as_a_whole(tmp_path):
    frame, values = many_rows(50_000)
    frame["at"] = np.tile(np.arange(100), 500)
    shuffled = frame.sample(frac=1, random_state=0)
    shuffled.to_csv(tmp_path / "a.csv", index=False)
    X, _, info = elman.read_sequences(tmp_path / "a.csv")
    order = np.argsort(info.ids)
    np.testing.assert_array_equal(np.concatenate([X[i] for i in order]), values)


def test_single_precision_and_whole_numbers_in_batches(tmp_path):
    frame, values = many_rows(3000)
    frame.astype({"x": "float32", "y": "float32", "z": "float32"}).to_parquet(
        tmp_path / "a.parquet"
    )
    X, _, _ = elman.read_sequences(tmp_path / "a.parquet")
    assert X.values.dtype == np.float32
    np.testing.assert_array_equal(X.values, values.astype(np.float32))
    frame["z"] = frame["id"].astype("Int64").where(frame.index % 2 == 0)  # with missing ones
    frame.to_parquet(tmp_path / "b.parquet")
    X, _, _ = elman.read_sequences(tmp_path / "b.parquet", missing="mean")
    assert X.values.dtype == np.float64
    np.testing.assert_array_equal(X.values[:, :2], values[:, :2])


def test_text_that_is_missing_far_down_begins_again(tmp_path, library):
    frame, values = many_rows(50_000)
    frame["label"] = frame["label"].astype(object)
    frame["x"] = frame["x"].astype(object)
    frame.loc[40_001, "x"] = "NA"
    frame.to_csv(tmp_path / "a.csv", index=False)
    X, _, info = elman.read_sequences(tmp_path / "a.csv", missing="forward")
    assert info.filled == 1
    assert X.values[40_001, 0] == values[40_000, 0]
    np.testing.assert_array_equal(X.values[:, 1:], values[:, 1:])


@pytest.mark.parametrize("library", ["polars", "pandas"])
@pytest.mark.parametrize(
    ("column", "task"),
    [
        ("id", "classification"),
        ("time", "classification"),
        ("label", "classification"),
        ("label", "tag"),
        ("mode", "tag"),
    ],
)
def test_text_that_says_far_down_that_it_is_missing_is_no_value(
    tmp_path, monkeypatch, library, column, task
):
    monkeypatch.setattr(frames, "LIBRARIES", (library,))
    monkeypatch.setattr(frames, "_ROWS", 1000)
    frame, _ = many_rows(20_000)
    frame["id"] = "m" + frame["id"].astype(str)
    if column == "mode":  # a feature of text, with which nothing is laid out while the file is read
        frame["mode"] = "on"
    frame["time"] = pd.date_range("2026-01-01", periods=len(frame), freq="s").astype(str)
    frame.loc[15_001, column] = "NA"
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(
        DataError, match=f"missing.*{column}.*line 15,003|{column}.*missing in line 15,003"
    ):
        elman.read_sequences(tmp_path / "a.csv", time="time", label="label", task=task)


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_a_line_with_too_few_columns_is_said_to_be_one(library, monkeypatch, tmp_path):
    monkeypatch.setattr("elman.reading.frames.LIBRARIES", (library,))
    path = tmp_path / "short.csv"
    path.write_text("id,x,z\na,1,2\na,2\nb,3,4\n")
    with pytest.raises(DataError, match=r"'z', line 3, which has 2 columns of 3 \(id 'a'\)"):
        elman.read_sequences(path)


@pytest.mark.parametrize("library", ["polars", "pandas"])
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a,1,2\na,2\nb,3,4\n", "^short.csv: line 3 has 2 of 3 columns; .* filled .*cut off"),
        ('"a,b",1,2\n"a,b",2\n', "line 3 has 2 of 3 columns"),
        ('"a\nb",1,2\nc,1\nc,2\n', "2 lines have fewer than 3 columns, .* line 4 \\(2\\)"),
    ],
)
def test_a_line_that_is_too_short_is_not_filled_in_silence(
    library, lines, message, monkeypatch, tmp_path
):
    monkeypatch.setattr("elman.reading.frames.LIBRARIES", (library,))
    path = tmp_path / "short.csv"
    path.write_text(f"id,x,z\n{lines}")
    with pytest.warns(UserWarning, match=message) as caught:
        elman.read_sequences(path, missing="mean")
    assert [warning.filename for warning in caught] == [__file__]


def test_a_short_line_of_a_file_in_a_folder_is_not_filled_in_silence_either(tmp_path):
    (tmp_path / "a.csv").write_text("x,z\n1,2\n3,4\n")
    (tmp_path / "b.csv").write_text("x,z\n1,2\n3\n")
    with pytest.warns(UserWarning, match=r": b\.csv, line 3 has 1 of 2 columns; .* filled"):
        elman.read_sequences(tmp_path, missing="mean")


def test_a_cell_that_is_empty_makes_no_line_too_short(library, tmp_path):
    path = write(tmp_path / "a.csv", 'id,x,z\na,1,2\n"b\nc",3,\n')  # a warning is an error
    assert elman.read_sequences(path, missing="mean")[2].filled == 1


@pytest.mark.parametrize(
    ("rows", "n_bytes", "head", "expected"),
    [(20, 1 << 30, 1, 20), (1 << 30, 160, 1, 20), (1 << 30, 160, 40, 40)],
)
def test_short_parts_of_a_file_become_batches_of_many_rows_or_bytes(
    tmp_path, monkeypatch, rows, n_bytes, head, expected
):
    monkeypatch.setattr(frames, "_ROWS", rows)
    monkeypatch.setattr(frames, "_BYTES", n_bytes)
    monkeypatch.setattr(frames, "_HEAD", head)
    table = pl.DataFrame({"x": np.arange(95.0)})
    table.write_parquet(tmp_path / "x.parquet", row_group_size=5)
    batches = list(frames._polars_batches(pl.scan_parquet(tmp_path / "x.parquet")))
    assert [len(batch) for batch in batches] == [expected] * (95 // expected) + [95 % expected]
    assert pl.concat([batch.to_native() for batch in batches]).equals(table)
