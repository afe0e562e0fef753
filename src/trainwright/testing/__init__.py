"""What tests of a model need: states and outputs compared with the worst element named, and batches drawn from a description.

tw.testing.assert_close(Path("runs/mine"), model, rtol=0, atol=0)
batch = tw.testing.make_batch({"picture": [3, 32, 32], "label": {"shape": [], "dtype": "int64", "high": 10}}, rows=8)
"""

from trainwright.testing.batches import make_batch as make_batch
from trainwright.testing.closeness import assert_close as assert_close

__all__ = ["assert_close", "make_batch"]
