"""Everything with channels: layers, transposed layers, graphs, and what is known of a layer without its numbers."""
