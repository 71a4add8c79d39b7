"""`aidgate import`: all or nothing, every error named, a list again changes nothing."""

import json
from pathlib import Path

from gateway.cli.exits import Exit
from tests.books import today
from tests.gateway.cli.runner import Cli, new_identity

RESIDENTS = "身份证号,姓名,街镇"


def outcome(cli: Cli, *words: str, code: int = 0) -> dict[str, int]:
    changed: dict[str, int] = cli.json("import", *words, code=code)["changed"]
    return changed


def test_again_changes_nothing(cli: Cli) -> None:
    path = cli.file("again.csv", RESIDENTS, f"{new_identity()},甲,310104003", f"{new_identity()},乙,310104003")
    assert outcome(cli, "residents", path) == {"added": 2, "changed": 0, "unchanged": 0}
    assert outcome(cli, "residents", path) == {"added": 0, "changed": 0, "unchanged": 2}


def test_one_fault_stops_the_list(cli: Cli) -> None:
    path = cli.file("fault.csv", RESIDENTS, f"{new_identity()},甲,310104003", "123,乙,310104003", ",丙,")
    printed = cli("import", "residents", path, code=Exit.NO)
    assert "An id number has 18 characters" in printed
    assert printed.count("This cell is empty") == 2, "every error is named, not only the first"
    assert "2 of 3 rows are faulty; nothing was imported" in cli.error


def test_partial_imports_the_rest(cli: Cli) -> None:
    path = cli.file("partial.csv", RESIDENTS, f"{new_identity()},甲,310104003", "123,乙,310104003")
    assert outcome(cli, "residents", path, "--partial", code=Exit.NO)["added"] == 1
    assert outcome(cli, "residents", path, "--partial", code=Exit.NO)["unchanged"] == 1


def test_errors_to_a_workbook_that_can_be_imported(cli: Cli, tmp_path: Path) -> None:
    stranger = new_identity()
    path = cli.file("stranger.csv", "社保卡号,持卡人身份证号", f"X-{stranger},{stranger}")
    workbook = tmp_path / "errors.xlsx"
    cli("import", "cards", path, "--errors-to", str(workbook), code=Exit.NO)
    assert "Import the residents first" in cli("import", "cards", str(workbook), code=Exit.NO)
    cli("import", "residents", cli.file("late.csv", RESIDENTS, f"{stranger},甲,310104003"))
    assert "1 row: 1 added" in cli("import", "cards", str(workbook))


def test_errors_to_json_lines(cli: Cli, tmp_path: Path) -> None:
    path = cli.file("lines.csv", RESIDENTS, "123,乙,310104003")
    errors = tmp_path / "errors.jsonl"
    cli("import", "residents", path, "--errors-to", str(errors), code=Exit.NO)
    (line,) = errors.read_text().splitlines()
    assert json.loads(line)["problem"] == "ID_NUMBER_SHAPE"
    assert "123" not in line, "no error repeats what a cell holds"


def test_card_of_another_resident(cli: Cli) -> None:
    cli.resident("CARD-TAKEN")
    other = cli.resident("CARD-OTHER")
    path = cli.file("taken.csv", "社保卡号,持卡人身份证号", f"CARD-TAKEN,{other}")
    assert "another resident" in cli("import", "cards", path, code=Exit.NO)


def test_entitlement_gets_its_last_day(cli: Cli) -> None:
    identity = cli.resident("CARD-ENDS")
    head = "身份证号,救助身份,开始日期,结束日期,认定区,认定人"
    ended = cli.file("ended.csv", head, f"{identity},最低生活保障家庭成员,2020-01-01,2026-06-30,310101,tests")
    assert outcome(cli, "entitlements", ended) == {"added": 0, "changed": 1, "unchanged": 0}
    assert outcome(cli, "entitlements", ended) == {"added": 0, "changed": 0, "unchanged": 1}
    longer = cli.file("longer.csv", head, f"{identity},DIBAO,2020-01-01,长期,310101,tests")
    assert "entitlement of its own" in cli("import", "entitlements", longer, code=Exit.NO)


def test_opening_use_counts_once(cli: Cli) -> None:
    identity = cli.resident("CARD-USED")
    head = "身份证号,累计项目,金额（元）,来源,凭证号"
    accumulator = f"shanghai_medical_aid.aid_outpatient.{today().year}"
    used = cli.file("used.csv", head, f"{identity},{accumulator},6000.00,paper,P-1")
    assert outcome(cli, "opening-use", used)["added"] == 1
    assert outcome(cli, "opening-use", used)["unchanged"] == 1
    other = cli.file("other.csv", head, f"{identity},{accumulator},10.00,paper,P-1")
    assert "with another amount" in cli("import", "opening-use", other, code=Exit.NO)
    cli("quote", cli.claim("CARD-USED", 1000), "--terminal", "T1", code=Exit.NO)
    assert "CEILING_REACHED" in cli.error


def test_use_of_what_nobody_counts(cli: Cli) -> None:
    path = cli.file("odd.csv", "身份证号,累计项目,金额,来源,凭证号", f"{new_identity()},no.such.2026,1.00,paper,P-1")
    assert "none of the known names" in cli("import", "opening-use", path, code=Exit.NO)


def test_clinic_gets_new_particulars(cli: Cli) -> None:
    path = cli.file("clinic.csv", "机构代码,机构名称,街镇,级别", "C09,Ninth,310104003,1")
    assert outcome(cli, "clinics", path)["added"] == 1
    assert outcome(cli, "clinics", path)["unchanged"] == 1


def test_unread_columns_are_named(cli: Cli) -> None:
    path = cli.file("more.csv", f"{RESIDENTS},备注", f"{new_identity()},甲,310104003,x")
    assert "not read: 备注" in cli("import", "residents", path)
