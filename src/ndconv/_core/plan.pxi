# What the kernels know of a call: a plan (frozen, shared by all calls of one geometry) and a job (one call).

cdef enum:
    MAX_AXES = 64    # NumPy has no more

cdef enum:
    TILE = 0
    BANK = 1
    ROWS = 2
    DEPTHWISE = 3

cdef struct Blocking:
    # A task is a box of outputs, a range of groups and a range of blocks of output channels.
    Py_ssize_t box[MAX_AXES]
    Py_ssize_t boxes[MAX_AXES]
    Py_ssize_t n_boxes, n_blocks, blocks_per_task, groups_per_task
    Py_ssize_t channel_block                              # input channels summed before the next
    Py_ssize_t padded_channels                            # those whose planes are kept at once
    Py_ssize_t stretch                                    # pixels of a line that a bank takes at a time

cdef struct Planes:
    # The samples that a box needs, in an order in which every output step is one plane sample.
    bint in_place                                         # x itself serves as the planes
    bint flat                                             # rows of outputs follow each other without a gap
    Py_ssize_t interleave                                 # input channels that lie side by side: 1 or LANES
    Py_ssize_t shape[MAX_AXES]
    Py_ssize_t stride[MAX_AXES]
    Py_ssize_t size, row_length
    const Py_ssize_t* relative[MAX_AXES]                  # input position of each plane row, from the box's origin
    Py_ssize_t n_segments
    const Py_ssize_t* segment_start                       # the same for the last axis, as arithmetic progressions
    const Py_ssize_t* segment_length

cdef struct Taps:
    Py_ssize_t count
    const Py_ssize_t* offset                              # in plane samples
    const Py_ssize_t* first                               # [tap][axis]: the outputs that a tap finds samples for
    const Py_ssize_t* end
    Py_ssize_t inner_first[MAX_AXES]                      # the outputs for which every tap finds samples
    Py_ssize_t inner_end[MAX_AXES]
    bint skip                                             # leave out taps that find only zeros
    bint zeros                                            # there are such, so that it matters if weights are finite
    Py_ssize_t chains, chain_step
    int chains_alike                                      # MIXED, ALL_OF_3 or ALL_LONG
    const Py_ssize_t* chain_offset
    const Py_ssize_t* chain_length
    const Py_ssize_t* order                               # the taps chain by chain

cdef struct Plan:
    # `_methods.direct.blocking.Blocking` in C; `Direct` fills it in and owns what it points to.
    int kernel
    int ndim
    Py_ssize_t groups, channels_in, channels_out          # channels of one group, real and imaginary components apart
    Py_ssize_t sets                                       # of weights: one a group, or LANES of a depthwise kernel
    Py_ssize_t set_size                                   # packed weights of one group
    Py_ssize_t in_shape[MAX_AXES]
    Py_ssize_t out_shape[MAX_AXES]
    Py_ssize_t stride[MAX_AXES]
    Py_ssize_t origin[MAX_AXES]                           # input sample under the first tap of output 0
    int mode[MAX_AXES]
    real fill[2]                                          # of real and imaginary components
    Blocking blocking
    Planes planes
    Taps taps

cdef struct Samples:
    # An array as the kernels see it: not as a memoryview, because its samples may be of another type than the kernels',
    # byte-swapped, misaligned or of half precision, and its axes any number. A complex channel is two: its components.
    char* data
    int code
    int last                                              # the last spatial axis
    bint swapped
    bint is_compute_type                                  # aligned, native samples of it
    Py_ssize_t size                                       # bytes of a sample
    Py_ssize_t components                                 # of a number: 2 if it is complex
    Py_ssize_t component, channel                         # bytes from one to the next
    Py_ssize_t stride[MAX_AXES]
    Py_ssize_t batch[MAX_AXES]
    const char* start                                     # of all samples, and their end: in a safe build alone
    const char* end

cdef struct Job:
    Samples x, y, residual
    bint writes_y                                         # kernels may write into y's rows themselves
    bint identity_epilogue                                # and nothing more is to be done to what they write
    bint vector_epilogue                                  # the epilogue takes vectors of y and of the residual
    bint channels_last_epilogue                           # or those of the channels of a pixel, where they are last
    const real* weights
    const real* bias
    bint skip
    int activation
    int batch_ndim
    Py_ssize_t batch_shape[MAX_AXES]
    Py_ssize_t weight_batch[MAX_AXES]                     # in sets of weights


cdef inline Py_ssize_t ceil_div(Py_ssize_t total, Py_ssize_t divisor) noexcept nogil:
    """How often a divisor fits into a total, and once more if something is left."""
    return (total + divisor - 1) // divisor


cdef inline Py_ssize_t channel_offset(const Samples* samples, Py_ssize_t channel) noexcept nogil:
    if samples.components == 1:
        return channel * samples.channel
    return channel // samples.components * samples.channel + channel % samples.components * samples.component


cdef inline Py_ssize_t batch_offset(const Job* job, const Py_ssize_t* strides, Py_ssize_t number) noexcept nogil:
    """How far an item of the batch lies from the first."""
    cdef int axis
    cdef Py_ssize_t offset = 0
    for axis in range(job.batch_ndim - 1, -1, -1):
        offset += number % job.batch_shape[axis] * strides[axis]
        number = number // job.batch_shape[axis]
    return offset


cdef inline Py_ssize_t tile_width(const Plan* plan, Py_ssize_t start) noexcept nogil:
    """Output channels, in whole vectors, of the tiles' block that begins at channel `start`."""
    return ceil_div(min(TILE_VECTORS * LANES, plan.channels_out - start), LANES) * LANES


cdef inline Py_ssize_t bank_start(const Plan* plan, Py_ssize_t block) noexcept nogil:
    """The first output channel of a block, where all blocks are about equal."""
    return block * plan.channels_out // plan.blocking.n_blocks
