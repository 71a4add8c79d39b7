"""Loading rulebooks: what is refused, where and why; what holds on a day."""

import re
from datetime import date

import pytest

import rules
from rules.folder import SHIPPED
from tests.rules import reading

FILES = rules.read_folder(reading.HERE / "books" / "mechanisms")
SCHEME = "alpha/scheme.toml"


def changed(old: str, new: str, file: str = SCHEME) -> dict[str, bytes]:
    """The books with one place changed, which must be there exactly once or is changed the first time."""
    text = FILES[file].decode()
    assert old in text
    return FILES | {file: text.replace(old, new, 1).encode()}


def line_of(text: str, file: str = SCHEME) -> int:
    return FILES[file].decode().split(text)[0].count("\n") + 1


def refused(files: dict[str, bytes]) -> rules.RulebookError:
    with pytest.raises(rules.RulebookError) as caught:
        rules.load_rulebooks(files)
    return caught.value


def test_the_shipped_books_say_of_every_number_where_it_comes_from() -> None:
    """The loader demands source and status; here, that what is sourced is what is said to be."""
    text = "".join(content.decode() for path, content in rules.read_folder(SHIPPED).items() if path.endswith(".toml"))
    assert set(re.findall(r'status = "(\w+)"', text)) == {"law", "press", "synthetic"}
    outpatient = [
        block for block in text.split("[[") if block.startswith(("rate]]", "ceiling]]")) and '"outpatient"' in block
    ]
    assert outpatient
    for block in outpatient:
        assert 'status = "synthetic"' in block or "TEKUN" in block, block


def test_days_that_no_text_read_names_are_not_said_to_be_law() -> None:
    """Of two texts only the day of publication was read; when they came into force is carried in from elsewhere."""
    from_memory = ("starts = 2014-05-01", "starts = 2021-05-01")
    files = rules.read_folder(SHIPPED)
    tables = [table for path in files if path.endswith(".toml") for table in files[path].decode().split("\n[[")]
    found = [table for table in tables if any(day in table for day in from_memory)]
    assert len(found) == 3
    for table in found:
        assert 'starts_status = "synthetic"' in table, table


@pytest.mark.parametrize(
    ("old", "new", "near", "sentence"),
    [
        ('mode = "half_up"\n', 'mode = "half_up"\nmod = 1\n', 'mode = "half_up"', "unknown field `mod`"),
        ('mode = "half_up"', 'mode = "bankers"', 'mode = "half_up"', "Invalid enum value 'bankers'"),
        ('source = "Test"\n', "", "[[rounding]]", "missing required field `source`"),
        ('status = "synthetic"\n', "", "[[rounding]]", "missing required field `status`"),
        ("value = 200\n", "value = 200.5\n", "value = 200", "write the number as text in quotes"),
        ("value = 200\n", 'value = "200.555"\n', "value = 200", "finer than 2 decimal places"),
        ("value = 200\n", 'value = "-1"\n', "value = 200", "not a plain decimal"),
        ("value = 200\n", 'value = "none"\n', "value = 200", "a deductible is an amount"),
        ("value = 45\n", 'value = "45.00001"\n', "value = 45", "finer than 4 decimal places"),
        ("value = 45\n", "value = 101\n", "value = 45", "more than the whole"),
        ('unit = "yuan"', 'unit = "fen"', 'unit = "yuan"', "the unit is yuan, not fen"),
        ('begins = "07-01"', 'begins = "02-29"', 'begins = "07-01"', "a day of every year"),
        ("above = 10000,", "above = 20000,", "bands = [{ above = 0, value = 50", "each next one higher"),
        ('{ fund = "fund:c" }', '{ fund = "fund:c", value = 1 }', "funds = [", "the last fund takes the remainder"),
        ('{ fund = "fund:c" }', '{ fund = "fund:a" }', "funds = [", "twice"),
        ('accumulator = "aid_two"', 'accumulator = "Aid.Two"', 'accumulator = "aid_two"', "small letters"),
        ('visit_types = ["outpatient"]', 'visit_types = ["dental"]', "visit_types", "Invalid enum value 'dental'"),
        ("[[rounding]]", "[[roundings]]", "[[rounding]]", "is no subject of a scheme"),
        ("starts = 2020-01-01", "starts = soon", "starts = 2020-01-01", "is not TOML"),
        ("starts = 2020-01-01", 'starts = "2020-01-01"', "starts = 2020-01-01", "write the day without quotes"),
        ("starts = 2020-01-01", "starts = 2020-01-01T00:00:00", "starts = 2020-01-01", "without quotes and time"),
        ('source = "Test"', 'source = " "', 'source = "Test"', "it must not be empty"),
        ('name_zh = "甲"', 'name_zh = ""', 'name_zh = "甲"', "it must not be empty"),
        ('visit_types = ["outpatient"]', "visit_types = []", "visit_types", "length >= 1"),
        ('counts = ["in_scope", "own_share"]', "counts = []", "counts", "length >= 1"),
        ("{ above = 0, value = 40 }", "{ above = 0, value = 40, x = 1 }", "bands = [", "unknown field `x`"),
        ("rank = 1", 'rank = 1\ndistrict = "Xuhui"', "\n[[rounding]]", "a code of six digits"),
        ('begins = "07-01"', 'begins = "W10-1"', 'begins = "07-01"', "a day of every year"),
        ('{ fund = "fund:c" }', '{ fund = "bank" }', "funds = [", "is no fund"),
        ('{ fund = "fund:c" }', '{ fund = "fund:{district}" }', "funds = [", "takes what has no district"),
        ('"year_deductible"', '"aid"', 'accumulator = "aid"\n', "already belongs to a deductible"),
    ],
)
def test_errors_name_file_line_and_reason(old: str, new: str, near: str, sentence: str) -> None:
    error = refused(changed(old, new))
    assert error.file == SCHEME
    assert error.line == line_of(near) + (near == 'mode = "half_up"' and "mod = 1" in new)
    assert sentence in error.sentence


@pytest.mark.parametrize("subject", ["base", "deductible", "ceiling", "rate"])
def test_a_mistyped_category_is_an_error_and_not_a_limit_for_nobody(subject: str) -> None:
    error = refused(changed(f'[[{subject}]]\ncategories = ["ONE"]', f'[[{subject}]]\ncategories = ["OEN"]'))
    assert "OEN is no [[category]]" in error.sentence
    assert error.line == line_of(f"[[{subject}]]") + 1


@pytest.mark.parametrize(
    ("content", "line", "sentence"),
    [
        ('[scheme]\nrank = 1\n\n[["rounding"]]\nmode = "down"\n', 4, "[[rounding]], without quotes"),
        ('rounding = { mode = "down" }\n', 1, "[[rounding]], without quotes"),
        ('[scheme]\nnote = """\n[[scheme]]\n"""\n', 1, "[[scheme]], without quotes"),
        ("[rounding.deeper]\nmode = 1\n", 1, "without quotes, dots or braces"),
        ("rounding.mode = 1\n", 1, "without quotes, dots or braces"),
        ("rounding = []\n", 1, "stands outside of any table"),
        ("x = 1\n", 1, "stands outside of any table"),
        ("x = " + "[" * 5000 + "]" * 5000, 0, "nested too deeply"),
        ("x = 1" + "0" * 5000, 0, "is not TOML"),
        ("# first\n\0", 2, "a zero byte"),
    ],
)
def test_toml_that_no_rulebook_is_written_in(content: str, line: int, sentence: str) -> None:
    error = refused(FILES | {SCHEME: content.encode()})
    assert (error.file, error.line) == (SCHEME, line)
    assert sentence in error.sentence


def test_the_last_day_there_is_may_be_an_end() -> None:
    """Many write 9999-12-31 for “until further notice”."""
    books = rules.load_rulebooks(changed("starts = 2023-01-01", "starts = 2023-01-01\nends = 9999-12-31"))
    assert books.on(date.max).schemes[0].rounding == "down"


def test_a_scheme_is_not_called_like_a_step() -> None:
    for name in ("prior", "after", "cash", "My Scheme"):
        files = {path.replace("alpha/", f"{name}/"): content for path, content in FILES.items()}
        assert "a scheme's folder has small letters" in refused(files).sentence


def test_a_missing_ceiling_is_an_error_and_not_minus_one() -> None:
    """The one-stop system of 2011 answered -1 for a ceiling that was not in its table."""
    text = FILES[SCHEME].decode()
    blocks = [block for block in text.split("\n\n") if 'accumulator = "aid_two"' not in block]
    error = refused(FILES | {SCHEME: "\n\n".join(blocks).encode()})
    assert "TWO outpatient has a rate on 2020-01-01 but no [[ceiling]]" in error.sentence
    assert error.line > 0


@pytest.mark.parametrize(
    ("dates", "sentence"),
    [
        ("starts = 2020-01-01\nends = 2021-11-30", "gap, starts on 2022-01-01 but the value before ends on 2021-11-30"),
        ("starts = 2020-01-01\nends = 2022-01-01", "overlap, starts on 2022-01-01 but the value before ends"),
        ("starts = 2022-01-01", "overlap, two values start on 2022-01-01"),
        ("starts = 2020-01-01\nends = 2019-01-01", "ends on 2019-01-01, before it starts"),
        ("starts = 2020-06-01", "gap: a rate is in force on 2020-01-01, but no [[rounding]]"),
    ],
)
def test_gaps_and_overlaps(dates: str, sentence: str) -> None:
    error = refused(changed("starts = 2020-01-01", dates))
    assert sentence in error.sentence
    assert error.line > 0


def test_an_end_that_fits_is_no_error() -> None:
    rules.load_rulebooks(changed("starts = 2020-01-01", "starts = 2020-01-01\nends = 2021-12-31"))


def test_a_category_without_a_name_is_a_gap() -> None:
    error = refused(changed('code = "TWO"', 'code = "THREE"'))
    assert "TWO is no [[category]]" in error.sentence


def test_payers_and_ranks() -> None:
    payers = "payers/payers.toml"
    assert "the code pool is taken" in refused(changed('"medical_aid"', '"pool"', payers)).sentence
    order = 'payers = ["personal_account", "pool", "unknown", "medical_aid", "aid"]'
    late = 'payers = ["personal_account", "pool", "unknown", "aid", "medical_aid"]'
    assert "its place is before aid" in refused(changed(order, late, payers)).sentence
    assert "must name each of" in refused(changed('"unknown", ', "", payers)).sentence
    no_order = refused(changed("starts = 2020-01-01", "starts = 2020-02-01", payers))
    assert "no [[order]] of payers" in no_order.sentence
    assert "has the rank of alpha" in refused(changed("rank = 2", "rank = 1", "beta/scheme.toml")).sentence


def test_files_that_have_no_place() -> None:
    for path in ("README.toml", "alpha/deeper/rates.toml", "alpha/rates.yaml", "catalogue/items.toml"):
        assert "has no place here" in refused(FILES | {path: b""}).sentence
    assert "needs exactly one [scheme]" in refused(FILES | {"gamma/rates.toml": b"# nothing"}).sentence


def test_not_utf8() -> None:
    error = refused(FILES | {SCHEME: b"# first\n# \xff\n"})
    assert (error.line, error.sentence) == (2, "is not UTF-8: save it as UTF-8")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('measure = "claims"', 'measure = "moods"', "no such measure"),
        ('unit = "claims"', 'unit = "yuan"', "the unit of claims is claims"),
        ('window = "10min"', 'window = "10m"', "is no window"),
        ('window = "10min"', 'window = "current"', "needs a window"),
        ('snooze = "1h"', 'snooze = "event"', "and a snooze"),
        ("{ at = 3, action", "{ at = 0, action", "from 1 up"),
        ("{ at = 3, action", "{ at = 9, action", "each higher than the one before"),
        ('action = "flag"', 'action = "panic"', "Invalid enum value 'panic'"),
        ("tolerance = 2\n", "", "near_duplicates takes tolerance"),
        ('snooze = "1h"\n', 'snooze = "1h"\ntolerance = 2\n', "claims takes none of the settings"),
        ('window = "1h"', 'window = "10min"', "overlap"),
        ('window = "30d"', 'window = "99999999d"', "ten years at most"),
        ('at = 3, action = "flag"', 'at = 3, action = "refuse"', "must not have the lighter action"),
        ('key = "C01"', 'key = ""', "must not be empty"),
    ],
)
def test_errors_in_counters(old: str, new: str, sentence: str) -> None:
    file = "counters/card.toml"
    files = rules.read_folder(SHIPPED)
    text = files[file].decode()
    assert old in text
    error = refused(files | {file: text.replace(old, new, 1).encode()})
    assert error.file == file
    assert error.line > 0
    assert sentence in error.sentence


def test_digest_covers_every_file_and_not_their_line_ends() -> None:
    digest = rules.load_rulebooks(FILES).digest
    assert re.fullmatch("[0-9a-f]{64}", digest)
    dos = {path: b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n") for path, content in FILES.items()}
    assert rules.load_rulebooks(dos).digest == digest
    for path in FILES:
        longer = FILES[path] + (b"# more\n" if path.endswith(".toml") else b"\n")
        assert rules.load_rulebooks(FILES | {path: longer}).digest != digest, path
    assert rules.load_rulebooks(FILES, known_on=date(2026, 1, 1)).digest != digest


def test_a_correction_replaces_what_starts_the_same_day() -> None:
    extra = (
        '\n[[rounding]]\nmode = "half_even"\nstarts = 2020-01-01\npublished = 2021-05-05\n'
        'source = "Test"\nstatus = "synthetic"\n'
    )
    files = FILES | {SCHEME: FILES[SCHEME] + extra.encode()}
    assert rules.load_rulebooks(files).on(date(2020, 3, 1)).schemes[0].rounding == "half_even"
    before = rules.load_rulebooks(files, known_on=date(2021, 5, 4))
    assert before.on(date(2020, 3, 1)).schemes[0].rounding == "half_up"


def test_names_of_categories_change_on_their_day() -> None:
    books = reading.books("shipped")

    def name(day: date, code: str) -> str:
        return books.on(day).schemes[0].names[code][0]

    assert name(date(2024, 12, 30), "LOWINC") == "低收入困难家庭成员"
    assert name(date(2024, 12, 31), "LOWINC") == "最低生活保障边缘家庭成员"
    assert name(date(2019, 4, 30), "EXPEND") == "因病支出型贫困家庭成员"
    assert name(date(2019, 5, 1), "EXPEND") == "支出型贫困家庭成员"
    assert name(date(2024, 12, 30), "EXPEND") == "支出型贫困家庭成员"
    assert name(date(2024, 12, 31), "EXPEND") == "刚性支出困难家庭成员"


def test_days_are_worked_out_once() -> None:
    books = rules.load_rulebooks(FILES)
    assert books.on(date(2020, 3, 1)) is books.on(date(2020, 3, 1))
    assert books.on(date(2020, 3, 2)) is books.on(date(2020, 3, 1))
    for ordinal in range(date(2020, 1, 1).toordinal(), date(2024, 1, 1).toordinal()):
        books.on(date.fromordinal(ordinal))
    assert len(books._days) <= 512


def test_accumulators_do_not_depend_on_entitlements() -> None:
    found = rules.accumulators(
        reading.books("mechanisms"), day=date(2021, 8, 1), visit="XH01/1", visit_type="outpatient"
    )
    assert set(found) == {
        "alpha.visit_deductible.visit.XH01/1",
        "alpha.year_deductible.2021",
        "alpha.aid_visit.visit.XH01/1",
        "alpha.aid.2021",
        "alpha.aid_two.2021",
        "alpha.aid_nursed.2021",
        "beta.aid.2021",
    }
    early = rules.accumulators(reading.books("mechanisms"), day=date(1990, 1, 1), visit="V", visit_type="outpatient")
    assert early == ()


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError, match="give the folder that holds the rulebooks"):
        rules.read_folder(reading.HERE / "nowhere")
