"""Every tuning constant, with its origin.

Measured with ``python asv_benches/compare.py`` on 2 cores of an Ice Lake server (AVX-512, 48 KiB L1, 1.25 MiB L2 a
core), GCC 12. The cycles by which the chooser predicts were fitted by hand to the times of some 80 calls by each method
in turns on that machine; ``python asv_benches/fit.py`` fits them to another. All of them choose between ways to the
same result, equal to rounding: a problem always takes the same way, whatever the number of workers.
"""

# Bytes of padded planes that a task works on. Two thirds of an L2 cache, beside weights and sums; less for the kernels
# of one output channel, which read each sample only a few times, so that a plane is still in cache when it is read.
PLANE_BYTES = 800 << 10
ROW_PLANE_BYTES = 320 << 10

# The same where a kernel of one input and one output channel reads each sample fewer times than this, as strided ones
# do: half an L1 cache, for then it waits for nothing but samples.
NEAREST_PLANE_BYTES = 24 << 10
FEW_READS = 4

# The same where a group is one channel whose samples lie between those of others, as with channels last: so few that
# all groups are read, and written, while the cache lines that they share are near.
SCATTERED_PLANE_BYTES = 4 << 10

# The same of the kernel whose vectors are pixels' channels.
DEPTHWISE_PLANE_BYTES = 320 << 10

# The same where the planes of all input channels are more: they are then padded in blocks, for each task anew.
BLOCK_PLANE_BYTES = 1 << 20

# Bytes of a tile's weights, read again for each tile of pixels: a quarter of an L2 cache.
WEIGHT_BYTES = 300 << 10

# Input channels are interleaved where a vector's worth of them has no more bytes of weights than this, and, where x
# could be read in place, each sample is read for at least so many products.
INTERLEAVED_WEIGHT_BYTES = 600 << 10
INTERLEAVED_USES = 48

# Outputs of a box below which its weights, read once a box, would be what it waits for.
LEAST_PIXELS = 300

# Input and output channels above which a bank reads planes instead of x, where each channel's samples lie on pages of
# their own, and more often than not compete for the same places in cache.
IN_PLACE_CHANNELS = 16

# Outputs of the signal that decides in which order a kernel of one axis adds up products, whatever the length.
LONG_SIGNAL = 1 << 14

# Bytes of samples that a bank reads for all its output channels in turn: half an L1 cache.
STRETCH_BYTES = 24 << 10

# Bytes of a task's unfinished sums, kept while the input channels come in blocks.
SUM_BYTES = 2 << 20

# The smallest task, in multiply-adds: some 10 microseconds, against the fraction of one that a task costs.
TASK_MULTIPLY_ADDS = 400_000

# Tasks that a large call is cut into, whatever the number of workers: enough for 16 of them.
TASKS = 32

# Calls of fewer multiply-adds run on the calling thread: waking another costs about as long.
SERIAL_MULTIPLY_ADDS = 250_000

# Multiply-adds in whose time a weight is packed.
PACKING_MULTIPLY_ADDS = 8

# Cycles that the micro-kernels need besides their multiply-adds: for each tap, and for each channel that a bank turns
# to; for a strip's transposition and its way into y (for each vector of channels and of pixels), and for a bank's or a
# row's start and end; to pad one sample; and to write one to a place apart from its neighbours'.
TILE_TAP_CYCLES = 1.5
BANK_TAP_CYCLES = 2.5
BANK_NEAR_TAP_CYCLES = 1.5  # of a kernel of one tap, where the samples of two tiles stay in the nearest cache
BANK_CHANNEL_CYCLES = 3.0
ROW_TAP_CYCLES = 5.0
STRIP_CYCLES = 110.0
BANK_CYCLES = 60.0
ROW_CYCLES = 40.0
PAD_CYCLES = 1.0
SCATTERED_CYCLES = 3.0

# Cycles of a vector of channels of a depthwise layer: for each tap, for its way in and out, and, where channels are not
# last, for each of its samples to be turned on the way.
DEPTHWISE_TAP_CYCLES = 0.5
DEPTHWISE_CYCLES = 10.0
DEPTHWISE_TURN_CYCLES = 1.4

# Bytes of the values that a round of Winograd's method keeps for all workers, and of the planes of a band of tiles.
VALUE_BYTES = 8 << 20
BAND_BYTES = 128 << 10

# Tiles that are multiplied together, of two axes and of one, which have fewer products: a chunk's fill half an L2 cache
# at most. Where the values of so many tiles as of two axes do so, and there are so many rounds, a worker does a round
# alone.
CHUNK_TILES = 56
CHUNK_TILES_OF_LINES = 160
OWN_VALUE_BYTES = 640 << 10
LEAST_ROUNDS = 16

# Products of one point that are added up before they are added to others. A sum of all of them in a row would round
# too often for the promised accuracy; each part costs as much as some ten products.
SUMMED_PRODUCTS = 128

# Largest errors of Winograd's method, in eps, where all samples are of about one size and a single weight of 1 is all
# that there is: for tiles of so many points, along one axis and along two. Sums of more products, however small those
# are, add to their squares: as much again for so many sums. Measured on 60 tiles, of up to 1024 channels.
NOISE = {4: (3.0, 11.0), 5: (4.2, 20.0), 6: (7.2, 36.0)}
SUMS_PER_NOISE = 6.0

# The promise, in eps of the largest B. It would be broken where a weight is so much larger than the others of its
# output channel, or a sample than the mean of its image, zeros apart, that few products make most of an output. So a
# single weight may have no larger part in the sum of all (in absolute values) than those errors, in units of the
# promise, to the power of -2, and no larger one than this; and times the largest sample that part may be no more than
# this many means, divided by the errors, nor more than one for so many outputs: few may miss all that is large.
PROMISE = 32.0
MOST_SHARE = 0.125
OUTLIER = 3.0
OUTLIER_OUTPUTS = 1

# Cycles that a vector of values of a tile takes beside its products, on its way in, and on its way out into y; and
# bytes of weights that arrive in one, from a cache shared by all cores, and of their values, which are asked for early.
VALUE_IN_CYCLES = 8.0
VALUE_OUT_CYCLES = 18.0
WEIGHT_BYTES_PER_CYCLE = 5.0
WEIGHT_VALUE_BYTES_PER_CYCLE = 8.0

# Cycles that packing takes for each weight in another order, and for each value of Winograd's method.
PACK_WEIGHT_CYCLES = 4.0
PACK_VALUE_CYCLES = 3.0

# Taps below which the Fourier method is not considered.
FOURIER_TAPS = 48

# Bytes of a block's spectra at most, where a kernel and its channels fit: beside them a worker has the block's samples,
# products and results, and what scipy.fft needs for a while.
BLOCK_BYTES = 8 << 20

# Largest errors of the Fourier method, in eps of a root mean square output; and the channels that double their squares.
FOURIER_NOISE = 12.0
CHANNELS_PER_NOISE = 256.0

# Products of two complex matrices, sixteen columns counted at least, that OpenBLAS makes without threads of its own: on
# a busy machine those made single calls take a second instead of 40 ms.
MATRIX_PRODUCTS = 1 << 15

# Samples whose spectra a worker has at a time; bytes above which transforms slow down, at most how much, and after how
# many doublings; and lines below which they do, in one dimension, because scipy.fft makes vectors of several, and how
# much.
SPECTRUM_SAMPLES = 1 << 18
SPECTRUM_BYTES = 1 << 20
SPECTRUM_SLOWER = 1.6
SPECTRUM_DOUBLINGS = 3.0
SPECTRUM_LINES = 8
SPECTRUM_SINGLE = 3.0

# Cycles of scipy.fft: for a point and a level of a transform, there and back; for what else is done with a point, and
# for its product with a weight where channels are summed; what float64 takes of all that, against float32. And cycles
# of Python: for a block, and for a call.
FOURIER_CYCLES = 1.7
FOURIER_POINT_CYCLES = 12.0
FOURIER_PRODUCT_CYCLES = 0.5
FOURIER_WIDE = 1.6
FOURIER_BLOCK_CYCLES = 60e3
FOURIER_CALL_CYCLES = 800e3

# What a kernel may differ from an outer product, in eps of each weight; multiply-adds from which on it is looked at;
# bytes of a slab of the separable method; cycles of Python for each of its passes, and for the way of a sample through
# one.
SEPARABLE_EPS = 8
SEPARABLE_MULTIPLY_ADDS = 2_000_000
SLAB_BYTES = 1 << 20
SLAB_CYCLES = 150e3
PASS_CYCLES = 4.0

# Bytes of the sums that are added in SciPy's order, one product after the other: with a product and samples beside them
# they stay in an L2 cache.
ORDERED_BYTES = 192 << 10

# Of filters of ndimage that are passes along axes: bytes of an output from which on they go through it slab by slab;
# columns of the planes that they cut a slab into; and samples of a window above which its means take less time by
# running sums. A few lines are cut into pieces, of at least so many samples, so that enough go abreast; and the
# multiply-adds in whose time one of those sums is made.
SLAB_OUTPUT_BYTES = 4 << 20
PLANE_COLUMNS = 512
WINDOW_TAPS = 6
LINES_ABREAST = 32
PIECE_SAMPLES = 256
RUNNING_MULTIPLY_ADDS = 16

# Taps of a section of a long kernel, whose plan is remembered; sections that are packed and run together, some
# megabytes of taps: with fewer, threads meet so often that on a busy machine they mostly wait for each other; the least
# for which it is done; and outputs up to which it is, since more are quicker by spectra.
SECTION_TAPS = 1024
SECTIONS_TOGETHER = 1024
LEAST_SECTIONS = 8
SECTION_OUTPUTS = 2048

# Samples that are summed along an axis at once, where only sums are asked for and there are four times as many: sums of
# sums then take fewer steps. And samples of the windows that are looked at one by one, for each step of NumPy.
BOX_TAPS = 32
WINDOW_SAMPLES = 1 << 17

# Of streams: taps from which on the early ones go by spectra; samples of a block, for each in the root of those that
# the kernel spans.
STREAM_TAPS = 4096
STREAM_BLOCK = 8.0

# Multiply-adds that must be saved before a kernel and an x that is shorter change places, for a second call of Python.
TURNED_MULTIPLY_ADDS = 500_000

# Parts that the transforms of a single block, of many channels or rows, are cut into for several workers, and the least
# samples of such a part: with fewer lines, scipy.fft would not make vectors of them.
TRANSFORM_PARTS = 8
TRANSFORM_SAMPLES = 1 << 17

# What turns cycles into the times that are shown.
CYCLES_PER_SECOND = 2.8e9

# Bytes of what is remembered from call to call: in all caches together, unless the user sets another limit; in each
# cache of plans or of calls, which is hundreds of them; and of the choices that lead to plans. A layer's packed weights
# may be so many times its weights, as Winograd's are of 3x3 filters, and beyond that a part of the limit. And bytes of
# an entry beside its arrays, most of them its key's.
CACHE_LIMIT = 256 << 20
REMEMBERED_BYTES = 3 << 19
REMEMBERED_CHOICES_BYTES = 1 << 20
PACKINGS_OF_WEIGHTS = 4
PACKINGS_SHARE = 0.25
ENTRY_BYTES = 1 << 10

# Taps above which the plan of a call is not remembered, since its size grows with them.
REMEMBERED_TAPS = 1024

# Bytes of a result from which on it is worth a microsecond to have it begin at a cache line: a layer that mostly writes
# gains a fifth.
ALIGNED_BYTES = 256 << 10
CACHE_LINE = 64

# Of the gradient to weights, for each task: bytes of the box's gradients to y and of padded samples, which are read
# again for each few pairs of a channel and a tap, together half an L2 cache; bytes of its sums; outputs of a box below
# which its sums, read and written once a box, would be what it waits for; products for which a padded sample should be
# read, and bytes of the parts of a small gradient that different tasks sum.
GRADIENT_BYTES = 256 << 10
GRADIENT_PLANE_BYTES = 384 << 10
GRADIENT_SUM_BYTES = 512 << 10
GRADIENT_PIXELS = 128
GRADIENT_USES = 512
GRADIENT_PART_BYTES = 2 << 20

# Cycles of a vector's product over a single vector of output channels, each with a sample to broadcast; and along
# lines, each with a vector of samples to load, for 1, 2 and at least 4 output channels together.
GRADIENT_VECTOR_CYCLES = 1.0
GRADIENT_LINE_CYCLES = (1.3, 0.75, 0.6)

# Bytes of the gradients of padded samples that are computed before they are added to those of the samples they repeat.
BORDER_BYTES = 4 << 20

# Padded samples of which less than one in so many is read, because of the stride, are computed phase by phase; those
# that a dilation passes over are left out, where they are at least so many in a row; and runs of samples that are added
# one by one, rather than by their indices.
SPARSE_PHASES = 8
SPARSE_SAMPLES = 1 << 12
MOST_RUNS = 64
