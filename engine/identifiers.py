"""Random identifiers: gaps between them tell nothing."""

from __future__ import annotations

import hashlib
import secrets

#: no letter or digit that is read wrongly on paper or over the telephone
RECEIPT_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
RECEIPT_LENGTH = 8


def new_id() -> str:
    """Return a random id of 24 hex digits."""
    return secrets.token_hex(12)


def new_receipt() -> str:
    """Return a 回执号."""
    return "".join(secrets.choice(RECEIPT_ALPHABET) for _ in range(RECEIPT_LENGTH))


def code_for(salt: str, form_token: str) -> str:
    """Return a 查询码 of 6 digits: the same for the same form, so that a double tap shows the same code."""
    secret = form_token or secrets.token_hex(16)
    return f"{int(hashlib.sha256(f'{salt}:{secret}'.encode()).hexdigest(), 16) % 10**6:06d}"


def token_hash(token: str) -> str:
    """Return what is stored of a form token or a link: whoever reads the database cannot use it."""
    return hashlib.sha256(token.encode()).hexdigest()


def code_hash(salt: str, code: str) -> str:
    """Return what is stored of a code: slow to guess even for who holds the database."""
    return hashlib.scrypt(code.encode(), salt=bytes.fromhex(salt), n=2**12, r=8, p=1, dklen=32).hex()
