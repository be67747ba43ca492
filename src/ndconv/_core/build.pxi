# What Python knows of this build: see `Core` in __init__.py.

level = NDCONV_LEVEL.decode()
lanes = LANES
strip = STRIP
tile_vectors = TILE_VECTORS
tile_channels = TILE_VECTORS * LANES
tile_pixels = [most_pixels(vectors) for vectors in range(1, TILE_VECTORS + 1)]
bank_channels = BANK_CHANNELS
bank_vectors = BANK_VECTORS
most_phases = MOST_PHASES
is_safe = bool(IS_SAFE)    # whether contracts are checked: `meson setup -Dsafe=true`
