"""How close two numbers must be, by the reason for which they may differ. No test has a tolerance of its own."""

EXACT = dict(rtol=0, atol=0)  # counts, save and load, integer operations
SAME_MATH = dict(rtol=1e-5, atol=1e-6)  # one operation against float64 by hand, or the same graph in another loader
REORDERED = dict(rtol=1e-4, atol=1e-4)  # the same sums in another order: batch splits, fused or folded kernels
PARITY = dict(rtol=1e-3, atol=1e-4)  # a whole network against another framework
HALF = dict(rtol=1e-2, atol=1e-2)  # bfloat16 and float16
JPEG_DECODER = dict(rtol=0, atol=2)  # grey levels: the rounding of the transform and of the chroma is the decoder's
GREY_LEVEL = dict(rtol=0, atol=1.5)  # the oracle rounds to whole grey levels on the way and cuts at the end
SOLVER = dict(
    rtol=2e-3, atol=0
)  # pairs: the boundary benchmark's solver lacks some random connections and misses a few
