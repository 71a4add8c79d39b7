"""Every way in which this system says no, in order of precedence.

One closed list. What stands earlier is answered first when several reasons hold. A *stored* refusal is the decision
of an operation and final for its id; the others leave nothing behind, and the same request may be sent again. The
HTTP status of each is in `gateway/api/problems.py`, because what a word is on the wire is the wire's business.
"""

from enum import StrEnum, unique

import msgspec


@unique
class Refusal(StrEnum):
    """The codes, in order of precedence. The order of definition is the order of precedence."""

    # Before anything is looked at: shed load while it is cheap.
    DRAINING = "DRAINING"
    OVERLOADED = "OVERLOADED"
    # The request itself.
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    TOO_LARGE = "TOO_LARGE"
    WRONG_MEDIA_TYPE = "WRONG_MEDIA_TYPE"
    TERMINAL_UNKNOWN = "TERMINAL_UNKNOWN"
    SIGNATURE_REFUSED = "SIGNATURE_REFUSED"
    TERMINAL_REVOKED = "TERMINAL_REVOKED"
    THROTTLED = "THROTTLED"
    MALFORMED = "MALFORMED"
    IMPOSSIBLE = "IMPOSSIBLE"
    ID_OUT_OF_RANGE = "ID_OUT_OF_RANGE"
    TERMS_INVALID = "TERMS_INVALID"
    DEADLINE_PASSED = "DEADLINE_PASSED"
    IN_FLIGHT = "IN_FLIGHT"
    FAULT = "FAULT"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    # The same id again: a repeat is answered however late it comes.
    ID_REUSED = "ID_REUSED"
    EVENT_TIME_OUT_OF_RANGE = "EVENT_TIME_OUT_OF_RANGE"
    # From here on refusals are decisions: stored, and final for the id.
    REVERSED_BEFORE_ARRIVAL = "REVERSED_BEFORE_ARRIVAL"
    # What a reversal, a replacement or a superseding claim refers to.
    NOT_THE_CLINICS = "NOT_THE_CLINICS"
    REFERS_TO_OTHER_ACCOUNT = "REFERS_TO_OTHER_ACCOUNT"
    NOTHING_TO_REVERSE = "NOTHING_TO_REVERSE"
    ALREADY_REVERSED = "ALREADY_REVERSED"
    LINE_UNKNOWN = "LINE_UNKNOWN"
    SUPERSEDES_NOTHING = "SUPERSEDES_NOTHING"
    OTHER_DAY_OF_SERVICE = "OTHER_DAY_OF_SERVICE"
    # Standing: who may not be served just now.
    CLINIC_FROZEN = "CLINIC_FROZEN"
    TERMINAL_FROZEN = "TERMINAL_FROZEN"
    CARD_UNKNOWN = "CARD_UNKNOWN"
    CARD_FROZEN = "CARD_FROZEN"
    ACCOUNT_FROZEN = "ACCOUNT_FROZEN"
    PRIOR_SETTLEMENT_USED = "PRIOR_SETTLEMENT_USED"
    STAY_UNKNOWN = "STAY_UNKNOWN"
    ENTITLEMENT_UNKNOWN = "ENTITLEMENT_UNKNOWN"
    # What the counters say.
    COUNTER_REFUSED = "COUNTER_REFUSED"
    # What the rulebooks say.
    NO_RULEBOOK = "NO_RULEBOOK"
    NOT_ENTITLED = "NOT_ENTITLED"
    VISIT_TYPE_NOT_COVERED = "VISIT_TYPE_NOT_COVERED"
    ALREADY_AIDED = "ALREADY_AIDED"
    NOTHING_IN_SCOPE = "NOTHING_IN_SCOPE"
    PRIOR_PAID_ALL = "PRIOR_PAID_ALL"
    # The one that comes with an approval: aid pays nothing yet, but the cost counts towards the deductible.
    BELOW_DEDUCTIBLE = "BELOW_DEDUCTIBLE"
    CEILING_REACHED = "CEILING_REACHED"
    QUOTE_CHANGED = "QUOTE_CHANGED"
    # Answered with a new claim that names the check made.
    CHECK_IDENTITY = "CHECK_IDENTITY"


class Saying(msgspec.Struct, frozen=True):
    """What a refusal means to the three people who may read it."""

    stored: bool
    """True: the decision of an operation, final for its id. False: nothing is left behind."""
    transient: bool
    """May the same request succeed later, sent again unchanged?"""
    zh: str
    """For the cashier to read aloud, Chinese."""
    en: str
    action: str
    """What support does, or tells the clinic to do."""


def _no(zh: str, en: str, action: str) -> Saying:
    return Saying(stored=True, transient=False, zh=zh, en=en, action=action)


def _problem(zh: str, en: str, action: str, *, transient: bool = False) -> Saying:
    return Saying(stored=False, transient=transient, zh=zh, en=en, action=action)


SAYINGS: dict[Refusal, Saying] = {
    Refusal.DRAINING: _problem(
        "系统正在切换，请稍候自动重试。",
        "This gateway is handing over; the request will be repeated by itself.",
        "Send to another instance, or wait for the restart to finish.",
        transient=True,
    ),
    Refusal.OVERLOADED: _problem(
        "系统繁忙，请稍候自动重试。",
        "The gateway is busy; the request will be repeated by itself.",
        "Wait as Retry-After says. If it lasts, see the capacity figures and add an instance.",
        transient=True,
    ),
    Refusal.NOT_FOUND: _problem(
        "没有找到这笔记录。",
        "There is no such record for this clinic.",
        "Check the id or the number; a clinic sees its own claims only.",
    ),
    Refusal.METHOD_NOT_ALLOWED: _problem(
        "接口调用方式不正确。",
        "This address does not take that method.",
        "Integrator: see /openapi.json for the methods of each address.",
    ),
    Refusal.TOO_LARGE: _problem(
        "上传内容过大。",
        "The request is larger than is accepted.",
        "Integrator: see the limits on the first page of the integrator's guide.",
    ),
    Refusal.WRONG_MEDIA_TYPE: _problem(
        "上传内容格式不正确。",
        "The body must be JSON, with Content-Type application/json.",
        "Integrator: send Content-Type: application/json.",
    ),
    Refusal.TERMINAL_UNKNOWN: _problem(
        "本终端尚未登记，请联系管理员。",
        "This terminal is not registered here.",
        "Register the terminal's key, or correct the key id in the agent's configuration.",
    ),
    Refusal.SIGNATURE_REFUSED: _problem(
        "终端签名未通过，请检查终端时间后重试。",
        "The terminal's signature was not accepted.",
        "See `cause`: most often the terminal's clock is wrong; the answer carries the server's time.",
    ),
    Refusal.TERMINAL_REVOKED: _problem(
        "本终端已停用，请联系管理员。",
        "This terminal has been taken out of service.",
        "Find out why it was revoked; enrol the terminal anew if it is in order.",
    ),
    Refusal.THROTTLED: _problem(
        "操作过于频繁，请稍候。",
        "Too many requests from this terminal; wait a moment.",
        "Look for a loop in the hospital system; the limit per terminal is in the configuration.",
        transient=True,
    ),
    Refusal.MALFORMED: _problem(
        "上传内容无法识别。",
        "The request could not be read.",
        "Integrator: `detail` names the place; compare with /openapi.json.",
    ),
    Refusal.IMPOSSIBLE: _problem(
        "上传内容有误，请核对后重新提交。",
        "The request contradicts itself or holds an impossible value.",
        "Integrator: `fields` names what does not fit; the values are not repeated.",
    ),
    Refusal.ID_OUT_OF_RANGE: _problem(
        "业务编号的时间不在受理范围内。",
        "The id was not made within the accepted period.",
        "Check the terminal's clock; ids are UUIDv7 and carry their time.",
    ),
    Refusal.TERMS_INVALID: _problem(
        "离线凭据无效或已过期。",
        "The offline terms are not ours, not this card's, or had expired when the claim was captured.",
        "Send the claim without terms; it is then decided as any claim, and the clinic bears what was promised.",
    ),
    Refusal.DEADLINE_PASSED: _problem(
        "等待超时，请重试。",
        "The deadline had passed before the work was begun; nothing was done.",
        "Send again with the same id. If frequent, look at the gateway's queue.",
        transient=True,
    ),
    Refusal.IN_FLIGHT: _problem(
        "该账户正在处理另一笔业务，请稍候自动重试。",
        "The account is busy with another operation; the request will be repeated by itself.",
        "Wait as Retry-After says. If it lasts, look for who holds the account's lock.",
        transient=True,
    ),
    Refusal.FAULT: _problem(
        "系统故障，本笔未处理，请联系技术支持。",
        "This request met a fault of the gateway; nothing was done.",
        "Look up the request id in the gateway's log and report it with the log line.",
        transient=True,
    ),
    Refusal.OUTCOME_UNKNOWN: _problem(
        "结果正在确认中，请勿重复收费。",
        "The outcome is not known yet. Ask again with the same id; do not charge again.",
        "Nothing to do: the agent asks again. If it lasts, the database is away.",
        transient=True,
    ),
    Refusal.ID_REUSED: _problem(
        "业务编号已被另一笔业务使用。",
        "This id already stands for other content; nothing was changed.",
        "Integrator: make a new id for every new content. `fields` names what differs. A security event was kept.",
    ),
    Refusal.EVENT_TIME_OUT_OF_RANGE: _problem(
        "业务时间不在受理范围内，请检查终端时间。",
        "The time of the event is not within the accepted skew.",
        "Check the terminal's clock. Claims captured offline must say so.",
    ),
    Refusal.REVERSED_BEFORE_ARRIVAL: _no(
        "这笔业务已先行撤销，救助不支付。",
        "This claim was taken back before it arrived; aid does not pay it.",
        "If the resident is to be served after all, make a new claim.",
    ),
    Refusal.NOT_THE_CLINICS: _no(
        "这笔业务不属于本机构。",
        "That claim was made by another clinic.",
        "Only the clinic that made a claim can take it back.",
    ),
    Refusal.REFERS_TO_OTHER_ACCOUNT: _no(
        "这笔业务不属于该持卡人。",
        "That claim belongs to another card holder.",
        "Read the right card, or leave the card out where the claim is known.",
    ),
    Refusal.NOTHING_TO_REVERSE: _no(
        "原业务未获救助支付，无需撤销。",
        "Aid did not pay that claim; there is nothing to take back.",
        "Show the clinic the original decision.",
    ),
    Refusal.ALREADY_REVERSED: _no(
        "这笔业务（或所选明细）已经撤销。",
        "That claim, or one of these lines, was already taken back.",
        "Show the clinic the earlier reversal.",
    ),
    Refusal.LINE_UNKNOWN: _no(
        "原业务中没有所选明细。",
        "The claim has no such line.",
        "Name lines by the ids they had in the claim.",
    ),
    Refusal.SUPERSEDES_NOTHING: _no(
        "所引用的原业务不存在或不能重新提交。",
        "The claim it says it supersedes is not an open challenge or a changed quote of this card.",
        "Name the challenged claim itself, and only once.",
    ),
    Refusal.OTHER_DAY_OF_SERVICE: _no(
        "更正业务的就诊日期必须与原业务一致。",
        "A replacement keeps the original's day of service.",
        "Reverse the claim and make a new one if the day was wrong.",
    ),
    Refusal.CLINIC_FROZEN: _no(
        "本机构的救助直接结算已暂停，请先自费结算。",
        "Direct settlement of aid is suspended for this clinic; the resident pays and applies at the town office.",
        "See who suspended the clinic, and until when.",
    ),
    Refusal.TERMINAL_FROZEN: _no(
        "本终端的救助结算已暂停，请到其他窗口办理。",
        "This terminal is suspended; please go to another counter.",
        "See who suspended the terminal, and until when.",
    ),
    Refusal.CARD_UNKNOWN: _no(
        "该卡未登记救助信息，请到街道社区事务受理服务中心办理。",
        "This card is not registered for aid; please ask at the town office.",
        "Register the resident and card if there is an entitlement.",
    ),
    Refusal.CARD_FROZEN: _no(
        "该卡已挂失或暂停使用，请到街道社区事务受理服务中心办理。",
        "This card is reported lost or suspended; please ask at the town office.",
        "See who froze the card, and until when.",
    ),
    Refusal.ACCOUNT_FROZEN: _no(
        "该账户的救助已暂停，请到街道社区事务受理服务中心办理。",
        "Aid is suspended for this account; please ask at the town office.",
        "See who froze the account, and until when.",
    ),
    Refusal.PRIOR_SETTLEMENT_USED: _no(
        "该医保结算单已用于另一笔救助业务。",
        "That insurance settlement already stands behind another claim.",
        "Find the other claim by the settlement id; reverse it first if it was wrong.",
    ),
    Refusal.STAY_UNKNOWN: _no(
        "没有找到对应的住院登记。",
        "There is no such open stay at this clinic.",
        "Send the admission first.",
    ),
    Refusal.ENTITLEMENT_UNKNOWN: _no(
        "没有找到对应的救助身份。",
        "The account has no such entitlement to stop.",
        "Look up the resident's entitlements.",
    ),
    Refusal.COUNTER_REFUSED: _no(
        "该卡近期使用异常，本次救助不支付，请先自费结算。",
        "Recent use of this card is out of the ordinary; aid does not pay this one.",
        "An alert is open; the answer names the counter and its value.",
    ),
    Refusal.NO_RULEBOOK: _no(
        "就诊日期没有适用的救助规定。",
        "No rulebook covers the day of service.",
        "Check the day; if it is right, the rulebooks need that period.",
    ),
    Refusal.NOT_ENTITLED: _no(
        "就诊当日没有有效的救助身份。",
        "The holder was not entitled to aid on the day of service.",
        "See the entitlements and their dates; the town office can correct them.",
    ),
    Refusal.VISIT_TYPE_NOT_COVERED: _no(
        "该救助身份不包含此类就诊。",
        "The holder's category does not cover this kind of visit.",
        "See the rulebook for the category on that day.",
    ),
    Refusal.ALREADY_AIDED: _no(
        "医保结算中已支付医疗救助，不再重复支付。",
        "Medical aid was already paid within the insurer's own settlement.",
        "Nothing to do, unless the prior payers were sent wrongly.",
    ),
    Refusal.NOTHING_IN_SCOPE: _no(
        "本次费用不属于救助范围。",
        "Nothing of this visit is within what aid covers.",
        "See the lines: out of catalogue, or not mapped.",
    ),
    Refusal.PRIOR_PAID_ALL: _no(
        "本次范围内费用已由其他支付方支付。",
        "Those who pay before aid have paid everything it covers.",
        "Nothing to do.",
    ),
    Refusal.BELOW_DEDUCTIBLE: _no(
        "本次费用未达到救助起付标准，已计入累计。",
        "The cost stays below the deductible of aid; it was counted towards it.",
        "The steps show how much of the deductible is used.",
    ),
    Refusal.CEILING_REACHED: _no(
        "本年度救助额度已用完。",
        "This year's aid is used up.",
        "The steps show the ceiling and what was used.",
    ),
    Refusal.QUOTE_CHANGED: _no(
        "预结算结果已变化，请按新结果重新确认。",
        "The split has changed since it was shown; the new one is here to confirm.",
        "The agent shows the new quote and sends a new claim that supersedes this one.",
    ),
    Refusal.CHECK_IDENTITY: _no(
        "请核对持卡人身份证件后重新提交。",
        "Please check the holder's identity card, then submit again.",
        "The new claim names who checked what, and supersedes this one.",
    ),
}
"""A saying for every refusal; a test holds the two lists together."""

PRECEDENCE: dict[Refusal, int] = {refusal: place for place, refusal in enumerate(Refusal)}
