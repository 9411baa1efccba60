"""Figures of RIM's paper (Kong et al., Tables 1 to 4), to stand beside what was measured here.

They are not comparable in absolute terms: other training sets, recognisers, alignment and bicubic kernel, and a choice
of pairs that the paper does not give.
"""

from rim_plugin.benchmark.tables import Table

SR_TABLE = Table(
    'Table 4: LFW, 28 to 224 pixels',
    ('method', 'PSNR', 'SSIM'),
    (
        ('Bicubic', 24.965, 0.629),
        ('VDSR', 25.613, 0.730),
        ('SRCNN', 25.712, 0.713),
        ('LapSRN', 26.380, 0.786),
        ('ESRGAN', 25.607, 0.783),
        ('RIM', 28.572, 0.882),
    ),
)
RECOGNITION_TABLES = (
    Table(
        'Table 1: roles of the parts, accuracy on LFW',
        ('', 'gallery-query', 'FHN', 'recogniser', 'accuracy'),
        (
            ('a', 'HR-LR', '', 'T', 0.843),
            ('b', 'HR-LR', '', 'S', 0.687),
            ('c', 'HR-LR', '', 'T, S', 0.802),
            ('d', 'HR-LR', 'yes', 'T', 0.997),
            ('e', 'HR-LR', 'yes', 'T, S', 0.966),
            ('f', 'HR-LR', 'yes', 'T, S, A', 0.988),
            ('g', 'HR-HR', '', 'T', 0.998),
        ),
    ),
    Table(
        'Table 2: cross-resolution recognition',
        ('gallery-query', 'method', 'Helen', 'LFW', 'CALFW', 'CPLFW'),
        (
            ('HR-HR', 'ArcFace', 0.998, 0.998, 0.952, 0.921),
            ('HR-HR', 'VGGFace2', '-', 0.994, '-', 0.840),
            ('HR-HR', 'CenterFace', '-', 0.988, '-', 0.775),
            ('HR-SR', 'ArcFace', 0.998, 0.998, 0.950, 0.920),
            ('HR-SR', 'VGGFace2', '-', 0.990, '-', 0.827),
            ('HR-SR', 'CenterFace', '-', 0.975, '-', 0.763),
            ('HR-LR', 'ArcFace', 0.843, 0.807, 0.781, 0.797),
            ('HR-LR', 'RIM', 0.987, 0.988, 0.943, 0.908),
        ),
    ),
    Table(
        'Table 3: verification on LFW',
        ('method', 'training data', 'HR-HR', 'HR-LR'),
        (
            ('Teacher', 'HR', 0.998, 0.843),
            ('Student', 'LR', '-', 0.807),
            ('Staged-CNN', 'HR & LR', 0.908, 0.902),
            ('Guided-CNN', 'HR & LR', 0.974, 0.938),
            ('RIM', 'HR & LR', 0.998, 0.988),
        ),
    ),
)
