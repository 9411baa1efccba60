"""Options of RIM's networks small enough for a test: 64-pixel faces, widths of 4."""

SMALL_PATHS = {
    'image_size': 64,
    'feature_size': 16,
    'num_landmarks': 5,
    'coarse_channels': 4,
    'coarse_blocks': 1,
    'coarse_repeats': 1,
    'global_channels': 4,
    'global_blocks': 1,
    'prior_channels': 4,
    'prior_blocks': 1,
    'hourglass_blocks': 1,
}
SMALL_INTEGRATOR = {'feature_size': 16, 'channels': 4, 'blocks': 1}
