version: str
built_levels: tuple[str, ...]
compiler: str

def has_level(level: str) -> bool: ...
