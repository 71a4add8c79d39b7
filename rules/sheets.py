"""Catalogues and mappings that come as Excel sheets: reads them and writes them as the CSV of the rulebooks.

Outside the pure core: `read_cells` needs the `sheets` extra (python-calamine), which is loaded when it is called.
"""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal

from rules import catalogue
from rules.catalogue import ITEM_COLUMNS, MAPPING_COLUMNS, Row, RowError
from rules.errors import RulebookError

Cell = object

ALIASES = {
    "编码": "code", "药品代码": "code", "项目代码": "code",
    "名称": "name_zh", "英文名称": "name_en",
    "类别": "class", "甲乙丙": "class",
    "自付比例": "own_share", "先行自付比例": "own_share",
    "限价": "price_ceiling", "最高限价": "price_ceiling",
    "单位天数": "days_per_unit", "成分": "ingredient", "拼音码": "initials", "种类": "kind",
    "医疗机构": "clinic", "机构项目编码": "item",
    "生效日期": "starts", "失效日期": "ends", "发布日期": "published",
    "依据": "source", "依据性质": "status",
}  # fmt: skip
"""Chinese headers that are understood beside the columns' own names."""

_CLASSES = {"甲类": "A", "甲": "A", "乙类": "B", "乙": "B", "丙类": "C", "丙": "C"}


def read_cells(sheet: bytes, file: str) -> list[list[Cell]]:
    """The cells of the first sheet of an xlsx, xls or ods file. Raises RulebookError when it cannot be read.

    The library can abort the whole process on a hostile file: what strangers upload is read in a process of its own.
    """
    # A site that keeps its catalogue as CSV does not need the extra.
    from python_calamine import CalamineError, load_workbook  # noqa: PLC0415

    try:
        rows = load_workbook(io.BytesIO(sheet)).get_sheet_by_index(0).to_python(skip_empty_area=False)
    except CalamineError as error:
        raise RulebookError(file, 0, f"is no spreadsheet that can be read: save it as .xlsx ({error})") from error
    return [list(row) for row in rows]


def items_csv(cells: Sequence[Sequence[Cell]], file: str) -> tuple[bytes, list[RowError]]:
    """A catalogue's cells as CSV of the rulebooks; the rows with errors are left out of it.

    `file` names the upload in errors. Raises RulebookError when the header is not that of a catalogue.
    """
    return _convert(cells, file, ITEM_COLUMNS, catalogue.read_items)


def mapping_csv(cells: Sequence[Sequence[Cell]], file: str) -> tuple[bytes, list[RowError]]:
    """The same for the mapping of a clinic's own item codes."""
    return _convert(cells, file, MAPPING_COLUMNS, catalogue.read_mapping)


def _convert(
    cells: Sequence[Sequence[Cell]],
    file: str,
    columns: Sequence[str],
    read: Callable[[Iterable[tuple[int, Row]]], tuple[Sequence[object], list[RowError]]],
) -> tuple[bytes, list[RowError]]:
    rows = _rows(cells, file, columns)
    _, errors = read(rows)
    wrong = {error.line for error in errors}
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for line, row in rows if line not in wrong)
    return text.getvalue().encode(), errors


def _rows(cells: Sequence[Sequence[Cell]], file: str, columns: Sequence[str]) -> list[tuple[int, Row]]:
    """The rows with their line (the header is line 1), cells as text; empty rows are left out."""
    if not cells:
        raise RulebookError(file, 0, "is empty: the first sheet must hold the header and the rows")
    header, *body = cells
    names = [ALIASES.get(text, text) for text in (_text("", cell) for cell in header)]
    catalogue.check_header(file, 1, names, columns)
    rows: list[tuple[int, Row]] = []
    for line, row in enumerate(body, 2):
        texts = {name: _text(name, cell) for name, cell in zip(names, row, strict=True)}
        if any(texts.values()):
            rows.append((line, texts))
    return rows


def _text(column: str, cell: Cell) -> str:
    """A cell as the CSV would write it. Numbers come as floats; their shortest decimal is what was typed."""
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        number = Decimal(repr(cell))
        if column == "own_share":
            # Excel keeps 10 % as 0.1.
            return f"{(number * 100).normalize():f}%"
        return f"{number.normalize():f}"
    text = str(cell).strip()
    return _CLASSES.get(text, text) if column == "class" else text
