"""C kernels for adding vectors into 32-bit accumulators; `fpisa.fast` calls them and works without them."""
