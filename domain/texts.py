"""Which texts the database stores."""


def is_storable(text: str) -> bool:
    """Return whether Postgres stores the text: it has neither a NUL nor a lone surrogate."""
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
