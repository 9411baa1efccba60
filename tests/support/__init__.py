"""What several tests need: tiny models, runs in processes of their own, photos, weights in published layouts."""

import rim_plugin  # noqa: F401  before BasicSR, which a module here may import first
