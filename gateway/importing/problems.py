"""Everything that can be wrong with an imported list: one closed list of sentences, in English and Chinese.

No sentence repeats what a cell holds. Columns get shifted, so that any cell may hold an id number, and sentences end up
in logs and mails; the row and the column say where to look.
"""

from enum import Enum

from msgspec import Struct


class Problem(Enum):
    """English, Chinese. Names are stable: programs may go by them."""

    # of the file
    EMPTY_FILE = ("The file is empty.", "文件为空。")
    FILE_TOO_LARGE = (
        "The file is larger than {limit}. Split it into several files.",
        "文件超过 {limit}，请拆分为多个文件。",
    )
    UNKNOWN_ENCODING = (
        "The text is neither UTF-8 nor GB18030. Save it from Excel as “CSV UTF-8” or as .xlsx.",
        "文本编码既不是 UTF-8 也不是 GB18030，请在 Excel 中另存为“CSV UTF-8”或 .xlsx。",
    )
    WEB_PAGE = (
        "This is a web page that is called a spreadsheet. Open it in Excel and save it as .xlsx.",
        "这是以表格命名的网页文件，请用 Excel 打开后另存为 .xlsx。",
    )
    BROKEN_CSV = (
        "Quotation marks do not match in row {row} or later. Save the file anew as .xlsx or CSV.",
        "第 {row} 行或其后的引号不成对，请重新另存为 .xlsx 或 CSV。",
    )
    UNREADABLE = (
        "The file cannot be read as a spreadsheet: it is damaged, or spreads over an unreasonable area. "
        "Copy the list into a new file and save it as .xlsx.",
        "无法按表格读取：文件已损坏，或单元格范围过大。请将名单复制到新文件并另存为 .xlsx。",
    )
    NO_READER = (
        "Spreadsheets cannot be read here. Install aidgate[sheets], or save the list as “CSV UTF-8”.",
        "此处无法读取电子表格，请安装 aidgate[sheets]，或另存为“CSV UTF-8”。",
    )
    PASSWORD = ("The file has a password. Save it without one.", "文件设有密码，请取消密码后另存。")
    NO_SUCH_SHEET = ("The file has no such sheet.", "文件中没有该工作表。")
    SEVERAL_SHEETS = (
        "Several sheets hold data. Name the one to import, or save it as a file of its own.",
        "多个工作表含有数据，请指明要导入的工作表，或将其单独存为一个文件。",
    )
    NO_HEADER = (
        "No row of headers was found among the first {limit} rows. The list needs these headers: {headers}.",
        "前 {limit} 行中没有找到表头。名单需要以下表头：{headers}。",
    )
    HEADERS_MISSING = (
        "These headers are missing: {headers}.",
        "缺少以下表头：{headers}。",
    )
    HEADERS_TWICE = (
        "Several columns mean the same: {headers}. Keep one of them.",
        "多个列的含义相同：{headers}。请只保留一列。",
    )

    # of a row
    NO_COLUMN = (
        "The row goes on to the right of the last header. Empty those cells, or put cells with commas into quotes.",
        "该行超出最后一列表头，请清空多余的单元格，或给含逗号的内容加引号。",
    )
    MERGED = ("Cells are merged here. Unmerge them and fill in every cell.", "此处有合并单元格，请取消合并并逐格填写。")
    REPEATED = ("The same as in row {row}. Delete one of the two.", "与第 {row} 行重复，请删除其中一行。")

    # of a cell
    EMPTY = ("This cell is empty. Fill it in.", "此格为空，请填写。")
    CONTROL_CHARACTER = (
        "There is an invisible control character in this cell. Type the cell anew.",
        "此格含有不可见的控制字符，请重新输入。",
    )
    TOO_LONG = ("This is longer than {limit} characters.", "内容超过 {limit} 个字符。")
    NUMBER_DESTROYED = (
        "A spreadsheet treated this number as an amount: it keeps 15 digits and drops zeros in front. "
        "Format the column as text and type the number anew.",
        "此号码被表格当作数值处理，只保留 15 位有效数字并丢失开头的零。请将该列设为文本格式后重新输入。",
    )
    ID_NUMBER_OLD = (
        "This is an id number of 15 digits. Enter the one of 18 characters.",
        "这是 15 位旧身份证号，请填写 18 位号码。",
    )
    ID_NUMBER_SHAPE = (
        "An id number has 18 characters: 17 digits, then a digit or X.",
        "身份证号应为 18 位：17 位数字加 1 位数字或 X。",
    )
    ID_NUMBER_BIRTH = ("The date of birth in this id number does not exist.", "身份证号中的出生日期不存在。")
    ID_NUMBER_UNBORN = (
        "The date of birth in this id number lies in the future.",
        "身份证号中的出生日期晚于今天。",
    )
    ID_NUMBER_CHECK = (
        "The last character of this id number does not fit the others: one of them is wrong.",
        "身份证号校验位不符，请核对号码。",
    )
    CODE_SHAPE = (
        "A code consists of letters, digits, hyphens, dots and underscores.",
        "代码只能由字母、数字、连字符、点和下划线组成。",
    )
    TOWN_SHAPE = (
        "A town is given by its code of 9 digits (12 with 000 at the end).",
        "街镇应填写 9 位代码（或末尾为 000 的 12 位代码）。",
    )
    DISTRICT_SHAPE = ("A district is given by its code of 6 digits.", "区应填写 6 位行政区划代码。")
    NOT_KNOWN = ("This is none of the known names or codes.", "该名称或代码不在已知范围内。")
    DATE_SHAPE = (
        "A date is written 2024-02-29, 2024/2/29, 2024年2月29日 or 20240229, without a time.",
        "日期应写作 2024-02-29、2024/2/29、2024年2月29日或 20240229，不含时间。",
    )
    NO_SUCH_DATE = ("This date does not exist.", "该日期不存在。")
    DATE_TOO_FAR = (
        "Dates lie between 1900 and 2199. Leave the last day empty for “until further notice”.",
        "日期应在 1900 年至 2199 年之间；长期有效时请将结束日期留空。",
    )
    ENDS_BEFORE_START = ("The last day comes before the first.", "结束日期早于开始日期。")
    AMOUNT_SHAPE = ("An amount is written in yuan: 1234.50 or 1,234.50.", "金额以元为单位，写作 1234.50 或 1,234.50。")
    AMOUNT_DECIMALS = (
        "An amount has at most two decimals. Round it in the spreadsheet.",
        "金额最多两位小数，请先在表格中四舍五入。",
    )
    AMOUNT_NOT_POSITIVE = ("The amount must be more than zero.", "金额必须大于零。")
    AMOUNT_TOO_LARGE = ("The amount is larger than a thousand million yuan.", "金额超过十亿元。")
    DEGREES_SHAPE = ("A coordinate is written in degrees: 31.1986.", "坐标应以十进制度表示，例如 31.1986。")
    LATITUDE_RANGE = (
        "A latitude lies between -90 and 90. Perhaps latitude and longitude are exchanged.",
        "纬度应在 -90 至 90 之间，纬度与经度可能填反。",
    )
    LONGITUDE_RANGE = ("A longitude lies between -180 and 180.", "经度应在 -180 至 180 之间。")
    HALF_A_PLACE = ("Give both latitude and longitude, or neither.", "纬度和经度应同时填写或同时留空。")
    LEVEL_SHAPE = ("A level is 1, 2 or 3.", "级别应为 1、2 或 3（一级、二级、三级）。")


class RowError(Struct, frozen=True):
    """What is wrong in one row. `row` counts as Excel does, from 1; `column` is the header as written, or empty."""

    row: int
    column: str
    problem: str
    message: str
    message_zh: str


class CellRefused(ValueError):
    """A cell does not hold what its column is for."""

    def __init__(self, problem: Problem, /, **details: object) -> None:
        super().__init__(problem.value[0].format(**details))
        self.problem = problem
        self.details = details


class UnreadableTable(ValueError):
    """The file as a whole cannot be read. The text is the English sentence."""

    def __init__(self, problem: Problem, **details: object) -> None:
        self.problem = problem
        self.message, self.message_zh = (sentence.format(**details) for sentence in problem.value)
        super().__init__(self.message)


def row_error(row: int, column: str, problem: Problem, /, **details: object) -> RowError:
    """The error with its sentences filled in."""
    message, message_zh = (sentence.format(**details) for sentence in problem.value)
    return RowError(row, column, problem.name, message, message_zh)
