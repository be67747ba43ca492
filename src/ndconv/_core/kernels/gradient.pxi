# The gradients to the weights and the bias. A weight's is a sum, over all outputs, of the output's gradient times the
# sample that the weight met there. Samples come from the planes that the forward pass pads, so strides, dilation and
# padding modes end there; a sum's place in the planes is that of its input channel and tap, and it goes along the
# outputs' lines.
#
# Two micro-kernels: one vectorised over output channels, and one, where those are few, along the lines.
#
# The contract of add_pairs(g, pairs, n, size, along_lines); a pair is an input channel and a tap, told by where its
# samples begin in the planes:
#   lanes   output channels, or, along lines, neighbouring outputs.
#   sizes   1 to TILE_VECTORS vectors of output channels and 1 to most_pixels(size) pairs; along lines 1, 2 or 4 output
#           channels and 1 to most_pairs(size) pairs.
#   reads   grads, [output][size * LANES], and one sample for each output and pair; along lines grads,
#           [channel][output], and the samples of each line and pair, by whole vectors. These reach past a line's end by
#           less than a vector: what they find there counts as zero, but there must be memory.
#           Where not `begins`, sums are read as they are written.
#   writes  sums, a vector (or `size` of them) for each pair, rows of them g.row apart.
#   align   a sample's own.
#   order   output by output from zero, and then added to the sums of the boxes before.
#   called  by add_box.

cdef struct GradientBox:
    # What the micro-kernels read and write.
    const real* planes
    const Py_ssize_t* lines           # where each line of outputs begins in a plane
    const real* grads                 # [output][channels of a tile], or [channel][output]
    Py_ssize_t n_lines, width, size   # of the box of outputs
    real* sums                        # [pair][output channel], or [channel][pair][lane]
    Py_ssize_t row                    # of `sums`
    bint begins                       # the box is a task's first: there are no sums yet


cdef inline int sum_over_outputs(
    const int n_pairs, GradientBox* g, const Py_ssize_t* pairs, const int vectors
) noexcept nogil:
    """Adds to the sums of some pairs, each with `vectors` vectors of output channels."""
    cdef vec acc[REGISTERS]
    cdef vec w[TILE_VECTORS]
    cdef Py_ssize_t offset[TILE_PIXELS]
    cdef const real* grads = g.grads
    cdef const real* x
    cdef const real* end
    cdef Py_ssize_t line
    cdef int p, v
    for p in range(n_pairs):
        offset[p] = pairs[p]
        for v in range(vectors):
            acc[p * vectors + v] = vec_splat(0)
    for line in range(g.n_lines):
        x = g.planes + g.lines[line]
        end = x + g.width
        while x < end:
            for v in range(vectors):
                w[v] = vec_load(grads + v * LANES)
            for p in range(n_pairs):
                for v in range(vectors):
                    acc[p * vectors + v] = acc[p * vectors + v] + w[v] * x[offset[p]]
            grads += vectors * LANES
            x += 1
    if not g.begins:
        for p in range(n_pairs):
            for v in range(vectors):
                acc[p * vectors + v] = acc[p * vectors + v] + vec_load(g.sums + p * g.row + v * LANES)
    for p in range(n_pairs):
        for v in range(vectors):
            vec_store(g.sums + p * g.row + v * LANES, acc[p * vectors + v])
    return 0


cdef inline int sum_along_lines(
    const int n_pairs, GradientBox* g, const Py_ssize_t* pairs, const int outputs
) noexcept nogil:
    """Adds to the sums of some pairs for some output channels; each lane has a sum of its own."""
    cdef vec acc[REGISTERS]
    cdef vec w[MOST_OUTPUTS]
    cdef vec sample
    cdef Py_ssize_t offset[TILE_PIXELS]
    cdef const real* grads = g.grads
    cdef const real* x
    cdef Py_ssize_t line, i, whole = g.width // LANES * LANES
    cdef int p, k, rest = <int> (g.width - whole)
    for p in range(outputs * n_pairs):
        acc[p] = vec_splat(0)
    for p in range(n_pairs):
        offset[p] = pairs[p]
    for line in range(g.n_lines):
        x = g.planes + g.lines[line]
        i = 0
        while i < whole:
            for k in range(outputs):
                w[k] = vec_load(grads + k * g.size + i)
            for p in range(n_pairs):
                sample = vec_load(x + offset[p] + i)
                for k in range(outputs):
                    acc[k * n_pairs + p] = acc[k * n_pairs + p] + w[k] * sample
            i += LANES
        if rest > 0:
            # Past a line's end there may be infinities, which a gradient of zero would not hide.
            for k in range(outputs):
                w[k] = vec_first(vec_load(grads + k * g.size + i), rest)
            for p in range(n_pairs):
                sample = vec_first(vec_load(x + offset[p] + i), rest)
                for k in range(outputs):
                    acc[k * n_pairs + p] = acc[k * n_pairs + p] + w[k] * sample
        grads += g.width
    if not g.begins:
        for k in range(outputs):
            for p in range(n_pairs):
                acc[k * n_pairs + p] = acc[k * n_pairs + p] + vec_load(g.sums + k * g.row + p * LANES)
    for k in range(outputs):
        for p in range(n_pairs):
            vec_store(g.sums + k * g.row + p * LANES, acc[k * n_pairs + p])
    return 0


cdef inline Py_ssize_t most_pairs(const Py_ssize_t outputs) noexcept nogil:
    """Pairs whose sums for some output channels fit the registers beside the operands."""
    return min((REGISTERS - 1 - outputs) // outputs, TILE_PIXELS)


cdef extern from "ladder.h" nogil:
    void at_pairs "with_constant"(
        int n, Py_ssize_t most, int (*)(const int, GradientBox*, const Py_ssize_t*, const int) noexcept nogil,
        GradientBox* g, const Py_ssize_t* pairs, int size)
    void pairs_at_vectors "with_constant"(
        int vectors, Py_ssize_t most, int (*)(const int, GradientBox*, const Py_ssize_t*, int) noexcept nogil,
        GradientBox* g, const Py_ssize_t* pairs, int n)


cdef inline int pairs_of_vectors(const int vectors, GradientBox* g, const Py_ssize_t* pairs, int n) noexcept nogil:
    at_pairs(n, most_pixels(vectors), sum_over_outputs, g, pairs, vectors)
    return 0


cdef inline int pairs_of_outputs(const int outputs, GradientBox* g, const Py_ssize_t* pairs, int n) noexcept nogil:
    at_pairs(n, most_pairs(outputs), sum_along_lines, g, pairs, outputs)
    return 0


cdef void add_pairs(GradientBox* g, const Py_ssize_t* pairs, int n, int size, bint along_lines) noexcept nogil:
    """Adds a box's products to the sums of some pairs, for `size` output channels or vectors of them."""
    nd_assert_within(size, 1, 4)
    nd_assert((size != 3) | (not along_lines))
    nd_assert((along_lines == 0) | (n <= most_pairs(size)))
    nd_assert((along_lines != 0) | (n <= most_pixels(size)))
    if not along_lines:
        pairs_at_vectors(size, TILE_VECTORS, pairs_of_vectors, g, pairs, n)
    elif size == 1:
        pairs_of_outputs(1, g, pairs, n)
    elif size == 2:
        pairs_of_outputs(2, g, pairs, n)
    else:
        pairs_of_outputs(4, g, pairs, n)
