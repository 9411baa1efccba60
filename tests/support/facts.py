"""What a weights file says of its training."""

FACTS = {
    'options_file': 'options/x.yml',
    'commit': 'abc',
    'files': ['net_fhn.pth', 'net_r.pth'],
    'data': 'datasets/x',
    'seed': 7,
    'iterations': 30,
    'phases': {'fhn': 10, 'student': 20},
    'batch': 4,
    'teacher': None,
    'starts_from_teacher': False,
    'recognisers': 1,
    'results': {},
    'command': 'pack it',
}
