"""Reads one sheet of a spreadsheet, in a process by itself: bytes on standard input, msgpack on standard output.

A spreadsheet of a few kilobytes can ask for any amount of memory: one stray cell at XFD1048576 spans 17 thousand
million cells, and the reader then aborts its process. So that process is this one, with limits, and never the gateway.
Run by path; it must not import anything of the project.
"""

import datetime
import sys
from io import BytesIO

import msgspec
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

MEMORY_BYTES = 2 * 1024**3
CPU_SECONDS = 60
MAX_ROWS = 100_000
MAX_COLUMNS = 200
MAX_CHARACTERS = 50_000_000
CELL_CHARACTERS = 1001
"""Longer cells are cut: the longest that any column takes is far below."""


def limit_this_process() -> None:
    """Where the system cannot limit a process (Windows), the file is read without limits."""
    try:
        import resource  # noqa: PLC0415  exists on Unix only
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def cell(value: object) -> tuple[str, str]:
    """Kind and text. A number has the 15 digits that spreadsheets show; what lies behind is noise of its arithmetic."""
    if isinstance(value, bool):
        return "text", str(value).upper()
    if isinstance(value, int | float):
        return "number", f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        is_date = value.time() == datetime.time.min
        return ("date", value.date().isoformat()) if is_date else ("text", value.isoformat(" "))
    if isinstance(value, datetime.date):
        return "date", value.isoformat()
    return "text", str(value)[:CELL_CHARACTERS]


def chosen(workbook: CalamineWorkbook, name: str) -> CalamineSheet | str:
    """The sheet of that name; without a name the only visible one that holds anything. Else the name of the problem."""
    if name:
        return workbook.get_sheet_by_name(name) if name in workbook.sheet_names else "NO_SUCH_SHEET"
    visible = [
        workbook.get_sheet_by_name(sheet.name)
        for sheet in workbook.sheets_metadata
        if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible
    ]
    filled = [sheet for sheet in visible if sheet.height]
    if len(filled) > 1:
        return "SEVERAL_SHEETS"
    return filled[0] if filled else "EMPTY_FILE"


def read(content: bytes, name: str) -> dict[str, object]:
    """{"problem": name}, or {"rows": [[[kind, text], …], …], "merged": [[row, column], …]}, counted from 0."""
    sheet = chosen(CalamineWorkbook.from_filelike(BytesIO(content)), name)
    if isinstance(sheet, str):
        return {"problem": sheet}
    if not sheet.height:
        return {"problem": "EMPTY_FILE"}
    if sheet.total_height > MAX_ROWS or sheet.total_width > MAX_COLUMNS:
        return {"problem": "UNREADABLE"}
    rows = [[cell(value) for value in row] for row in sheet.to_python(skip_empty_area=False)]
    if sum(len(text) for row in rows for _, text in row) > MAX_CHARACTERS:
        return {"problem": "UNREADABLE"}
    merged: dict[int, int] = {}
    for (top, left), (bottom, _) in sheet.merged_cell_ranges or []:
        for row in range(top, min(bottom, len(rows) - 1) + 1):
            merged.setdefault(row, left)
    return {"rows": rows, "merged": sorted(merged.items())}


def main() -> None:
    limit_this_process()
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        answer = read(sys.stdin.buffer.read(), name)
    except PasswordError:
        answer = {"problem": "PASSWORD"}
    except (CalamineError, MemoryError):
        answer = {"problem": "UNREADABLE"}
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))


if __name__ == "__main__":
    main()
