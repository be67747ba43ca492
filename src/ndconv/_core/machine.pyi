version: str
built_levels: tuple[str, ...]
compiler: str
openmp_version: int

def has_level(level: str) -> bool: ...
def openmp_threads() -> int: ...
