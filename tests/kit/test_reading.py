"""Files as other programs and people write them, and as they break."""

import codecs
import csv
import json
import os
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, read_jsonl, read_records
from mini_o3.kit.reading import open_file, parse_json, read_json, read_object, read_text, typed
from mini_o3.kit.tables import table_rows

ROWS = [{"q": "Größe?"}, {"q": "a\u2028b\u2029c\x85d"}, {"q": "\U0001f600"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_read_in_every_encoding_with_every_line_end(tmp_path, encoding, end):
    path = tmp_path / "rows.jsonl"
    text = "".join(json.dumps(row, ensure_ascii=False) + end for row in ROWS)
    path.write_bytes(text.encode(encoding))
    assert read_jsonl(path) == ROWS
    assert read_text(path) == text.replace(end, "\n")


def test_a_line_separator_inside_a_string_ends_no_line(tmp_path):
    for row in ROWS:
        append_jsonl(tmp_path / "rows.jsonl", row)
    assert read_jsonl(tmp_path / "rows.jsonl") == ROWS
    assert (tmp_path / "rows.jsonl").read_bytes().count(b"\n") == 3


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"q": ', "not valid JSON"),
        (b'["q"]', "no JSON object but a list"),
        (b"7", "no JSON object but a whole number"),
        (b'{"q": "\xff"}', "not text in UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"q": ' + b"1" * 10_000 + b"}", "not valid JSON"),
    ],
)
def test_a_damaged_line_in_the_middle_is_named_with_its_number(tmp_path, line, problem):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"q": "one"}\n\n' + line + b'\n{"q": "two"}\n')
    with pytest.raises(UserError) as caught:
        read_jsonl(path)
    assert str(caught.value).startswith(f"{path}, line 3: is damaged: ")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert read_jsonl(path, skip_damaged=True) == [{"q": "one"}, {"q": "two"}]


def test_a_row_of_another_shape_is_named_with_its_number(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 1}\n{"m": 2}\n')
    with pytest.raises(UserError, match=r"rows\.jsonl, line 2: is not a number \(n is missing\)"):
        read_records(path, lambda row: row["n"], "a number")


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, problem in [
        (tmp_path / "pipe", "a device or a pipe"),
        ("/dev/zero", "a device or a pipe"),
        (tmp_path, "is a directory"),
        (tmp_path / "gone", "no such file"),
        (tmp_path / ("x" * 5000), "cannot be opened"),
        ("a\0b", "cannot be opened"),
    ]:
        with pytest.raises(UserError, match=problem):
            open_file(path)


@given(st.binary(max_size=64))
def test_any_bytes_are_text_and_json_or_one_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "any.json"
    path.write_bytes(data)
    for read in (read_text, read_json, read_object, lambda path: list(table_rows(path, "\t")), read_jsonl):
        with suppress(UserError):  # anything else is a defect
            read(path)


def test_a_value_of_another_kind_is_named_with_its_field():
    assert typed({"n": 1}, "n", float) == 1
    assert typed({}, "n", str, default="") == ""
    for value, kinds in [("x", (int,)), (True, (int,)), ([], (str, dict)), (None, (str,))]:
        with pytest.raises(TypeError, match="n should be"):
            typed({"n": value}, "n", *kinds)
    with pytest.raises(KeyError):
        typed({}, "n", str)


def test_json_that_python_would_take_for_text_is_refused():
    with pytest.raises(ValueError, match="UTF-8"):
        parse_json('"\udcff"')


def table(tmp_path, text, divider="\t"):
    path = tmp_path / "rows.tsv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return [list(row.cells.values()) or row.error for row in table_rows(path, divider)]


def test_a_lone_quote_swallows_no_row(tmp_path):
    lines = [
        "a\tb\tc",
        '0\t"5 inch pipe\tx',
        "1\tplain\tx",
        '2\t6" pipe\tx',
        '3\t"7 inch\tx',
        '4\tends 8"\tx',
    ]
    wanted = [["0", '"5 inch pipe', "x"], ["1", "plain", "x"], ["2", '6" pipe', "x"], ["3", '"7 inch', "x"]]
    wanted += [["4", 'ends 8"', "x"]]
    for end in ("\n", "\r\n"):
        assert table(tmp_path, end.join(lines)) == wanted
        assert table(tmp_path, codecs.BOM_UTF8 + end.join(lines).encode()) == wanted


def test_quoted_cells_are_read_as_the_csv_module_writes_them(tmp_path):
    assert table(tmp_path, 'a\tb\n"one\ttab"\t"say ""x"""\n') == [["one\ttab", 'say "x"']]
    assert table(tmp_path, 'a\tb\tc\n0\t"first\nsecond\n"\tx\n1\ty\tz\n') == [
        ["0", "first\nsecond\n", "x"],
        ["1", "y", "z"],
    ]
    assert table(tmp_path, 'a\tb\n0\t"in the\nlast cell"\n1\tx\n') == [["0", "in the\nlast cell"], ["1", "x"]]
    assert table(tmp_path, 'a,b\n0,"one, two\nand three"\n1,x\n', ",") == [
        ["0", "one, two\nand three"],
        ["1", "x"],
    ]


def test_rows_with_other_numbers_of_cells_are_counted_not_guessed(tmp_path):
    found = table(tmp_path, 'a\tb\tc\n0\t"open\n1\tx\ty\n2\tx\n')
    assert found == ["has 2 cells, the header 3", ["1", "x", "y"], "has 2 cells, the header 3"]


CELLS = st.text(st.sampled_from('ab"\t\n\r,; é\u2028'), max_size=6)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=5), st.sampled_from("\t,"))
def test_what_the_csv_module_quotes_is_read_back(tmp_path_factory, rows, divider):
    """Cells without a divider after a line end: such a table cannot be told from one with lone quotes."""
    rows = [[cell.replace("\t", " ") for cell in row] for row in rows] if divider == "\t" else rows
    path = tmp_path_factory.mktemp("table") / "rows"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=divider, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
            [["a", "b", "c"], *rows]
        )
    assert [list(row.cells.values()) for row in table_rows(path, divider)] == rows
