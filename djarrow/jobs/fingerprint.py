"""temporary"""


def fingerprint(cls: type) -> str:
    return "0" * 64
