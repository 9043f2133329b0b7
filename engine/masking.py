"""How personal data looks to those who may not see it in full (DOMAIN §5)."""

from __future__ import annotations

import re
import unicodedata

#: 15/18-digit identity numbers, 16–19-digit cards, 11-digit mobile numbers in free text, also in the groups people
#: write them in
PERSONAL_NUMBER = re.compile(
    r"(?<!\d)(?:\d{17}[\dXx]|\d{15,19}|1\d{10}|\d{6}[ -]\d{8}[ -]\d{3}[\dXx]|1\d\d[ -]\d{4}[ -]\d{4}"
    r"|\d{4}(?:[ -]\d{4}){3}(?:[ -]\d{1,3})?)(?![\dXx])"
)


def mask_name(name: str) -> str:
    """张秀英 → 张某某: the surname stays, the rest is hidden."""
    name = name.strip()
    if not name:
        return ""
    surname = name[:2] if len(name) > 3 else name[:1]
    return surname + "某" * max(len(name) - len(surname), 1)


def mask_phone(phone: str) -> str:
    """13812345678 → 138****5678; short numbers keep the last two digits."""
    digits = re.sub(r"\D", "", phone)
    if len(digits) < 7:
        return "****" + digits[-2:] if digits else ""
    return f"{digits[:3]}****{digits[-4:]}"


def has_personal_number(text: str) -> bool:
    """Tell whether a number of a person stands in free text, in full or half width."""
    return PERSONAL_NUMBER.search(unicodedata.normalize("NFKC", text)) is not None


def mask_numbers(text: str) -> str:
    """Hide the numbers that stand in free text: of a mobile number 3 and 4 digits stay, of any other the last 4."""
    return PERSONAL_NUMBER.sub(lambda match: _masked(re.sub("[ -]", "", match[0])), text)


def _masked(digits: str) -> str:
    return mask_phone(digits) if len(digits) == 11 else "*" * (len(digits) - 4) + digits[-4:]


def mask_text(text: str, names: tuple[str, ...] = ()) -> str:
    """Hide numbers and the given full names in free text."""
    for name in sorted(filter(None, names), key=len, reverse=True):
        text = text.replace(name, mask_name(name))
    return mask_numbers(text)


def mask_personal(text: str) -> str:
    """Hide the numbers of a personal value, however they are spaced; any number alone in it counts as a telephone."""
    if not re.fullmatch(r"[\d\s+-]*\d[\d\s+-]*[xX]?", text):
        return mask_numbers(text)
    plain = re.sub(r"[\s+-]", "", text)
    hidden = mask_numbers(plain)
    return hidden if hidden != plain else mask_phone(plain)
